//! Captures of SYN, FIN and RST segments alone: ACKs and data are not in them.

use super::{
    doubted::{Line, down, show, up},
    *,
};
use crate::correlate::tests::stalled::stalls;

/// Connections that show what kind of capture it is. The one that is judged is the next.
const BEFORE: u64 = 4;

/// SYN; SYN,ACK as such a capture shows them, behind other connections.
fn answered() -> Exchange {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    for client in (CLIENT + 10..).take(BEFORE as usize) {
        exchange.segment(client, SERVER, SYN, 7, None, 0);
        exchange.segment(SERVER, client, SYN, 70, Some(8), 0);
        exchange.segment(SERVER, client, FIN, 571, Some(8), 0);
        exchange.segment(client, SERVER, FIN, 8, Some(572), 0);
    }
    begin(&mut exchange);
    exchange
}

fn begin(exchange: &mut Exchange) {
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
}

/// The records of the connection that is judged.
fn judged(exchange: &mut Exchange) -> (Handshake, Option<Close>) {
    let (handshakes, closes) = exchange.records();
    let handshake = handshakes.into_iter().find(|handshake| handshake.conn == BEFORE + 1).expect("a record");
    (handshake, closes.into_iter().find(|close| close.conn == BEFORE + 1))
}

fn both(exchange: &mut Exchange) -> (Handshake, Close) {
    let (handshake, close) = judged(exchange);
    (handshake, close.expect("a record of the close"))
}

#[test]
fn both_fins_show_an_orderly_close_however_much_passed_before() {
    let mut exchange = answered();
    exchange.pass(100 * SECOND);
    exchange.timeout();
    exchange.segment(SERVER, CLIENT, FIN, S + 2_000_001, Some(C + 301), 0);
    exchange.pass(100 * SECOND);
    exchange.timeout();
    let ended = exchange.totals().ended;
    exchange.segment(CLIENT, SERVER, FIN, C + 301, Some(S + 2_000_002), 0);
    exchange.pass(2 * SECOND);
    exchange.timeout();
    assert_eq!((stalls(&exchange), exchange.totals().ended), (vec![], ended + 1));
    let (handshake, close) = both(&mut exchange);
    assert_eq!((handshake.outcome, handshake.synack_to_ack_ns), (Some(Outcome::Established), None));
    assert_eq!(handshake.summary, "three-way handshake, established (incomplete, not seen: ACK)");
    assert_eq!((close.kind, close.initiator), (CloseKind::Orderly, Some(Role::Server)));
    assert_eq!((close.time_wait, close.bytes), (Some(TimeWait::Server), bytes(300, 2_000_000)));
    assert_eq!(close.missing, [Missing::Ack]);
    assert!(close.summary.starts_with("closed by the server; 300 B →, 2000000 B ←"), "{}", close.summary);
}

#[test]
fn fins_that_cross_are_seen_to_cross() {
    let mut exchange = answered();
    exchange.segment(SERVER, CLIENT, FIN, S + 501, Some(C + 301), 0);
    exchange.segment(CLIENT, SERVER, FIN, C + 301, Some(S + 501), 0);
    assert_eq!(both(&mut exchange).1.kind, CloseKind::Simultaneous);
}

#[test]
fn a_reset_behind_data_that_is_not_in_the_capture_ends_an_established_connection() {
    let mut exchange = answered();
    exchange.pass(SECOND);
    exchange.segment(CLIENT, SERVER, RST, C + 70_000, Some(S + 900_000), 0);
    let (handshake, close) = both(&mut exchange);
    assert_eq!(handshake.outcome, Some(Outcome::Established), "{}", handshake.summary);
    assert_eq!((close.kind, close.initiator), (CloseKind::Reset, Some(Role::Client)), "{}", close.summary);
}

