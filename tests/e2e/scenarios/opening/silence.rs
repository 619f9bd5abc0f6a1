//! Segments without an answer.

use std::{io::ErrorKind, net::SocketAddr};

use serde_json::{Value, json};
use tcptrace_tests::{Actor, Netns, Peer, Tun, assert_record, but};

use super::{no_client_socket, no_synack, plain, start, timed_out, wait_segments, wait_verdicts};

/// Returns an address that no host has.
fn nobody(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 8, 0, 9], port))
}

/// Returns the record of an unanswered SYN.
fn not_answered(netns: &Netns, server: SocketAddr) -> Value {
    but(plain(netns, [10, 8, 0, 1].into(), server), no_synack())
}

#[test]
fn a_syn_that_is_never_answered_times_out() {
    const PORT: u16 = 4616;
    let netns = Netns::new();
    netns.sysctl("ipv4/tcp_syn_retries", "1");
    let _tun = Tun::new(&netns, "tun0");
    let client = Actor::new(&netns, "tt-client");
    let tracer = start(&netns, PORT);
    let error = client.connect_with(nobody(PORT), |_| {}).expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    wait_verdicts(&tracer, &netns, 1, 0);
    let trace = tracer.stop();
    let handshake = trace.failed_handshake(&netns);
    assert_record(handshake, &but(not_answered(&netns, nobody(PORT)), timed_out(handshake)));
}

#[test]
fn a_handshake_waits_for_its_syn_ack_when_tracing_stops() {
    const PORT: u16 = 4617;
    let netns = Netns::new();
    let _tun = Tun::new(&netns, "tun0");
    let client = Actor::new(&netns, "tt-client");
    let tracer = start(&netns, PORT);
    let socket = client.begin_connect(nobody(PORT));
    wait_segments(&tracer, "S", 1);
    let trace = tracer.stop();
    drop(socket);
    let expected = json!({
        "outcome": "unanswered", "waiting_for": "syn_ack",
        "summary": ["three-way handshake, unanswered: waiting for the server's SYN,ACK after one SYN"],
    });
    assert_record(trace.failed_handshake(&netns), &but(not_answered(&netns, nobody(PORT)), expected));
}

#[test]
fn a_syn_ack_that_is_never_acknowledged_is_sent_again() {
    const PORT: u16 = 4618;
    let netns = Netns::new();
    let tun = Tun::new(&netns, "tun0");
    let server = Actor::new(&netns, "tt-server");
    let address = SocketAddr::from(([10, 8, 0, 1], PORT));
    let listener = server.listen(address);
    let tracer = start(&netns, PORT);
    let from = nobody(5618);
    let mut peer = Peer::send_first_syn(&tun, from, address, 77);
    peer.receive_synack();
    peer.receive_synack();
    wait_segments(&tracer, "S.", 2);
    let trace = tracer.stop();
    drop(listener);
    let expected = json!({
        "outcome": "unanswered", "waiting_for": "ack", "client": { "port": 5618, "isn": 77 },
        "synack_to_ack_ns": null, "retransmissions": { "synack": 1 },
        "summary": ["three-way handshake, unanswered: waiting for the client's ACK", "the SYN,ACK was sent 2 times"],
    });
    let handshake = trace.failed_handshake(&netns);
    assert_record(handshake, &but(but(plain(&netns, from.ip(), address), no_client_socket()), expected));
}
