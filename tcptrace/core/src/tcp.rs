//! TCP as seen on the wire and in the kernel: states, header, options, sequence numbers.
//!
//! Everything here is a plain value. Nothing is rejected: a tracer shows what it saw, nonsense included.

#[cfg(feature = "serde")]
mod encode;
mod flags;
mod header;
mod hex;
mod notation;
mod options;
#[cfg(feature = "serde")]
mod options_json;
mod seq;
mod state;
mod tcp_options;

pub use flags::TcpFlags;
pub use header::{OptionBytes, TcpHeader};
#[cfg(feature = "serde")]
pub(crate) use hex::hex_digits;
pub use notation::{Notation, OptionNotation};
pub use options::{AccurateEcn, DataMapping, MptcpOption, Options, SackBlock, SackBlocks, TcpOption, Timestamp};
pub use seq::SeqNumber;
pub(crate) use state::StateSet;
pub use state::TcpState;
pub use tcp_options::TcpOptions;
