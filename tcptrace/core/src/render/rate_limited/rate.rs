//! The rate of what happens, held against a limit.

use std::num::NonZeroU32;

/// A second, in nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// Number of seconds after which [`Change::Persists`] is repeated.
const REMINDER: u64 = 10;

/// What became of the rate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// It exceeds the limit from now on.
    Exceeded,
    /// It has exceeded the limit for ten more seconds.
    Persists,
    /// It has not exceeded the limit for a second, for the first time again.
    Kept,
}

/// Counts what happens, in one second after another.
#[derive(Debug)]
pub(super) struct Rate {
    pub(super) limit: NonZeroU32,
    /// Time at which the second began, in nanoseconds.
    began: u64,
    /// Number in this second.
    count: u32,
    /// Number of seconds for which the limit has been exceeded, if it is.
    exceeded: Option<u64>,
}

impl Rate {
    /// Creates a rate of which nothing is known.
    pub(super) fn new(limit: NonZeroU32) -> Self {
        Self { limit, began: 0, count: 0, exceeded: None }
    }

    /// Lets time pass until `now`, in nanoseconds, which may run back a little; `counts`: something happens then.
    pub(super) fn pass(&mut self, now: u64, counts: bool) -> Option<Change> {
        let change = self.end_second(now);
        self.count = self.count.saturating_add(u32::from(counts));
        if self.count > self.limit.get() && self.exceeded.is_none() {
            self.exceeded = Some(0);
            return Some(Change::Exceeded);
        }
        change
    }

    /// Begins another second if the current one is over.
    fn end_second(&mut self, now: u64) -> Option<Change> {
        let elapsed = now.saturating_sub(self.began);
        if elapsed < SECOND {
            return None;
        }
        // After more than another second, nothing has happened in that one.
        let kept = self.count <= self.limit.get() || elapsed >= 2 * SECOND;
        (self.began, self.count) = (now, 0);
        match &mut self.exceeded {
            Some(_) if kept => {
                self.exceeded = None;
                Some(Change::Kept)
            }
            Some(seconds) => {
                *seconds += 1;
                seconds.is_multiple_of(REMINDER).then_some(Change::Persists)
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets this many things happen at a time in milliseconds; returns the changes.
    fn at(rate: &mut Rate, ms: u64, times: u32) -> Vec<Change> {
        (0..times).filter_map(|_| rate.pass(ms * 1_000_000, true)).collect()
    }

    #[test]
    fn the_limit_is_of_a_second_and_is_kept_after_a_second_without_excess() {
        let mut rate = Rate::new(NonZeroU32::new(3).expect("not 0"));
        assert_eq!(at(&mut rate, 5_000, 3), []);
        assert_eq!(at(&mut rate, 5_999, 1), [Change::Exceeded]);
        assert_eq!(at(&mut rate, 5_999, 9), [], "once");
        // The second that ends here exceeded it, and this one does.
        assert_eq!(at(&mut rate, 6_001, 4), []);
        assert_eq!(at(&mut rate, 7_002, 3), []);
        assert_eq!(at(&mut rate, 8_003, 1), [Change::Kept]);
        assert_eq!(at(&mut rate, 8_004, 3), [Change::Exceeded], "in the same second");
    }

    #[test]
    fn silence_ends_it_too_even_if_what_comes_then_does_not_count() {
        let mut rate = Rate::new(NonZeroU32::MIN);
        assert_eq!(at(&mut rate, 1_000, 2), [Change::Exceeded]);
        assert_eq!(rate.pass(900_000_000, false), None, "back in time");
        assert_eq!(rate.pass(3_000_000_000, false), Some(Change::Kept));
        assert_eq!(rate.pass(3_000_000_001, true), None);
    }

    #[test]
    fn an_excess_that_lasts_is_told_again() {
        let mut rate = Rate::new(NonZeroU32::MIN);
        let changes: Vec<Change> = (1..=25).flat_map(|second| at(&mut rate, second * 1_001, 2)).collect();
        assert_eq!(changes, [Change::Exceeded, Change::Persists, Change::Persists]);
    }
}
