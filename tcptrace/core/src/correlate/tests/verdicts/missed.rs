//! Traces with states in which segments were not seen.

use super::*;
use crate::event::{BootTime, Event};

/// A state change of the client (true) or the server, or a segment with numbers relative to the ISNs.
#[derive(Clone, Copy, Debug)]
enum Step {
    State(bool, crate::tcp::TcpState, crate::tcp::TcpState),
    Segment(bool, TcpFlags, u32, Option<u32>),
}

/// A connection with 100 bytes up and 200 down, which the client closes; data passes unseen.
const STEPS: [Step; 17] = [
    Step::State(true, Close, SynSent),
    Step::Segment(true, SYN, 0, None),
    Step::Segment(false, SYN, 0, Some(1)),
    Step::State(true, SynSent, Established),
    Step::Segment(true, ACK, 1, Some(1)),
    Step::State(false, Listen, SynRecv),
    Step::State(false, SynRecv, Established),
    Step::State(true, Established, FinWait1),
    Step::Segment(true, FIN, 101, Some(201)),
    Step::State(false, Established, CloseWait),
    Step::Segment(false, ACK, 201, Some(102)),
    Step::State(true, FinWait1, FinWait2),
    Step::State(false, CloseWait, LastAck),
    Step::Segment(false, FIN, 201, Some(102)),
    Step::State(true, FinWait2, Close),
    Step::Segment(true, ACK, 102, Some(202)),
    Step::State(false, LastAck, Close),
];

/// The verdicts of a trace with the states of the ends in `here`, the client and the server, without one segment.
fn without(missed: usize, here: [bool; 2]) -> (Handshake, Close) {
    let mut exchange = Exchange::new();
    let ends = |client| if client { (CLIENT, SERVER, C, S) } else { (SERVER, CLIENT, S, C) };
    for (at, step) in STEPS.into_iter().enumerate() {
        match step {
            Step::State(client, old, new) if here[usize::from(!client)] => {
                let (local, remote, ..) = ends(client);
                exchange.state(local, remote, old, new);
            }
            Step::Segment(client, flags, seq, ack) if at != missed => {
                let (from, to, own, other) = ends(client);
                let socket = here[usize::from(!client)].then(|| Exchange::socket_of(from));
                exchange.full_segment(socket, from, to, flags, own + seq, ack.map(|ack| other + ack), 0);
            }
            Step::State(..) | Step::Segment(..) => {}
        }
    }
    exchange.pass(70 * SECOND);
    exchange.timeout();
    whole(&mut exchange)
}

#[test]
fn no_single_segment_decides_what_states_and_the_others_show() {
    for here in [[true, true], [true, false], [false, true]] {
        for (missed, step) in STEPS.iter().enumerate() {
            let &Step::Segment(_, flags, ..) = step else { continue };
            let (handshake, close) = without(missed, here);
            let what = format!("{here:?}, without {step:?}: {} {}", handshake.summary, close.summary);
            assert_eq!(handshake.outcome, Some(Outcome::Established), "{what}");
            let kinds: &[CloseKind] = match (flags, missed) {
                (FIN, _) | (_, 15) => &[CloseKind::Orderly, CloseKind::FourSegment],
                (_, 10) => &[CloseKind::ThreeSegment],
                _ => &[CloseKind::FourSegment],
            };
            assert!(kinds.contains(&close.kind) && close.initiator == Some(Role::Client), "{what}");
            assert!(close.kind == CloseKind::FourSegment || close.time_wait == Some(TimeWait::Client), "{what}");
            for (bytes, right) in [(close.bytes.client_to_server, 100), (close.bytes.server_to_client, 200)] {
                assert!(bytes.is_none_or(|bytes| bytes == right), "{what}");
            }
            let both = handshake.missing.iter().chain(&close.missing);
            let unseen = [Missing::Syn, Missing::Synack, Missing::Ack, Missing::Fin];
            // A later segment does as well, or a state.
            let needless = [4, 10, 15].contains(&missed);
            assert!(needless || both.into_iter().any(|missing| unseen.contains(missing)), "{what}");
        }
    }
}

