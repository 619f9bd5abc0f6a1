//! Timers of connections.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::connection::Place;
use crate::event::BootTime;

/// Number of stale entries that are not worth cleaning up.
const FEW_STALE: usize = 1024;

/// A heap of times. Revoked entries stay in it until they expire, or until they are half of it.
#[derive(Debug, Default)]
pub(in crate::correlate) struct Deadlines {
    heap: BinaryHeap<Reverse<Timer>>,
    meant: usize,
}

/// A time, and the connection to check then.
type Timer = (BootTime, u32, u32);

impl Deadlines {
    /// Adds a timer that expires at `due` for the connection at `place`.
    pub(in crate::correlate) fn add(&mut self, due: BootTime, place: Place) {
        self.heap.push(Reverse((due, place.at, place.tag)));
        self.meant += 1;
    }

    /// Notes that an entry is no longer valid.
    pub(in crate::correlate) fn revoke(&mut self) {
        self.meant = self.meant.saturating_sub(1);
    }

    /// Removes and returns the first entry that expires by `now`, valid or not.
    pub(in crate::correlate) fn pop(&mut self, now: BootTime) -> Option<(BootTime, Place)> {
        let &Reverse((due, at, tag)) = self.heap.peek().filter(|Reverse((due, ..))| *due <= now)?;
        self.heap.pop();
        Some((due, Place { at, tag }))
    }

    /// Returns the time of the first entry.
    pub(in crate::correlate) fn first(&self) -> Option<BootTime> {
        self.heap.peek().map(|&Reverse((due, ..))| due)
    }

    /// Returns the number of entries, valid or not.
    #[cfg(test)]
    pub(in crate::correlate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Returns true if most entries are stale, so that [`Self::clean`] would make it smaller.
    pub(in crate::correlate) fn is_littered(&self) -> bool {
        self.heap.len() > FEW_STALE + 2 * self.meant
    }

    /// Drops the stale entries.
    pub(in crate::correlate) fn clean(&mut self, mut is_meant: impl FnMut(BootTime, Place) -> bool) {
        self.heap.retain(|&Reverse((due, at, tag))| is_meant(due, Place { at, tag }));
        self.heap.shrink_to(2 * self.heap.len());
        self.meant = self.heap.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_revoked_does_not_gather() {
        let mut deadlines = Deadlines::default();
        for number in 0..100_000_u32 {
            deadlines.add(BootTime(u64::from(number)), Place { at: number, tag: number });
            if number % 100 != 0 {
                deadlines.revoke();
            }
            if deadlines.is_littered() {
                deadlines.clean(|_, place| place.at % 100 == 0);
            }
            assert!(deadlines.heap.len() <= FEW_STALE + 2 * 1001);
        }
        let due: Vec<_> = std::iter::from_fn(|| deadlines.pop(BootTime(100_000))).collect();
        let kept: Vec<_> = due.iter().map(|(_, place)| place.at).filter(|at| at % 100 == 0).collect();
        assert_eq!(kept, (0..1000).map(|number| number * 100).collect::<Vec<u32>>());
    }
}
