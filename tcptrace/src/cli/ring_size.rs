//! The value of `--ring-buffer`.

use std::{
    fmt::{self, Display, Formatter},
    str::FromStr,
};

use bytesize::ByteSize;
use thiserror::Error;

const MIN_BYTES: u64 = 1 << 12;
const MAX_BYTES: u64 = 1 << 30;

/// The size of the ring buffer: a power of two from 4 KiB, as the kernel wants whole pages, to 1 GiB.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RingSize(u32);

impl RingSize {
    /// Returns the size in bytes.
    pub fn bytes(self) -> u32 {
        self.0
    }
}

/// 16 MiB.
impl Default for RingSize {
    fn default() -> Self {
        Self(16 << 20)
    }
}

/// An invalid size of the ring buffer.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum RingSizeError {
    /// Not a number with a unit.
    #[error("'{}' is not a size: give a power of two with its unit, such as 512KiB or 16MiB", .0.escape_debug())]
    NotASize(String),
    /// Not a power of two.
    #[error("{bytes} bytes are not a power of two: the nearest is {nearest}")]
    NotAPowerOfTwo {
        /// The requested size.
        bytes: u64,
        /// The nearest allowed size.
        nearest: RingSize,
    },
    /// A size that is too small or too large.
    #[error("{bytes} bytes are too {}: the {} is {nearest}", size(*.bytes), bound(*.bytes))]
    OutOfRange {
        /// The requested size.
        bytes: u64,
        /// The nearest allowed size.
        nearest: RingSize,
    },
}

fn size(bytes: u64) -> &'static str {
    if bytes < MIN_BYTES { "few" } else { "many" }
}

fn bound(bytes: u64) -> &'static str {
    if bytes < MIN_BYTES { "least" } else { "most" }
}

/// Parses a number with a unit of bytes, such as `16MiB`. `MB` is 10^6 bytes and `MiB` is 2^20 bytes.
impl FromStr for RingSize {
    type Err = RingSizeError;

    fn from_str(text: &str) -> Result<Self, RingSizeError> {
        let bytes = match text.trim().parse() {
            Ok(ByteSize(bytes)) => bytes,
            Err(_) => return Err(RingSizeError::NotASize(text.to_owned())),
        };
        let nearest = nearest(bytes);
        match bytes {
            _ if !(MIN_BYTES..=MAX_BYTES).contains(&bytes) => Err(RingSizeError::OutOfRange { bytes, nearest }),
            _ if u64::from(nearest.0) != bytes => Err(RingSizeError::NotAPowerOfTwo { bytes, nearest }),
            _ => Ok(nearest),
        }
    }
}

/// Returns the allowed size nearest to `bytes`; the larger one halfway between two.
fn nearest(bytes: u64) -> RingSize {
    let bytes = bytes.clamp(MIN_BYTES, MAX_BYTES);
    let above = bytes.next_power_of_two();
    let below = if above == bytes { above } else { above / 2 };
    let nearest = if bytes - below < above - bytes { below } else { above };
    RingSize(u32::try_from(nearest).unwrap_or(MAX_BYTES as u32))
}

/// Writes the size with the largest unit that leaves a whole number, as [`RingSize::from_str`] reads it.
impl Display for RingSize {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.trailing_zeros() {
            bits @ 30.. => write!(f, "{}GiB", 1_u64 << (bits - 30)),
            bits @ 20.. => write!(f, "{}MiB", 1 << (bits - 20)),
            _ => write!(f, "{}KiB", self.0 >> 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_read_and_written() {
        for (text, bytes, written) in [
            ("4096", 4096, "4KiB"),
            ("4KiB", 4096, "4KiB"),
            ("512 KiB", 512 << 10, "512KiB"),
            ("16MiB", 16 << 20, "16MiB"),
            ("0.5MiB", 512 << 10, "512KiB"),
            ("1024MiB", 1 << 30, "1GiB"),
            ("1GiB", 1 << 30, "1GiB"),
        ] {
            let size: RingSize = text.parse().unwrap();
            assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, written), "{text}");
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        assert_eq!(RingSize::default().to_string(), "16MiB");
    }

    #[test]
    fn errors_name_the_nearest_size() {
        for (text, message) in [
            ("16MB", "16000000 bytes are not a power of two: the nearest is 16MiB"),
            ("5000", "5000 bytes are not a power of two: the nearest is 4KiB"),
            ("6KiB", "6144 bytes are not a power of two: the nearest is 8KiB"),
            ("1000MiB", "1048576000 bytes are not a power of two: the nearest is 1GiB"),
            ("0", "0 bytes are too few: the least is 4KiB"),
            ("2048", "2048 bytes are too few: the least is 4KiB"),
            ("2GiB", "2147483648 bytes are too many: the most is 1GiB"),
            ("1EiB", "1152921504606846976 bytes are too many: the most is 1GiB"),
        ] {
            assert_eq!(text.parse::<RingSize>().unwrap_err().to_string(), message, "{text}");
        }
        for text in ["", "MiB", "-4096", "16 megs", "16MiB,"] {
            assert_eq!(
                text.parse::<RingSize>().unwrap_err().to_string(),
                format!("'{text}' is not a size: give a power of two with its unit, such as 512KiB or 16MiB")
            );
        }
    }
}
