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
        let now = self.now();
        if self.offsets.at(now).is_none_or(|known| (sample.ahead - known).abs() > NOISE.max(sample.error)) {
            self.offsets.insert(now, sample.ahead);
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
