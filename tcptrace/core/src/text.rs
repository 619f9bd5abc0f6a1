//! Text forms of single values: times, durations, error names, and text from outside.
//!
//! Text and JSON output both use these, so they cannot disagree.

mod address;
mod bytes;
mod digits;
mod duration;
mod errno;
mod escape;
mod time;
#[cfg(feature = "serde")]
mod word;

pub use address::AddressText;
pub(crate) use address::v4_text;
pub(crate) use bytes::HumanBytes;
pub(crate) use digits::{decimal, nine_digits, push_decimal};
pub use duration::HumanDuration;
pub use errno::Errno;
pub use escape::{Escaped, is_unsafe};
pub use time::{LocalTime, WallTime};
#[cfg(feature = "serde")]
pub(crate) use word::from_word;
