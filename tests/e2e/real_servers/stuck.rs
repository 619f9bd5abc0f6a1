//! Data that does not arrive.

use tcptrace_tests::Actor;

use super::{
    hosts::{Hosts, ask},
    idle::NETWORK,
    program::Server,
    watch::Watch,
};

#[test]
fn an_mtu_black_hole() {
    const PORT: u16 = 5111;
    let hosts = Hosts::new();
    let _nginx = Server::nginx(&hosts.server, hosts.at(PORT), &format!("listen {};", hosts.at(PORT)));
    hosts.router.ip(&["link", "set", hosts.router_to_client(), "mtu", "1400"]);
    hosts.router.nft("table ip t { chain out { type filter hook output priority 0; meta l4proto icmp drop; }; }");
    let watch = Watch::start(&hosts.server, PORT);
    let client = Actor::new(&hosts.client, "tt-client");
    let connection = client.connect(hosts.at(PORT));
    ask(&connection, "/large");
    watch.wait_line(&["stalled: ", " B of the server are not acknowledged after ", "; its segments have up to 1448 B"]);
    watch.stop().assert_advice(NETWORK);
    client.close(connection);
}

#[test]
fn a_client_that_does_not_read_its_answer() {
    const PORT: u16 = 5112;
    let hosts = Hosts::new();
    let _nginx = Server::nginx(&hosts.server, hosts.at(PORT), &format!("listen {};", hosts.at(PORT)));
    let watch = Watch::start(&hosts.server, PORT);
    let client = Actor::new(&hosts.client, "tt-client");
    let connection = client.connect(hosts.at(PORT));
    ask(&connection, "/large");
    watch.wait_line(&["stalled: the client's receive window is closed; ", " B of the server wait for it"]);
    let port = connection.local_addr().expect("a connected socket has an address").port();
    watch.stop().assert_advice(&format!(
        "the client's program: why does it not read? There, Recv-Q of `ss -tnp 'sport = :{port}'` counts what waits for it"
    ));
    client.close(connection);
}
