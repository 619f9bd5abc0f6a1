//! Numbers of bytes for human readers.

use std::fmt;

/// A number of bytes, exact below 10,000 and else with one decimal in kB, MB or GB of powers of ten: `18 B`, `3.8 MB`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct HumanBytes(pub(crate) u64);

impl fmt::Display for HumanBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = *self;
        if bytes < 10_000 {
            return write!(f, "{bytes} B");
        }
        let tenths = |unit: u64| bytes.saturating_add(unit / 20) / (unit / 10);
        let units = [(1_000, "kB"), (1_000_000, "MB"), (1_000_000_000, "GB")];
        let fits = units.into_iter().find(|&(unit, _)| tenths(unit) < 10_000);
        let (unit, name) = fits.unwrap_or((1_000_000_000, "GB"));
        write!(f, "{}.{} {name}", tenths(unit) / 10, tenths(unit) % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_grow_with_the_number() {
        let text = |bytes| HumanBytes(bytes).to_string();
        assert_eq!([0, 18, 9_999].map(text), ["0 B", "18 B", "9999 B"]);
        assert_eq!([10_000, 999_949, 999_950].map(text), ["10.0 kB", "999.9 kB", "1.0 MB"]);
        assert_eq!(text(3_791_873), "3.8 MB");
        assert_eq!([4_294_967_295, u64::MAX].map(text), ["4.3 GB", "18446744073.7 GB"]);
    }
}
