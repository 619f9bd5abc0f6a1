//! Segments after the handshake that this host drops: stalls and time-outs name them.

use super::*;
use crate::{
    correlate::tests::stalled::stalls,
    event::Role,
    verdict::{Awaited, Close as ClosedRecord, CloseKind, SegmentDrops, Stalled},
};

const ELSEWHERE: u32 = HERE + 1;
const SECOND: u64 = 1_000_000_000;
const PEER: u32 = 900;

/// A connection between two other hosts, which this one forwards.
fn forwarded() -> Exchange {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, ISN, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, PEER, Some(ISN + 1), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, ISN + 1, Some(PEER + 1), 0);
    exchange
}

/// A connection whose client has its socket here.
fn opened() -> Exchange {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, ISN, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, PEER, Some(ISN + 1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, ISN + 1, Some(PEER + 1), 0);
    exchange
}

/// The host drops the client's 50 bytes and what is sent again after each of these nanoseconds.
fn drop_data(exchange: &mut Exchange, reason: &str, after: &[u64]) {
    for &after in after {
        exchange.pass(after);
        let data = DroppedSegment {
            length: 50,
            reason: name(reason),
            ..dropped(exchange, CLIENT, SERVER, TcpFlags::PSH | TcpFlags::ACK, ISN + 1)
        };
        exchange.event(&Event::Drop(data));
    }
}

const BACKOFF: [u64; 4] = [0, SECOND / 5, 2 * SECOND / 5, 4 * SECOND / 5];

fn of_client(reason: &str, segments: u32) -> SegmentDrops {
    SegmentDrops { sender: Role::Client, reason: name(reason), segments }
}

#[track_caller]
fn only(exchange: &Exchange) -> Stalled {
    let stalls = stalls(exchange);
    let [stalled] = stalls.as_slice() else { panic!("{stalls:?}") };
    stalled.clone()
}

fn last_close(exchange: &mut Exchange) -> ClosedRecord {
    exchange.records().1.pop().expect("a close")
}

#[test]
fn data_that_a_router_drops_again_and_again_is_a_stall() {
    let mut exchange = forwarded();
    drop_data(&mut exchange, "NETFILTER_DROP", &BACKOFF[..3]);
    assert_eq!(stalls(&exchange), vec![], "not for a second yet");
    drop_data(&mut exchange, "NETFILTER_DROP", &BACKOFF[3..]);
    let stalled = only(&exchange);
    let sentence = "a segment of the client was sent 4 times; netfilter on this host dropped 4 segments of the client";
    assert_eq!(stalled.summary, sentence);
    assert_eq!((stalled.waiting_for, stalled.turn), (Some(Awaited::DataAck), Some(Turn::Network)));
    assert_eq!((stalled.retransmissions, stalled.dropped_segments), (Some(3), Some(of_client("NETFILTER_DROP", 4))));
    assert!(stalled.at.since(stalled.since) > SECOND, "{stalled:?}");
    // Again at ten seconds.
    drop_data(&mut exchange, "NETFILTER_DROP", &[2 * SECOND]);
    assert_eq!(stalls(&exchange).len(), 1);
    drop_data(&mut exchange, "NETFILTER_DROP", &[8 * SECOND]);
    assert_eq!(stalls(&exchange).len(), 2);
}

#[test]
fn segments_that_get_through_when_they_are_sent_again_are_no_stall() {
    let mut exchange = forwarded();
    for number in 0..9 {
        let flags = TcpFlags::PSH | TcpFlags::ACK;
        let data = DroppedSegment { length: 50, ..dropped(&exchange, CLIENT, SERVER, flags, ISN + 1 + 50 * number) };
        exchange.event(&Event::Drop(data));
        // An ACK that is lost is followed by others with the same number.
        exchange.event(&Event::Drop(dropped(&exchange, SERVER, CLIENT, TcpFlags::ACK, PEER + 1)));
        exchange.pass(SECOND);
    }
    assert_eq!(stalls(&exchange), vec![]);
}

#[test]
fn a_time_out_names_who_dropped_what_was_sent() {
    for (reason, words) in [
        ("NETFILTER_DROP", "; netfilter on this host dropped 4 segments of the client"),
        ("QDISC_DROP", "; this host dropped 4 segments of the client (QDISC_DROP)"),
    ] {
        let mut exchange = opened();
        drop_data(&mut exchange, reason, &BACKOFF);
        exchange.pass(SECOND);
        exchange.with_error(ETIMEDOUT).state(CLIENT, SERVER, Established, Close);
        let close = last_close(&mut exchange);
        assert_eq!((close.kind, close.dropped_segments), (CloseKind::TimedOut, Some(of_client(reason, 4))));
        assert!(close.summary.contains(words), "{}", close.summary);
    }
}

#[test]
fn a_single_drop_explains_no_time_out() {
    let mut exchange = opened();
    drop_data(&mut exchange, "NETFILTER_DROP", &BACKOFF[..1]);
    exchange.pass(SECOND);
    exchange.with_error(ETIMEDOUT).state(CLIENT, SERVER, Established, Close);
    let close = last_close(&mut exchange);
    assert_eq!((close.kind, close.dropped_segments), (CloseKind::TimedOut, None));
}

