//! How single values read: times, durations, error names, and text that came from outside.
//!
//! Text and JSON both go through these, so that they cannot disagree.

mod address;
mod digits;
mod duration;
mod errno;
mod escape;
mod time;
#[cfg(feature = "serde")]
mod word;

pub use address::AddressText;
pub(crate) use address::v4_text;
pub(crate) use digits::{EIGHT, eight, leading};
pub use duration::HumanDuration;
pub use errno::Errno;
pub use escape::{Escaped, is_unsafe};
pub use time::{LocalTime, WallTime};
#[cfg(feature = "serde")]
pub(crate) use word::from_word;
