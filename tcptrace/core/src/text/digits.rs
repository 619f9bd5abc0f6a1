//! Decimal digits without [`std::fmt`]'s padding and alignment: most lines of output have several numbers.

use std::fmt::{self, Formatter};

/// Appends the digits of a number.
pub(crate) fn push_decimal(text: &mut String, number: u64) {
    text.push_str(itoa::Buffer::new().format(number));
}

/// Writes `before`, a number with its last `places` digits after the decimal point, at most seven, and `after`.
pub(crate) fn decimal(f: &mut Formatter<'_>, before: &str, number: u64, places: usize, after: &str) -> fmt::Result {
    let unit = 10_u64.pow(places.min(7) as u32);
    f.write_str(before)?;
    f.write_str(itoa::Buffer::new().format(number / unit))?;
    if unit > 1 {
        f.write_str(".")?;
        f.write_str(padded(&mut itoa::Buffer::new(), number % unit, unit))?;
    }
    f.write_str(after)
}

/// Returns the nine digits of the nanoseconds of a second, including leading zeroes.
pub(crate) fn nine_digits(nanoseconds: u64) -> [u8; 9] {
    let mut buffer = itoa::Buffer::new();
    let digits = padded(&mut buffer, nanoseconds % 1_000_000_000, 1_000_000_000);
    digits.as_bytes().first_chunk().copied().unwrap_or([b'0'; 9])
}

/// Returns the digits of a number below `unit`, a power of ten, including leading zeroes: a digit before them, which is left
/// out again, keeps these.
fn padded(buffer: &mut itoa::Buffer, number: u64, unit: u64) -> &str {
    buffer.format(unit + number).get(1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fmt::Display;

    use super::*;

    struct Decimal(u64, usize);

    impl Display for Decimal {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            decimal(f, "<", self.0, self.1, ">")
        }
    }

    #[test]
    fn leading_zeroes_of_a_fraction_are_kept() {
        for (number, places, text) in [
            (0, 3, "<0.000>"),
            (1, 3, "<0.001>"),
            (12_345, 3, "<12.345>"),
            (10_000_001, 7, "<1.0000001>"),
            (7, 0, "<7>"),
        ] {
            assert_eq!(Decimal(number, places).to_string(), text);
        }
        for nanoseconds in [0, 1, 999, 1_000, 123_456_789, 999_999_999] {
            assert_eq!(nine_digits(nanoseconds), *format!("{nanoseconds:09}").as_bytes());
        }
    }

    #[test]
    fn a_number_of_any_length_reads_as_displayed() {
        for number in (0..20).flat_map(|exponent| [10_u64.pow(exponent) - 1, 10_u64.pow(exponent)]).chain([u64::MAX]) {
            let mut text = String::new();
            push_decimal(&mut text, number);
            assert_eq!(text, number.to_string());
        }
    }
}
