//! A client's host, a router and a server's host.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use tcptrace_tests::{Netns, Veth};

/// Three namespaces in a row. Segments dropped by the router were sent by one end, but not seen by the other.
pub(super) struct Hosts {
    pub(super) client: Netns,
    pub(super) router: Netns,
    pub(super) server: Netns,
    near: Veth,
    far: Veth,
}

impl Hosts {
    #[track_caller]
    pub(super) fn new() -> Self {
        let client = Netns::new();
        let (router, server) = (client.another(), client.another());
        let (near, far) = (Veth::between(&client, &router, 0), Veth::between(&router, &server, 1));
        router.sysctl("ipv4/ip_forward", "1");
        let gateways = [(&client, near.right_v4(0)), (&server, far.left_v4(0))];
        for (netns, gateway) in gateways {
            netns.ip(&["route", "add", "default", "via", &gateway.ip().to_string()]);
        }
        Self { client, router, server, near, far }
    }

    /// An address of the server's host.
    pub(super) fn at(&self, port: u16) -> SocketAddr {
        self.far.right_v4(port)
    }

    /// Returns the name of the router's interface to the client's host.
    pub(super) fn router_to_client(&self) -> &str {
        &self.near.right
    }

    /// Makes the router drop segments that match.
    #[track_caller]
    pub(super) fn drop_on_the_way(&self, matching: &str) {
        self.router.nft(&format!(
            "add table ip t; add chain ip t way {{ type filter hook forward priority 0; }}; \
             add rule ip t way {matching} drop"
        ));
    }
}

/// A request that asks for the connection to be kept open.
#[track_caller]
pub(super) fn ask(mut connection: &TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    connection.write_all(request.as_bytes()).expect("the request can be sent");
}

/// Reads to the end.
#[track_caller]
pub(super) fn read_to_end(mut connection: &TcpStream) -> usize {
    connection.read_to_end(&mut Vec::new()).expect("the end comes")
}

/// Reads until `wanted` has come.
#[track_caller]
pub(super) fn read_until(mut connection: &TcpStream, end: &str) {
    let (mut all, mut some) = (Vec::new(), [0; 4096]);
    while !all.ends_with(end.as_bytes()) {
        let count = connection.read(&mut some).expect("an answer comes");
        assert_ne!(count, 0, "the answer ends early: {}", String::from_utf8_lossy(&all));
        all.extend(&some[..count]);
    }
}
