//! SYNs that do not arrive: some never leave, others are answered by an ICMP error.

use std::{io::ErrorKind, net::SocketAddr};

use serde_json::{Value, json};
use tcptrace_tests::{ANY, Actor, Netns, SOME, Veth, assert_record, but, is_type};

use super::{again, loopback, no_synack, plain, start, wait_verdicts};

/// Returns a record without the fields that a SYN not seen to leave lacks.
fn never_left(record: Value) -> Value {
    let nothing = json!({
        "client": { "isn": null, "options": null }, "retransmissions": { "syn": null },
        "incomplete": ANY, "missing": ANY,
    });
    but(but(record, no_synack()), nothing)
}

#[test]
fn a_syn_dropped_on_its_way_out_never_leaves() {
    const PORT: u16 = 4641;
    let netns = Netns::new();
    netns.sysctl("ipv4/tcp_syn_retries", "1");
    netns.nft(&format!("table ip t {{ chain c {{ type filter hook output priority 0; tcp dport {PORT} drop; }}; }}"));
    let client = Actor::new(&netns, "tt-client");
    let tracer = start(&netns, PORT);
    let error = client.connect_with(loopback(PORT), |_| {}).expect_err("nothing leaves");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    wait_verdicts(&tracer, &netns, 1, 0);
    let trace = tracer.stop();
    let expected = json!({
        "outcome": "timed_out", "dropped": { "reason": "NETFILTER_DROP", "of_synack": false, "segments": SOME },
        "summary": [
            "three-way handshake, timed out", "without an answer", "no SYN was seen to leave",
            "netfilter on this host dropped the SYN",
        ],
    });
    let record = never_left(plain(&netns, loopback(0).ip(), loopback(PORT)));
    assert_record(trace.failed_handshake(&netns), &but(record, expected));
}

#[test]
fn a_syn_that_waits_for_arp_never_leaves() {
    const PORT: u16 = 4642;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let nobody = SocketAddr::from(([10, 7, 0, 77], PORT));
    let client = Actor::new(&left, "tt-client");
    let tracer = start(&left, PORT);
    let error = client.connect_with(nobody, |_| {}).expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::HostUnreachable, "{error}");
    wait_verdicts(&tracer, &left, 1, 0);
    let trace = tracer.stop();
    let expected = json!({
        "outcome": "unreachable",
        "summary": ["three-way handshake, unreachable: host unreachable", "no SYN was seen to leave"],
    });
    let record = never_left(plain(&left, veth.left_v4(0).ip(), nobody));
    assert_record(trace.failed_handshake(&left), &but(record, expected));
}

/// Creates two namespaces, of which the right one answers every connection attempt with host unreachable.
fn no_way(port: u16) -> (Netns, Netns, Veth) {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    right.nft(&format!(
        "table inet t {{ chain c {{ type filter hook input priority 0; tcp dport {port} reject with icmpx host-unreachable; }}; }}"
    ));
    (left, right, veth)
}

fn unreachable(netns: &Netns, client: SocketAddr, server: SocketAddr, said: &str, handshake: &Value) -> Value {
    // An error that comes while connect() still holds the socket is ignored, until that of the next SYN.
    let expected = json!({
        "outcome": "unreachable", "retransmissions": { "syn": again(handshake, "syn") },
        "summary": [format!("three-way handshake, unreachable: {said}")],
    });
    but(but(plain(netns, client.ip(), server), no_synack()), expected)
}

fn check_icmp(port: u16, v6: bool, said: &str) {
    let (left, _right, veth) = no_way(port);
    let (from, to) = if v6 { (veth.left_v6(0), veth.right_v6(port)) } else { (veth.left_v4(0), veth.right_v4(port)) };
    let client = Actor::new(&left, "tt-client");
    let tracer = start(&left, port);
    let error = client.connect_with(to, |_| {}).expect_err("there is no way");
    assert_eq!(error.kind(), ErrorKind::HostUnreachable, "{error}");
    wait_verdicts(&tracer, &left, 1, 0);
    let trace = tracer.stop();
    let handshake = trace.failed_handshake(&left);
    assert_record(handshake, &unreachable(&left, from, to, said, handshake));
}

#[test]
fn icmp_says_that_a_host_is_unreachable() {
    check_icmp(4643, false, "host unreachable");
}

#[test]
fn icmpv6_says_that_an_address_is_unreachable() {
    check_icmp(4644, true, "address unreachable");
}

#[test]
fn an_icmp_error_during_a_connect_that_does_not_block_is_no_cancel() {
    const PORT: u16 = 4645;
    let (left, _right, veth) = no_way(PORT);
    let (from, to) = (veth.left_v4(0), veth.right_v4(PORT));
    let client = Actor::new(&left, "tt-client");
    let tracer = start(&left, PORT);
    let socket = client.begin_connect(to);
    tracer.wait_for("the error", |record| is_type(record, "icmp"));
    client.close(socket);
    wait_verdicts(&tracer, &left, 1, 0);
    let trace = tracer.stop();
    let handshake = trace.failed_handshake(&left);
    assert_record(handshake, &unreachable(&left, from, to, "host unreachable", handshake));
}
