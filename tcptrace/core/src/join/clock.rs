//! The offset between the clocks of two hosts, from the segments that both have seen.
//!
//! A segment from one host to the other arrives no earlier than it was sent, so the difference of its two times bounds the
//! offset on one side, and a segment in the other direction bounds it on the other. The offset lies between the two bounds;
//! no segment shows where exactly, as the delays of the two directions may differ.

use std::{collections::BTreeMap, ops::RangeInclusive};

/// Length of a slot, within which the clocks are assumed to run at the same rate.
const SLOT_NS: i64 = 1_000_000_000;

/// The offset of a clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Offset {
    /// Nanoseconds that the clock is ahead of the other.
    pub ns: i64,
    /// Largest error in nanoseconds.
    pub error_ns: u64,
}

/// Bounds of the offset in one slot, or in the time of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    low: Option<i64>,
    high: Option<i64>,
}

impl Bounds {
    /// Notes by how much the clock here was seen to be ahead as a segment `came` here, or left.
    pub(super) fn note(&mut self, ahead: i64, came: bool) {
        if came {
            self.high = Some(self.high.map_or(ahead, |high| high.min(ahead)));
        } else {
            self.low = Some(self.low.map_or(ahead, |low| low.max(ahead)));
        }
    }

    /// Returns true if no offset explains all segments: the clock was set between them.
    pub(super) fn contradict(self) -> bool {
        self.low.zip(self.high).is_some_and(|(low, high)| low > high)
    }

    /// Returns an offset that was found by other segments if it is within these bounds, and otherwise the one that they give.
    pub(super) fn correct(self, offset: Offset) -> Offset {
        if self.contradict() {
            return offset;
        }
        let outside = self.low.is_some_and(|low| offset.ns < low) || self.high.is_some_and(|high| offset.ns > high);
        match self.offset() {
            Some(own) if outside => own,
            _ if outside => Offset { ns: self.low.or(self.high).unwrap_or(offset.ns), ..offset },
            _ => offset,
        }
    }

    fn offset(self) -> Option<Offset> {
        let (low, high) = (self.low?, self.high?);
        // The bounds of a clock that was set within the slot exclude each other; the error spans both nevertheless.
        let ns = low.midpoint(high);
        Some(Offset { ns, error_ns: low.abs_diff(high).div_ceil(2) })
    }
}

/// The clock of a host beside another's, called here and there.
#[derive(Debug, Default)]
pub struct Clock {
    /// By the time of the other host, in slots.
    slots: BTreeMap<i64, Bounds>,
}

impl Clock {
    /// Notes a segment seen `here` at one time and `there` at another, in nanoseconds by the clocks of these hosts; `came`:
    /// it travelled from there to here.
    pub(super) fn note(&mut self, here: i64, there: i64, came: bool) {
        let bounds = self.slots.entry(there.div_euclid(SLOT_NS)).or_default();
        bounds.note(here.saturating_sub(there), came);
    }

    /// Returns how far the clock here is ahead at a time of the other host: the offset of the nearest slot in which both
    /// directions were seen.
    pub(super) fn offset(&self, there: i64) -> Option<Offset> {
        let slot = there.div_euclid(SLOT_NS);
        let known = |(&slot, bounds): (&i64, &Bounds)| Some((slot, bounds.offset()?));
        let before = self.slots.range(..=slot).rev().find_map(known);
        let after = self.slots.range(slot..).find_map(known);
        match (before, after) {
            (Some((before, early)), Some((after, late))) => {
                Some(if slot.abs_diff(before) <= after.abs_diff(slot) { early } else { late })
            }
            (one, other) => one.or(other).map(|(_, offset)| offset),
        }
    }

    /// Like [`Self::offset`], at a time of the host here. The clocks may be years apart, so the offset is looked up twice.
    pub(super) fn offset_here(&self, here: i64) -> Option<Offset> {
        self.offset_around(here).map(|(offset, _)| offset)
    }

