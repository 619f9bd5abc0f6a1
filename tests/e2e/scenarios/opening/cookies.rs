//! SYN cookies: the server keeps no state for a SYN.

use tcptrace_tests::{Ends, Netns, assert_record, but};

use serde_json::json;

use super::{drop_at_input, loopback, plain, start, wait_verdicts};

/// Returns the trace of a connection to a server that always sends cookies. It stays open: as long as its cookie is valid,
/// any ACK after its end would open it again.
fn traced(netns: &Netns, port: u16) -> tcptrace_tests::Trace {
    netns.sysctl("ipv4/tcp_syncookies", "2");
    let ends = Ends::on(netns, loopback(port));
    let tracer = start(netns, port);
    let connection = ends.open();
    wait_verdicts(&tracer, netns, 1, 0);
    let trace = tracer.stop();
    drop(connection);
    trace
}

#[test]
fn a_handshake_with_a_cookie_is_a_plain_one() {
    let netns = Netns::new();
    let trace = traced(&netns, 4671);
    let verdicts = trace.only_verdicts(&netns);
    assert_record(verdicts.handshake, &plain(&netns, loopback(0).ip(), loopback(4671)));
    assert!(verdicts.close.is_none(), "{verdicts:#?}");
}

#[test]
fn a_cookie_that_is_lost_is_made_anew_for_the_next_syn() {
    let netns = Netns::new();
    drop_at_input(&netns, "tcp sport 4672 tcp flags & (syn | ack) == syn | ack numgen inc mod 1000 0");
    let trace = traced(&netns, 4672);
    let verdicts = trace.only_verdicts(&netns);
    let expected = json!({
        "retransmissions": { "syn": 1, "synack": 1 },
        "summary": ["three-way handshake, established in ", "the SYN was sent 2 times", "the SYN,ACK was sent 2 times"],
    });
    assert_record(verdicts.handshake, &but(plain(&netns, loopback(0).ip(), loopback(4672)), expected));
    assert!(verdicts.close.is_none(), "{verdicts:#?}");
}
