//! Outcomes of handshakes.

use super::walk::Walk;
use crate::{
    effect::Errno,
    endpoint::State,
    segment::Side,
    vantage::Vantage,
    verdict::Expect::{self, Any, Is, OneOf},
};

type Word = Option<&'static str>;

/// The expected verdict on a handshake.
pub(super) struct Opening {
    pub(super) outcome: Expect<Word>,
    pub(super) kind: Expect<Word>,
    pub(super) refused_by: Expect<Word>,
}

pub(super) fn expect(walk: &Walk, vantage: Vantage) -> Opening {
    let (outcome, by) = match vantage {
        // The connection itself is not seen.
        _ if !walk.genuine => (Any, None),
        Vantage::Both => of_both(walk),
        Vantage::Host(side) => of_host(walk, side),
        Vantage::OneWay(side) => of_one_way(walk, side),
        Vantage::Loopback | Vantage::Capture(_) | Vantage::Middle => of_segments(walk),
    };
    // The vantage does not show that a reset was lost on its way.
    let lost = walk.may_be_reset(|side| vantage.has_states(side)) && outcome == Is(Some("unanswered"));
    let outcome = if lost { Any } else { outcome };
    let crossed = walk.syn == [true; 2];
    let kind = match vantage {
        Vantage::OneWay(_) => Any,
        _ if !walk.genuine || walk.late_syn => Any,
        _ if crossed => Is(Some("simultaneous")),
        // In a simultaneous open, one of the SYNs may not be seen.
        _ if walk.synack[Side::Client as usize] => Any,
        _ => Is(Some("three_way")),
    };
    Opening { outcome, kind, refused_by: by.map_or(Any, |by| Is(Some(by.word()))) }
}

/// Returns the outcome if an end's socket ended before it was established.
fn of_socket(walk: &Walk, side: Side) -> Option<(Expect<Word>, Option<Side>)> {
    let closed = walk.closed[side as usize].filter(|_| !walk.established[side as usize])?;
    Some(match (closed.from, closed.error) {
        (State::SynSent, Errno::ECONNREFUSED) => (Is(Some("refused")), Some(side.other())),
        (_, Errno::ETIMEDOUT) => (Is(Some("timed_out")), None),
        (State::SynSent, Errno::NONE) => (Is(Some("cancelled")), None),
        (_, Errno::ECONNRESET) => (Is(Some("reset")), Some(side.other())),
        _ => (Any, None),
    })
}

fn of_both(walk: &Walk) -> (Expect<Word>, Option<Side>) {
    if walk.established == [true; 2] {
        let last = walk.established_order.iter().max().copied().flatten();
        let reset = walk.first_reset().map(|reset| reset.order);
        // The reset was sent before the segment that completes the handshake had arrived.
        let early = last.zip(reset).is_some_and(|(last, reset)| reset < last);
        let outcome = if early { OneOf(vec![Some("established"), Some("reset")]) } else { Is(Some("established")) };
        return (outcome, None);
    }
    if walk.syn == [true; 2] {
        return (Any, None);
    }
    match of_socket(walk, Side::Client) {
        Some(told) => told,
        // The server has no socket yet, or never will: its request is not visible.
        None if walk.established[Side::Client as usize] => (Any, None),
        None => (Is(Some("unanswered")), None),
    }
}

fn of_host(walk: &Walk, side: Side) -> (Expect<Word>, Option<Side>) {
    if walk.established[side as usize] {
        return (Is(Some("established")), None);
    }
    if let Some(told) = of_socket(walk, side) {
        return told;
    }
    if side == Side::Client || walk.syn[Side::Server as usize] {
        (Is(Some("unanswered")), None)
    } else {
        of_request(walk)
    }
}

/// Returns the outcome for a server that has no socket yet.
fn of_request(walk: &Walk) -> (Expect<Word>, Option<Side>) {
    match walk.first_reset() {
        // The server only answers it by a challenge ACK (RFC 9293 §3.10.7.4, SYN-RECEIVED), although its sender is
        // gone.
        Some(reset) if reset.odd => (OneOf(vec![Some("reset"), Some("unanswered")]), None),
        Some(reset) if walk.synack[Side::Server as usize] => (Is(Some("reset")), Some(reset.by)),
        Some(reset) => (Is(Some("refused")), Some(reset.by)),
        None => (Is(Some("unanswered")), None),
    }
}

fn of_segments(walk: &Walk) -> (Expect<Word>, Option<Side>) {
    let server_answered = walk.synack[Side::Server as usize];
    // The SYN,ACK acknowledges the client's SYN, and the segment that completes the handshake the server's.
    let completed = match walk.syn_acked {
        [Some(one), Some(other)] => Some(one.max(other)),
        _ => None,
    };
    let reset = walk.first_reset();
    match (completed, reset) {
        (Some(_), None) => (Is(Some("established")), None),
        (Some(at), Some(reset)) if at < reset.order => (Is(Some("established")), None),
        // The reset has overtaken the segment that completes the handshake.
        (Some(_), Some(_)) => (Any, None),
        (None, Some(reset)) if reset.odd => (OneOf(vec![Some("reset"), Some("unanswered")]), None),
        (None, Some(reset)) if server_answered => (Is(Some("reset")), Some(reset.by)),
        (None, Some(reset)) if walk.syn == [true, false] && reset.by == Side::Server => {
            (Is(Some("refused")), Some(reset.by))
        }
        (None, Some(_)) => (Any, None),
        (None, None) if walk.is_misled() => (Any, None),
        (None, None) => (Is(Some("unanswered")), None),
    }
}

/// Returns the outcome by one direction: the server's acknowledgement of more than a SYN proves that the handshake is
/// complete.
fn of_one_way(walk: &Walk, side: Side) -> (Expect<Word>, Option<Side>) {
    // If it has sent a SYN itself, it looks like the client, since nothing of the other end is seen.
    // Segments after a reset may belong to no connection.
    let proven = walk.first_reset().is_none()
        && side == Side::Server
        && !walk.syn[Side::Server as usize]
        && walk.synack[Side::Server as usize]
        && walk.sent[Side::Client as usize].is_some_and(|sent| sent > 1);
    (if proven { Is(Some("established")) } else { Any }, None)
}
