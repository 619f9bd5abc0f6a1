//! Closes: kind, initiator and reason.

use super::*;
use crate::event::{BootTime, Event, Segment};

#[test]
fn both_sockets_here_and_four_segments() {
    let mut exchange = Exchange::new();
    exchange.local_connection(CLIENT, SERVER);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.kind, handshake.outcome), (HandshakeKind::ThreeWay, Some(Outcome::Established)));
    assert_eq!((handshake.client.isn, handshake.server.isn), (Some(1_000), Some(900_000)));
    assert_eq!(handshake.retransmissions, OpeningRetransmissions { syn: Some(0), synack: Some(0) });
    assert_eq!(
        (handshake.syn_to_synack_ns, handshake.synack_to_ack_ns, handshake.connect_ns),
        (Some(1), Some(2), Some(3))
    );
    assert!(!handshake.incomplete && !handshake.role_inferred);
    assert_eq!((close.kind, close.initiator), (CloseKind::FourSegment, Some(Role::Client)));
    assert_eq!((close.bytes, close.time_wait), (bytes(7, 18), Some(TimeWait::Client)));
    assert_eq!((close.half_closed_bytes, close.reset, close.incomplete), (Some(0), None, false));
    let states = |side: &[crate::verdict::StateTime]| side.iter().map(|stay| stay.state).collect::<Vec<_>>();
    assert_eq!(states(&close.states.client), [SynSent, Established, FinWait1, FinWait2, TimeWait]);
    assert_eq!(states(&close.states.server), [SynRecv, Established, CloseWait, LastAck, Close]);
}

#[test]
fn a_capture_of_a_close_in_three_segments_ends_a_second_after_it() {
    let mut exchange = opened();
    exchange.segment(SERVER, CLIENT, FIN, S + 30, Some(C + 34), 0);
    exchange.segment(CLIENT, SERVER, FIN, C + 34, Some(S + 31), 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 31, Some(C + 35), 0);
    exchange.pass(SECOND / 2);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 0);
    exchange.pass(SECOND / 2);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 1);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.syn_to_synack_ns, handshake.synack_to_ack_ns), (Some(10_001), Some(20_001)));
    assert_eq!((close.kind, close.initiator), (CloseKind::ThreeSegment, Some(Role::Server)));
    assert_eq!((close.bytes, close.time_wait), (bytes(33, 29), Some(TimeWait::Server)));
    assert!(close.states.client.is_empty() && close.states.server.is_empty());
}

#[test]
fn an_ack_of_data_is_not_the_ack_of_the_fin() {
    let mut exchange = opened();
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 1), 255);
    exchange.segment(SERVER, CLIENT, FIN, S + 256, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 256), 0);
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 257), 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 257, Some(C + 2), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.bytes), (CloseKind::ThreeSegment, bytes(0, 255)));
}

#[test]
fn fins_that_cross_are_a_simultaneous_close() {
    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 2, Some(S + 2), 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 2, Some(C + 2), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::Simultaneous, None));
    assert_eq!(close.time_wait, Some(TimeWait::Both));
}

#[test]
fn data_after_a_fin_is_counted_as_half_closed() {
    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, FIN, C + 11, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 12), 1000);
    exchange.segment(SERVER, CLIENT, FIN, S + 1001, Some(C + 12), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 12, Some(S + 1002), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.half_closed_bytes), (CloseKind::FourSegment, Some(1000)));
    assert_eq!(close.bytes, bytes(10, 1000));
}

#[test]
fn a_fin_sent_again_is_a_retransmission() {
    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 2), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 2, Some(S + 2), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.retransmissions.client, close.retransmissions.server), (Some(1), Some(0)));
    assert_eq!(close.kind, CloseKind::ThreeSegment);
}

