//! Connections on both sides of an address translation: there are two of them, and each names the other.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::json;
use tcptrace_tests::{Ends, Netns, assert_record, but, lines_of, number};

use super::{Plain, SEGMENTS, exchange, router::Router, start, wait_verdicts};

/// Traces a connection through a router that translates it: the client connects to `called`, and the server sees `seen`
/// connect to `server`.
fn check(rules: &str, called: SocketAddr, server: SocketAddr, seen: Option<Ipv4Addr>) {
    let (left, right) = (Netns::new(), Netns::new());
    let router = Router::between(&left, &right);
    router.netns.nft(rules);
    let tracer = start(&router.netns, &[called.port(), server.port()]);
    let ends = Ends { address: called, ..Ends::between(&left, &right, server) };
    let connection = ends.open();
    let caller = connection.server.peer_addr().expect("a peer");
    let client = exchange(&ends, connection);
    wait_verdicts(&tracer, &router.netns, 2, 2);
    let trace = tracer.stop();

    assert_eq!(caller, SocketAddr::new(seen.map_or(client.ip(), Into::into), caller.port()));
    let [outside, inside] = [(client, called), (caller, server)]
        .map(|(client, server)| Plain { here: (false, false), ..Plain::new(&router.netns, client, server) });
    let verdicts = trace.verdicts(&router.netns);
    let [first, second] = verdicts.as_slice() else { panic!("two connections: {verdicts:#?}") };
    for (verdicts, plain) in [(first, outside), (second, inside)] {
        let conn = &verdicts.handshake["conn"];
        let segments = trace.of_type("segment").into_iter().filter(|segment| segment["conn"] == *conn);
        assert_eq!(lines_of(&segments.collect::<Vec<_>>(), plain.server.port()), SEGMENTS);
        plain.check(verdicts);
    }
    for (verdicts, other) in [(first, second), (second, first)] {
        let other = &other.handshake["conn"];
        let words = format!("; the same as #{other}, on the other side of an address translation");
        for record in [verdicts.handshake, verdicts.close.expect("a close")] {
            assert!(record["summary"].as_str().expect("a text").contains(&words), "{record}");
            assert_eq!(record["same_as"], json!([other]), "{record}");
        }
    }
    assert_eq!(first.handshake["client"]["isn"], second.handshake["client"]["isn"]);
    assert_eq!(first.handshake["server"]["isn"], second.handshake["server"]["isn"]);
}

// The router's own addresses, left and right, and the server's.
const LEFT: [u8; 4] = [10, 7, 0, 2];
const RIGHT: [u8; 4] = [10, 7, 1, 2];
const SERVER: [u8; 4] = [10, 7, 1, 1];

#[test]
fn the_router_translates_the_destination() {
    let rules =
        "table ip t { chain c { type nat hook prerouting priority -100; tcp dport 4817 dnat to 10.7.1.1:4818; }; }";
    check(rules, (LEFT, 4817).into(), (SERVER, 4818).into(), None);
}

#[test]
fn the_router_translates_the_source() {
    let rules = "table ip t { chain c { type nat hook postrouting priority 100; tcp dport 4819 masquerade; }; }";
    check(rules, (SERVER, 4819).into(), (SERVER, 4819).into(), Some(RIGHT.into()));
}

#[test]
fn the_router_translates_both() {
    let rules = "table ip t { \
        chain d { type nat hook prerouting priority -100; tcp dport 4820 dnat to 10.7.1.1:4821; }; \
        chain s { type nat hook postrouting priority 100; tcp dport 4821 masquerade; }; }";
    check(rules, (LEFT, 4820).into(), (SERVER, 4821).into(), Some(RIGHT.into()));
}

