//! Matching of the segments that several hosts saw.

use std::cell::Cell;

use smallvec::{SmallVec, smallvec};

use super::{
    noted::{Noted, NotedSegment},
    view::{Member, View},
};
use crate::{event::Role, tcp::TcpFlags};

/// The flags that hosts on the way and offloading may change.
const SOFT: [TcpFlags; 5] = [TcpFlags::PSH, TcpFlags::URG, TcpFlags::ECE, TcpFlags::CWR, TcpFlags::AE];

/// The parts of a segment that stay the same on its way. Offloading splits and merges segments with data, and a FIN may
/// leave with data that arrives ahead of it, so the end of a FIN counts. Timestamps distinguish most retransmissions.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Key {
    from_client: bool,
    flags: u16,
    seq: u32,
    length: u32,
    ack: Option<u32>,
    timestamp: Option<u32>,
}

impl Key {
    fn of(view: &View, segment: &NotedSegment) -> Self {
        let fin = segment.flags.contains(TcpFlags::FIN);
        Self {
            from_client: view.role_of(&segment.src) == Role::Client,
            flags: SOFT.into_iter().fold(segment.flags, TcpFlags::without).0,
            seq: if fin { segment.seq.wrapping_add(segment.length) } else { segment.seq },
            length: if fin { 0 } else { segment.length },
            ack: segment.ack,
            timestamp: segment.timestamp,
        }
    }
}

/// A segment, and where it was seen: the index of each view and of the event in it, in the order of the views.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Passed {
    pub(super) from: Role,
    pub(super) seen: SmallVec<[(usize, usize); 2]>,
}

impl Passed {
    /// Returns where it was seen, in the order in which it travelled.
    pub(super) fn way(&self) -> impl Iterator<Item = (usize, usize)> {
        let last = self.seen.len().saturating_sub(1);
        let place = move |at: usize| if self.from == Role::Client { at } else { last - at };
        (0..self.seen.len()).filter_map(move |at| self.seen.get(place(at)).copied())
    }
}

/// Returns the nanoseconds from a time of one view to one of another, by corrected clocks.
type Apart<'a> = dyn Fn((usize, i64), (usize, i64)) -> Option<i64> + 'a;

/// A segment that one view has: what stays the same on its way, the index of the view and that of the event in it.
type Seen = (Key, usize, usize);

/// The segments of views, which are in order from the client to the server; equal ones are together.
#[derive(Debug, Default)]
pub(super) struct Segments(Vec<Seen>);

impl Segments {
    pub(super) fn of(views: &[Member]) -> Self {
        let mut sorted = Vec::with_capacity(views.iter().map(|(_, view)| view.events.len()).sum());
        for (place, (_, view)) in views.iter().enumerate() {
            for (index, event) in view.events.iter().enumerate() {
                if let Noted::Segment(segment) = event {
                    sorted.push((Key::of(view, segment), place, index));
                }
            }
        }
        sorted.sort_unstable();
        Self(sorted)
    }

    /// Returns all segments, and true if that is certain: of each that several views have, each has the same number. Where it is
    /// not, those of the next view are returned as if no other had them.
    pub(super) fn without_times(&self) -> (Vec<Passed>, bool) {
        let certain = Cell::new(true);
        let passed = self.matched(|known, place, here| {
            certain.set(false);
            known.extend(alone(place, here));
        });
        (passed, certain.get())
    }

    /// Returns all segments. Those of which the views do not have the same number are matched by time: `apart` returns the
    /// nanoseconds from a segment of the first view to one of the second by corrected clocks, and `None` if the offset is
    /// unknown.
    pub(super) fn by_times(&self, views: &[Member], apart: &Apart<'_>) -> Vec<Passed> {
        self.matched(|known, place, here| by_time(views, known, place, here, apart))
    }

    /// Matches equal segments, in the order of each view; `ambiguous` matches those of a view with the known ones if their
    /// numbers differ.
    fn matched(&self, ambiguous: impl Fn(&mut Vec<Passed>, usize, &[Seen])) -> Vec<Passed> {
        let Self(sorted) = self;
        let (mut all, mut known) = (Vec::with_capacity(sorted.len()), Vec::new());
        for same in sorted.chunk_by(|(one, ..), (other, ..)| one == other) {
            for here in same.chunk_by(|(_, one, _), (_, other, _)| one == other) {
                let place = here.first().map_or(0, |&(_, place, _)| place);
                if known.is_empty() {
                    known.extend(alone(place, here));
                } else if known.len() == here.len() {
                    let both = known.iter_mut().zip(here);
                    both.for_each(|(passed, &(_, place, index)): (&mut Passed, _)| passed.seen.push((place, index)));
                } else {
                    ambiguous(&mut known, place, here);
                }
            }
            all.append(&mut known);
        }
        all
    }
}

/// Joins equal segments of which one host saw more than the other: each with the nearest in time, in order. Without clocks,
/// the last ones match, since it is those sent again that arrived.
fn by_time(views: &[Member], known: &mut Vec<Passed>, place: usize, here: &[Seen], apart: &Apart<'_>) {
    let time = |place: usize, index: usize| {
        let view = views.get(place).map(|(_, view)| view);
        view.and_then(|view| view.events.get(index)).map_or(0, |event| event.time().0)
    };
    let mut taken = vec![false; known.len()];
    let mut rest = Vec::new();
    for seen @ &(_, _, index) in here.iter().rev() {
        let at_here = (place, time(place, index));
        let free = known.iter().enumerate().filter(|(at, _)| !taken.get(*at).copied().unwrap_or(true));
        let nearest = free.rev().min_by_key(|(_, passed)| {
            let there = passed.seen.last().map_or((0, 0), |&(place, index)| (place, time(place, index)));
            apart(there, at_here).map_or(0, i64::unsigned_abs)
        });
        match nearest.map(|(at, _)| at) {
            Some(at) => {
                if let Some(taken) = taken.get_mut(at) {
                    *taken = true;
                }
                if let Some(passed) = known.get_mut(at) {
                    passed.seen.push((place, index));
                }
            }
            None => rest.push(*seen),
        }
    }
    rest.reverse();
    known.extend(alone(place, &rest));
}

/// Returns segments that no other view has so far.
fn alone(place: usize, here: &[Seen]) -> impl Iterator<Item = Passed> {
    here.iter().map(move |&(key, _, index)| {
        let from = if key.from_client { Role::Client } else { Role::Server };
        Passed { from, seen: smallvec![(place, index)] }
    })
}
