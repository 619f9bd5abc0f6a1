//! The events of a block in order: those of one connection, or of all sides of a translated one.
//!
//! A translation changes addresses and ports, but neither sequence numbers nor flags: a segment that passes several sides is
//! shown once, where it was seen first.

use foldhash::{HashMap, HashMapExt as _};

use super::{block::Side, row::Row, rows::LeftOut};
use crate::{
    event::{HintName, Role},
    output_record::Stamp,
    tcp::TcpFlags,
};

/// A line of a ladder.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry<'a> {
    /// An event of the side with this index.
    Event {
        side: usize,
        row: &'a Row,
        /// Nanoseconds since the first event of all sides; `None` if the time was not recorded.
        since_start_ns: Option<u64>,
        /// True if it is a segment that no other side has.
        alone: bool,
    },
    LeftOut(LeftOut),
}

impl Entry<'_> {
    /// Returns the time of the event.
    pub(super) fn stamp(&self) -> Option<&Stamp> {
        match self {
            Self::Event { row, .. } => Some(row.stamp()),
            Self::LeftOut(_) => None,
        }
    }

    /// Returns the nanoseconds since the first event of all sides.
    pub(super) fn since_start_ns(&self) -> Option<u64> {
        match self {
            Self::Event { since_start_ns, .. } => *since_start_ns,
            Self::LeftOut(_) => None,
        }
    }
}

/// Returns the events of these sides. With `compare`, all of them have the events of the same phase, and segments missing on
/// a side are marked.
pub(super) fn entries<'a>(sides: &[Side<'a>], compare: bool) -> Vec<Entry<'a>> {
    let rows = sides.iter().map(|side| side.rows.len()).sum::<usize>();
    let mut entries = Vec::with_capacity(rows + 1);
    let left_out = sides.iter().map(|side| side.rows.left_out()).max_by_key(|left_out| left_out.count);
    let left_out = left_out.filter(|left_out| left_out.count > 0);
    let all_have_segments = || sides.iter().all(|side| side.rows.iter().any(|row| matches!(row, Row::Segment(_))));
    let copies = (sides.len() > 1).then(|| Copies::of(sides));
    let compare = compare && left_out.is_none() && copies.is_some() && all_have_segments();
    let mut merge = Merge { sides, offsets: offsets(sides), copies, compare };
    match left_out {
        Some(left_out) => {
            merge.add(sides.iter().map(|side| Part::from(side.rows.parts().0.iter())), &mut entries);
            entries.push(Entry::LeftOut(left_out));
            merge.add(sides.iter().map(|side| Part::from(side.rows.parts().2)), &mut entries);
        }
        None => merge.add(sides.iter().map(|side| Part::from(side.rows.iter())), &mut entries),
    }
    entries
}

/// Returns how much later than the first one each side began, in nanoseconds.
fn offsets(sides: &[Side<'_>]) -> Vec<u64> {
    let began = |side: &Side<'_>| {
        side.rows.iter().find_map(|row| {
            let since = i64::try_from(row.since_start_ns()?).ok()?;
            row.stamp().time.is_known().then(|| row.stamp().time.0.saturating_sub(since))
        })
    };
    let began: Vec<_> = sides.iter().map(began).collect();
    let first = began.iter().flatten().min().copied();
    let offset = |began: &Option<i64>| began.zip(first).map_or(0, |(began, first)| began.abs_diff(first));
    began.iter().map(offset).collect()
}

/// A range of rows of one side.
struct Part<'a> {
    next: Option<&'a Row>,
    rest: Box<dyn Iterator<Item = &'a Row> + 'a>,
}

impl<'a> Part<'a> {
    fn from(mut rows: impl Iterator<Item = &'a Row> + 'a) -> Self {
        Self { next: rows.next(), rest: Box::new(rows) }
    }

    fn take(&mut self) -> Option<&'a Row> {
        std::mem::replace(&mut self.next, self.rest.next())
    }
}

/// Merges the rows of several sides by time. Those of one side stay in their order.
struct Merge<'s, 'a> {
    sides: &'s [Side<'a>],
    offsets: Vec<u64>,
    /// None if there is only one side.
    copies: Option<Copies>,
    compare: bool,
}

impl<'a> Merge<'_, 'a> {
    fn add(&mut self, parts: impl Iterator<Item = Part<'a>>, entries: &mut Vec<Entry<'a>>) {
        let mut parts: Vec<Part<'a>> = parts.collect();
        let time = |part: &Part<'_>| {
            part.next.map(|row| {
                let Stamp { time, boot_ns } = *row.stamp();
                (time.0, boot_ns)
            })
        };
        loop {
            let ahead = parts.iter().enumerate().filter_map(|(side, part)| Some((time(part)?, side)));
            let Some((_, side)) = ahead.min() else { return };
            let Some(row) = parts.get_mut(side).and_then(Part::take) else { return };
            let copies = self.copies.as_mut().zip(self.sides.get(side));
            let seen = copies.map_or(Seen::First, |(copies, of)| copies.next(side, of, row));
            if matches!(seen, Seen::Before) {
                continue;
            }
            let offset = self.offsets.get(side).copied().unwrap_or(0);
            let since_start_ns = row.since_start_ns().map(|since| since.saturating_add(offset));
            let alone = self.compare && matches!(seen, Seen::Alone);
            entries.push(Entry::Event { side, row, since_start_ns, alone });
        }
    }
}

