//! Captures that lack segments: what was not seen is not held against an end.

use super::{
    doubted::{Line, closed, down, show, up},
    *,
};
use crate::{
    correlate::CorrelatedSegment,
    verdict::{Awaited, Stalled, Turn},
};

/// A request of 100 bytes and an answer of 200.
pub(super) const EXCHANGED: [Line; 4] =
    [up(ACK, 1, 1, 100), down(ACK, 1, 101, 0), down(ACK, 1, 101, 200), up(ACK, 101, 201, 0)];

/// The last stall and the close of a connection that a capture shows like this, up to a minute later.
fn stalled_and_closed(lines: &[Line]) -> (Option<Stalled>, Option<Close>) {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    show(&mut exchange, &[(true, SYN, 0, None, 0), down(SYN, 0, 1, 0), up(ACK, 1, 1, 0)]);
    show(&mut exchange, &EXCHANGED);
    show(&mut exchange, lines);
    exchange.pass(60 * SECOND);
    exchange.timeout();
    let (mut stalled, mut close) = (None, None);
    for placed in exchange.finish_all() {
        match placed {
            Correlated::Stalled(record) => stalled = Some(*record),
            Correlated::Close(record) => close = Some(*record),
            _ => {}
        }
    }
    (stalled, close)
}

#[test]
fn an_end_whose_last_number_was_not_seen_may_have_closed() {
    for (what, lines, initiator, unknown) in [
        (
            "the client's FIN",
            vec![down(ACK, 201, 102, 0), down(FIN, 201, 102, 0), up(ACK, 102, 202, 0)],
            None,
            "client",
        ),
        (
            "the server's FIN, with the last acknowledgement for it",
            vec![up(FIN, 101, 201, 0), down(ACK, 201, 102, 0), up(ACK, 102, 202, 0)],
            Some(Role::Client),
            "server",
        ),
        (
            "the server's last data and FIN",
            vec![up(FIN, 101, 201, 0), down(ACK, 201, 102, 0), up(ACK, 102, 302, 0), up(ACK, 102, 302, 0)],
            Some(Role::Client),
            "server",
        ),
    ] {
        let (stalled, close) = stalled_and_closed(&lines);
        let stalled = stalled.unwrap_or_else(|| panic!("{what}: a stall"));
        assert_eq!((stalled.waiting_for, stalled.turn), (None, None), "{what}: {}", stalled.summary);
        let expected = format!("whether the {unknown} has is unknown: what it sent last was not seen");
        assert!(stalled.summary.ends_with(&expected), "{what}: {}", stalled.summary);
        assert!(![stalled.state.client, stalled.state.server].contains(&Some(CloseWait)), "{what}");
        let close = close.unwrap_or_else(|| panic!("{what}: a close"));
        assert_eq!((close.kind, close.initiator), (CloseKind::Unfinished, initiator), "{what}: {}", close.summary);
        assert_eq!(close.missing, [Missing::Fin], "{what}");
    }
    let (stalled, close) = stalled_and_closed(&[up(FIN, 101, 201, 0), down(ACK, 201, 102, 0)]);
    let stalled = stalled.expect("a stall");
    assert_eq!((stalled.waiting_for, stalled.turn), (Some(Awaited::Close), Some(Turn::Server)), "everything was seen");
    assert_eq!(close.map(|close| close.missing), Some(vec![]), "everything was seen");
}

#[test]
fn an_acknowledgement_that_may_have_been_missed_is_nobodys_turn() {
    let fins = [up(FIN, 101, 201, 0), down(FIN, 201, 102, 0)];
    let (stalled, close) = stalled_and_closed(&fins);
    assert_eq!(stalled.map(|stalled| (stalled.waiting_for, stalled.turn)), Some((None, None)));
    let summary = close.expect("a close").summary;
    assert!(
        summary.starts_with("unfinished: both ends have closed; the ACK of the server's FIN was not seen"),
        "{summary}"
    );
    let again = [&fins[..], &fins[1..]].concat();
    let (stalled, _) = stalled_and_closed(&again);
    let waits = stalled.map(|stalled| (stalled.waiting_for, stalled.turn));
    assert_eq!(waits, Some((Some(Awaited::Ack), Some(Turn::Client))), "it would not be sent again");
}

#[test]
fn the_reset_of_an_end_that_may_have_closed_has_no_known_cause() {
    let lines = [&EXCHANGED[..], &[up(ACK, 101, 202, 0), up(ACK, 101, 202, 60), (false, RST, 202, None, 0)]].concat();
    let close = closed(&lines);
    let reset = close.reset.map(|reset| (reset.by, reset.cause));
    assert_eq!(reset, Some((Role::Server, ResetCause::Unknown)), "data may have met a closed socket");
    assert_eq!(close.missing, [Missing::Fin]);
    let lines =
        [&EXCHANGED[..], &[(true, RST, 150, None, 0), down(ACK, 201, 101, 0), (true, RST, 101, None, 0)]].concat();
    let reset = closed(&lines).reset.map(|reset| (reset.by, reset.cause));
    assert_eq!(reset, Some((Role::Client, ResetCause::Unknown)), "it had ended the connection itself before");
}

