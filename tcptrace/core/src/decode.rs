//! Bytes to events: the ring buffer's, a capture's, a recording's.

pub mod capture;
mod input;
#[cfg(feature = "serde")]
pub mod recording;
pub mod ring;

pub use self::input::Input;