#[test]
fn that_an_ack_did_not_come_is_said_only_of_a_capture_that_has_some() {
    const OTHER: u16 = CLIENT + 1;
    let after = |again: bool, text: bool| {
        let mut exchange = answered();
        if again {
            exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
        }
        exchange.segment(OTHER, SERVER, SYN, 7, None, 0);
        if text {
            exchange.segment(SERVER, OTHER, SYN, 70, Some(8), 0);
            exchange.segment(OTHER, SERVER, ACK, 8, Some(71), 0);
        }
        let (first, _) = judged(&mut exchange);
        assert_eq!(first.outcome, Some(Outcome::Unanswered));
        first.summary
    };
    let unknown = "three-way handshake, answered; whether it was established is unknown, since the capture has no ACKs";
    let waits = "three-way handshake, unanswered: waiting for the client's ACK after one SYN";
    let again = format!("{unknown}; the SYN,ACK was sent 2 times");
    assert_eq!([after(false, false), after(true, false), after(false, true)], [unknown, &again, waits]);
}

#[test]
fn the_first_ack_of_a_capture_lets_the_others_be_waited_for() {
    let mut exchange = answered();
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.pass(70 * SECOND);
    exchange.timeout();
    let judged_already = |exchange: &Exchange| {
        exchange.placed().iter().any(|one| matches!(one, Correlated::Handshake(record) if record.conn == BEFORE + 1))
    };
    assert_eq!((stalls(&exchange).len(), judged_already(&exchange)), (0, false));
    exchange.segment(CLIENT + 1, SERVER, ACK, 8, Some(71), 0);
    exchange.timeout();
    assert!(judged_already(&exchange));
}

/// Its number lies before the SYN,ACK's acknowledgement: what the server accepts of it is the ACK.
#[test]
fn a_fin_that_is_not_accepted_may_complete_the_handshake() {
    let mut exchange = answered();
    exchange.segment(CLIENT, SERVER, FIN, C, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, RST, S + 1, None, 0);
    let (handshake, close) = both(&mut exchange);
    assert_eq!((handshake.outcome, handshake.missing.len()), (Some(Outcome::Established), 0));
    assert_eq!((close.kind, close.initiator), (CloseKind::Reset, Some(Role::Server)), "{}", close.summary);
}

/// A scan, or a connection whose ACK and data are not in the capture.
#[test]
fn a_reset_alone_does_not_show_that_the_handshake_was_incomplete() {
    for ack in [None, Some(S + 1)] {
        let mut exchange = answered();
        exchange.segment(CLIENT, SERVER, RST, C + 1, ack, 0);
        let (handshake, close) = judged(&mut exchange);
        assert_eq!(close, None);
        assert_eq!(handshake.outcome, Some(Outcome::Reset));
        assert!(handshake.summary.ends_with("is unknown, since the capture has no ACKs"), "{}", handshake.summary);
    }
}