#[test]
fn a_clock_that_is_set_back_leaves_the_duration_unknown() {
    for (clock, known) in [(5_000, true), (-5_000, false)] {
        let mut exchange = Exchange::of_capture();
        exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        let first = exchange.built(CLIENT, SERVER, SYN, C, None).at;
        for (src, dst, flags, seq, ack) in [
            (SERVER, CLIENT, SYN, S, C + 1),
            (CLIENT, SERVER, ACK, C + 1, S + 1),
            (CLIENT, SERVER, FIN, C + 1, S + 1),
            (SERVER, CLIENT, FIN, S + 1, C + 2),
            (CLIENT, SERVER, ACK, C + 2, S + 2),
        ] {
            let at = BootTime(first.0.saturating_add_signed(clock));
            exchange.event(&Event::Segment(Segment { at, ..exchange.built(src, dst, flags, seq, Some(ack)) }));
        }
        let close = exchange.records().1.remove(0);
        assert_eq!((close.kind, close.duration_ns.is_some()), (CloseKind::ThreeSegment, known));
        assert_eq!(close.summary.contains("lasted"), known, "{}", close.summary);
    }
}

#[test]
fn bytes_beyond_four_gib_are_counted() {
    let mut exchange = opened();
    let mut seq = C + 1;
    for _ in 0..40 {
        // In a long stream, the kernel shows the segments that cross a multiple of 2^30.
        seq = seq.wrapping_add(1 << 30);
        exchange.segment(CLIENT, SERVER, ACK, seq, Some(S + 1), 1448);
    }
    exchange.segment(CLIENT, SERVER, FIN, seq.wrapping_add(1448), Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(seq.wrapping_add(1449)), 0);
    exchange.segment(CLIENT, SERVER, ACK, seq.wrapping_add(1449), Some(S + 2), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.bytes, bytes((40 << 30) + 1448, 0));
}

#[test]
fn what_was_open_before_is_unseen_and_stands_before_its_close() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, ACK, 15, Some(16), 14);
    exchange.segment(SERVER, CLIENT, RST, 16, None, 0);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.kind, handshake.outcome), (HandshakeKind::Unseen, None));
    assert_eq!((close.kind, close.incomplete), (CloseKind::Reset, true));
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::Unknown }));
    assert_eq!(close.bytes, Bytes { client_to_server: None, server_to_client: None });
}

#[test]
fn the_socket_proves_why_a_reset_was_sent() {
    let cause = |proof: Proof, error: u32, by: Option<u32>| {
        let mut exchange = established();
        if let Some(pid) = by {
            exchange.by(pid);
        }
        exchange.with_proof(proof).with_error(error).state(SERVER, CLIENT, Established, Close);
        exchange.segment(SERVER, CLIENT, RST, S + 1, Some(C + 15), 0);
        exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
        let (_, close) = whole(&mut exchange);
        assert_eq!((close.kind, close.initiator), (CloseKind::Reset, Some(Role::Server)));
        let reset = close.reset.expect("a reset");
        assert_eq!(reset.by, Role::Server);
        reset.cause
    };
    let (none, linger) = (Proof::default(), Proof { linger: true, ..Proof::default() });
    let unread = Proof { unread: true, ..Proof::default() };
    assert_eq!(cause(linger, 0, Some(4)), ResetCause::Linger);
    assert_eq!(cause(unread, 0, Some(4)), ResetCause::UnreadData);
    assert_eq!(
        cause(Proof { linger: true, unread: true, ..Proof::default() }, 0, Some(4)),
        ResetCause::UnreadData,
        "that comes first"
    );
    assert_eq!(cause(linger, 103, Some(4)), ResetCause::Killed);
    assert_eq!(cause(none, 0, Some(4)), ResetCause::Unknown);
}

#[test]
fn data_for_a_closed_socket_is_answered_by_a_reset() {
    let mut exchange = left_by_the_server();
    exchange.pass(SECOND);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 2), 14);
    exchange.segment(SERVER, CLIENT, RST, S + 2, None, 0);
    exchange.with_error(32).state(CLIENT, SERVER, CloseWait, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::Reset, Some(Role::Server)));
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::DataAfterClose }));
    assert_eq!((close.bytes, close.server.pid), (bytes(14, 0), Some(4)));
}

