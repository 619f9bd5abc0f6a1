//! The right verdicts, derived from the segments that the ends accepted.

mod close;
mod opening;
mod walk;

use self::walk::Walk;
use crate::{
    effect::{Cause, Effect},
    endpoint::State,
    history::History,
    segment::{ACK, RST, SYN, Side},
    vantage::{Seen, Vantage},
    verdict::{Expect, Stray, Truth},
};

/// Returns the verdicts on `history` that are right at `vantage`.
pub fn truth(history: &History, vantage: Vantage) -> Truth {
    let view = vantage.view(history);
    let mut shown: Vec<usize> = Vec::new();
    let (mut owners, mut strays) = (Vec::new(), Vec::new());
    let mut forged = false;
    for (order, (_, seen)) in view.iter().enumerate() {
        let generation = generation_of(history, seen);
        let genuine = is_genuine(history, seen);
        let refuses = refuses_forged(history, seen);
        if genuine && !refuses && !shown.contains(&generation) {
            shown.push(generation);
        }
        let owner = shown.iter().position(|&known| known == generation);
        let refused = !vantage.is_live() && follows_reset(history, &view, order);
        let stray = stray(history, seen, shown.is_empty(), refused, vantage)
            .or_else(|| crosses_too_late(history, &view, order).then_some(Stray::Anything))
            .or_else(|| follows_refusal(history, &view, order, vantage).then_some(Stray::Anything));
        // A forgery after a forged SYN may belong to either connection, and so may the reset that refuses it.
        let strayed = strays.iter().any(Option::is_some);
        let astray = (!genuine || refuses) && strayed || strays.contains(&Some(Stray::Anything));
        // One direction shows neither the window nor how far a forgery has moved the numbers of the connection before.
        forged |= !genuine;
        let alone = shown.len() < 2 && !strayed;
        let duplicate = forged && matches!(vantage, Vantage::OneWay(_)) && !alone;
        // A forgery may be meant for any of the connections seen so far, and so may the reset that refuses it.
        let meant_for_any = (!genuine || refuses) && shown.len() > 1;
        let left_open = meant_for_any
            || stray.is_some()
            || astray
            || duplicate
            || refuses_old(&view, order)
            || refuses_unknown(history, &view, order);
        owners.push(owner.filter(|_| !left_open));
        strays.push(stray);
    }
    let connections = shown.iter().map(|&generation| {
        let walk = Walk::of(history, &view, generation);
        let mut opening = opening::expect(&walk, vantage);
        if crosses_stray(history, &view, &strays, generation) {
            opening.kind = Expect::Any;
        }
        if strays.contains(&Some(Stray::Anything)) {
            (opening.outcome, opening.kind) = (Expect::Any, Expect::Any);
        }
        let expected = close::expect(history, &walk, vantage, opening);
        if walk.opener == Some(Side::Server) { expected.swapped() } else { expected }
    });
    Truth { connections: connections.collect(), owners, strays }
}

/// Returns true if the event is not forged.
fn is_genuine(history: &History, seen: &Seen) -> bool {
    !matches!(*seen, Seen::Segment(index, _) if history.sent[index].sender.is_none())
}

/// Returns true if the event is a reset that refuses a forged segment, and so has only that one's numbers.
fn refuses_forged(history: &History, seen: &Seen) -> bool {
    matches!(*seen, Seen::Segment(index, _)
        if history.sent[index].answers_forged && history.sent[index].segment.has(RST))
}

/// Returns true if the event is a SYN that was to cross another one, but arrives after the socket that sent the other
/// one has given up: it is refused like one that begins a connection of its own.
fn crosses_too_late(history: &History, view: &[(u64, Seen)], order: usize) -> bool {
    let Seen::Segment(index, _) = view[order].1 else { return false };
    let segment = &history.sent[index].segment;
    let given_up = |seen: &Seen| {
        matches!(*seen, Seen::Kernel(Effect::State { side, old: State::SynSent, new: State::Close, .. })
            if side == segment.from.other())
    };
    segment.flags & (SYN | ACK | RST) == SYN
        && is_genuine(history, &view[order].1)
        && view[..order].iter().any(|(_, seen)| given_up(seen))
}

/// Returns true if the event is a SYN retransmitted after a reset answered it, since that reset was lost after it was
/// seen: a capture cannot distinguish it from a second attempt with the same ISN.
fn follows_refusal(history: &History, view: &[(u64, Seen)], order: usize, vantage: Vantage) -> bool {
    let Seen::Segment(index, _) = view[order].1 else { return false };
    !vantage.is_live()
        && history.sent[index].segment.flags & (SYN | ACK | RST) == SYN
        && is_genuine(history, &view[order].1)
        && is_refused(history, &view[..order], index, history.sent[index].segment.from.other())
}

