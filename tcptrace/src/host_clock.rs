//! The host's clocks. No other module reads them, except for timers of the event loops (tokio's `Instant`).

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};
use tcptrace_core::{
    event::BootTime,
    wall_clock::{ClockSample, WallClock},
};

/// Returns the time of `CLOCK_BOOTTIME`, the clock of the kernel programs' time stamps.
pub fn now() -> BootTime {
    BootTime(u64::try_from(of_clock(ClockId::Boottime)).unwrap_or(0))
}

/// Returns the processor time used by the calling thread.
pub fn thread_time() -> Duration {
    Duration::from_nanos(u64::try_from(of_clock(ClockId::ThreadCPUTime)).unwrap_or(0))
}

/// Returns the processor time used by all threads of this process.
pub fn process_time() -> Duration {
    Duration::from_nanos(u64::try_from(of_clock(ClockId::ProcessCPUTime)).unwrap_or(0))
}

/// Returns the wall-clock time since the Unix epoch; zero before it.
pub fn since_epoch() -> Duration {
    Duration::from_nanos(u64::try_from(of_clock(ClockId::Realtime)).unwrap_or(0))
}

/// Converts a length of time to nanoseconds; the maximum for more than 584 years.
pub fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns a wall clock with the current offset between this host's clocks.
pub fn wall_clock() -> WallClock {
    let mut clock = WallClock::default();
    compare(&mut clock);
    clock
}

/// Samples the offset between the host's clocks again, as the wall clock may have been set since.
pub fn compare(clock: &mut WallClock) {
    let best = best_sample_of(5);
    clock.learn(now(), best);
}

/// Takes `count` samples and returns the one with the smallest error, which took the least time to read.
fn best_sample_of(count: u8) -> ClockSample {
    (1..count).map(|_| sample()).fold(sample(), ClockSample::min)
}

fn sample() -> ClockSample {
    let before = of_clock(ClockId::Boottime);
    let wall = of_clock(ClockId::Realtime);
    let after = of_clock(ClockId::Boottime);
    ClockSample { error: after - before, ahead: wall - before - (after - before) / 2 }
}

/// Returns the time of a clock in nanoseconds.
fn of_clock(clock: ClockId) -> i64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    tv_sec.saturating_mul(1_000_000_000).saturating_add(tv_nsec)
}

#[cfg(test)]
mod tests {
    use tcptrace_core::text::WallTime;

    use super::*;

    #[test]
    fn the_wall_clock_time_of_now_is_now() {
        let clock = wall_clock();
        let before = of_clock(ClockId::Realtime);
        let WallTime(shown) = clock.wall(now());
        let after = of_clock(ClockId::Realtime);
        let error = 1_000_000;
        assert!((before - error..=after + error).contains(&shown), "{before} {shown} {after}");
    }

    #[test]
    fn time_goes_on() {
        let first = now();
        assert!(now() >= first);
    }

    #[test]
    fn the_same_moment_has_the_same_time_however_often_the_clocks_are_compared() {
        let mut clock = wall_clock();
        let at = now();
        let wall = clock.wall(at);
        for _ in 0..100 {
            compare(&mut clock);
            assert_eq!(clock.wall(at), wall);
        }
    }
}
