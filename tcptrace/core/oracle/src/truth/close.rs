//! Verdicts on closes.

use super::{
    opening::Opening,
    walk::{Fin, Reset, Walk},
};
use crate::{
    effect::{Cause, Effect, Errno},
    endpoint::State,
    history::{Happening, History},
    segment::Side,
    vantage::Vantage,
    verdict::{
        Expect::{self, Any, Between, Is, OneOf},
        Expected,
    },
};

type Word = Option<&'static str>;

/// Time after its last segment at which a close is decided, in nanoseconds.
const LATE: u64 = 1_000_000_000;

pub(super) fn expect(history: &History, walk: &Walk, vantage: Vantage, opening: Opening) -> Expected {
    let nothing = || Expected {
        outcome: opening.outcome.clone(),
        opening: opening.kind.clone(),
        refused_by: opening.refused_by.clone(),
        kind: Any,
        initiator: Any,
        reset_by: Any,
        cause: Any,
        time_wait: Any,
        bytes: [Any, Any],
    };
    match opening.outcome {
        Is(Some("established")) => {}
        Is(_) => return Expected { kind: Is(None), ..nothing() },
        _ => return nothing(),
    }
    let mut expected = Expected { bytes: bytes(history, walk, vantage), ..nothing() };
    if matches!(vantage, Vantage::OneWay(_)) {
        return expected;
    }
    let timed_out = walk.closed.iter().flatten().any(|closed| closed.error == Errno::ETIMEDOUT);
    let reset = walk.first_reset().filter(|reset| !reset.late);
    expected.kind = if timed_out {
        Is(Some("timed_out"))
    } else if let Some(reset) = reset {
        of_reset(walk, vantage, reset)
    } else {
        of_fins(history, walk)
    };
    expected.initiator = initiator(walk, vantage, &expected.kind, reset);
    // A FIN that was not seen itself, but whose number a later segment shows, may have come first.
    let hidden = |side: Side| {
        let shown = walk.claimed[side as usize].zip(walk.fin_end(history, side));
        walk.fin[side as usize].is_none() && shown.is_some_and(|(claimed, end)| claimed >= end)
    };
    if !vantage.is_live() && Side::BOTH.into_iter().any(hidden) {
        expected.initiator = Any;
    }
    if walk.is_misled() && !vantage.is_live() {
        return nothing();
    }
    // Only the sender's states explain such a number: there is a gap, the reset has overtaken data, or its socket was
    // closed already.
    if reset.is_some_and(|reset| (reset.odd || reset.overtook) && !vantage.has_states(reset.by)) {
        return Expected { kind: Any, initiator: Any, ..expected };
    }
    // The vantage does not show that a reset was lost on its way, or reached an end that was gone; nor that one at the
    // end of a capture is forged, instead of following data that was not captured.
    if (walk.may_be_reset(|side| vantage.has_states(side)) || walk.ends_ahead && !vantage.is_live())
        && let Is(kind) = expected.kind
    {
        expected.kind = OneOf(vec![kind, Some("reset")]);
        return Expected { initiator: Any, bytes: [Any, Any], ..expected };
    }
    // The next connection shows that this one is over, where no states tell.
    if walk.followed && matches!(expected.kind, Is(Some("unfinished"))) && !vantage.is_live() {
        let kinds = ["unfinished", "unseen", "simultaneous", "three_segment", "four_segment"];
        return Expected { kind: OneOf(kinds.map(Some).to_vec()), initiator: Any, ..expected };
    }
    // Nor is it shown that a FIN at the end of a capture is forged, instead of acknowledging data that was not captured.
    if walk.ends_with_fin
        && !vantage.is_live()
        && let Is(kind) = expected.kind
    {
        expected.kind = OneOf(vec![kind, Some("unfinished")]);
        return Expected { initiator: Any, bytes: [Any, Any], ..expected };
    }
    match expected.kind {
        Is(Some("reset")) => {
            expected.reset_by = reset.map_or(Any, |reset| Is(Some(reset.by.word())));
            expected.cause = reset.map_or(Any, |reset| cause(walk, vantage, reset));
            expected.time_wait = Is(None);
        }
        Is(Some("timed_out")) => expected.time_wait = Is(None),
        Is(Some(kind @ ("three_segment" | "four_segment" | "simultaneous"))) if walk.first_reset().is_none() => {
            expected.time_wait = time_wait(history, walk, vantage, kind);
        }
        Is(None) => expected.bytes = [Any, Any],
        _ => {}
    }
    expected
}

