//! Decimal digits, eight at a time in a register: storing them one by one and copying them would stall on the stores.

use std::fmt::{self, Formatter};

/// Smallest number with more than eight digits.
pub(crate) const EIGHT: u64 = 100_000_000;

/// Returns the digits of a number below [`EIGHT`] without leading zeroes, followed by padding, and their count.
#[inline]
pub(crate) fn leading(number: u32) -> ([u8; 8], usize) {
    let digits = lanes(number);
    // Zero has a digit too.
    let absent = (digits.trailing_zeros() / 8).min(7);
    ((ascii(digits) >> (absent * 8)).to_le_bytes(), 8 - absent as usize)
}

/// Returns the last eight digits of a number, including leading zeroes.
#[inline]
pub(crate) fn eight(number: u64) -> [u8; 8] {
    ascii(lanes((number % EIGHT) as u32)).to_le_bytes()
}

/// Appends the digits of a number.
pub(crate) fn push_decimal(text: &mut String, number: u64) {
    // Writing to a String cannot fail.
    let _ = write_decimal(text, number);
}

/// Writes `before`, a number with its last `places` digits after the decimal point, at most seven, and `after`. Most lines
/// of text have several of these, and `write!` takes three times as long.
pub(crate) fn decimal(f: &mut Formatter<'_>, before: &str, number: u64, places: usize, after: &str) -> fmt::Result {
    let (places, unit) = (places.min(7), 10_u64.pow(places.min(7) as u32));
    f.write_str(before)?;
    write_decimal(f, number / unit)?;
    // The decimal point replaces the digit before those that are shown.
    let mut digits = eight(number % unit);
    if let Some(point) = digits.get_mut(7 - places) {
        *point = b'.';
    }
    f.write_str(text(digits.get(7 - places..)))?;
    f.write_str(after)
}

fn write_decimal(to: &mut impl fmt::Write, number: u64) -> fmt::Result {
    let high = number / EIGHT;
    match high {
        0 => return first(to, number),
        1..EIGHT => first(to, high)?,
        _ => {
            first(to, high / EIGHT)?;
            to.write_str(text(Some(&eight(high))))?;
        }
    }
    to.write_str(text(Some(&eight(number))))
}

/// Writes a number below [`EIGHT`], without leading zeroes.
fn first(to: &mut impl fmt::Write, number: u64) -> fmt::Result {
    let (digits, len) = leading(number as u32);
    to.write_str(text(digits.get(..len)))
}

/// Digits are ASCII.
fn text(digits: Option<&[u8]>) -> &str {
    digits.and_then(|digits| str::from_utf8(digits).ok()).unwrap_or_default()
}

/// Returns the eight digits of a number below [`EIGHT`], one per byte, the first in the lowest: splits it into halves
/// of four digits, then two, then one, dividing by multiplication with the reciprocal, which is exact for so few
/// digits.
#[inline]
fn lanes(number: u32) -> u64 {
    let fours = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - tens * 10) << 8
}

#[inline]
fn ascii(digits: u64) -> u64 {
    digits | 0x3030_3030_3030_3030
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_four_digits_reads_as_displayed_in_either_half() {
        for number in 0..10_000 {
            for number in [number, number * 10_000, number * 10_000 + 9_999] {
                let (digits, len) = leading(number);
                assert_eq!(str::from_utf8(&digits[..len]).unwrap(), number.to_string());
                assert_eq!(eight(number.into()), *format!("{number:08}").as_bytes());
            }
        }
        assert_eq!(eight(u64::MAX), *b"09551615");
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
