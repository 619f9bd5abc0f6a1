//! Matching of the segments that several hosts saw.

use std::collections::BTreeMap;

use super::view::View;
use crate::{
    event::Role,
    output_record::{OutputRecord, SegmentOutput},
    tcp::{TcpFlags, TcpOption},
};

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
    fn of(view: &View, segment: &SegmentOutput) -> Self {
        let fin = segment.flags.contains(TcpFlags::FIN);
        let timestamp = segment.options.0.iter().find_map(|option| match option {
            TcpOption::Timestamp(timestamp) => Some(timestamp.value),
            _ => None,
        });
        Self {
            from_client: view.role_of(&segment.src) == Role::Client,
            flags: SOFT.into_iter().fold(segment.flags, TcpFlags::without).0,
            seq: if fin { segment.seq.wrapping_add(segment.length) } else { segment.seq },
            length: if fin { 0 } else { segment.length },
            ack: segment.ack,
            timestamp,
        }
    }
}

/// A segment, and where it was seen: the index of each view and of the event in it, in the order of the views.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Passed {
    pub(super) from: Role,
    pub(super) seen: Vec<(usize, usize)>,
}

/// Returns the segments of views, which are in order from the client to the server. With `certain`, only those are returned
/// of which every view has the same number, so that there is no ambiguity; the others are matched by time. `apart` returns
/// the nanoseconds from a segment of the first view to one of the second by corrected clocks, and `None` if the offset is
/// unknown.
pub(super) fn passed(
    views: &[&View],
    certain: bool,
    apart: &dyn Fn((usize, i64), (usize, i64)) -> Option<i64>,
) -> Vec<Passed> {
    let mut by_key: BTreeMap<Key, Vec<Passed>> = BTreeMap::new();
    for (place, view) in views.iter().enumerate() {
        let mut here: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (index, event) in view.events.iter().enumerate() {
            if let OutputRecord::Segment(segment) = event {
                here.entry(Key::of(view, segment)).or_default().push(index);
            }
        }
        for (key, indices) in here {
            let from = if key.from_client { Role::Client } else { Role::Server };
            let known = by_key.entry(key).or_default();
            let new = |index: usize| Passed { from, seen: vec![(place, index)] };
            if known.len() == indices.len() {
                known.iter_mut().zip(indices).for_each(|(passed, index)| passed.seen.push((place, index)));
            } else if certain || known.is_empty() {
                known.extend(indices.into_iter().map(new));
            } else {
                by_time(views, known, place, &indices, apart);
            }
        }
    }
    let all = by_key.into_values().flatten();
    if certain { all.filter(|passed| passed.seen.len() > 1).collect() } else { all.collect() }
}

/// Joins equal segments of which one host saw more than the other: each with the nearest in time, in order. Without clocks,
/// the last ones match, since it is those sent again that arrived.
fn by_time(
    views: &[&View],
    known: &mut Vec<Passed>,
    place: usize,
    indices: &[usize],
    apart: &dyn Fn((usize, i64), (usize, i64)) -> Option<i64>,
) {
    let time = |place: usize, index: usize| {
        views.get(place).and_then(|view| view.events.get(index)).and_then(super::view::stamp).map_or(0, |at| at.time.0)
    };
    let mut taken = vec![false; known.len()];
    let mut rest = Vec::new();
    for &index in indices.iter().rev() {
        let here = (place, time(place, index));
        let free = known.iter().enumerate().filter(|(at, _)| !taken.get(*at).copied().unwrap_or(true));
        let nearest = free.rev().min_by_key(|(_, passed)| {
            let there = passed.seen.last().map_or((0, 0), |&(place, index)| (place, time(place, index)));
            apart(there, here).map_or(0, i64::unsigned_abs)
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
            None => rest.push(index),
        }
    }
    let from = known.first().map_or(Role::Client, |passed| passed.from);
    known.extend(rest.into_iter().rev().map(|index| Passed { from, seen: vec![(place, index)] }));
}