/// Returns the kind if a reset precedes the acknowledgement of both FINs.
fn of_reset(walk: &Walk, vantage: Vantage, reset: Reset) -> Expect<Word> {
    let open = Side::BOTH.into_iter().any(|side| vantage.has_states(side) && walk.closed[side as usize].is_none());
    // The other end has not accepted it and may go on; only the sender's states prove that it was sent.
    if reset.unconfirmed && !vantage.has_states(reset.by) {
        return Any;
    }
    // The other end has not accepted it and is seen to go on: its connection has not ended.
    let ignored = !reset.accepted && !vantage.has_states(reset.by) && walk.last_of(reset.by.other()) > reset.order;
    if open || ignored { Any } else { Is(Some("reset")) }
}

fn of_fins(history: &History, walk: &Walk) -> Expect<Word> {
    let [client, server] = walk.fin;
    let (Some(client), Some(server)) = (client, server) else {
        // A FIN may wait behind data.
        let begun = client.or(server).is_some() || walk.shut_by.is_some();
        return Is(begun.then_some("unfinished"));
    };
    let acked = walk.fin_acked.iter().all(Option::is_some);
    if !acked {
        return Is(Some("unfinished"));
    }
    let doubtful = client.doubtful || server.doubtful;
    let second = if client.order < server.order { server } else { client };
    let mut all = match (client.acks_other || server.acks_other, second.acked_before) {
        _ if doubtful => vec![Some("simultaneous"), Some("three_segment"), Some("four_segment")],
        (false, _) => vec![Some("simultaneous")],
        _ if second.overtaken => vec![Some("three_segment"), Some("four_segment")],
        (true, true) => vec![Some("four_segment")],
        (true, false) => vec![Some("three_segment")],
    };
    if history.end < walk.acked_at + LATE {
        all.push(Some("unfinished"));
    }
    if all.len() == 1 { Is(all[0]) } else { OneOf(all) }
}

fn initiator(walk: &Walk, vantage: Vantage, kind: &Expect<Word>, reset: Option<Reset>) -> Expect<Word> {
    let fin = walk.first_fin_by();
    let word = |side: Side| Is(Some(side.word()));
    match kind {
        Is(Some("simultaneous")) => Is(None),
        Is(Some("reset")) => {
            let Some(reset) = reset else { return Any };
            let Some(fin) = fin else { return word(reset.by) };
            let seen = walk.fin[fin as usize];
            let first = seen.is_some_and(|seen| seen.order < reset.order);
            // The FIN reached a socket that was gone already, or waited there for missing data, or the reset had to be
            // repeated: not every vantage shows which was first.
            let queued = vantage.has_states(fin.other()) && walk.has_not_taken_fin(fin.other());
            let untaken = |seen: Fin| queued || seen.refused || seen.lost && vantage.has_states(fin.other());
            if (first && seen.is_some_and(untaken) && fin != reset.by) || reset.unconfirmed {
                Any
            } else if first {
                word(fin)
            } else {
                word(reset.by)
            }
        }
        Is(Some("timed_out")) => {
            // A socket that waits for missing data has not accepted the FIN.
            let untaken = |side: Side| walk.has_not_taken_fin(side.other());
            let waits = |side: Side| walk.closed[side as usize].is_some_and(|closed| closed.from == State::FinWait1);
            let gave_up = walk.closed.iter().flatten().find(|closed| closed.error == Errno::ETIMEDOUT);
            let too_late = |side: Side| {
                let order = walk.fin[side as usize].map(|seen| seen.order);
                gave_up.zip(order).is_some_and(|(closed, order)| closed.order < order)
            };
            match fin {
                Some(side) if too_late(side) => Is(None),
                Some(side) if untaken(side) => OneOf(vec![None, Some(side.word()), Some(side.other().word())]),
                // It has closed, but its FIN was never sent.
                None if waits(Side::Client) || waits(Side::Server) => Any,
                fin => Is(fin.map(Side::word)),
            }
        }
        Is(Some("three_segment" | "four_segment" | "unfinished")) => fin.or(walk.shut_by).map_or(Any, word),
        _ => Any,
    }
}

