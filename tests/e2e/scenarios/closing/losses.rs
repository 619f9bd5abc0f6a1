//! Segments of a close are lost, and retransmitted.

use serde_json::{Value, json};
use tcptrace_tests::{Ends, Netns, TRAFFIC_LIMIT, assert_record, but, eventually, number, receive_end};

use super::{
    CLOSING, FIN_WAIT1, addresses, drop_at_input, loopback, plain, start, states, traced, wait_client, wait_verdicts,
};

/// Returns the number of retransmissions of an end's FIN: one, or more on a busy machine.
#[track_caller]
fn again(close: &Value, end: &str) -> u64 {
    let again = number(&close["retransmissions"], end);
    assert!(again >= 1, "{close:#}");
    again
}

#[test]
fn a_fin_that_is_lost_is_sent_again() {
    const PORT: u16 = 4721;
    let netns = Netns::new();
    // Only the first of a thousand.
    drop_at_input(&netns, &format!("tcp dport {PORT} tcp flags & fin == fin numgen inc mod 1000 0"));
    let trace = traced(&netns, PORT, Ends::close_in_four);
    let close = trace.closed(&netns);
    let expected = json!({ "retransmissions": { "client": again(close, "client") } });
    assert_record(close, &but(plain(&netns, loopback(PORT)), expected));
    assert!(number(close, "half_close_ns") > 150_000_000, "at least the shortest time-out: {close}");
}

#[test]
fn a_last_ack_that_is_lost_is_sent_again_from_time_wait() {
    const PORT: u16 = 4722;
    let netns = Netns::new();
    let ends = Ends::on(&netns, loopback(PORT));
    let tracer = start(&netns, PORT);
    let connection = ends.open();
    let (client, server) = addresses(&connection);
    ends.client.close(connection.client);
    receive_end(&connection.server);
    wait_client(&ends, (client, server), FIN_WAIT1);
    drop_at_input(
        &netns,
        &format!("tcp dport {PORT} tcp flags & (syn | ack | fin | rst) == ack numgen inc mod 1000 0"),
    );
    ends.server.close(connection.server);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    let close = trace.closed(&netns);
    let expected = json!({ "retransmissions": { "server": again(close, "server") } });
    assert_record(close, &but(plain(&netns, loopback(PORT)), expected));
    let last_acks =
        trace.segments(&netns, PORT).into_iter().filter(|record| record["rel_ack"] == 2 && record["rel_seq"] == 2);
    // The one that was dropped and one that was not. A FIN that comes within half a second of another may have none
    // (tcp_timewait_check_oow_rate_limit of net/ipv4/tcp_minisocks.c).
    assert!(last_acks.count() >= 2, "the last ACK is sent again: {:#?}", trace.records);
}

#[test]
fn a_fin_that_is_lost_and_crosses_the_other_closes_both_ends_at_once() {
    const PORT: u16 = 4723;
    let netns = Netns::new();
    drop_at_input(&netns, &format!("tcp dport {PORT} tcp flags & fin == fin"));
    let trace = traced(&netns, PORT, |ends, connection| {
        let (client, server) = addresses(&connection);
        ends.client.close(connection.client);
        ends.server.close(connection.server);
        eventually("CLOSING at the client", TRAFFIC_LIMIT, || {
            ends.client.socket_state(client.port(), server.port()).as_deref() == Some(CLOSING)
        });
        netns.nft("flush ruleset");
    });
    let close = trace.closed(&netns);
    let expected = json!({
        "kind": "simultaneous", "initiator": null, "time_wait": "both",
        "retransmissions": { "client": again(close, "client") },
        // The server learns of the client's FIN only when its own is acknowledged.
        "states": states(&["FIN_WAIT1", "CLOSING", "TIME_WAIT"], &["FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"]),
        "summary": ["closed by both ends at once; 0 B →, 0 B ←; lasted ", "; both hold TIME_WAIT for 60 s"],
    });
    assert_record(close, &but(plain(&netns, loopback(PORT)), expected));
}