/// Returns true if the event is a SYN,ACK to an end whose SYN was answered by a reset.
fn follows_reset(history: &History, view: &[(u64, Seen)], order: usize) -> bool {
    let Seen::Segment(index, _) = view[order].1 else { return false };
    history.sent[index].segment.flags & (SYN | ACK | RST) == SYN | ACK
        && is_refused(history, &view[..order], index, history.sent[index].segment.from)
}

/// Returns true if a reset of this end is seen, of the same connection as the segment `index`.
fn is_refused(history: &History, view: &[(u64, Seen)], index: usize, by: Side) -> bool {
    view.iter().any(|(_, seen)| {
        let Seen::Segment(reset, _) = *seen else { return false };
        let reset = &history.sent[reset];
        reset.segment.has(RST) && reset.segment.from == by && reset.generation == history.sent[index].generation
    })
}

/// Returns true if a connection begins right after a forged SYN, as if the two crossed.
fn crosses_stray(history: &History, view: &[(u64, Seen)], strays: &[Option<Stray>], generation: usize) -> bool {
    let first =
        view.iter().position(|(_, seen)| is_genuine(history, seen) && generation_of(history, seen) == generation);
    let before = |first: usize| view[..first].iter().rposition(|(_, seen)| is_genuine(history, seen));
    first.is_some_and(|first| {
        let from = before(first).map_or(0, |before| before + 1);
        strays[from..first].contains(&Some(Stray::Syn))
    })
}

/// Returns the kind of connection that this event may begin in addition to the genuine ones, if any; `first`: no
/// genuine event is seen before it, `refused`: a reset that ended an attempt is seen before it.
fn stray(history: &History, seen: &Seen, first: bool, refused: bool, vantage: Vantage) -> Option<Stray> {
    let Seen::Segment(index, _) = *seen else { return None };
    let segment = &history.sent[index].segment;
    // A forged SYN with another ISN begins a generation, since only its answer shows that it is forged. So does a
    // SYN,ACK if no connection is known, or nothing of the end that it is sent to, or if a refusal has ended the only
    // connection known.
    let one_way = matches!(vantage, Vantage::OneWay(_));
    let known = if first || one_way || refused { 0 } else { ACK };
    let asks = history.sent[index].sender.is_none() && segment.flags & (SYN | RST | known) == SYN;
    match (asks, first) {
        (true, _) if one_way && segment.has(ACK) => Some(Stray::Anything),
        (true, _) => Some(Stray::Syn),
        // A segment of a connection that is not known yet.
        (_, true) => Some(Stray::Unseen),
        _ => None,
    }
}

/// Returns true if the event is the hint of a socket in SYN_SENT that refuses an old segment: the socket is of the new
/// connection, the reset of the old one. Either is right for the hint.
fn refuses_old(view: &[(u64, Seen)], order: usize) -> bool {
    let Seen::Kernel(Effect::ResetHint { cause: Cause::InvalidAck, generation, socket: Some(_), side }) = view[order].1
    else {
        return false;
    };
    let newest = view[..order].iter().rev().find_map(|(_, seen)| match *seen {
        Seen::Kernel(Effect::State { side: of, generation, new: State::SynSent, .. }) if of == side => Some(generation),
        _ => None,
    });
    newest.is_some_and(|newest| newest > generation)
}

/// Returns true if the event is the hint of a kernel without a socket while the SYN of a new connection is on its way:
/// only the reset that follows shows whether it refuses that SYN or an old segment.
fn refuses_unknown(history: &History, view: &[(u64, Seen)], order: usize) -> bool {
    let Seen::Kernel(Effect::ResetHint { cause: Cause::NoSocket, generation, socket: None, side }) = view[order].1
    else {
        return false;
    };
    let newer = |seen: &&Seen| generation_of(history, seen) > generation;
    let of_side = |seen: &Seen| match *seen {
        Seen::Segment(index, _) => history.sent[index].segment.from == side,
        Seen::Kernel(Effect::State { side: of, .. }) => of == side,
        Seen::Kernel(_) => false,
    };
    let mut begun = view[..order].iter().map(|(_, seen)| seen).filter(newer).peekable();
    begun.peek().is_some() && !begun.any(of_side)
}

fn generation_of(history: &History, seen: &Seen) -> usize {
    match *seen {
        Seen::Segment(index, _) => history.sent[index].generation,
        Seen::Kernel(
            Effect::State { generation, .. }
            | Effect::ResetHint { generation, .. }
            | Effect::Send { generation, .. }
            | Effect::TimeWait { generation, .. }
            | Effect::Gone { generation, .. },
        ) => generation,
    }
}
