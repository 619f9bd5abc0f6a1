//! Health checks and scans, which end with the SYN,ACK.

use std::net::SocketAddr;

use serde_json::json;
use tcptrace_tests::{ANY, Actor, Netns, RawSender, SYN, Tracer, Veth, assert_record, but, lines_of, tcp_packet};

use super::{no_client_socket, plain, wait_verdicts};

/// Sends a SYN without a socket: the scanner's kernel does not know of it and answers the SYN,ACK by a reset.
fn check(port: u16, beside_the_client: bool) {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let (from, to): (SocketAddr, SocketAddr) = (veth.left_v4(5681), veth.right_v4(port));
    let listener = Actor::new(&right, "tt-server").listen(to);
    let (own, interface) = if beside_the_client { (&left, &veth.left) } else { (&right, &veth.right) };
    let tracer = Tracer::start(own, &["-p", &port.to_string(), "-i", interface]);
    RawSender::new(&left).send(&tcp_packet(from, to, SYN, (77, 0), &[2, 4, 5, 180], &[]), to.ip());
    wait_verdicts(&tracer, own, 1, 0);
    let trace = tracer.stop();
    drop(listener);
    assert_eq!(lines_of(&trace.about(own, port), port), ["client S 0:0", "server S. 0:0 ack 1", "client R 1:1"]);
    let expected = json!({
        "outcome": "reset", "reset": { "by": "client", "cause": ANY }, "client": { "port": 5681, "isn": 77 }, "synack_to_ack_ns": null,
        "summary": ["three-way handshake, reset by the client", "as health checks and scans do"],
    });
    assert_record(trace.failed_handshake(own), &but(but(plain(own, from.ip(), to), no_client_socket()), expected));
}

#[test]
fn a_scan_seen_from_the_host_that_is_scanned() {
    check(4681, false);
}

#[test]
fn a_scan_seen_from_the_host_that_scans() {
    check(4682, true);
}
