//! Times of pcapng: units since 1970, whose length each interface chooses.

use crate::event::BootTime;

const NANOSECONDS: u64 = 1_000_000_000;

/// The latest time that can be represented, in the year 2262. Later times are clamped to it, so differences between
/// them are lost.
const LATEST: u64 = i64::MAX.cast_unsigned();

/// Time scale of an interface (`if_tsresol` and `if_tsoffset`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Timescale {
    unit: Unit,
    /// Nanoseconds to add.
    offset: i64,
}

/// Unit of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Unit {
    /// This many nanoseconds.
    Longer(u64),
    /// One nanosecond divided by this number.
    Shorter(u64),
    /// One second divided by two to this power.
    Binary(u8),
}

impl Default for Timescale {
    /// Microseconds, the default of pcapng.
    fn default() -> Self {
        Self::new(None, None)
    }
}

impl Timescale {
    /// Creates a time scale: `resolution` is a negative power of 10, or of 2 with the highest bit set; `offset` is in
    /// seconds.
    pub(super) fn new(resolution: Option<u8>, offset: Option<i64>) -> Self {
        let resolution = resolution.unwrap_or(6);
        let power = |exponent: u8| 10_u64.checked_pow(exponent.into()).unwrap_or(u64::MAX);
        let unit = match (resolution & 0x80 != 0, resolution & 0x7f) {
            (true, exponent) => Unit::Binary(exponent),
            (false, exponent @ 0..=9) => Unit::Longer(power(9 - exponent)),
            (false, exponent) => Unit::Shorter(power(exponent - 9)),
        };
        Self { unit, offset: offset.unwrap_or(0).saturating_mul(NANOSECONDS.cast_signed()) }
    }

    /// Converts `units` to nanoseconds since 1970, clamped to the range that can be represented.
    pub(super) fn time(self, units: u64) -> BootTime {
        let nanoseconds = match self.unit {
            Unit::Longer(length) => units.saturating_mul(length),
            Unit::Shorter(number) => units / number,
            Unit::Binary(exponent) => {
                u64::try_from((u128::from(units) * u128::from(NANOSECONDS)) >> exponent).unwrap_or(u64::MAX)
            }
        };
        BootTime(nanoseconds.saturating_add_signed(self.offset).min(LATEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_what_the_interface_says() {
        let time = |resolution, units| Timescale::new(Some(resolution), None).time(units).0;
        assert_eq!(Timescale::default().time(1_500_000), BootTime(1_500_000_000));
        assert_eq!(time(0, 3), 3_000_000_000);
        assert_eq!(time(3, 1_500), 1_500_000_000);
        assert_eq!(time(9, 1_700_000_000_123_456_789), 1_700_000_000_123_456_789);
        assert_eq!(time(12, 1_500_000), 1_500);
        assert_eq!(time(0x80, 2), 2_000_000_000);
        assert_eq!(time(0x80 | 10, 1_536), 1_500_000_000);
        assert_eq!(time(0x80 | 32, 5 << 31), 2_500_000_000);
    }

    #[test]
    fn offsets_are_seconds_of_either_sign() {
        let time = |offset, units| Timescale::new(Some(9), Some(offset)).time(units).0;
        assert_eq!(time(1_700_000_000, 5), 1_700_000_000_000_000_005);
        assert_eq!(time(-1, 1_000_000_007), 7);
    }

    #[test]
    fn nonsense_is_bounded() {
        for resolution in 0..=u8::MAX {
            for offset in [i64::MIN, -1, 0, 1, i64::MAX] {
                for units in [0, 1, u64::MAX] {
                    assert!(Timescale::new(Some(resolution), Some(offset)).time(units).0 <= LATEST);
                }
            }
        }
        assert_eq!(Timescale::new(Some(0), None).time(u64::MAX).0, LATEST);
        assert_eq!(Timescale::new(Some(9), Some(-2)).time(1).0, 0);
    }
}