#[test]
fn what_was_dropped_long_ago_explains_nothing() {
    let mut exchange = opened();
    drop_data(&mut exchange, "NETFILTER_DROP", &BACKOFF[..2]);
    exchange.pass(600 * SECOND);
    exchange.with_error(ETIMEDOUT).state(CLIENT, SERVER, Established, Close);
    let close = last_close(&mut exchange);
    assert_eq!((close.kind, close.dropped_segments), (CloseKind::TimedOut, None));
    assert!(!close.summary.contains("dropped"), "{}", close.summary);
}

#[test]
fn a_fin_that_is_dropped_is_waited_for_in_vain() {
    let fin = TcpFlags::FIN | TcpFlags::ACK;
    let mut exchange = opened();
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    for _ in 0..2 {
        exchange.segment(CLIENT, SERVER, TcpFlags::FIN, ISN + 1, Some(PEER + 1), 0);
        exchange.event(&Event::Drop(dropped(&exchange, CLIENT, SERVER, fin, ISN + 1)));
        exchange.pass(SECOND / 4);
    }
    exchange.pass(SECOND);
    exchange.timeout();
    let stalled = only(&exchange);
    let words =
        "; the FIN was sent 2 times, and is not acknowledged; netfilter on this host dropped 2 segments of the client";
    assert!(stalled.summary.ends_with(words), "{}", stalled.summary);
    assert_eq!((stalled.waiting_for, stalled.turn), (Some(Awaited::Ack), Some(Turn::Network)));
    // If one FIN got further, something else keeps the answer away.
    let mut exchange = opened();
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    (0..3).for_each(|_| exchange.segment(CLIENT, SERVER, TcpFlags::FIN, ISN + 1, Some(PEER + 1), 0));
    exchange.event(&Event::Drop(dropped(&exchange, CLIENT, SERVER, fin, ISN + 1)));
    exchange.pass(2 * SECOND);
    exchange.timeout();
    assert_eq!(only(&exchange).dropped_segments, None);
}

#[test]
fn a_fin_that_never_leaves_is_no_data_that_is_still_to_be_sent() {
    let fin = TcpFlags::FIN | TcpFlags::ACK;
    let mut exchange = opened();
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    for _ in 0..3 {
        exchange.event(&Event::Drop(dropped(&exchange, CLIENT, SERVER, fin, ISN + 1)));
        exchange.pass(SECOND / 4);
    }
    exchange.pass(SECOND);
    exchange.timeout();
    let words = "the client closed its side, but its FIN was not seen to leave; netfilter on this host dropped 3 segments of \
                 the client";
    assert_eq!(only(&exchange).summary, words);
    let close = last_close(&mut exchange);
    assert_eq!(close.dropped_segments, Some(of_client("NETFILTER_DROP", 3)));
}

#[test]
fn resets_that_are_dropped_would_have_had_no_answer() {
    let mut exchange = opened();
    for _ in 0..4 {
        exchange.event(&Event::Drop(dropped(&exchange, SERVER, CLIENT, TcpFlags::RST, PEER + 1)));
    }
    exchange.with_error(ETIMEDOUT).state(CLIENT, SERVER, Established, Close);
    assert_eq!(last_close(&mut exchange).dropped_segments, None);
}

#[test]
fn the_socket_of_another_namespace_is_not_asked_and_its_drops_tell() {
    let mut exchange = Exchange::new();
    exchange.in_namespace(ELSEWHERE).state(CLIENT, SERVER, Close, SynSent);
    exchange.in_namespace(ELSEWHERE).state(CLIENT, SERVER, SynSent, Established);
    drop_data(&mut exchange, "NETFILTER_DROP", &BACKOFF);
    assert_eq!(stalls(&exchange).len(), 1);
}

#[test]
fn the_ack_that_completes_a_handshake_may_be_dropped() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, ISN, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, PEER, Some(ISN + 1), 0);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, ISN + 1, Some(PEER + 1), 0);
    exchange.event(&Event::Drop(dropped(&exchange, CLIENT, SERVER, TcpFlags::ACK, ISN + 1)));
    exchange.pass(SECOND);
    exchange.timeout();
    let stalled = only(&exchange);
    assert_eq!((stalled.dropped_segments, stalled.turn), (Some(of_client("NETFILTER_DROP", 1)), Some(Turn::Network)));
    // The client answers a SYN,ACK that comes again, whatever the kernel calls that.
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, PEER, Some(ISN + 1), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, ISN + 1, Some(PEER + 1), 0);
    let again = dropped(&exchange, SERVER, CLIENT, TcpFlags::SYN | TcpFlags::ACK, PEER);
    exchange.event(&Event::Drop(DroppedSegment { reason: name("TCP_INVALID_SYN"), ..again }));
    exchange.event(&Event::Drop(dropped(&exchange, CLIENT, SERVER, TcpFlags::ACK, ISN + 1)));
    exchange.pass(64 * SECOND);
    let (handshakes, _) = exchange.records();
    let [handshake] = handshakes.as_slice() else { panic!("{handshakes:?}") };
    assert_eq!((handshake.dropped, handshake.dropped_segments), (None, Some(of_client("NETFILTER_DROP", 2))));
    let words = "; the SYN,ACK was sent 2 times; netfilter on this host dropped 2 segments of the client";
    assert!(handshake.summary.contains(words), "{}", handshake.summary);
}
