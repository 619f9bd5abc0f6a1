//! Missing state changes, each counted once. A missing change shows twice: in the kernel's counts, which do not name the
//! socket, and in a socket's chain of states, when it leaves a state that it was not seen to enter. Either may come first,
//! and the kernel does not count all of them.

use crate::event::{BootTime, Loss, LossSource};

/// Bookkeeping of missing state changes.
#[derive(Debug, Default)]
pub(super) struct StateGaps {
    /// Number counted by the kernel that no socket has shown yet.
    unplaced: u64,
    /// Number shown by sockets that the kernel has not counted yet.
    uncounted: u64,
    /// Totals last reported with source `state` and `recursion`.
    totals: [u64; 2],
    /// Part of the kernel's counts that was not reported again, since it had been reported in place.
    known: [u64; 2],
    /// Number reported in place, less the part that the kernel counted later.
    beyond_counts: u64,
    /// A recording's report of the gap that the next state change shows.
    recorded: Option<Loss>,
    /// The connection whose socket shows a gap right now, and the minimum number of changes missing.
    found: Option<(u64, u64)>,
}

/// A loss in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placed {
    /// Number of the connection.
    pub(super) conn: u64,
    /// The loss as it is reported.
    pub(super) loss: Loss,
}

impl StateGaps {
    /// Notes that a socket of connection `conn` shows at least `count` missing changes.
    pub(super) fn find(&mut self, conn: u64, count: u64) {
        self.found = Some((conn, count));
    }

    /// Returns the loss that the state change at time `at` has shown, unless it was reported by the kernel's count
    /// before.
    pub(super) fn place(&mut self, at: BootTime) -> Option<Placed> {
        let recorded = self.recorded.take();
        let (conn, found) = self.found.take()?;
        let known = match recorded {
            Some(report) => found.saturating_sub(report.count),
            None => found.min(self.unplaced),
        };
        let count = found - known;
        self.unplaced = self.unplaced.saturating_sub(known);
        if recorded.is_none() {
            self.uncounted += count;
        }
        if count == 0 {
            return None;
        }
        self.beyond_counts += count;
        let [total, _] = &mut self.totals;
        *total = total.saturating_add(count).max(recorded.map_or(0, |report| report.total));
        Some(Placed { conn, loss: Loss { at, source: LossSource::State, count, total: *total, placed: true } })
    }

    /// Notes a loss that the kernel or a recording has counted; returns the part still to be reported.
    pub(super) fn count(&mut self, loss: &Loss) -> Option<Loss> {
        if loss.placed {
            self.recorded = Some(*loss);
            return None;
        }
        let at = match loss.source {
            LossSource::State => 0,
            LossSource::Recursion => 1,
            LossSource::Segment | LossSource::Output => return Some(*loss),
        };
        let known = loss.count.min(self.uncounted);
        let count = loss.count - known;
        self.uncounted -= known;
        self.beyond_counts -= known;
        self.unplaced = self.unplaced.saturating_add(count);
        self.known[at] += known;
        // Use the larger one, since a recording may lack its beginning.
        self.totals[at] = self.totals[at].saturating_add(count).max(loss.total.saturating_sub(self.known[at]));
        (count > 0).then_some(Loss { count, total: self.totals[at], ..*loss })
    }

    /// Returns the number of changes that were reported but are in no count of the kernel.
    pub(super) fn beyond_counts(&self) -> u64 {
        self.beyond_counts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: BootTime = BootTime(1);

    fn counted(source: LossSource, count: u64) -> Loss {
        Loss { at: NOW, source, count, total: count, placed: false }
    }

    #[test]
    fn a_gap_that_shows_before_it_is_counted_is_reported_at_its_place() {
        let mut gaps = StateGaps::default();
        gaps.find(7, 2);
        let placed = gaps.place(NOW).expect("it is new");
        assert_eq!((placed.conn, placed.loss.count, placed.loss.total), (7, 2, 2));
        let rest = gaps.count(&counted(LossSource::Recursion, 3)).expect("one more than has shown");
        assert_eq!((rest.count, rest.total), (1, 1));
        assert_eq!(gaps.beyond_counts(), 0);
    }

    #[test]
    fn a_gap_that_is_counted_before_it_shows_is_not_reported_again() {
        let mut gaps = StateGaps::default();
        assert_eq!(gaps.count(&counted(LossSource::State, 2)).map(|loss| loss.count), Some(2));
        gaps.find(7, 1);
        assert_eq!(gaps.place(NOW), None);
        gaps.find(8, 3);
        assert_eq!(gaps.place(NOW).map(|placed| placed.loss.count), Some(2), "one was counted");
    }

    #[test]
    fn losses_of_segments_and_of_output_fill_no_gap() {
        let mut gaps = StateGaps::default();
        for source in [LossSource::Segment, LossSource::Output] {
            assert_eq!(gaps.count(&counted(source, 5)), Some(counted(source, 5)));
        }
        gaps.find(7, 1);
        assert_eq!(gaps.place(NOW).map(|placed| placed.loss.count), Some(1));
    }

    #[test]
    fn numbers_that_only_a_malformed_recording_has_stop_at_the_largest() {
        let mut gaps = StateGaps::default();
        for _ in 0..2 {
            let loss = gaps.count(&counted(LossSource::State, u64::MAX)).expect("no socket has shown it");
            assert_eq!((loss.count, loss.total), (u64::MAX, u64::MAX));
        }
        assert_eq!(gaps.count(&Loss { placed: true, ..counted(LossSource::State, 1) }), None);
        gaps.find(7, 2);
        assert_eq!(gaps.place(NOW).map(|placed| (placed.loss.count, placed.loss.total)), Some((1, u64::MAX)));
    }

    proptest! {
        #[test]
        fn a_recording_reports_what_was_reported_live(steps in prop::collection::vec((any::<bool>(), 1..4_u64), 0..40)) {
            let (mut live, mut read) = (StateGaps::default(), StateGaps::default());
            let (mut shown, mut again) = (Vec::new(), Vec::new());
            let mut sum = 0;
            for (counts, count) in steps {
                if counts {
                    sum += count;
                    let loss = live.count(&counted(LossSource::Recursion, count));
                    again.extend(loss.as_ref().and_then(|loss| read.count(loss)));
                    shown.extend(loss);
                } else {
                    live.find(1, count);
                    read.find(1, count);
                    let placed = live.place(NOW);
                    if let Some(placed) = &placed {
                        prop_assert_eq!(read.count(&placed.loss), None);
                    }
                    again.extend(read.place(NOW).map(|placed| placed.loss));
                    shown.extend(placed.map(|placed| placed.loss));
                }
            }
            prop_assert_eq!(&shown, &again);
            let reported: u64 = shown.iter().map(|loss| loss.count).sum();
            prop_assert_eq!(reported, sum + live.beyond_counts());
        }
    }
}
