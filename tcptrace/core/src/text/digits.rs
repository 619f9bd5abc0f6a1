//! Decimal digits, eight at a time in a register: storing them one by one and copying them would stall on the stores.

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
}
