//! The only place that asks what time it is.

mod offsets;

use rustix::time::{ClockId, Timespec, clock_gettime};

use self::offsets::Offsets;
use crate::{event::BootTime, text::WallTime};

/// How far a sample may differ from the one before by no more than the error of measuring, in nanoseconds.
const NOISE: i64 = 1_000;

/// `CLOCK_BOOTTIME`, which the kernel programs stamp events with, and how far the wall clock is ahead of it.
///
/// Whoever asks for the wall-clock time of the same moment again is told the same, however the wall clock has been set
/// meanwhile.
#[derive(Clone, Debug)]
pub struct Clock {
    offsets: Offsets,
}

impl Clock {
    /// Compares the clocks.
    pub fn new() -> Self {
        let mut clock = Self::recorded();
        clock.resample();
        clock
    }

    /// For events of another time or host: [`Self::note`] says what the clocks were like.
    pub fn recorded() -> Self {
        Self { offsets: Offsets::default() }
    }

    /// Compares the clocks again: the wall clock may have been set meanwhile.
    pub fn resample(&mut self) {
        let sample = Sample::best_of(5);
        self.learn(self.now(), sample);
    }

    /// From this moment on the clocks were like this, unless that is no news. Both clocks count while the host sleeps, and
    /// NTP makes both go faster or slower alike, so that only setting the wall clock is.
    fn learn(&mut self, at: BootTime, sample: Sample) {
        if self.offsets.at(at).is_none_or(|known| (sample.ahead - known).abs() > NOISE.max(sample.error)) {
            self.offsets.insert(at, sample.ahead);
        }
    }

    /// It was this time by both clocks.
    pub fn note(&mut self, at: BootTime, wall: WallTime) {
        if self.wall(at) != wall {
            self.offsets.insert(at, wall.0.saturating_sub(signed(at)));
        }
    }

    /// Now.
    pub fn now(&self) -> BootTime {
        BootTime(u64::try_from(nanoseconds(clock_gettime(ClockId::Boottime))).unwrap_or(0))
    }

    /// The wall-clock time of a moment.
    pub fn wall(&self, at: BootTime) -> WallTime {
        WallTime(signed(at).saturating_add(self.offsets.at(at).unwrap_or(0)))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

fn signed(at: BootTime) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// A comparison of the clocks, in nanoseconds.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Sample {
    /// By how much it may be wrong.
    error: i64,
    /// How far the wall clock is ahead.
    ahead: i64,
}

impl Sample {
    fn new() -> Self {
        let before = nanoseconds(clock_gettime(ClockId::Boottime));
        let wall = nanoseconds(clock_gettime(ClockId::Realtime));
        let after = nanoseconds(clock_gettime(ClockId::Boottime));
        Self { error: after - before, ahead: wall - before - (after - before) / 2 }
    }

    /// Of a few readings, those that lie close together are the best.
    fn best_of(count: u8) -> Self {
        (1..count).map(|_| Self::new()).fold(Self::new(), Self::min)
    }
}

fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_time_of_now_is_now() {
        let clock = Clock::new();
        let before = nanoseconds(clock_gettime(ClockId::Realtime));
        let WallTime(now) = clock.wall(clock.now());
        let after = nanoseconds(clock_gettime(ClockId::Realtime));
        let error = 1_000_000;
        assert!((before - error..=after + error).contains(&now), "{before} {now} {after}");
    }

    #[test]
    fn time_goes_on() {
        let clock = Clock::new();
        let first = clock.now();
        assert!(clock.now() >= first);
    }

    #[test]
    fn the_same_moment_has_the_same_time_however_often_the_clocks_are_compared() {
        let mut clock = Clock::new();
        let at = clock.now();
        let wall = clock.wall(at);
        for _ in 0..100 {
            clock.resample();
            assert_eq!(clock.wall(at), wall);
        }
    }

    const SECOND: u64 = 1_000_000_000;

    fn ahead(seconds: i64) -> Sample {
        Sample { error: 100, ahead: seconds * 1_000_000_000 }
    }

    /// The wall-clock time of a moment in whole seconds since boot, in seconds.
    fn wall_seconds(clock: &Clock, seconds: u64) -> i64 {
        clock.wall(BootTime(seconds * SECOND)).0 / 1_000_000_000
    }

    #[test]
    fn what_happened_before_the_clock_was_set_keeps_its_time_whenever_it_is_shown() {
        let mut clock = Clock::recorded();
        clock.learn(BootTime(10 * SECOND), ahead(1_000));
        let shown = |clock: &Clock| [10, 12, 15, 19].map(|at| wall_seconds(clock, at));
        let at_once = shown(&clock);
        assert_eq!(at_once, [1_010, 1_012, 1_015, 1_019]);
        // Set forward by an hour, then back to before it all began.
        for (at, offset) in [(20, 4_600), (30, -500)] {
            clock.learn(BootTime(at * SECOND), ahead(offset));
            assert_eq!(shown(&clock), at_once);
        }
        assert_eq!([20, 29, 30, 40].map(|at| wall_seconds(&clock, at)), [4_620, 4_629, -470, -460]);
    }

    #[test]
    fn an_hour_of_sleep_is_an_hour_on_both_clocks() {
        let mut clock = Clock::recorded();
        clock.learn(BootTime(10 * SECOND), ahead(1_000));
        clock.learn(BootTime(3_611 * SECOND), ahead(1_000));
        assert_eq!([10, 11, 3_610, 3_611].map(|at| wall_seconds(&clock, at)), [1_010, 1_011, 4_610, 4_611]);
    }

    #[test]
    fn what_may_be_an_error_of_measuring_changes_nothing() {
        let mut clock = Clock::recorded();
        let at = BootTime(10 * SECOND);
        clock.learn(at, ahead(1_000));
        let wall = clock.wall(at);
        let Sample { ahead, .. } = ahead(1_000);
        for (error, off) in [(100, NOISE), (5_000, -5_000), (0, 1)] {
            clock.learn(at, Sample { error, ahead: ahead + off });
            assert_eq!(clock.wall(at), wall, "{off} ns");
        }
        clock.learn(at, Sample { error: 100, ahead: ahead + NOISE + 1 });
        assert_eq!(clock.wall(at).0, wall.0 + NOISE + 1);
    }

    #[test]
    fn a_clock_that_was_set_is_rebuilt_from_what_was_stamped() {
        let wall = |at: u64| WallTime(if at < 500 { 1_000_000 } else { 5_000 } + i64::try_from(at).unwrap());
        let mut clock = Clock::recorded();
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
        let mut clock = Clock::recorded();
        clock.note(BootTime(u64::MAX), WallTime(i64::MIN));
        clock.note(BootTime(0), WallTime(i64::MAX));
        assert_eq!(clock.wall(BootTime(1)), WallTime(i64::MAX));
    }
}
