//! Offset of one clock from another, over time.

use crate::event::BootTime;

/// Maximum number of steps kept, far above the number of times a clock is set during a connection. The oldest are
/// dropped.
const MAX_STEPS: usize = 256;

/// Offsets in nanoseconds, each valid from its time until the next one's.
#[derive(Clone, Debug, Default)]
pub(super) struct Offsets {
    /// Steps in order of time.
    steps: Vec<(BootTime, i64)>,
}

impl Offsets {
    /// Returns the offset at a time, or the first known one for earlier times; `None` if none is known.
    pub(super) fn at(&self, at: BootTime) -> Option<i64> {
        let valid = match self.steps.last() {
            Some(newest) if newest.0 <= at => newest,
            _ => self.steps.get(self.behind(at).saturating_sub(1))?,
        };
        Some(valid.1)
    }

    /// Returns the latest offset and the time from which on it is valid; `None` if none is known.
    pub(super) fn latest(&self) -> Option<(BootTime, i64)> {
        self.steps.last().copied()
    }

    /// Sets the offset from `at` on.
    pub(super) fn insert(&mut self, at: BootTime, offset: i64) {
        let behind = self.behind(at);
        match self.steps.get_mut(..behind).and_then(<[_]>::last_mut) {
            Some(same) if same.0 == at => same.1 = offset,
            _ => self.steps.insert(behind, (at, offset)),
        }
        if self.steps.len() > MAX_STEPS {
            self.steps.remove(0);
        }
    }

    /// Returns the number of offsets that are or were valid at `at`.
    fn behind(&self, at: BootTime) -> usize {
        self.steps.partition_point(|&(since, _)| since <= at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_offset_is_valid_from_its_time_on() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.at(BootTime(7)), None);
        for (at, offset) in [(10, 1), (30, 3), (20, 2)] {
            offsets.insert(BootTime(at), offset);
        }
        let valid = [(0, 1), (10, 1), (19, 1), (20, 2), (29, 2), (30, 3), (1_000, 3)];
        for (at, offset) in valid {
            assert_eq!(offsets.at(BootTime(at)), Some(offset), "{at}");
        }
        offsets.insert(BootTime(20), 4);
        assert_eq!((offsets.at(BootTime(25)), offsets.steps.len()), (Some(4), 3));
    }

    #[test]
    fn the_oldest_give_way() {
        let mut offsets = Offsets::default();
        for at in 0..2 * MAX_STEPS as u64 {
            offsets.insert(BootTime(at), at.cast_signed());
        }
        assert_eq!(offsets.steps.len(), MAX_STEPS);
        assert_eq!(offsets.at(BootTime(0)), Some(MAX_STEPS as i64));
        assert_eq!(offsets.at(BootTime(u64::MAX)), Some(2 * MAX_STEPS as i64 - 1));
    }

    proptest! {
        #[test]
        fn what_was_inserted_last_is_found(steps in prop::collection::vec((0..100_u64, any::<i64>()), 1..80)) {
            let mut offsets = Offsets::default();
            for (at, offset) in steps {
                offsets.insert(BootTime(at), offset);
                prop_assert_eq!(offsets.at(BootTime(at)), Some(offset));
            }
        }
    }
}
