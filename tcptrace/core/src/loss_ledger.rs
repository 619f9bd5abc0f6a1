//! Bookkeeping of reported losses by source. A gap shows both in the next record of its source and in the kernel's
//! counter; it is reported once, where it shows first.

use crate::event::{BootTime, Loss, LossCounts, LossSource};

/// Numbers of losses known so far, by source.
#[derive(Debug, Default)]
pub struct LossLedger {
    reported: LossCounts,
}

impl LossLedger {
    /// Notes the low 32 bits of its source's count that a record carries; returns the loss before the record, if any is
    /// new.
    pub fn carried(&mut self, source: LossSource, low: u32, at: BootTime) -> Option<Loss> {
        let known = *self.reported.of_mut(source);
        // The count only grows, and by less than 2^31 between two readings: a smaller one is older than the latest
        // poll.
        let ahead = low.wrapping_sub(known as u32);
        if ahead == 0 || ahead >= 1 << 31 { None } else { self.counted(source, known + u64::from(ahead), at) }
    }

    /// Notes a source's total as read from the kernel; returns the loss if any is new.
    pub fn counted(&mut self, source: LossSource, total: u64, at: BootTime) -> Option<Loss> {
        let known = self.reported.of_mut(source);
        let count = total.saturating_sub(*known);
        *known += count;
        (count > 0).then_some(Loss { at, source, count, total, placed: false })
    }

    /// Adds `count` losses of a source that is counted here, and returns its total.
    pub fn add(&mut self, source: LossSource, count: u64) -> u64 {
        let total = self.reported.of_mut(source);
        *total = total.saturating_add(count);
        *total
    }

    /// Returns the number of losses from all sources.
    pub fn total(&self) -> u64 {
        self.reported.sum()
    }

    /// Returns the number of losses of a source.
    pub fn of(&mut self, source: LossSource) -> u64 {
        *self.reported.of_mut(source)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: BootTime = BootTime(1);

    #[test]
    fn a_gap_is_reported_once_where_it_shows_first() {
        let mut ledger = LossLedger::default();
        let loss = ledger.carried(LossSource::State, 3, NOW).expect("a gap of three");
        assert_eq!((loss.count, loss.total), (3, 3));
        assert_eq!(ledger.carried(LossSource::State, 3, NOW), None);
        assert_eq!(ledger.counted(LossSource::State, 3, NOW), None);
        let loss = ledger.counted(LossSource::State, 5, NOW).expect("two more");
        assert_eq!((loss.count, loss.total), (2, 5));
        assert_eq!(ledger.carried(LossSource::State, 4, NOW), None, "taken before the poll");
        assert_eq!(ledger.total(), 5);
    }

    #[test]
    fn sources_are_counted_apart() {
        let mut ledger = LossLedger::default();
        assert!(ledger.carried(LossSource::State, 1, NOW).is_some());
        assert!(ledger.carried(LossSource::Segment, 1, NOW).is_some());
        assert_eq!(ledger.add(LossSource::Output, 7), 7);
        assert_eq!(ledger.add(LossSource::Output, 0), 7);
        assert_eq!(ledger.total(), 9);
    }

    #[test]
    fn numbers_that_only_a_malformed_recording_has_stop_at_the_largest() {
        let mut ledger = LossLedger::default();
        assert_eq!(ledger.add(LossSource::Output, u64::MAX), u64::MAX);
        assert_eq!(ledger.add(LossSource::Output, 1), u64::MAX);
        assert!(ledger.counted(LossSource::State, 1, NOW).is_some());
        assert_eq!(ledger.total(), u64::MAX);
    }

    proptest! {
        #[test]
        fn whatever_the_order_the_reports_add_up(steps in prop::collection::vec((0..5_u64, any::<bool>()), 0..50)) {
            let mut ledger = LossLedger::default();
            let (mut total, mut reported) = (u64::from(u32::MAX) - 20, 0);
            ledger.counted(LossSource::Segment, total, NOW);
            let begin = total;
            for (more, polled) in steps {
                total += more;
                let loss = if polled {
                    ledger.counted(LossSource::Segment, total, NOW)
                } else {
                    ledger.carried(LossSource::Segment, total as u32, NOW)
                };
                reported += loss.map_or(0, |loss| loss.count);
                prop_assert_eq!(reported, total - begin);
            }
        }
    }
}
