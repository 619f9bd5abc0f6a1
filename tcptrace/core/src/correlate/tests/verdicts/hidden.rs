//! Segments that the receiver does not accept, with unrecorded data in between.

use super::*;
use crate::event::{BootTime, Event, Segment};

/// An established connection whose data passes unseen; the server's socket is on this host.
fn open_here() -> Exchange {
    let mut exchange = Exchange::new();
    exchange.with_sockets();
    exchange.full_segment(None, CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.full_segment(None, CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    exchange
}

/// The server closes, then the client: four segments.
fn close(exchange: &mut Exchange, sent: u32) {
    exchange.by(4).state(SERVER, CLIENT, Established, FinWait1);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1 + sent), 0);
    exchange.full_segment(None, CLIENT, SERVER, ACK, C + 1 + sent, Some(S + 2), 0);
    exchange.state(SERVER, CLIENT, FinWait1, FinWait2);
    exchange.state(SERVER, CLIENT, FinWait2, Close);
    exchange.full_segment(None, CLIENT, SERVER, FIN, C + 1 + sent, Some(S + 2), 0);
    exchange.full_segment(None, SERVER, CLIENT, ACK, S + 2, Some(C + 2 + sent), 0);
}

#[track_caller]
fn is_closed_by_server(exchange: &mut Exchange, sent: u64) {
    let (_, close) = whole(exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::FourSegment, Some(Role::Server)), "{}", close.summary);
    assert_eq!((close.bytes, close.reset), (bytes(sent, 0), None), "{}", close.summary);
}

#[test]
fn a_fin_beyond_the_window_is_not_the_fin() {
    let mut exchange = open_here();
    exchange.full_segment(None, CLIENT, SERVER, FIN, C + 1_000_000, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 1), 0);
    close(&mut exchange, 0);
    is_closed_by_server(&mut exchange, 0);
}

#[test]
fn a_fin_that_acknowledges_what_was_never_sent_is_not_the_fin() {
    let mut exchange = open_here();
    exchange.full_segment(None, CLIENT, SERVER, FIN, C + 1, Some(S + 900_000), 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 1), 0);
    close(&mut exchange, 0);
    is_closed_by_server(&mut exchange, 0);
}

#[test]
fn a_reset_that_is_only_challenged_is_none() {
    let mut exchange = open_here();
    exchange.full_segment(None, CLIENT, SERVER, RST, C + 9_000, None, 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 1), 0);
    close(&mut exchange, 7);
    is_closed_by_server(&mut exchange, 7);
}

#[test]
fn a_reset_behind_data_that_was_not_seen_counts() {
    let mut exchange = open_here();
    exchange.full_segment(None, CLIENT, SERVER, RST, C + 9_000, None, 0);
    exchange.with_error(104).state(SERVER, CLIENT, Established, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.reset.map(|reset| reset.by), Some(Role::Client));
}

#[test]
fn the_ack_of_a_client_whose_server_is_not_seen_shows_where_that_begins() {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 18);
    exchange.segment(CLIENT, SERVER, FIN, C + 19, Some(S + 501), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 20, Some(S + 502), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.bytes.client_to_server, Some(18));
    // The last number may be that of a FIN.
    assert_eq!((close.bytes.server_to_client, close.missing.contains(&Missing::Fin)), (Some(500), true), "{close:?}");
}

#[test]
fn a_reset_that_refuses_an_ack_opens_and_closes_nothing() {
    for capture in [true, false] {
        let mut exchange = if capture { Exchange::of_capture() } else { Exchange::new() };
        if capture {
            exchange.connections().expect_all_segments();
        }
        exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 900_000), 0);
        exchange.segment(SERVER, CLIENT, RST, S + 900_000, None, 0);
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
        exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
        exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 2), 0);
        exchange.segment(CLIENT, SERVER, ACK, C + 2, Some(S + 2), 0);
        let (handshake, close) = whole(&mut exchange);
        assert_eq!((handshake.outcome, close.kind), (Some(Outcome::Established), CloseKind::ThreeSegment));
    }
}

