//! Binary recordings (`.ttr`): the records of the ring almost as the kernel programs wrote them, interleaved in order with
//! everything else that a replay needs. docs/recordings.md describes the format.
//!
//! ```text
//! IO       reader    bytes → blocks → items
//! ─────────────────────────────────────────────────────────────────────
//! pure     block     a header with a checksum, and entries, compressed or not
//!          columns   the order of entries that is compressed
//!          rows      records of a kind → their columns
//!          packing   ring records as differences from those before them
//!          entry     all other entries
//!          writer    entries → the content of a block
//! ```

mod block;
mod columns;
mod cursor;
mod entry;
mod error;
mod packing;
mod reader;
mod rows;
#[cfg(test)]
mod tests;
mod writer;

pub use self::{
    block::{Compress, MAGIC, Sealer, VERSION},
    entry::{Entry, Interface, Setup},
    error::TtrError,
    reader::{Counters, Item, Reader},
    writer::Writer,
};
