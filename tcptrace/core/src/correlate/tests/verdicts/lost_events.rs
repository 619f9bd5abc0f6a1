//! Whole exchanges as the events of a kernel, of which some were lost or come in another order: what is said is true of the exchange,
//! or it is said that something was not seen.

mod steps;

use self::steps::*;
use super::{
    doubted::{down, show, up},
    *,
};
use crate::{correlate::tests::exchange::conn, event::reset_reason::ResetReason};

/// The verdicts on the events that are seen where these ends are, and the number of connections.
fn told(steps: &[Step], client: bool, server: bool) -> (Vec<Handshake>, Vec<Close>, u64) {
    let mut exchange = Exchange::new();
    for step in steps.iter().filter(|step| step.is_seen(client, server)) {
        step.happen(&mut exchange);
        exchange.pass(10_000);
    }
    for _ in 0..13 {
        exchange.pass(10 * SECOND);
        exchange.timeout();
    }
    let (mut handshakes, mut closes, mut conns) = (Vec::new(), Vec::new(), 0);
    for placed in exchange.finish_all() {
        conns = conns.max(conn(&placed).unwrap_or(0));
        match placed {
            Correlated::Handshake(record) => handshakes.push(*record),
            Correlated::Close(record) => closes.push(*record),
            _ => {}
        }
    }
    (handshakes, closes, conns)
}

/// Checks that what is told of altered events is true of the `whole` exchange, as far as it is told.
#[track_caller]
fn holds(what: &str, whole: &[Step], altered: &[Step], (client, server): (bool, bool)) {
    let right = only(told(whole, client, server).1);
    let (handshakes, closes, conns) = told(altered, client, server);
    let shown = || format!("{what}, sockets {client} {server}: {handshakes:#?} {closes:#?}");
    assert!(conns <= 1, "one connection: {}", shown());
    for handshake in &handshakes {
        assert!(matches!(handshake.outcome, None | Some(Outcome::Established)), "{}", shown());
    }
    for close in &closes {
        let kind = close.kind == right.kind
            || matches!(close.kind, CloseKind::Unfinished | CloseKind::Unseen | CloseKind::Orderly)
            || (close.kind, right.kind) == (CloseKind::ThreeSegment, CloseKind::FourSegment)
            // Nothing came any more to an end that had closed, as far as was seen.
            || close.kind == CloseKind::TimedOut && right.kind == CloseKind::Reset;
        assert!(kind, "{}", shown());
        assert!(close.initiator.is_none() || close.initiator == right.initiator, "{}", shown());
        let reset = close.reset.is_none_or(|told| {
            right
                .reset
                .is_some_and(|right| told.by == right.by && [right.cause, ResetCause::Unknown].contains(&told.cause))
        });
        assert!(reset, "{}", shown());
    }
}

/// Where the sockets are.
const PLACES: [(bool, bool); 3] = [(true, true), (true, false), (false, true)];

#[test]
fn without_one_event() {
    for (name, steps) in exchanges() {
        for place in PLACES {
            let seen: Vec<_> = steps.iter().copied().filter(|step| step.is_seen(place.0, place.1)).collect();
            for lost in 0..seen.len() {
                let mut altered = seen.clone();
                let step = altered.remove(lost);
                holds(&format!("{name} without {step:?}"), &seen, &altered, place);
            }
        }
    }
}

#[test]
fn with_a_state_before_or_behind_its_segment() {
    for (name, steps) in exchanges() {
        for place in PLACES {
            let seen: Vec<_> = steps.iter().copied().filter(|step| step.is_seen(place.0, place.1)).collect();
            for at in 1..seen.len() {
                let (Some(before), Some(behind)) = (seen.get(at - 1), seen.get(at)) else { continue };
                if matches!(before, Segment(_)) != matches!(behind, Segment(_)) {
                    let mut altered = seen.clone();
                    altered.swap(at - 1, at);
                    holds(&format!("{name} with {behind:?} before {before:?}"), &seen, &altered, place);
                }
            }
        }
    }
}

