//! Listeners that have no room, or are gone before they accept.

use std::io::ErrorKind;

use serde_json::json;
use tcptrace_tests::{ANY, Actor, Netns, assert_record, but, send};

use super::{
    again, drop_at_input, loopback, no_synack, plain, receive_reset, reset_by_server, start, timed_out, wait_segments,
    wait_told,
};

#[test]
fn a_full_accept_queue_answers_no_syn() {
    const PORT: u16 = 4621;
    let netns = Netns::new();
    netns.sysctl("ipv4/tcp_syn_retries", "1");
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen_with(loopback(PORT), 0, |_| {});
    let tracer = start(&netns, PORT);
    let waiting = client.connect(loopback(PORT));
    let error = client.connect_with(loopback(PORT), |_| {}).expect_err("there is no room");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    wait_told(&tracer, &netns, 2, 0);
    let trace = tracer.stop();
    drop((waiting, listener));
    let [first, second] = trace.told(&netns).try_into().expect("two connections");
    let plain = plain(&netns, loopback(0).ip(), loopback(PORT));
    assert_record(first.handshake, &plain);
    assert_record(second.handshake, &but(but(plain, no_synack()), timed_out(second.handshake)));
}

#[test]
fn a_queue_that_is_full_when_the_ack_comes_may_reset() {
    const PORT: u16 = 4622;
    const LATE: u16 = 5622;
    let netns = Netns::new();
    netns.sysctl("ipv4/tcp_abort_on_overflow", "1");
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen_with(loopback(PORT), 0, |_| {});
    // The ACK of the first comes with its data only, when the second has taken the only place.
    drop_at_input(&netns, &format!("tcp sport {LATE} tcp flags & (syn | ack | psh) == ack"));
    let tracer = start(&netns, PORT);
    let late = client.connect_from(loopback(LATE), loopback(PORT));
    let quick = client.connect(loopback(PORT));
    send(&late, 1);
    receive_reset(&late);
    wait_told(&tracer, &netns, 2, 0);
    let trace = tracer.stop();
    drop((late, quick, listener));
    let [first, second] = trace.told(&netns).try_into().expect("two connections");
    let plain = plain(&netns, loopback(0).ip(), loopback(PORT));
    assert_record(second.handshake, &plain);
    let expected = json!({
        "outcome": "reset", "reset": { "by": "server", "cause": ANY }, "client": { "port": LATE },
        "retransmissions": { "synack": again(first.handshake, "synack") },
        "summary": ["three-way handshake, reset by the server before it was complete"],
    });
    assert_record(first.handshake, &but(plain, expected));
}

#[test]
fn a_listener_that_closes_resets_who_waits_to_be_accepted() {
    const PORT: u16 = 4623;
    let netns = Netns::new();
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen(loopback(PORT));
    let tracer = start(&netns, PORT);
    let stream = client.connect(loopback(PORT));
    wait_told(&tracer, &netns, 1, 0);
    server.close(listener);
    receive_reset(&stream);
    wait_told(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    let told = trace.told_once(&netns);
    let plain = plain(&netns, loopback(0).ip(), loopback(PORT));
    assert_record(told.handshake, &plain);
    assert_record(told.close.expect("a close"), &reset_by_server(&plain));
}

#[test]
fn a_listener_that_closes_before_the_ack_knows_nobody() {
    const PORT: u16 = 4624;
    let netns = Netns::new();
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen(loopback(PORT));
    drop_at_input(&netns, &format!("tcp dport {PORT} tcp flags & (syn | ack | psh) == ack"));
    let tracer = start(&netns, PORT);
    let stream = client.connect(loopback(PORT));
    wait_segments(&tracer, "S.", 1);
    server.close(listener);
    send(&stream, 1);
    receive_reset(&stream);
    wait_told(&tracer, &netns, 1, 0);
    let trace = tracer.stop();
    let handshake = trace.told_failed(&netns);
    let expected = json!({
        "outcome": "reset", "reset": { "by": "server", "cause": ANY }, "retransmissions": { "synack": again(handshake, "synack") },
        "summary": ["three-way handshake, reset by the server before it was complete"],
    });
    assert_record(handshake, &but(plain(&netns, loopback(0).ip(), loopback(PORT)), expected));
}
