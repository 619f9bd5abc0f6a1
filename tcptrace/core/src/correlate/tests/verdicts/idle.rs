//! How long there had been no data when a connection was closed.

use super::*;
use crate::event::Counters;

/// The server resets after so many nanoseconds without data; its socket says that there was none for `idle_ns`.
fn reset_after(passed: u64, idle_ns: u64) -> Close {
    let mut exchange = established();
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 22);
    exchange.pass(passed);
    exchange.counting(Counters { idle_ns: Some(idle_ns), ..Counters::default() });
    exchange.by(3).state(SERVER, CLIENT, Established, Close);
    exchange.segment(SERVER, CLIENT, RST, S + 1, Some(C + 23), 0);
    exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
    let (_, close) = whole(&mut exchange);
    close
}

/// Rounded to tenths it would have been idle for longer than it lasted.
#[test]
fn no_connection_was_idle_for_longer_than_it_lasted() {
    let close = reset_after(2_388_000_000, 2_388_000_000);
    assert!(close.summary.starts_with("idle for 2.3 s, then reset by the server"), "{}", close.summary);
    assert!(close.summary.contains("; lasted 2.388 s"), "{}", close.summary);
}

/// A socket counts in ticks, and may say more than the connection lasted.
#[test]
fn ticks_do_not_make_a_connection_idle_for_longer_than_it_lasted() {
    let close = reset_after(2_098_000_000, 2_108_000_000);
    assert!(close.idle_ns <= close.duration_ns, "{:?} {:?}", close.idle_ns, close.duration_ns);
    assert!(close.summary.starts_with("idle for 2.0 s, then reset by the server"), "{}", close.summary);
}

#[test]
fn a_server_that_closes_an_idle_connection() {
    let mut exchange = established();
    exchange.pass(60 * SECOND);
    exchange.counting(Counters { idle_ns: Some(59_996_000_000), ..Counters::default() });
    exchange.state(SERVER, CLIENT, Established, FinWait1);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 23), 0);
    exchange.counting(Counters { idle_ns: Some(60_000_000_000), ..Counters::default() });
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    exchange.segment(CLIENT, SERVER, FIN, C + 23, Some(S + 2), 0);
    exchange.state(CLIENT, SERVER, CloseWait, LastAck);
    exchange.state(SERVER, CLIENT, FinWait1, FinWait2);
    exchange.state(SERVER, CLIENT, FinWait2, Close);
    exchange.segment(SERVER, CLIENT, ACK, S + 2, Some(C + 24), 0);
    exchange.state(CLIENT, SERVER, LastAck, Close);
    let (_, close) = whole(&mut exchange);
    // As reported by the socket that left ESTABLISHED first.
    assert_eq!(close.idle_ns, Some(59_996_000_000));
    assert!(close.summary.starts_with("idle for 60.0 s, then closed by the server, three segments; 22 B →, 0 B ←"));
    assert!(close.summary.contains("; 0 B were answered"), "{}", close.summary);
}

#[test]
fn without_data_there_is_no_last_data() {
    let mut exchange = established();
    exchange.pass(60 * SECOND);
    exchange.counting(Counters { idle_ns: Some(60_000_000_000), ..Counters::default() });
    exchange.state(SERVER, CLIENT, Established, FinWait1);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 2), 0);
    exchange.state(CLIENT, SERVER, CloseWait, LastAck);
    exchange.state(SERVER, CLIENT, FinWait1, FinWait2);
    exchange.state(SERVER, CLIENT, FinWait2, Close);
    exchange.segment(SERVER, CLIENT, ACK, S + 2, Some(C + 2), 0);
    exchange.state(CLIENT, SERVER, LastAck, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.bytes, close.idle_ns), (bytes(0, 0), None));
    assert!(!close.summary.contains("idle") && !close.summary.contains("answered"), "{}", close.summary);
}

#[test]
fn the_segments_of_a_capture_show_how_long_it_was_idle() {
    (0..=1).for_each(shows_how_long_it_was_idle);
    // The byte of a probe is no data, even if there is no other.
    let mut exchange = opened();
    exchange.connections().expect_all_segments();
    exchange.pass(60 * SECOND);
    exchange.segment(CLIENT, SERVER, ACK, C, Some(S + 1), 1);
    exchange.pass(10 * SECOND);
    exchange.segment(CLIENT, SERVER, RST, C + 1, Some(S + 1), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.idle_ns, close.bytes), (None, bytes(0, 0)));
}

/// A keep-alive probe with this many bytes, and its answer, carry no data.
#[track_caller]
fn shows_how_long_it_was_idle(probe: u32) {
    let mut exchange = opened();
    exchange.connections().expect_all_segments();
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 22);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 23), 0);
    exchange.pass(60 * SECOND - 1);
    exchange.segment(CLIENT, SERVER, ACK, C + 22, Some(S + 1), probe);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 23), 0);
    exchange.pass(SECOND);
    exchange.segment(CLIENT, SERVER, ACK, C + 23, Some(S + 2), 5);
    exchange.segment(CLIENT, SERVER, FIN, C + 28, Some(S + 2), 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 2, Some(C + 29), 0);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!(close.idle_ns, Some(60 * SECOND + 2));
    let round = handshake.syn_to_synack_ns.zip(handshake.synack_to_ack_ns).map(|(there, back)| there + back);
    assert_eq!((close.rtt.handshake_ns, close.rtt.smoothed_ns), (round, None));
    assert_eq!(close.data_retransmissions, Each { client: None, server: None });
    assert!(close.summary.starts_with("idle for 60.0 s, then closed by the server"), "{}", close.summary);
}

#[test]
fn an_idle_connection_that_one_end_closes_and_the_other_resets() {
    let after = |closes: bool| {
        let mut exchange = opened();
        exchange.connections().expect_all_segments();
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 22);
        exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 23), 30);
        exchange.segment(CLIENT, SERVER, ACK, C + 23, Some(S + 31), 0);
        exchange.pass(60 * SECOND);
        if closes {
            exchange.segment(SERVER, CLIENT, FIN, S + 31, Some(C + 23), 0);
            exchange.segment(CLIENT, SERVER, ACK, C + 23, Some(S + 32), 0);
            exchange.pass(160 * SECOND);
        }
        exchange.segment(CLIENT, SERVER, RST, C + 23, Some(S + 31 + u32::from(closes)), 0);
        whole(&mut exchange).1.summary
    };
    let (closed, open) = (after(true), after(false));
    assert!(closed.starts_with("idle for 60.0 s, then closed by the server; reset by the client; 22 B"), "{closed}");
    assert!(open.starts_with("idle for 60.0 s, then reset by the client; 22 B"), "{open}");
}
