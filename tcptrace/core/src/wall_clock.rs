//! Conversion from `CLOCK_BOOTTIME`, the clock of events, to wall-clock time.

mod offsets;

use self::offsets::Offsets;
use crate::{event::BootTime, text::WallTime};

/// Maximum difference, in nanoseconds, between comparisons of the clocks that is attributed to measurement error.
const NOISE: i64 = 1_000;

/// Offset of the wall clock from `CLOCK_BOOTTIME`, over time.
///
/// Once the wall-clock time of a moment has been returned it does not change, however the wall clock is set afterwards.
#[derive(Clone, Debug, Default)]
pub struct WallClock {
    offsets: Offsets,
}

/// A comparison of the two clocks, in nanoseconds.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ClockSample {
    /// Upper bound of the measurement error.
    pub error: i64,
    /// Wall-clock time minus `CLOCK_BOOTTIME`.
    pub ahead: i64,
}

impl WallClock {
    /// Records that from `at` on the clocks differ by `sample`, unless that is within the errors of measurement. Both
    /// clocks run while the host sleeps, and NTP slews both alike, so only setting the wall clock changes the offset.
    pub fn learn(&mut self, at: BootTime, sample: ClockSample) {
        if self.offsets.at(at).is_none_or(|known| (sample.ahead - known).abs() > NOISE.max(sample.error)) {
            self.offsets.insert(at, sample.ahead);
        }
    }

    /// Records that `at` and `wall` are the same moment, as a recording states for an event.
    pub fn note(&mut self, at: BootTime, wall: WallTime) {
        if self.wall(at) != wall {
            self.offsets.insert(at, wall.0.saturating_sub(signed(at)));
        }
    }

    /// Returns the time since which the latest offset is valid, and the nanoseconds by which the wall clock has been ahead
    /// since then; `None` if it is unknown.
    pub fn latest(&self) -> Option<(BootTime, i64)> {
        self.offsets.latest()
    }

    /// Returns the wall-clock time of a moment.
    pub fn wall(&self, at: BootTime) -> WallTime {
        WallTime(signed(at).saturating_add(self.offsets.at(at).unwrap_or(0)))
    }
}

fn signed(at: BootTime) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn ahead(seconds: i64) -> ClockSample {
        ClockSample { error: 100, ahead: seconds * 1_000_000_000 }
    }

    /// Returns the wall-clock time of a moment in whole seconds since boot, in seconds.
    fn wall_seconds(clock: &WallClock, seconds: u64) -> i64 {
        clock.wall(BootTime(seconds * SECOND)).0 / 1_000_000_000
    }

    #[test]
    fn what_happened_before_the_clock_was_set_keeps_its_time_whenever_it_is_shown() {
        let mut clock = WallClock::default();
        clock.learn(BootTime(10 * SECOND), ahead(1_000));
        let shown = |clock: &WallClock| [10, 12, 15, 19].map(|at| wall_seconds(clock, at));
        let at_once = shown(&clock);
        assert_eq!(at_once, [1_010, 1_012, 1_015, 1_019]);
        // Set forward by an hour, then back to a time before the first.
        for (at, offset) in [(20, 4_600), (30, -500)] {
            clock.learn(BootTime(at * SECOND), ahead(offset));
            assert_eq!(shown(&clock), at_once);
        }
        assert_eq!([20, 29, 30, 40].map(|at| wall_seconds(&clock, at)), [4_620, 4_629, -470, -460]);
    }

    #[test]
    fn an_hour_of_sleep_is_an_hour_on_both_clocks() {
        let mut clock = WallClock::default();
        clock.learn(BootTime(10 * SECOND), ahead(1_000));
        clock.learn(BootTime(3_611 * SECOND), ahead(1_000));
        assert_eq!([10, 11, 3_610, 3_611].map(|at| wall_seconds(&clock, at)), [1_010, 1_011, 4_610, 4_611]);
    }

    #[test]
    fn what_may_be_an_error_of_measuring_changes_nothing() {
        let mut clock = WallClock::default();
        let at = BootTime(10 * SECOND);
        clock.learn(at, ahead(1_000));
        let wall = clock.wall(at);
        let ClockSample { ahead, .. } = ahead(1_000);
        for (error, off) in [(100, NOISE), (5_000, -5_000), (0, 1)] {
            clock.learn(at, ClockSample { error, ahead: ahead + off });
            assert_eq!(clock.wall(at), wall, "{off} ns");
        }
        clock.learn(at, ClockSample { error: 100, ahead: ahead + NOISE + 1 });
        assert_eq!(clock.wall(at).0, wall.0 + NOISE + 1);
    }

    #[test]
    fn a_clock_that_was_set_is_rebuilt_from_what_was_stamped() {
        let wall = |at: u64| WallTime(if at < 500 { 1_000_000 } else { 5_000 } + i64::try_from(at).unwrap());
        let mut clock = WallClock::default();
        // Not quite in order, as two processors write.
        for at in [10, 480, 510, 490, 505, 700] {
            clock.note(BootTime(at), wall(at));
        }
        for at in [10, 200, 480, 490, 505, 510, 700, 900] {
            assert_eq!(clock.wall(BootTime(at)), wall(at), "{at}");
        }
    }

    #[test]
    fn times_beyond_all_bounds_are_the_nearest_there_are() {
        let mut clock = WallClock::default();
        clock.note(BootTime(u64::MAX), WallTime(i64::MIN));
        clock.note(BootTime(0), WallTime(i64::MAX));
        assert_eq!(clock.wall(BootTime(1)), WallTime(i64::MAX));
    }
}
