//! A few numbers of many.

use std::fmt;

/// The median of what was measured, and how far it spreads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    /// Of one value or more.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (Some(&least), Some(&most)) = (values.first(), values.last()) else {
            panic!("nothing was measured");
        };
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Self { median, least, most }
    }

    /// Converts to another unit.
    pub(crate) fn times(self, factor: f64) -> Self {
        Self { median: self.median * factor, least: self.least * factor, most: self.most * factor }
    }
}

/// `12.3 (11.9..14.0)`, with as many decimals as asked for.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(0);
        let Self { median, least, most } = self;
        write!(f, "{median:.decimals$} ({least:.decimals$}..{most:.decimals$})")
    }
}

/// The processors' time, in microseconds, that each connection costs more when a rate (per second) with all of so many
/// processors busy falls from `untraced` to `traced`.
pub(crate) fn added_microseconds(processors: f64, untraced: f64, traced: f64) -> f64 {
    (processors / traced - processors / untraced) * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 8.0]), Spread { median: 3.0, least: 1.0, most: 8.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 8.0]), Spread { median: 3.0, least: 1.0, most: 8.0 });
        assert_eq!(Spread::of([7.0]), Spread { median: 7.0, least: 7.0, most: 7.0 });
    }

    #[test]
    fn a_spread_shows_its_decimals() {
        let spread = Spread::of([0.25, 0.5, 2.0]);
        assert_eq!(format!("{spread:.2}"), "0.50 (0.25..2.00)");
        assert_eq!(format!("{:.0}", spread.times(100.0)), "50 (25..200)");
    }

    #[test]
    fn half_the_rate_costs_as_much_again() {
        // 40,000 connections per second on two processors take 50 microseconds each, 20,000 take 100.
        assert!((added_microseconds(2.0, 40_000.0, 20_000.0) - 50.0).abs() < 1e-9);
        assert!(added_microseconds(2.0, 40_000.0, 40_000.0).abs() < 1e-9);
    }
}