#[test]
fn the_clients_own_host_translates_the_destination() {
    let (left, right) = (Netns::new(), Netns::new());
    let _router = Router::between(&left, &right);
    left.nft("table ip t { chain c { type nat hook output priority -100; tcp dport 4822 dnat to 10.7.1.1:4823; }; }");
    let tracer = start(&left, &[4822, 4823]);
    let (called, server) = (SocketAddr::from(([192, 0, 2, 1], 4822)), SocketAddr::from((SERVER, 4823)));
    let ends = Ends { address: called, ..Ends::between(&left, &right, server) };
    let client = exchange(&ends, ends.open());
    wait_verdicts(&tracer, &left, 2, 2);
    let trace = tracer.stop();
    let verdicts = trace.verdicts(&left);
    let [by_socket, by_segments] = verdicts.as_slice() else { panic!("two connections: {verdicts:#?}") };
    // The socket knows nothing of the translation, and no segment has its endpoints.
    assert_eq!(by_socket.handshake["server"]["addr"], "192.0.2.1");
    assert_eq!(by_socket.handshake["missing"], json!(["interface"]));
    assert_eq!(
        (&by_socket.handshake["outcome"], &by_socket.handshake["client"]["pid"]),
        (&json!("established"), &json!(std::process::id()))
    );
    let plain = Plain { here: (false, false), ..Plain::new(&left, client, server) };
    let same =
        format!("; the same as #{}, on the other side of an address translation", number(by_socket.handshake, "conn"));
    assert_record(by_segments.handshake, &but(plain.handshake(), json!({ "summary": ["established in ", same] })));
    // They were sent by a socket of this host whose states belong to the other connection.
    let close =
        json!({ "incomplete": true, "missing": ["states"], "summary": ["closed by the client, four segments", same] });
    assert_record(by_segments.close.expect("a close"), &but(plain.close(), close));
}

/// The kernel translates the client's segments before they pass the interface, and those of the server, too: each half has
/// other ends.
#[test]
fn a_port_redirected_on_loopback() {
    let netns = Netns::new();
    netns.nft("table ip t { chain c { type nat hook output priority -100; tcp dport 4836 redirect to :4837; }; }");
    let tracer = start(&netns, &[4836, 4837]);
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ends = Ends { address: at(4836), ..Ends::on(&netns, at(4837)) };
    let client = exchange(&ends, ends.open());
    wait_verdicts(&tracer, &netns, 2, 2);
    let trace = tracer.stop();
    let verdicts = trace.verdicts(&netns);
    let [clients, servers] = verdicts.as_slice() else { panic!("two connections: {verdicts:#?}") };
    let halves = [(clients, 4836), (servers, 4837)].map(|(verdicts, port)| {
        let segments = trace.of_type("segment").into_iter();
        lines_of(&segments.filter(|segment| segment["conn"] == verdicts.handshake["conn"]).collect::<Vec<_>>(), port)
    });
    assert!(halves[0].iter().all(|line| line.starts_with("server")), "{halves:#?}");
    assert!(halves[1].iter().all(|line| line.starts_with("client")), "{halves:#?}");

    // The client's socket, and the server's segments.
    let plain = Plain { here: (true, false), ..Plain::new(&netns, client, at(4836)) };
    let half = json!({
        "client": { "options": null }, "syn_to_synack_ns": null, "synack_to_ack_ns": null, "retransmissions": { "syn": null },
        "incomplete": true, "missing": ["syn", "ack"],
    });
    assert_record(clients.handshake, &but(plain.handshake(), half));
    let half_a_close = json!({
        "kind": "orderly", "half_close_ns": null, "half_closed_bytes": null, "bytes": { "client_to_server": null },
        "retransmissions": { "client": null }, "incomplete": true, "missing": ["fin", "states"],
        "summary": ["closed by the client, as the states show; ", "; 29 B ←; ", "the client holds TIME_WAIT for 60 s"],
    });
    assert_record(clients.close.expect("a close"), &but(plain.close(), half_a_close));

    // The server's socket, and the client's segments.
    let same = format!("; the same as #{}, on the other side of an address translation", clients.handshake["conn"]);
    let plain = Plain { here: (false, true), ..Plain::new(&netns, client, at(4837)) };
    let half = json!({
        "server": { "isn": null, "options": null }, "syn_to_synack_ns": null, "synack_to_ack_ns": null,
        "retransmissions": { "synack": null }, "incomplete": true, "missing": ["synack"],
        "summary": ["three-way handshake, established", same],
    });
    assert_record(servers.handshake, &but(plain.handshake(), half));
    let half_a_close = json!({
        "kind": "orderly", "half_close_ns": null, "half_closed_bytes": null, "bytes": { "server_to_client": null },
        "retransmissions": { "server": null }, "incomplete": true, "missing": ["fin", "states"],
        "summary": ["closed by the client, as the states show; ", "; 33 B →; ", same],
    });
    assert_record(servers.close.expect("a close"), &but(plain.close(), half_a_close));
}