#[test]
fn an_end_whose_fin_the_other_ends_states_show_has_not_forgotten_the_connection() {
    let mut exchange = Exchange::new();
    exchange.with_sockets();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.full_segment(None, SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    exchange.segment(CLIENT, SERVER, ACK, C + 101, Some(S + 202), 60);
    exchange.full_segment(None, SERVER, CLIENT, RST, S + 202, None, 0);
    exchange.with_error(32).state(CLIENT, SERVER, CloseWait, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::Unknown }), "{}", close.summary);
    assert_eq!(close.bytes.server_to_client, None, "the last number may be that of its FIN");
}

#[test]
fn a_socket_whose_end_may_have_been_lost_does_not_show_that_a_reset_is_forged() {
    for lost in [false, true] {
        let mut exchange = established();
        exchange.segment(CLIENT, SERVER, RST, C + 1, Some(S + 1), 0);
        if lost {
            let loss =
                Loss { at: BootTime(exchange.now()), source: LossSource::State, count: 1, total: 1, placed: false };
            exchange.event(&Event::Loss(loss));
        }
        exchange.with_error(104).state(SERVER, CLIENT, Established, Close);
        exchange.pass(2 * SECOND);
        let (_, close) = whole(&mut exchange);
        let cause = if lost { ResetCause::Unknown } else { ResetCause::Forged };
        assert_eq!(close.reset, Some(Reset { by: Role::Client, cause }), "{}", close.summary);
    }
}

#[test]
fn a_reset_of_a_socket_whose_end_was_not_seen_is_its_own() {
    let mut exchange = established();
    exchange.with_sockets().segment(CLIENT, SERVER, RST, C + 1, Some(S + 1), 0);
    exchange.with_error(104).state(SERVER, CLIENT, Established, Close);
    exchange.pass(2 * SECOND);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.reset, Some(Reset { by: Role::Client, cause: ResetCause::Unknown }), "{}", close.summary);
    assert_eq!(close.missing, [Missing::States]);
}

#[test]
fn the_end_whose_close_only_states_show_has_closed_first() {
    let mut exchange = established();
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.state(SERVER, CLIENT, Established, CloseWait);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 2), 0);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.state(SERVER, CLIENT, CloseWait, LastAck);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 2), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::Unfinished, Some(Role::Client)), "{}", close.summary);
}

#[test]
fn times_from_before_a_missing_change_are_unknown() {
    let mut exchange = Exchange::new();
    exchange.pass(5_000 * SECOND);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.segment(CLIENT, SERVER, RST, C + 1, Some(S + 1), 0);
    exchange.with_error(0).state(CLIENT, SERVER, Established, Close);
    exchange.pass(2 * SECOND);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.outcome, handshake.connect_ns), (Some(Outcome::Established), None));
    assert!(close.duration_ns.is_some_and(|lasted| lasted < SECOND), "{:?}", close.duration_ns);
    assert!(close.rtt.handshake_ns.is_none_or(|round| round < SECOND), "{:?}", close.rtt);
}

#[test]
fn states_of_a_close_show_that_an_end_was_established() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 2), 0);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 2), 0);
    exchange.state(CLIENT, SERVER, FinWait2, Close);
    exchange.segment(CLIENT, SERVER, ACK, C + 2, Some(S + 2), 0);
    exchange.pass(2 * SECOND);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.outcome, close.kind), (Some(Outcome::Established), CloseKind::FourSegment));
}

#[test]
fn a_syn_that_a_reset_answered_and_that_is_not_sent_again_is_refused() {
    for again in [false, true] {
        let mut exchange = Exchange::new();
        exchange.state(CLIENT, SERVER, Close, SynSent);
        exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        exchange.segment(SERVER, CLIENT, RST, 0, Some(C + 1), 0);
        if again {
            exchange.pass(SECOND);
            exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        }
        exchange.pass(70 * SECOND);
        exchange.timeout();
        let outcome = if again { Outcome::Unanswered } else { Outcome::Refused };
        assert_eq!(failed(&mut exchange).outcome, Some(outcome), "{again}");
    }
}
