//! What a tracer has to say, from what the ends have accepted.

mod close;
mod opening;
mod walk;

use self::walk::Walk;
use crate::{
    effect::Effect,
    segment::Side,
    vantage::{Seen, Vantage},
    verdict::Truth,
    world::History,
};

/// What has to be said of `history` by who sees it from `vantage`.
pub fn truth(history: &History, vantage: Vantage) -> Truth {
    let view = vantage.view(history);
    let mut shown: Vec<usize> = Vec::new();
    let mut owners = Vec::new();
    for (_, seen) in &view {
        let generation = generation_of(history, seen);
        if !shown.contains(&generation) {
            shown.push(generation);
        }
        owners.push(shown.iter().position(|&known| known == generation));
    }
    let connections = shown.iter().map(|&generation| {
        let walk = Walk::of(history, &view, generation);
        let opening = opening::expect(&walk, vantage);
        let expected = close::expect(history, &walk, vantage, opening);
        if walk.opener == Some(Side::Server) { expected.swapped() } else { expected }
    });
    Truth { connections: connections.collect(), owners }
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
