//! Durations for human readers.

use std::fmt;

use super::decimal;

/// A duration in nanoseconds, shown in a suitable unit:
///
/// | below | reads as |
/// |---|---|
/// | 10 ms | `0.031 ms` |
/// | 1 s | `12.4 ms` |
/// | 10 s | `1.234 s` |
/// | 1 min | `16.3 s` |
/// | 1 h | `5 m 03 s` |
/// | 1 d | `2 h 05 m` |
/// | beyond | `3 d 04 h` |
///
/// Digits are truncated, not rounded: less than a second never reads as a second.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct HumanDuration(pub u64);

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (micros, millis, seconds) = (self.0 / 1_000, self.0 / 1_000_000, self.0 / 1_000_000_000);
        let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
        if millis < 10 {
            decimal(f, "", micros, 3, " ms")
        } else if seconds < 1 {
            decimal(f, "", micros / 100, 1, " ms")
        } else if seconds < 10 {
            decimal(f, "", millis, 3, " s")
        } else if minutes < 1 {
            decimal(f, "", millis / 100, 1, " s")
        } else if hours < 1 {
            write!(f, "{minutes} m {:02} s", seconds % 60)
        } else if days < 1 {
            write!(f, "{hours} h {:02} m", minutes % 60)
        } else {
            write!(f, "{days} d {:02} h", hours % 24)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_size_has_its_unit() {
        for (nanoseconds, text) in [
            (0, "0.000 ms"),
            (999, "0.000 ms"),
            (31_000, "0.031 ms"),
            (9_999_999, "9.999 ms"),
            (10_000_000, "10.0 ms"),
            (12_449_999, "12.4 ms"),
            (999_999_999, "999.9 ms"),
            (1_000_000_000, "1.000 s"),
            (1_234_567_890, "1.234 s"),
            (10_000_000_000, "10.0 s"),
            (16_399_999_999, "16.3 s"),
            (60_000_000_000, "1 m 00 s"),
            (303_000_000_000, "5 m 03 s"),
            (3_600_000_000_000, "1 h 00 m"),
            (7_505_000_000_000, "2 h 05 m"),
            (273_600_000_000_000, "3 d 04 h"),
            (u64::MAX, "213503 d 23 h"),
        ] {
            assert_eq!(HumanDuration(nanoseconds).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn any_duration_is_short(nanoseconds: u64) {
            prop_assert!(HumanDuration(nanoseconds).to_string().len() <= 13);
        }
    }
}
