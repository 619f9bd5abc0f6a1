//! Idle connections that were kept open.

use std::net::{Ipv4Addr, SocketAddr};

use tcptrace_tests::{Actor, receive, send};

use super::{
    hosts::{Hosts, ask, read_until},
    program::Server,
    watch::Watch,
};

/// The beginning of the advice for data that is not acknowledged.
pub(super) const NETWORK: &str = "the network between the ends: a firewall or NAT that forgot the connection, an end that \
    vanished, or a link whose MTU large segments exceed (`tracepath` finds it)";

#[test]
fn a_request_that_crosses_the_servers_close_of_an_idle_connection() {
    const PORT: u16 = 5101;
    let hosts = Hosts::new();
    let block = format!("listen {}; keepalive_timeout 1s;", hosts.at(PORT));
    let _nginx = Server::nginx(&hosts.server, hosts.at(PORT), &block);
    let watch = Watch::start(&hosts.server, PORT);
    let client = Actor::new(&hosts.client, "tt-client");
    let connection = client.connect(hosts.at(PORT));
    ask(&connection, "/");
    read_until(&connection, "hello");
    // The wire is so slow that the FIN has not arrived when the client sends the next request.
    hosts.drop_on_the_way(&format!("tcp sport {PORT} tcp flags & fin != 0"));
    watch.wait_line(&["stalled: the server closed its side; the client has not"]);
    ask(&connection, "/");
    watch.wait_line(&[
        "nginx[",
        "idle for ",
        " s, then reset by the server: the other end wrote to a socket that was closed already (",
    ]);
    client.close(connection);
    let seen = watch.stop();
    seen.assert_advice_between(
        "the idle time-outs of both ends: the server had closed first, ",
        " before, and the client's data crossed its FIN, so the client could not know; it may try again",
    );
}

#[test]
fn a_pooled_connection_that_the_server_has_closed() {
    const FRONT: u16 = 5103;
    const BACK: u16 = 5104;
    let hosts = Hosts::new();
    // Long enough for the second request to come on the same connection.
    let block = format!("listen {}; keepalive_timeout 3s;", hosts.at(BACK));
    let _nginx = Server::nginx(&hosts.server, hosts.at(BACK), &block);
    let front = SocketAddr::from((Ipv4Addr::LOCALHOST, FRONT));
    let _haproxy = Server::haproxy_pool(&hosts.client, front, hosts.at(BACK));
    let (at_proxy, at_server) = (Watch::start(&hosts.client, BACK), Watch::start(&hosts.server, BACK));
    let client = Actor::new(&hosts.client, "tt-client");
    for _ in 0..2 {
        let connection = client.connect(front);
        ask(&connection, "/");
        read_until(&connection, "hello");
        client.close(connection);
    }
    // The proxy does not hear that the connection is closed, and takes it out of its pool for the next request.
    hosts.drop_on_the_way(&format!("tcp sport {BACK} tcp flags & fin != 0"));
    at_server.wait_line(&["stalled: the server closed its side; the client has not"]);
    let connection = client.connect(front);
    ask(&connection, "/");
    at_server.wait_line(&[
        "#1 ",
        "nginx[",
        "idle for ",
        " s, then reset by the server: the other end wrote to a socket that was closed already (",
    ]);
    at_proxy.wait_line(&["#1 ", "haproxy[", "reset by the server"]);
    client.close(connection);
    at_server.stop().assert_advice_between(
        "the idle time-outs of both ends: the server had closed first, ",
        " before, and the client's data crossed its FIN, so the client could not know; it may try again",
    );
    at_proxy.stop();
}

#[test]
fn a_firewall_that_forgets_an_idle_connection() {
    const PORT: u16 = 5102;
    let hosts = Hosts::new();
    let _redis = Server::redis(&hosts.server, hosts.at(PORT), &[]);
    let client = Actor::new(&hosts.client, "tt-client");
    let connection = client.connect(hosts.at(PORT));
    send_ping(&connection);
    let watch = Watch::start(&hosts.client, PORT);
    hosts.drop_on_the_way(&format!("tcp dport {PORT}"));
    send(&connection, 14);
    watch.wait_line(&["stalled: 14 B of the client are not acknowledged after "]);
    watch.stop().assert_advice(NETWORK);
    client.close(connection);
}

#[track_caller]
fn send_ping(connection: &std::net::TcpStream) {
    use std::io::Write as _;
    let mut to = connection;
    to.write_all(b"PING\r\n").expect("the request can be sent");
    receive(connection, "+PONG\r\n".len());
}