/// Properties that no translation changes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Key {
    Segment { from: Role, flags: TcpFlags, seq: u32, ack: Option<u32>, length: u32 },
    Icmp { to: Role, icmp_type: u8, icmp_code: u8 },
    Forgotten { deleted: bool },
}

impl Key {
    /// Returns the key of an event that several sides may see; `None` for an event of one side only.
    fn of(side: &Side<'_>, row: &Row) -> Option<Self> {
        match row {
            Row::Segment(segment) => Some(Self::Segment {
                from: side.ends.role_of(&segment.src),
                flags: segment.flags,
                seq: segment.seq,
                ack: segment.ack,
                length: segment.length,
            }),
            Row::Icmp(icmp) => Some(Self::Icmp {
                to: side.ends.role_of(&icmp.src),
                icmp_type: icmp.icmp_type,
                icmp_code: icmp.icmp_code,
            }),
            Row::Hint(hint) if hint.name == HintName::NatExpired => Some(Self::Forgotten { deleted: false }),
            Row::Hint(hint) if hint.name == HintName::NatDeleted => Some(Self::Forgotten { deleted: true }),
            Row::Hint(_) | Row::State(_) | Row::Drop(_) => None,
        }
    }
}

/// Relation of an event to those of the other sides.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// First seen here and later on other sides, or not a kind of event that others have.
    First,
    /// Seen on another side before.
    Before,
    /// A segment that no other side has.
    Alone,
}

/// Events that several sides have in common.
#[derive(Debug)]
struct Copies {
    of: HashMap<Key, Equal>,
}

/// Events with the same key: a segment and its retransmissions, each as every side has it.
#[derive(Debug, Default)]
struct Equal {
    /// For each side, the indices of its events among all, in order.
    sides: Vec<Vec<usize>>,
    /// Number of each side's events so far.
    counted: Vec<usize>,
    /// Number of sides that have each event.
    sightings: Vec<usize>,
    /// True for each event that has been seen.
    seen: Vec<bool>,
}

impl Equal {
    /// Matches events by `times`, those of each side's events in nanoseconds.
    fn of(times: &[Vec<i64>]) -> Self {
        // The side with the most events is assumed to have all of them.
        let Some(all) = times.iter().max_by_key(|times| times.len()) else { return Self::default() };
        let sides: Vec<Vec<usize>> = times.iter().map(|times| nearest(times, all)).collect();
        let mut sightings = vec![0; all.len()];
        for &event in sides.iter().flatten() {
            sightings.get_mut(event).into_iter().for_each(|count| *count += 1);
        }
        Self { counted: vec![0; sides.len()], sides, seen: vec![false; all.len()], sightings }
    }

    /// Returns the relation of a side's next event to the other sides.
    fn next(&mut self, side: usize) -> Option<Seen> {
        let counted = self.counted.get_mut(side)?;
        let event = *self.sides.get(side)?.get(*counted)?;
        *counted += 1;
        let before = std::mem::replace(self.seen.get_mut(event)?, true);
        Some(match self.sightings.get(event) {
            _ if before => Seen::Before,
            Some(1) => Seen::Alone,
            _ => Seen::First,
        })
    }
}

/// Returns for each time the index of the nearest one in `all`, which has at least as many; none is taken twice, and the
/// order is kept.
fn nearest(times: &[i64], all: &[i64]) -> Vec<usize> {
    let mut free = 0;
    let mut taken = Vec::with_capacity(times.len());
    for (index, &time) in times.iter().enumerate() {
        let left = times.len() - index - 1;
        let candidates = all.iter().enumerate().take(all.len().saturating_sub(left)).skip(free);
        let found = candidates.min_by_key(|&(_, &other)| other.abs_diff(time)).map_or(free, |(at, _)| at);
        taken.push(found);
        free = found + 1;
    }
    taken
}

impl Copies {
    fn of(sides: &[Side<'_>]) -> Self {
        let mut times: HashMap<Key, Vec<Vec<i64>>> = HashMap::new();
        for (index, side) in sides.iter().enumerate() {
            for row in side.rows.iter() {
                let Some(key) = Key::of(side, row) else { continue };
                let of_sides = times.entry(key).or_insert_with(|| vec![Vec::new(); sides.len()]);
                of_sides.get_mut(index).into_iter().for_each(|times| times.push(row.stamp().time.0));
            }
        }
        Self { of: times.into_iter().map(|(key, times)| (key, Equal::of(&times))).collect() }
    }

    fn next(&mut self, index: usize, side: &Side<'_>, row: &Row) -> Seen {
        let equal = Key::of(side, row).and_then(|key| self.of.get_mut(&key));
        let seen = equal.and_then(|equal| equal.next(index)).unwrap_or(Seen::First);
        if matches!(row, Row::Segment(_)) || matches!(seen, Seen::Before) { seen } else { Seen::First }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_the_same_in_order_and_fewer_are_the_nearest() {
        assert_eq!(nearest(&[5, 900], &[0, 10]), [0, 1]);
        assert_eq!(nearest(&[500], &[0, 499, 1_000]), [1]);
        assert_eq!(nearest(&[1, 990], &[0, 500, 1_000]), [0, 2]);
        assert_eq!(nearest(&[990, 991], &[0, 500, 1_000]), [1, 2], "one is left for the second");
        assert_eq!(nearest(&[], &[0]), [0; 0]);
    }
}