/// The connection was being opened when tracing began.
#[test]
fn the_answer_to_a_syn_before_tracing_is_not_of_an_established_connection() {
    let mut exchange = Exchange::new();
    show(&mut exchange, &[down(RST, 0, 1, 0)]);
    exchange.with_error(ECONNREFUSED).state(CLIENT, SERVER, SynSent, Close);
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.outcome, handshake.kind), (Some(Outcome::Refused), HandshakeKind::ThreeWay));
    assert_eq!(handshake.reset.map(|reset| reset.by), Some(Role::Server));
}

#[test]
fn the_state_that_a_socket_leaves_first_shows_which_end_it_is() {
    for (local, remote) in [(CLIENT, SERVER), (SERVER, CLIENT)] {
        let mut exchange = Exchange::new();
        exchange.with_error(ECONNREFUSED).state(local, remote, SynSent, Close);
        let handshake = failed(&mut exchange);
        assert_eq!((handshake.outcome, handshake.client.port), (Some(Outcome::Refused), Some(local)));

        let mut exchange = Exchange::new();
        exchange.state(local, remote, SynRecv, Established);
        exchange.pass(2 * SECOND);
        exchange.timeout();
        let handshake = only(exchange.records().0);
        assert_eq!((handshake.kind, handshake.server.port), (HandshakeKind::ThreeWay, Some(local)));
        assert!(handshake.role_inferred);
    }
}

/// The ACK was seen, so that nobody waits for it. Where only the server's socket is, that is seen only after the ACK.
#[test]
fn a_socket_whose_later_states_are_lost_was_established_by_the_ack() {
    for place in [(true, true), (true, false)] {
        let steps: Vec<_> = OPENED.into_iter().filter(|step| step.is_seen(place.0, place.1)).collect();
        let lost = |step: &Step| matches!(step, Change(_, SynSent | SynRecv, Established, 0));
        let (handshakes, closes, _) =
            told(&steps.iter().copied().filter(|step| !lost(step)).collect::<Vec<_>>(), place.0, place.1);
        let handshake = only(handshakes);
        assert_eq!((handshake.outcome, closes), (Some(Outcome::Established), vec![]), "{}", handshake.summary);
        assert_eq!(handshake.missing, [Missing::States], "{place:?}: {}", handshake.summary);
    }
}

/// A reset that leaves an unwatched interface, or that is lost, is known by the kernel's reason for it.
#[test]
fn a_reset_for_a_socket_that_has_gone_is_shown_by_its_reason_alone() {
    let mut exchange = Exchange::new();
    let late = [Segment(up(ACK, 8, 20, 30)), Reason(false, ResetReason::NoSocket)];
    for step in OPENED.iter().chain(&CLOSED_BY_THE_SERVER).chain(&late).filter(|step| step.is_seen(false, true)) {
        step.happen(&mut exchange);
    }
    exchange.pass(100 * SECOND);
    exchange.timeout();
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::Reset, Some(Role::Server)), "{}", close.summary);
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::DataAfterClose }), "{}", close.summary);
    assert_eq!(close.missing, [Missing::Fin]);
}

/// What has replaced the socket answers data by a reset, and a FIN by an ACK.
#[test]
fn an_ack_behind_the_end_of_the_socket_shows_the_fin() {
    let mut exchange = Exchange::new();
    let lost_fin = [Segment(down(ACK, 20, 9, 0))];
    for step in OPENED.iter().chain(&CLOSED_BY_THE_SERVER).chain(&lost_fin).filter(|step| step.is_seen(false, true)) {
        step.happen(&mut exchange);
    }
    exchange.pass(100 * SECOND);
    exchange.timeout();
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::Orderly, Some(Role::Server)), "{}", close.summary);
    assert_eq!(close.bytes.client_to_server, None);
}
