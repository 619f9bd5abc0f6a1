//! TCP as it is on the wire and in the kernel: states, header, options, sequence numbers.
//!
//! Everything here is a value that can be looked at. Nothing is refused: a tracer shows what it saw, nonsense included.

mod encode;
mod flags;
mod header;
mod notation;
mod options;
mod options_json;
mod seq;
mod state;

pub use flags::TcpFlags;
pub use header::{OptionBytes, TcpHeader};
pub use notation::{Notation, OptionNotation};
pub use options::{Options, SackBlock, SackBlocks, TcpOption, Timestamp};
pub use options_json::TcpOptions;
pub use seq::SeqNumber;
pub use state::TcpState;