#[test]
fn a_close_behind_a_gap_that_is_longer_than_the_window_counts() {
    for (what, lines, kind, initiator, (up_bytes, down_bytes)) in [
        (
            "of one direction",
            vec![up(FIN, 900_001, 1, 0), down(ACK, 1, 900_002, 0), down(FIN, 1, 900_002, 0), up(ACK, 900_002, 2, 0)],
            CloseKind::FourSegment,
            Role::Client,
            (900_000, 0),
        ),
        (
            "of both directions",
            vec![
                up(FIN, 900_001, 800_001, 0),
                down(ACK, 800_001, 900_002, 0),
                down(FIN, 800_001, 900_002, 0),
                up(ACK, 900_002, 800_002, 0),
            ],
            CloseKind::FourSegment,
            Role::Client,
            (900_000, 800_000),
        ),
        (
            "of both directions, and only the other FIN acknowledges the first",
            vec![down(FIN, 800_001, 900_001, 0), up(FIN, 900_001, 800_002, 0), down(ACK, 800_002, 900_002, 0)],
            CloseKind::ThreeSegment,
            Role::Server,
            (900_000, 800_000),
        ),
        (
            "and the acknowledgement was captured before the FIN",
            vec![down(ACK, 1, 900_002, 0), up(FIN, 900_001, 1, 0), down(FIN, 1, 900_002, 0), up(ACK, 900_002, 2, 0)],
            CloseKind::FourSegment,
            Role::Client,
            (900_000, 0),
        ),
    ] {
        let close = closed(&lines);
        assert_eq!((close.kind, close.initiator), (kind, Some(initiator)), "{what}: {}", close.summary);
        assert_eq!(close.bytes, bytes(up_bytes, down_bytes), "{what}");
    }
}

#[test]
fn data_behind_a_gap_that_is_longer_than_the_window_goes_on() {
    let close = closed(&[
        up(ACK, 900_001, 800_001, 100),
        up(ACK, 900_101, 800_001, 100),
        // Sent before the second arrived.
        down(ACK, 800_001, 900_101, 500),
        up(FIN, 900_201, 800_501, 0),
        down(FIN, 800_501, 900_202, 0),
        up(ACK, 900_202, 800_502, 0),
    ]);
    assert_eq!((close.kind, close.bytes), (CloseKind::ThreeSegment, bytes(900_200, 800_500)));
}

#[test]
fn a_fin_beyond_the_window_that_nobody_acknowledges_closes_nothing() {
    let beyond = up(FIN, 900_001, 1, 0);
    let close = closed(&[
        beyond,
        down(ACK, 1, 1, 0),
        up(ACK, 1, 1, 100),
        down(ACK, 1, 101, 0),
        beyond,
        down(FIN, 1, 101, 0),
        up(FIN, 101, 2, 0),
        down(ACK, 2, 102, 0),
    ]);
    assert_eq!((close.kind, close.initiator), (CloseKind::ThreeSegment, Some(Role::Server)));
    assert_eq!(close.bytes, bytes(100, 0));
}

#[test]
fn a_fin_that_meets_a_reset_and_is_answered_by_another_is_not_missing() {
    for again in [down(RST, 201, 133, 0), (false, RST, 201, None, 0)] {
        let crossing = [up(ACK, 101, 201, 31), down(RST, 201, 132, 0), up(FIN, 132, 201, 0), again];
        let close = closed(&[&EXCHANGED[..], &crossing].concat());
        assert_eq!((close.kind, close.initiator), (CloseKind::Reset, Some(Role::Server)));
        assert_eq!((close.bytes, close.missing), (bytes(131, 200), vec![]));
    }
}

#[test]
fn no_data_follows_a_fin_that_was_acknowledged() {
    let close = closed(&[
        // Of these 90 bytes, 41 arrive.
        up(ACK, 1, 1, 90),
        down(ACK, 1, 42, 57),
        up(FIN, 42, 58, 0),
        down(FIN, 58, 43, 0),
        up(ACK, 43, 59, 0),
    ]);
    assert_eq!((close.kind, close.bytes), (CloseKind::ThreeSegment, bytes(41, 57)));
}

#[test]
fn a_fin_without_ack_counts_once_it_is_acknowledged() {
    let fin = (true, FIN, 1, None, 0);
    let close = closed(&[fin, down(ACK, 1, 2, 0), down(FIN, 1, 2, 0), up(ACK, 2, 2, 0)]);
    assert_eq!((close.kind, close.initiator), (CloseKind::FourSegment, Some(Role::Client)));
    assert_eq!(close.bytes, bytes(0, 0));
    // Linux drops it (tcp_rcv_state_process of net/ipv4/tcp_input.c).
    let close =
        closed(&[fin, up(ACK, 1, 1, 8), down(ACK, 1, 9, 0), down(FIN, 1, 9, 0), up(FIN, 9, 2, 0), down(ACK, 2, 10, 0)]);
    assert_eq!((close.kind, close.initiator), (CloseKind::ThreeSegment, Some(Role::Server)));
}