#[test]
fn a_reset_that_ends_a_capture_counts_behind_data_that_was_not_captured() {
    for (flags, ack) in [(RST, Some(S + 1)), (RST, None)] {
        for (ahead, behind, ends) in [
            (1_000, None, true),
            // Beyond the window.
            (2_000, None, false),
            // A challenge ACK (RFC 5961 §3.2), and data of its own end.
            (1_000, Some((SERVER, S + 1, C + 401, 0)), false),
            (1_000, Some((CLIENT, C + 401, S + 1, 400)), false),
        ] {
            let mut exchange = Exchange::of_capture();
            exchange.connections().expect_all_segments();
            exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
            exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
            exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 400);
            exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 401), 0);
            exchange.segment(CLIENT, SERVER, flags, C + 401 + ahead, ack, 0);
            if let Some((from, seq, ack, length)) = behind {
                let to = if from == CLIENT { SERVER } else { CLIENT };
                exchange.segment(from, to, ACK, seq, Some(ack), length);
            }
            let (handshakes, closes) = exchange.records();
            assert_eq!(only(handshakes).outcome, Some(Outcome::Established));
            if ends {
                let close = only(closes);
                let reset = Some(Reset { by: Role::Client, cause: ResetCause::Unknown });
                assert_eq!((close.kind, close.initiator, close.reset), (CloseKind::Reset, Some(Role::Client), reset));
                assert_eq!((close.incomplete, close.missing), (true, vec![Missing::Data]));
            } else {
                assert_eq!(closes, [], "{ahead} {behind:?}");
            }
        }
    }
}

#[test]
fn a_reset_ahead_counts_neither_behind_a_fin_nor_where_the_connection_goes_on() {
    // The server closes; a forged reset of the client is challenged, and both continue, all within one tick of a coarse
    // clock.
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    let at = BootTime(exchange.now());
    for (from, flags, seq, ack, length) in [
        (CLIENT, SYN, C, None, 0),
        (SERVER, SYN, S, Some(C + 1), 0),
        (CLIENT, ACK, C + 1, Some(S + 1), 400),
        (SERVER, ACK, S + 1, Some(C + 401), 0),
        (SERVER, FIN, S + 1, Some(C + 401), 0),
        (CLIENT, RST, C + 1_401, Some(S + 1), 0),
        (SERVER, ACK, S + 2, Some(C + 401), 0),
        (CLIENT, ACK, C + 401, Some(S + 2), 0),
    ] {
        let to = if from == CLIENT { SERVER } else { CLIENT };
        let segment = exchange.built(from, to, flags, seq, ack);
        exchange.event(&Event::Segment(Segment { at, length, ..segment }));
    }
    let (_, closes) = exchange.records();
    assert_eq!(only(closes).kind, CloseKind::Unfinished);

    // No data follows a FIN.
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    exchange.segment(SERVER, CLIENT, RST, S + 1_002, Some(C + 1), 0);
    let (_, closes) = exchange.records();
    assert_eq!(only(closes).kind, CloseKind::Unfinished);
}

/// The last ACK of a Fast Open handshake comes after the server's socket is open, and data may follow unseen all the same.
#[test]
fn a_reset_after_a_fast_open_handshake_shows_how_much_was_sent() {
    let mut exchange = Exchange::new();
    exchange.with_sockets();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 20);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 21), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, C + 21, Some(S + 1), 0);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    // 5 bytes there and 101 back pass unseen.
    exchange.with_proof(Proof { unread: true, ..Proof::default() });
    exchange.state(CLIENT, SERVER, Established, Close);
    exchange.segment(CLIENT, SERVER, RST | ACK, C + 26, Some(S + 102), 0);
    exchange.with_error(104).state(SERVER, CLIENT, Established, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.bytes.client_to_server, close.bytes.server_to_client), (Some(25), Some(101)));
    assert_eq!(close.missing, []);
}

/// Only the first segments after a FIN are recorded whatever they are.
#[test]
fn what_an_end_sends_long_after_the_others_fin_is_not_known() {
    let bytes = |segments: u32| {
        let mut exchange = open_here();
        exchange.by(4).state(SERVER, CLIENT, Established, FinWait1);
        exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 101), 0);
        for index in 0..segments {
            exchange.full_segment(None, CLIENT, SERVER, ACK, C + 101 + index * 10, Some(S + 2), 10);
        }
        exchange.state(SERVER, CLIENT, FinWait1, FinWait2);
        exchange.state(SERVER, CLIENT, FinWait2, Close);
        exchange.full_segment(None, SERVER, CLIENT, RST, S + 2, None, 0);
        whole(&mut exchange).1.bytes.client_to_server
    };
    assert_eq!([bytes(1), bytes(7), bytes(8)], [Some(110), Some(170), None]);
}
