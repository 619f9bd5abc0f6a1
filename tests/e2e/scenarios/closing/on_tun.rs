//! A connection whose other end is played by the test, segment by segment.

use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use tcptrace_tests::{Actor, Netns, Peer, Trace, Tracer, Tun, but};

use super::{plain, played, wait_verdicts};

/// A traced client that connects to a peer over a tun device; the peer is played by the test.
pub(super) struct PeerOnTun {
    pub(super) netns: Netns,
    pub(super) server: SocketAddr,
    pub(super) client: Actor,
    pub(super) tracer: Tracer,
    tun: Tun,
}

impl PeerOnTun {
    #[track_caller]
    pub(super) fn new(port: u16, sysctls: &[(&str, &str)]) -> Self {
        Self::traced_with(port, sysctls, &[])
    }

    #[track_caller]
    pub(super) fn traced_with(port: u16, sysctls: &[(&str, &str)], arguments: &[&str]) -> Self {
        let netns = Netns::new();
        sysctls.iter().for_each(|(key, value)| netns.sysctl(key, value));
        let tun = Tun::new(&netns, "tun0");
        let client = Actor::new(&netns, "tt-client");
        let tracer = Tracer::start(&netns, &[&["-p", &port.to_string()], arguments].concat());
        Self { netns, server: SocketAddr::from(([10, 8, 0, 9], port)), client, tracer, tun }
    }

    #[track_caller]
    pub(super) fn connect(&self) -> (TcpStream, Peer<'_>) {
        let connecting = self.client.start_connect(self.server, |_| {});
        let peer = Peer::accept(&self.tun);
        (connecting.finish().expect("the peer accepts"), peer)
    }

    #[track_caller]
    pub(super) fn outcome(self) -> (Trace, Value, Netns) {
        wait_verdicts(&self.tracer, &self.netns, 1, 1);
        let plain = but(plain(&self.netns, self.server), played(self.server));
        (self.tracer.stop(), plain, self.netns)
    }
}