#[test]
fn the_last_fin_of_a_capture_counts_behind_data_that_was_not_captured() {
    let close = closed(&[up(ACK, 1, 1, 100), down(ACK, 1, 101, 0), up(FIN, 101, 201, 0)]);
    assert_eq!((close.kind, close.initiator), (CloseKind::Unfinished, None), "{}", close.summary);
    let summary = "unfinished: the client has closed its side; whether the server had before is unknown";
    assert!(close.summary.starts_with(summary), "{}", close.summary);
    // An end closes once.
    let fins = [up(FIN, 1, 1, 0), down(ACK, 1, 2, 0), down(FIN, 1, 2, 0), up(FIN, 2, 77, 0)];
    assert_eq!(closed(&fins).kind, CloseKind::Unfinished);
    // Nor does it close after it has sent a reset, if only one that the other end does not accept.
    let (_, close) = stalled_and_closed(&[down(RST, 210, 101, 0), down(FIN, 201, 177, 0)]);
    assert!(close.as_ref().is_none_or(|close| close.bytes == bytes(100, 200)), "{close:#?}");
}

#[test]
fn data_that_follows_a_gap_was_seen() {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    let again = up(ACK, 900_001, 1, 100);
    show(&mut exchange, &[(true, SYN, 0, None, 0), down(SYN, 0, 1, 0), up(ACK, 1, 1, 0), again]);
    show(&mut exchange, &[down(ACK, 1, 900_101, 0), again, down(FIN, 1, 900_101, 0), up(ACK, 900_101, 2, 0)]);
    exchange.pass(2 * SECOND);
    let placed = exchange.finish_all();
    let segment = |placed: &Correlated| if let Correlated::Segment(segment) = placed { Some(*segment) } else { None };
    let repeated: Vec<bool> =
        placed.iter().filter_map(segment).map(|CorrelatedSegment { retransmission, .. }| retransmission).collect();
    assert_eq!(repeated, [false, false, false, false, false, true, false, false]);
    let close = placed.iter().find_map(|placed| if let Correlated::Close(close) = placed { Some(close) } else { None });
    assert_eq!(close.map(|close| close.missing.as_slice()), Some(&[][..]), "the client has not closed");
}

#[test]
fn data_that_a_capture_leaves_out_is_no_fin() {
    let close = closed(&[down(RST, 1, 101, 0)]);
    assert_eq!((close.initiator, close.missing), (Some(Role::Server), vec![]));
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    show(&mut exchange, &[(true, SYN, 0, None, 0), down(SYN, 0, 1, 0), up(ACK, 1, 1, 0)]);
    show(&mut exchange, &[up(FIN, 101, 201, 0), down(ACK, 201, 102, 0)]);
    exchange.pass(2 * SECOND);
    exchange.timeout();
    let turn = exchange.placed().iter().find_map(|placed| match placed {
        Correlated::Stalled(record) => record.turn,
        _ => None,
    });
    assert_eq!(turn, Some(Turn::Server));
}

/// Two interfaces of a host, or the queues of one, may be captured in the wrong order.
#[test]
fn a_syn_ack_or_an_ack_that_is_captured_late_is_not_missing() {
    let begun: [Line; 1] = [(true, SYN, 0, None, 0)];
    for (what, lines) in [
        ("SYN,ACK behind the ACK", [up(ACK, 1, 1, 0), down(SYN, 0, 1, 0), up(ACK, 1, 1, 100), down(ACK, 1, 101, 0)]),
        ("ACK behind the data", [down(SYN, 0, 1, 0), up(ACK, 101, 1, 100), up(ACK, 1, 1, 0), up(ACK, 1, 1, 100)]),
    ] {
        let mut exchange = Exchange::of_capture();
        exchange.connections().expect_all_segments();
        show(&mut exchange, &[&begun[..], &lines].concat());
        exchange.pass(SECOND);
        exchange.timeout();
        let (handshakes, closes) = exchange.records();
        let handshake = only(handshakes);
        assert_eq!((handshake.outcome, handshake.missing), (Some(Outcome::Established), vec![]), "{what}");
        assert_eq!(closes, [], "{what}");
    }
}

#[test]
fn an_ack_that_was_missed_has_no_time() {
    for lines in [[down(ACK, 1, 101, 0), up(ACK, 101, 1, 50)], [down(ACK, 1, 1, 300), up(ACK, 1, 301, 0)]] {
        let mut exchange = Exchange::of_capture();
        exchange.connections().expect_all_segments();
        show(&mut exchange, &[(true, SYN, 0, None, 0), down(SYN, 0, 1, 0)]);
        show(&mut exchange, &lines);
        exchange.pass(SECOND);
        exchange.timeout();
        let handshake = only(exchange.records().0);
        assert_eq!((handshake.outcome, handshake.synack_to_ack_ns), (Some(Outcome::Established), None));
        assert_eq!(handshake.missing, [Missing::Ack]);
    }
}