#[test]
fn states_alone_tell_an_orderly_close() {
    let mut exchange = Exchange::new();
    for (local, remote, old, new) in [
        (CLIENT, SERVER, Close, SynSent),
        (CLIENT, SERVER, SynSent, Established),
        (SERVER, CLIENT, Listen, SynRecv),
        (SERVER, CLIENT, SynRecv, Established),
        (CLIENT, SERVER, Established, FinWait1),
        (SERVER, CLIENT, Established, CloseWait),
        (SERVER, CLIENT, CloseWait, LastAck),
        (CLIENT, SERVER, FinWait1, FinWait2),
        (CLIENT, SERVER, FinWait2, Close),
        (SERVER, CLIENT, LastAck, Close),
    ] {
        exchange.in_namespace(77).state(local, remote, old, new);
    }
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.outcome, handshake.missing), (Some(Outcome::Established), vec![Missing::Interface]));
    assert_eq!((close.kind, close.initiator), (CloseKind::Orderly, Some(Role::Client)));
    assert_eq!((close.missing, close.netns), (vec![Missing::Interface], Some(77)));
}

#[test]
fn a_connection_that_is_open_at_the_end_has_no_close() {
    let mut exchange = established();
    let (handshakes, closes) = exchange.records();
    assert_eq!((handshakes.len(), closes.len(), exchange.totals().open()), (1, 0, 1));
}

#[test]
fn a_close_that_has_begun_at_the_end_is_unfinished() {
    let mut exchange = established();
    exchange.by(9).state(SERVER, CLIENT, Established, FinWait1);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::Unfinished, Some(Role::Server)));
    assert_eq!(exchange.totals().open(), 0);
}

#[test]
fn a_gap_makes_incomplete_what_it_may_touch_and_nothing_else() {
    let loss = |exchange: &mut Exchange| {
        let at = BootTime(exchange.now());
        exchange.event(&Event::Loss(Loss { at, source: LossSource::State, count: 1, total: 1, placed: false }));
    };
    let mut exchange = Exchange::new();
    exchange.local_connection(CLIENT, SERVER);
    exchange.state(CLIENT + 1, SERVER, Close, SynSent);
    loss(&mut exchange);
    exchange.segment(CLIENT + 1, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT + 1, RST, 0, Some(C + 1), 0);
    exchange.with_error(111).state(CLIENT + 1, SERVER, SynSent, Close);
    exchange.local_connection(CLIENT + 2, SERVER);
    let (handshakes, _) = exchange.records();
    let missing: Vec<_> = handshakes.iter().map(|handshake| handshake.missing.clone()).collect();
    assert_eq!(missing, [vec![], vec![Missing::Lost], vec![]]);
}

#[test]
fn bytes_that_nothing_bounds_are_not_known() {
    let mut exchange = established();
    exchange.with_error(110).state(CLIENT, SERVER, Established, Close);
    exchange.with_error(110).state(SERVER, CLIENT, Established, Close);
    let (_, close) = whole(&mut exchange);
    // The segments that would show it are not recorded.
    assert_eq!(close.bytes, Bytes { client_to_server: None, server_to_client: None });
    let mut exchange = established();
    exchange.segment(SERVER, CLIENT, RST, S + 21, None, 0);
    exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
    exchange.state(SERVER, CLIENT, Established, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.bytes, Bytes { client_to_server: None, server_to_client: Some(20) });
    let mut exchange = established();
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
    exchange.with_error(110).state(CLIENT, SERVER, Established, Close);
    exchange.with_error(110).state(SERVER, CLIENT, Established, Close);
    let (_, close) = whole(&mut exchange);
    // Here all are recorded.
    assert_eq!(close.bytes, bytes(100, 0));
}
