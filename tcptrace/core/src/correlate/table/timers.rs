//! Timers of connections.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use super::{
    Table,
    connection::{NEVER, Place},
    eviction, tag,
};
use crate::event::BootTime;

/// Number of stale entries that are not worth cleaning up.
const FEW_STALE: usize = 1024;

/// Times in ascending order. Revoked entries stay until they expire, or until they are half of all.
///
/// Most timers expire a fixed time after the event that arms them, so they are added in order: these are in a queue, and
/// only the others in a heap.
#[derive(Debug, Default)]
pub(in crate::correlate) struct Deadlines {
    queue: VecDeque<Timer>,
    heap: BinaryHeap<Reverse<Timer>>,
    meant: usize,
}

/// A time, and the connection to check then.
type Timer = (BootTime, u32, u32);

impl Deadlines {
    /// Adds a timer that expires at `due` for the connection at `place`.
    pub(in crate::correlate) fn add(&mut self, due: BootTime, place: Place) {
        let timer = (due, place.at, place.tag);
        if self.queue.back().is_none_or(|last| *last <= timer) {
            self.queue.push_back(timer);
        } else {
            self.heap.push(Reverse(timer));
        }
        self.meant += 1;
    }

    /// Notes that an entry is no longer valid.
    pub(in crate::correlate) fn revoke(&mut self) {
        self.meant = self.meant.saturating_sub(1);
    }

    /// Removes and returns the first entry that expires by `now`, valid or not.
    pub(in crate::correlate) fn pop(&mut self, now: BootTime) -> Option<(BootTime, Place)> {
        let (queued, heaped) = (self.queue.front().copied(), self.heap.peek().map(|&Reverse(timer)| timer));
        let timer @ (due, at, tag) = queued.into_iter().chain(heaped).min().filter(|(due, ..)| *due <= now)?;
        if queued == Some(timer) {
            self.queue.pop_front();
        } else {
            self.heap.pop();
        }
        Some((due, Place { at, tag }))
    }

    /// Returns the time of the first entry.
    pub(in crate::correlate) fn first(&self) -> Option<BootTime> {
        let (queued, heaped) = (self.queue.front(), self.heap.peek().map(|Reverse(timer)| timer));
        queued.into_iter().chain(heaped).min().map(|&(due, ..)| due)
    }

    /// Returns the number of entries, valid or not.
    pub(in crate::correlate) fn len(&self) -> usize {
        self.queue.len() + self.heap.len()
    }

    /// Returns true if most entries are stale, so that [`Self::clean`] would make it smaller.
    pub(in crate::correlate) fn is_littered(&self) -> bool {
        self.len() > FEW_STALE + 2 * self.meant
    }

    /// Drops the stale entries.
    pub(in crate::correlate) fn clean(&mut self, mut is_meant: impl FnMut(BootTime, Place) -> bool) {
        self.queue.retain(|&(due, at, tag)| is_meant(due, Place { at, tag }));
        self.heap.retain(|&Reverse((due, at, tag))| is_meant(due, Place { at, tag }));
        self.queue.shrink_to(2 * self.queue.len());
        self.heap.shrink_to(2 * self.heap.len());
        self.meant = self.len();
    }
}

impl Table {
    /// Arms the timer of a connection that has changed, for the time `due`.
    pub(in crate::correlate) fn schedule(&mut self, at: u32, due: Option<BootTime>) {
        let Some(conn) = self.connections.get_mut(at as usize) else { return };
        if conn.unproven() && eviction::is_proven(conn) {
            self.room.promote(conn);
        }
        match due {
            // A later time needs no entry of its own: the earlier entry finds it.
            Some(due) if due < conn.queued => {
                if conn.queued != NEVER {
                    self.due.revoke();
                }
                conn.queued = due;
                self.due.add(due, Place { at, tag: tag(conn.number) });
            }
            None if conn.queued != NEVER => {
                conn.queued = NEVER;
                self.due.revoke();
            }
            _ => return,
        }
        if self.due.is_littered() {
            let connections = &self.connections;
            self.due.clean(|due, place| {
                let conn = connections.get(place.at as usize);
                conn.is_some_and(|conn| tag(conn.number) == place.tag && conn.queued == due)
            });
        }
    }

    /// Returns the next connection whose timer expires by `now`, with the time of expiry.
    pub(in crate::correlate) fn next_due(&mut self, now: BootTime) -> Option<(BootTime, u32)> {
        loop {
            let (due, place) = self.due.pop(now)?;
            if let Some(conn) = self.connections.get_mut(place.at as usize)
                && tag(conn.number) == place.tag
                && conn.queued == due
            {
                conn.queued = NEVER;
                self.due.revoke();
                return Some((due, place.at));
            }
        }
    }

    /// Returns the time of the next timer.
    pub(in crate::correlate) fn due(&self) -> Option<BootTime> {
        self.due.first()
    }

    /// Returns the number of timer entries.
    #[cfg(test)]
    pub(in crate::correlate) fn deadlines(&self) -> usize {
        self.due.len()
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
            assert!(deadlines.len() <= FEW_STALE + 2 * 1001);
        }
        let due: Vec<_> = std::iter::from_fn(|| deadlines.pop(BootTime(100_000))).collect();
        let kept: Vec<_> = due.iter().map(|(_, place)| place.at).filter(|at| at % 100 == 0).collect();
        assert_eq!(kept, (0..1000).map(|number| number * 100).collect::<Vec<u32>>());
    }

    #[test]
    fn timers_expire_in_order_however_they_were_added() {
        let mut deadlines = Deadlines::default();
        // Every third is earlier than those before it, some at the same time as others.
        let timers: Vec<Timer> = (0..3000_u32)
            .map(|number| (BootTime(u64::from(if number % 3 == 0 { number / 2 } else { number })), number % 7, number))
            .collect();
        timers.iter().for_each(|&(due, at, tag)| deadlines.add(due, Place { at, tag }));
        assert!(!deadlines.queue.is_empty() && !deadlines.heap.is_empty(), "both hold some");
        let mut sorted = timers;
        sorted.sort_unstable();
        assert_eq!(deadlines.first(), sorted.first().map(|&(due, ..)| due));
        let popped = std::iter::from_fn(|| deadlines.pop(BootTime(3000)));
        assert_eq!(popped.map(|(due, Place { at, tag })| (due, at, tag)).collect::<Vec<_>>(), sorted);
    }
}
