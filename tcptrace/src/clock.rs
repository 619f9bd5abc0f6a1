//! The only place that asks what time it is.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::{event::BootTime, text::WallTime};

/// `CLOCK_BOOTTIME`, which the kernel programs stamp events with, and how far the wall clock is ahead of it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Nanoseconds, valid until somebody sets the wall clock.
    ahead: i64,
}

impl Clock {
    /// Compares the clocks.
    pub fn new() -> Self {
        Self { ahead: ahead() }
    }

    /// Compares the clocks again: the wall clock may have been stepped or slewed meanwhile.
    pub fn resample(&mut self) {
        self.ahead = ahead();
    }

    /// Now.
    pub fn now(&self) -> BootTime {
        BootTime(u64::try_from(nanoseconds(clock_gettime(ClockId::Boottime))).unwrap_or(0))
    }

    /// The wall-clock time of a moment.
    pub fn wall(&self, at: BootTime) -> WallTime {
        WallTime(i64::try_from(at.0).unwrap_or(i64::MAX).saturating_add(self.ahead))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// Read the clocks a few times: what passes between two readings that lie close together is the smallest error.
fn ahead() -> i64 {
    let sample = || {
        let before = nanoseconds(clock_gettime(ClockId::Boottime));
        let wall = nanoseconds(clock_gettime(ClockId::Realtime));
        let after = nanoseconds(clock_gettime(ClockId::Boottime));
        (after - before, wall - before - (after - before) / 2)
    };
    (0..5).map(|_| sample()).min().map_or(0, |(_error, ahead)| ahead)
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
}