/// A number ahead of everything seen may be forged, and an ACK may be still to come.
#[test]
fn what_begins_like_any_other_capture_is_held_to_what_was_seen() {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    begin(&mut exchange);
    exchange.segment(CLIENT, SERVER, RST, C + 5, None, 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    let (handshakes, closes) = exchange.records();
    assert_eq!((only(handshakes).outcome, closes), (Some(Outcome::Established), vec![]));
}

/// Its name, the lines after the SYN,ACK, and what they make of the close: its kind, its initiator and who reset.
type Case<'a> = (&'a str, &'a [Line], CloseKind, Option<Role>, Option<Role>);

/// The whole capture: a connection with data, which is not in it.
#[test]
fn a_single_connection_shows_by_its_numbers_that_acks_are_left_out() {
    let opened: [Line; 2] = [(true, SYN, 0, None, 0), down(SYN, 0, 1, 0)];
    let cases: [Case; 7] = [
        ("closed", &[up(FIN, 101, 201, 0), down(FIN, 201, 102, 0)], CloseKind::Orderly, Some(Role::Client), None),
        ("crossing", &[up(FIN, 101, 201, 0), down(FIN, 201, 101, 0)], CloseKind::Simultaneous, None, None),
        ("half-closed", &[down(FIN, 201, 101, 0)], CloseKind::Unfinished, Some(Role::Server), None),
        ("aborted", &[up(RST, 101, 201, 0)], CloseKind::Reset, Some(Role::Client), Some(Role::Client)),
        ("forgotten", &[(false, RST, 201, None, 0)], CloseKind::Reset, Some(Role::Server), Some(Role::Server)),
        (
            "aborted after a FIN",
            &[up(FIN, 101, 201, 0), down(RST, 201, 102, 0)],
            CloseKind::Reset,
            Some(Role::Client),
            Some(Role::Server),
        ),
        (
            "data after the close",
            &[down(FIN, 201, 101, 0), (false, RST, 202, None, 0)],
            CloseKind::Reset,
            Some(Role::Server),
            Some(Role::Server),
        ),
    ];
    for (what, lines, kind, initiator, by) in cases {
        // The connection is idle for longer than any handshake.
        // A number ahead in one direction alone may be forged, unless the SYN,ACK would have been sent again.
        let one_way = lines.iter().all(|(.., seq, ack, _)| *seq == 1 || ack.is_none());
        for idle in [0, 600 * SECOND].into_iter().skip(one_way.into()) {
            let mut exchange = Exchange::of_capture();
            exchange.connections().expect_all_segments();
            show(&mut exchange, &opened);
            exchange.pass(idle);
            show(&mut exchange, lines);
            let (handshake, close) = whole(&mut exchange);
            assert_eq!(stalls(&exchange), [], "{what}");
            assert_eq!((handshake.outcome, handshake.synack_to_ack_ns), (Some(Outcome::Established), None), "{what}");
            assert_eq!(handshake.missing, [Missing::Ack], "{what}");
            assert_eq!((close.kind, close.initiator), (kind, initiator), "{what}: {}", close.summary);
            assert_eq!(close.reset.map(|reset| reset.by), by, "{what}: {}", close.summary);
            assert_ne!(close.bytes.client_to_server, Some(0), "{what}: {}", close.summary);
        }
    }
}

/// An ACK within a second would have been sent, or the SYN,ACK again.
#[test]
fn a_fin_that_comes_much_later_is_not_the_ack() {
    for (idle, missing) in [(SECOND, vec![]), (600 * SECOND, vec![Missing::Ack])] {
        let mut exchange = Exchange::of_capture();
        exchange.connections().expect_all_segments();
        begin(&mut exchange);
        exchange.pass(idle);
        show(&mut exchange, &[up(FIN, 1, 1, 0), down(FIN, 1, 2, 0)]);
        let placed = exchange.finish_all();
        assert!(
            !placed
                .iter()
                .any(|one| matches!(one, Correlated::Stalled(record) if record.at.0 < exchange.now() - SECOND))
        );
        let handshake = placed.into_iter().find_map(|one| match one {
            Correlated::Handshake(record) => Some(*record),
            _ => None,
        });
        let told = handshake.map(|handshake| (handshake.outcome, handshake.missing));
        assert_eq!(told, Some((Some(Outcome::Established), missing)));
    }
}

/// The windows of these ends are not scaled, and a round trip takes as long as the handshake.
#[test]
fn a_reset_behind_more_than_a_window_for_each_round_trip_is_forged() {
    for (ahead, outcome) in [(1_000_000, Outcome::Established), (100_000_000, Outcome::Unanswered)] {
        let mut exchange = Exchange::of_capture();
        exchange.connections().expect_all_segments();
        exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        exchange.pass(SECOND / 1_000);
        exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
        exchange.pass(SECOND / 25);
        show(&mut exchange, &[down(RST, 1 + ahead, 5, 0)]);
        let placed = exchange.finish_all();
        let handshake = placed.into_iter().find_map(|one| match one {
            Correlated::Handshake(record) => record.outcome,
            _ => None,
        });
        assert_eq!(handshake, Some(outcome), "{ahead}");
    }
}