/// Returns the cause of a reset, which only the states of its sender prove.
fn cause(walk: &Walk, vantage: Vantage, reset: Reset) -> Expect<Word> {
    if !vantage.has_states(reset.by) {
        return Any;
    }
    match reset.cause {
        Some(Cause::Linger) => Is(Some("linger")),
        Some(Cause::Unread) => Is(Some("unread_data")),
        // Linux gives the same reason if TCP_LINGER2 is negative; the error distinguishes them.
        Some(Cause::AbortOnData)
            if walk.closed[reset.by as usize].is_some_and(|closed| closed.error == Errno::NONE) =>
        {
            OneOf(vec![Some("data_after_close"), Some("unknown")])
        }
        Some(Cause::AbortOnData) => Is(Some("data_after_close")),
        // A FIN after missing data has the same effect as data.
        Some(Cause::TimeWaitSocket) => OneOf(vec![Some("data_after_close"), Some("late_fin"), Some("unknown")]),
        _ => Any,
    }
}

/// Returns the ends that entered TIME_WAIT. If the FINs suggest others, only the states of both ends show it.
fn time_wait(history: &History, walk: &Walk, vantage: Vantage, kind: &str) -> Expect<Word> {
    let entered = |side: Side| {
        history.log.iter().any(|(_, what)| {
            matches!(what, Happening::Kernel(Effect::TimeWait { side: by, generation })
                if *by == side && *generation == walk.generation)
        })
    };
    let word = |ends: [bool; 2]| match ends {
        [true, true] => Some("both"),
        [true, false] => Some("client"),
        [false, true] => Some("server"),
        [false, false] => None,
    };
    let ends = Side::BOTH.map(entered);
    let real = word(ends);
    let by_rule = if kind == "simultaneous" { Some("both") } else { walk.first_fin_by().map(Side::word) };
    // An end that resets has left it: it may have begun another connection meanwhile.
    let left = word(Side::BOTH.map(|side| ends[side as usize] && !walk.reset_seen[side as usize]));
    if real == left && (real == by_rule || Side::BOTH.into_iter().all(|side| vantage.has_states(side))) {
        Is(real)
    } else {
        OneOf(vec![real, by_rule, left])
    }
}

fn bytes(history: &History, walk: &Walk, vantage: Vantage) -> [Expect<Option<u64>>; 2] {
    Side::BOTH.map(|side| {
        // One direction shows neither which acknowledgements are forged, nor the window, nor the connection that they
        // are meant for.
        let forged = || history.log.iter().any(|(_, what)| matches!(what, Happening::Forged(_)));
        if matches!(vantage, Vantage::OneWay(of) if of != side || forged()) {
            return Any;
        }
        let isn = history.plan.isns[walk.generation][side as usize];
        let is_fin_end = |end: u32| {
            history.sent.iter().any(|sent| {
                sent.sender.is_some()
                    && sent.generation == walk.generation
                    && sent.segment.from == side
                    && sent.segment.has(crate::segment::FIN)
                    && sent.segment.end().wrapping_sub(isn) == end
            })
        };
        let count = |end: u32| u64::from(end.saturating_sub(1 + u32::from(is_fin_end(end))));
        let (Some(sent), Some(claimed)) = (walk.sent[side as usize], walk.claimed[side as usize]) else { return Any };
        // If the FIN was not seen or not accepted, the number before the last may be a byte instead.
        let untaken = walk.fin[side as usize].is_none_or(|fin| fin.refused);
        let low = count(sent).min(count(claimed));
        let high = count(claimed) + u64::from(is_fin_end(claimed) && untaken);
        if low == high { Is(Some(low)) } else { Between(Some(low), Some(high)) }
    })
}
