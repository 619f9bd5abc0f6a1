//! Decoders from bytes to events: of the ring buffer, of captures and of recordings.

pub mod capture;
mod encapsulations;
mod input;
#[cfg(feature = "serde")]
pub mod recording;
pub mod ring;
#[cfg(feature = "serde")]
pub mod ttr;

pub use self::input::Input;
