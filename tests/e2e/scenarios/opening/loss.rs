//! A segment of the handshake is lost, and retransmitted.

use serde_json::json;
use tcptrace_tests::{
    ACK, Actor, Ends, Netns, Peer, RST, Trace, Tracer, Tun, assert_record, but, number, receive, send, text,
};

use super::{again, drop_at_input, loopback, plain, start, wait_segments, wait_verdicts};

/// Connects a client to a server on loopback, whose first segment of some kind is lost; returns the trace when both are
/// connected.
fn connected(netns: &Netns, port: u16, condition: &str) -> Trace {
    let ends = Ends::on(netns, loopback(port));
    // Only the first of a thousand.
    drop_at_input(netns, &format!("{condition} numgen inc mod 1000 0"));
    let tracer = start(netns, port);
    let connection = ends.open();
    wait_verdicts(&tracer, netns, 1, 0);
    ends.close_in_three(connection);
    wait_verdicts(&tracer, netns, 1, 1);
    tracer.stop()
}

#[test]
fn the_first_syn_is_lost() {
    const PORT: u16 = 4611;
    let netns = Netns::new();
    let trace = connected(&netns, PORT, &format!("tcp dport {PORT} tcp flags & (syn | ack) == syn"));
    let verdicts = trace.only_verdicts(&netns);
    let twice = json!({
        "retransmissions": { "syn": 1 },
        "summary": ["three-way handshake, established in ", "the SYN was sent 2 times"],
    });
    assert_record(verdicts.handshake, &but(plain(&netns, loopback(0).ip(), loopback(PORT)), twice));
    assert!(number(verdicts.handshake, "connect_ns") > 900_000_000, "{verdicts:#?}");
    assert!(verdicts.close.is_some());
}

#[test]
fn the_syn_ack_is_lost() {
    const PORT: u16 = 4612;
    let netns = Netns::new();
    let trace = connected(&netns, PORT, &format!("tcp sport {PORT} tcp flags & (syn | ack) == syn | ack"));
    let verdicts = trace.only_verdicts(&netns);
    // Both ends retransmit after a second, in either order.
    let (syns, synacks) = (again(verdicts.handshake, "syn"), again(verdicts.handshake, "synack"));
    assert!(syns <= 1 && (1..=2).contains(&synacks), "{verdicts:#?}");
    let words = format!("the SYN,ACK was sent {} times", synacks + 1);
    let again = json!({
        "retransmissions": { "syn": syns, "synack": synacks },
        "summary": ["three-way handshake, established in ", words],
    });
    assert_record(verdicts.handshake, &but(plain(&netns, loopback(0).ip(), loopback(PORT)), again));
    assert!(number(verdicts.handshake, "synack_to_ack_ns") > 900_000_000, "{verdicts:#?}");
    assert!(verdicts.close.is_some());
}

/// Returns the ends of a connection whose bare ACKs do not arrive: the client is in ESTABLISHED, the server is not.
fn half_open(netns: &Netns, port: u16) -> (Ends, Tracer) {
    let ends = Ends::on(netns, loopback(port));
    drop_at_input(netns, &format!("tcp dport {port} tcp flags & (syn | ack | psh | fin) == ack"));
    (ends, start(netns, port))
}

#[test]
fn the_final_ack_is_lost_and_the_server_waits_for_it() {
    const PORT: u16 = 4613;
    let netns = Netns::new();
    let (ends, tracer) = half_open(&netns, PORT);
    let client = ends.client.connect(ends.address);
    wait_segments(&tracer, "S.", 2);
    let trace = tracer.stop();
    drop(client);
    let handshake = trace.failed_handshake(&netns);
    let synacks = again(handshake, "synack");
    let expected = json!({
        "outcome": "unanswered", "waiting_for": "ack", "retransmissions": { "synack": synacks },
        "summary": ["three-way handshake, unanswered: waiting for the client's ACK", "the SYN,ACK was sent"],
    });
    assert_record(handshake, &but(plain(&netns, loopback(0).ip(), ends.address), expected));
}

#[test]
fn data_completes_a_handshake_whose_final_ack_is_lost() {
    const PORT: u16 = 4614;
    let netns = Netns::new();
    let (ends, tracer) = half_open(&netns, PORT);
    let client = ends.client.connect(ends.address);
    wait_segments(&tracer, "S.", 2);
    tracer.look(|records| assert!(records.iter().all(|record| record["type"] != "handshake"), "{records:#?}"));
    send(&client, 7);
    let server = ends.server.accept(&ends.listener);
    receive(&server, 7);
    wait_verdicts(&tracer, &netns, 1, 0);
    let trace = tracer.stop();
    drop((client, server));
    let verdicts = trace.only_verdicts(&netns);
    let synacks = again(verdicts.handshake, "synack");
    assert!(synacks >= 1, "{verdicts:#?}");
    let expected = json!({
        "retransmissions": { "synack": synacks },
        "summary": ["three-way handshake, established in ", "the SYN,ACK was sent"],
    });
    assert_record(verdicts.handshake, &but(plain(&netns, loopback(0).ip(), ends.address), expected));
    assert!(verdicts.close.is_none() && number(trace.end(), "open") == 1, "{verdicts:#?}");
}

#[test]
fn a_syn_that_is_answered_late_was_sent_twice() {
    let netns = Netns::new();
    let tun = Tun::new(&netns, "tun0");
    let address = "10.8.0.9:4615".parse().expect("an endpoint");
    let tracer = start(&netns, 4615);
    let connecting = Actor::new(&netns, "tt-client");
    let stream = connecting.start_connect(address, |_| {});
    let mut peer = Peer::await_syn(&tun);
    let second = peer.receive_any();
    assert!(second.syn && second.ack.is_none(), "{second:?}");
    peer.send_syn(ACK);
    let stream = stream.finish().expect("the peer has answered");
    wait_verdicts(&tracer, &netns, 1, 0);
    let trace = tracer.stop();
    drop(stream);
    let verdicts = trace.only_verdicts(&netns);
    let expected = json!({
        "server": { "isn": Peer::ISN },
        "retransmissions": { "syn": 1 },
        "summary": ["three-way handshake, established in ", "the SYN was sent 2 times"],
    });
    let client = "10.8.0.1".parse().expect("an address");
    assert_record(verdicts.handshake, &but(plain(&netns, client, address), expected));
    assert!(number(verdicts.handshake, "syn_to_synack_ns") > 900_000_000, "{verdicts:#?}");
}

/// In SYN_SENT a reset counts only if it acknowledges the SYN (RFC 9293 §3.10.7.3).
#[test]
fn a_reset_that_does_not_acknowledge_the_syn_leaves_it_unanswered() {
    let netns = Netns::new();
    netns.sysctl("ipv4/tcp_syn_retries", "1");
    let tun = Tun::new(&netns, "tun0");
    let address = "10.8.0.9:4649".parse().expect("an endpoint");
    let tracer = start(&netns, 4649);
    let client = Actor::new(&netns, "tt-client");
    let connecting = client.start_connect(address, |_| {});
    Peer::await_syn(&tun).send(RST);
    let error = connecting.finish().expect_err("nothing else answers");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    wait_verdicts(&tracer, &netns, 1, 0);
    let trace = tracer.stop();
    let verdicts = trace.only_verdicts(&netns);
    assert_eq!(verdicts.handshake["outcome"], "timed_out", "{verdicts:#?}");
    let summary = text(verdicts.handshake, "summary");
    assert!(summary.contains("although a reset was seen: it does not acknowledge the SYN"), "{summary}");
}
