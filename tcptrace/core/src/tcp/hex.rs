//! Bytes in hexadecimal.

use std::fmt::{self, Display, Formatter};

/// Bytes in lower-case hexadecimal.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The two lower-case hexadecimal digits of a byte.
#[cfg(feature = "serde")]
pub(crate) const fn hex_digits(byte: u8) -> [u8; 2] {
    const fn digit(value: u8) -> u8 {
        b'0' + value + (value > 9) as u8 * (b'a' - b'0' - 10)
    }
    [digit(byte >> 4), digit(byte & 0xf)]
}
