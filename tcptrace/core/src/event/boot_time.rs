//! The clock of events.

use std::{
    ops::{Add, Sub},
    time::Duration,
};

/// A time of `CLOCK_BOOTTIME` in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BootTime(pub u64);

impl BootTime {
    /// Returns the nanoseconds from `earlier` to this time; 0 if it is before `earlier`, as records of two processors
    /// may be microseconds out of order.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the time `nanoseconds` after this one. For a constant, add a [`Duration`].
    pub fn plus(self, nanoseconds: u64) -> Self {
        Self(self.0.saturating_add(nanoseconds))
    }

    /// Returns the time `nanoseconds` before this one. For a constant, subtract a [`Duration`].
    pub fn minus(self, nanoseconds: u64) -> Self {
        Self(self.0.saturating_sub(nanoseconds))
    }
}

/// Adds a duration; saturates at the latest time that can be represented.
impl Add<Duration> for BootTime {
    type Output = Self;

    #[inline]
    fn add(self, time: Duration) -> Self {
        self.plus(nanoseconds(time))
    }
}

/// Subtracts a duration; saturates at the time of the boot.
impl Sub<Duration> for BootTime {
    type Output = Self;

    #[inline]
    fn sub(self, time: Duration) -> Self {
        self.minus(nanoseconds(time))
    }
}

#[inline]
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_end_at_the_boot_and_after_584_years() {
        let at = BootTime(5_000_000_007);
        assert_eq!(at + Duration::from_secs(1), BootTime(6_000_000_007));
        assert_eq!(at - Duration::from_millis(1), BootTime(4_999_000_007));
        assert_eq!(at - Duration::from_secs(6), BootTime(0));
        assert_eq!(at + Duration::MAX, BootTime(u64::MAX));
    }
}