    /// Like [`Self::offset_here`]; also returns the times of the host here at which the offset is the same.
    pub(super) fn offset_around(&self, here: i64) -> Option<(Offset, RangeInclusive<i64>)> {
        let first = self.slots.values().find_map(|bounds| bounds.offset())?;
        let there = here.saturating_sub(first.ns);
        let into_slot = there.rem_euclid(SLOT_NS);
        let around = here.saturating_sub(into_slot)..=here.saturating_add(SLOT_NS - 1 - into_slot);
        Some((self.offset(there)?, around))
    }

    /// Returns the nanoseconds per second by which the clock here gains on the other, from the first to the last slot in
    /// which both directions were seen; `None` if errors of the offsets could explain it.
    pub(super) fn drift_ppb(&self) -> Option<i64> {
        let known = |(&slot, bounds): (&i64, &Bounds)| Some((slot, bounds.offset()?));
        let (first, early) = self.slots.iter().find_map(known)?;
        let (last, late) = self.slots.iter().rev().find_map(known)?;
        let gained = late.ns.saturating_sub(early.ns);
        let seconds = last.saturating_sub(first);
        (seconds > 0 && gained.unsigned_abs() > early.error_ns.saturating_add(late.error_ns)).then(|| gained / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_known_to_half_a_round_trip() {
        let mut clock = Clock::default();
        // 5 s ahead; 200 ns there, 400 ns back.
        clock.note(5_000_000_200, 0, true);
        assert_eq!(clock.offset(0), None, "one direction is not enough");
        clock.note(5_000_001_000, 1_400, false);
        clock.note(5_000_003_900, 3_000, true);
        assert_eq!(clock.offset(0), Some(Offset { ns: 4_999_999_900, error_ns: 300 }));
        assert_eq!(clock.offset_here(5_000_000_000), clock.offset(0));
        let (_, around) = clock.offset_around(5_000_000_000).expect("both directions");
        assert_eq!(around, 4_999_999_900..=5_999_999_899, "a second of the other host");
        assert_eq!(clock.drift_ppb(), None);
    }

    #[test]
    fn the_segments_of_a_connection_outweigh_those_before_the_clock_was_set() {
        let found = Offset { ns: 5_000, error_ns: 10 };
        let mut own = Bounds::default();
        assert_eq!(own.correct(found), found);
        own.note(5_100, true);
        assert_eq!(own.correct(found), found, "within the bound");
        own.note(4_000, true);
        assert_eq!(own.correct(found), Offset { ns: 4_000, ..found });
        own.note(3_800, false);
        assert_eq!(own.correct(found), Offset { ns: 3_900, error_ns: 100 });
        own.note(6_000, false);
        assert!(own.contradict());
        assert_eq!(own.correct(found), found, "they contradict each other");
    }

    #[test]
    fn drift_is_told_where_no_error_explains_it() {
        let mut clock = Clock::default();
        for second in 0..100 {
            let there = second * SLOT_NS;
            let ahead = 1_000_000 + 50_000 * second;
            clock.note(there + ahead + 100, there, true);
            clock.note(there + 1_000 + ahead - 100, there + 1_000, false);
        }
        assert_eq!(clock.drift_ppb(), Some(50_000));
        assert_eq!(clock.offset(99 * SLOT_NS), Some(Offset { ns: 5_950_000, error_ns: 100 }));
    }

    #[test]
    fn a_clock_that_is_set_has_an_error_that_spans_both() {
        let mut clock = Clock::default();
        clock.note(100, 0, true);
        clock.note(900, 1_000, false);
        clock.note(5_000_000, 10, true);
        clock.note(9_000_000, 20, false);
        let Offset { ns, error_ns } = clock.offset(0).expect("both directions");
        assert!(i128::from(ns) - i128::from(error_ns) <= 100, "{ns} {error_ns}");
        assert!(i128::from(ns) + i128::from(error_ns) >= 8_999_980, "{ns} {error_ns}");
    }
}
