//! What a tracer has to say, from what the ends have accepted.

mod close;
mod opening;
mod walk;

use self::walk::Walk;
use crate::{
    effect::{Cause, Effect},
    endpoint::State,
    segment::{ACK, RST, SYN, Side},
    vantage::{Seen, Vantage},
    verdict::{Stray, Truth},
    world::History,
};

/// What has to be said of `history` by who sees it from `vantage`.
pub fn truth(history: &History, vantage: Vantage) -> Truth {
    let view = vantage.view(history);
    let mut shown: Vec<usize> = Vec::new();
    let (mut owners, mut strays) = (Vec::new(), Vec::new());
    for (order, (_, seen)) in view.iter().enumerate() {
        let generation = generation_of(history, seen);
        let genuine = is_genuine(history, seen);
        if genuine && !shown.contains(&generation) {
            shown.push(generation);
        }
        let owner = shown.iter().position(|&known| known == generation);
        let stray = stray(history, seen, shown.is_empty());
        // A forgery behind a forged SYN may be the one's as well as the other's.
        let astray: bool = !genuine && strays.contains(&Some(Stray::Syn));
        let left_open = stray.is_some() || astray || refuses_old(&view, order);
        owners.push(owner.filter(|_| !left_open));
        strays.push(stray);
    }
    let connections = shown.iter().map(|&generation| {
        let walk = Walk::of(history, &view, generation);
        let opening = opening::expect(&walk, vantage);
        let expected = close::expect(history, &walk, vantage, opening);
        if walk.opener == Some(Side::Server) { expected.swapped() } else { expected }
    });
    Truth { connections: connections.collect(), owners, strays }
}

/// Whether it is something that an end has really done.
fn is_genuine(history: &History, seen: &Seen) -> bool {
    !matches!(*seen, Seen::Segment(index, _) if history.sent[index].sender.is_none())
}

/// Whether a number of its own is allowed for what is seen; `first`: nothing that an end has really done shows before it.
fn stray(history: &History, seen: &Seen, first: bool) -> Option<Stray> {
    let Seen::Segment(index, _) = *seen else { return None };
    let segment = &history.sent[index].segment;
    // Nobody can know it for a forgery before it is answered: a SYN with another ISN begins a generation.
    // So does a SYN,ACK where no connection is known.
    let known = if first { 0 } else { ACK };
    let asks = history.sent[index].sender.is_none() && segment.flags & (SYN | RST | known) == SYN;
    match (asks, first) {
        (true, _) => Some(Stray::Syn),
        // A segment of no known connection.
        (_, true) => Some(Stray::Unseen),
        _ => None,
    }
}

/// A socket in SYN_SENT refuses an old segment: its kernel says so on behalf of the new connection, with a reset that belongs
/// to the old one. Either is right for the hint.
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
