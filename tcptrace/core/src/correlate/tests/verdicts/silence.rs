//! Handshakes of which a capture lacks a segment, with a long silence behind it.

use super::{
    doubted::{Line, down, show, up},
    *,
};
use crate::correlate::tests::stalled::stalls;

const ASKED: Line = (true, SYN, 0, None, 0);
const ANSWERED: Line = down(SYN, 0, 1, 0);

/// The ends close after the first line, which is the client's first segment after the SYN,ACK, or follows it.
const CLOSED: [Line; 3] = [down(FIN, 1, 11, 0), up(FIN, 11, 2, 0), down(ACK, 2, 12, 0)];

/// These lines and, after a silence, the others, in a capture that has shown an ACK before; and the records of the connections
/// that they are.
fn silent(before: &[Line], seconds: u64, after: &[Line]) -> (Vec<Handshake>, Vec<Close>, usize) {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    exchange.segment(CLIENT + 1, SERVER, ACK, 8, Some(71), 0);
    show(&mut exchange, before);
    for _ in 0..seconds {
        exchange.pass(SECOND);
        exchange.timeout();
    }
    show(&mut exchange, after);
    exchange.pass(2 * SECOND);
    let stalls = stalls(&exchange).len();
    let (handshakes, closes) = exchange.records();
    (handshakes, closes, stalls)
}

#[test]
fn an_ack_that_was_not_seen_has_come_if_the_syn_ack_is_not_sent_again() {
    for (seconds, missing) in [(1, vec![]), (10, vec![Missing::Ack]), (300, vec![Missing::Ack])] {
        let data = [&[up(ACK, 1, 1, 10)], &CLOSED[..]].concat();
        let (handshakes, closes, stalls) = silent(&[ASKED, ANSWERED], seconds, &data);
        let (handshake, close) = (only(handshakes), only(closes));
        assert_eq!((handshake.outcome, handshake.missing), (Some(Outcome::Established), missing), "{seconds}");
        assert_eq!((close.kind, close.bytes), (CloseKind::ThreeSegment, bytes(10, 0)), "{seconds}");
        assert_eq!(stalls, 1, "{seconds}");
    }
}

#[test]
fn an_ack_that_comes_late_is_the_one_awaited() {
    let (handshakes, closes, _) = silent(&[ASKED, ANSWERED], 10, &[up(ACK, 1, 1, 0), up(ACK, 1, 1, 10)]);
    let handshake = only(handshakes);
    assert_eq!((handshake.outcome, handshake.missing.len(), closes.len()), (Some(Outcome::Established), 0, 0));
    assert!(handshake.summary.contains("established in 10."), "{}", handshake.summary);
}

#[test]
fn a_reset_long_after_the_syn_ack_is_of_an_established_connection() {
    for by_client in [false, true] {
        let reset = if by_client { up(RST, 1, 1, 0) } else { down(RST, 1, 1, 0) };
        for (again, seconds, outcome) in
            [(false, 1, Outcome::Reset), (false, 10, Outcome::Established), (true, 10, Outcome::Reset)]
        {
            let before = if again { vec![ASKED, ANSWERED, ANSWERED] } else { vec![ASKED, ANSWERED] };
            let (handshakes, closes, _) = silent(&before, seconds, &[reset]);
            let handshake = only(handshakes);
            assert_eq!(handshake.outcome, Some(outcome), "{again} {seconds}: {}", handshake.summary);
            if outcome == Outcome::Established {
                let close = only(closes);
                assert_eq!((handshake.missing, close.kind), (vec![Missing::Ack], CloseKind::Reset));
                let by = if by_client { Role::Client } else { Role::Server };
                assert_eq!((close.initiator, close.reset.map(|reset| reset.by)), (Some(by), Some(by)));
            }
        }
    }
}

#[test]
fn a_syn_ack_that_nothing_follows_is_unanswered() {
    let (handshakes, closes, stalls) = silent(&[ASKED, ANSWERED], 300, &[]);
    let handshake = only(handshakes);
    assert_eq!((handshake.outcome, handshake.waiting_for), (Some(Outcome::Unanswered), Some(WaitingFor::Ack)));
    assert_eq!((closes.len(), stalls), (0, 1));
}

/// The clock may have been set, or a segment is not in the capture.
#[test]
fn what_goes_on_after_its_record_is_another_connection() {
    let data = [&[up(ACK, 1, 1, 0), up(ACK, 1, 1, 10)], &CLOSED[..]].concat();
    let answered = [&[ANSWERED], &data[..]].concat();
    let handshakes = [Missing::Syn, Missing::Synack, Missing::Ack].to_vec();
    for (what, before, after, outcome, missing) in [
        ("a late answer", vec![ASKED], answered, Some(Outcome::Established), vec![Missing::Syn]),
        ("none", vec![ASKED], data.clone(), None, handshakes.clone()),
        ("a late ACK", vec![ASKED, ANSWERED, ANSWERED], data, None, handshakes),
    ] {
        for seconds in [70, 110] {
            let (handshakes, closes, _) = silent(&before, seconds, &after);
            let [first, second] = &handshakes[..] else { panic!("{what}: {handshakes:?}") };
            assert_eq!(first.outcome, Some(Outcome::Unanswered), "{what}");
            assert_eq!((second.outcome, &second.missing), (outcome, &missing), "{what}");
            assert!(!second.role_inferred, "{what}");
            let close = only(closes);
            assert_eq!((close.kind, close.initiator), (CloseKind::ThreeSegment, Some(Role::Server)), "{what}");
        }
    }
}

#[test]
fn a_reset_or_a_repeated_syn_ack_behind_the_record_opens_nothing() {
    for (before, after) in [
        (vec![ASKED], vec![(false, RST, 0, Some(1), 0)]),
        (vec![ASKED, ANSWERED, ANSWERED], vec![ANSWERED]),
        (vec![ASKED, ANSWERED, ANSWERED], vec![up(RST, 1, 1, 0)]),
    ] {
        let (handshakes, closes, _) = silent(&before, 80, &after);
        assert_eq!((only(handshakes).outcome, closes.len()), (Some(Outcome::Unanswered), 0));
    }
}

/// Small devices use one number for all connections.
#[test]
fn another_attempt_with_the_same_number_ends_one_whose_ack_may_have_been_missed() {
    for (seconds, attempts) in [(10, 1), (300, 2)] {
        let again = [ASKED, ANSWERED, up(ACK, 1, 1, 0)];
        let (handshakes, _, _) = silent(&[ASKED, ANSWERED], seconds, &again);
        let outcomes = handshakes.iter().map(|handshake| (handshake.conn, handshake.outcome)).collect::<Vec<_>>();
        let last = (attempts + 1, Some(Outcome::Established));
        let all = [(2, Some(Outcome::Unanswered)), last];
        assert_eq!(outcomes.len(), attempts as usize, "{outcomes:?}");
        assert!(outcomes.iter().all(|outcome| all.contains(outcome)), "{outcomes:?}");
    }
}
