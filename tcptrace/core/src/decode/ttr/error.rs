//! Errors of reading binary recordings.

use std::io;

use thiserror::Error;

use super::VERSION;
use crate::decode::ring::LAYOUT;

/// Reasons why a binary recording cannot be read, or not to its end. Every message is one sentence; text from outside is
/// escaped.
#[derive(Debug, Error)]
pub enum TtrError {
    /// Reading the input failed.
    #[error("the recording cannot be read")]
    Io(#[source] io::Error),
    /// The input ends within a block, as it does when the host crashes or tcptrace is killed.
    #[error(
        "the recording is cut off in the middle of a block (complete blocks before it: {blocks}, in {bytes} bytes)"
    )]
    CutOff {
        /// Number of complete blocks.
        blocks: u64,
        /// Offset of the block's beginning, in bytes.
        bytes: u64,
    },
    /// Something else follows the last block.
    #[error("the recording is damaged at byte {bytes}, where no block begins (complete blocks before it: {blocks})")]
    NoBlock {
        /// Number of complete blocks.
        blocks: u64,
        /// Offset in bytes.
        bytes: u64,
    },
    /// The checksum of a block is wrong.
    #[error("the block at byte {bytes} is damaged: its checksum is wrong (complete blocks before it: {blocks})")]
    Checksum {
        /// Number of complete blocks.
        blocks: u64,
        /// Offset of the block's beginning, in bytes.
        bytes: u64,
    },
    /// The format has another version.
    #[error(
        "the block at byte {bytes} is of version {version} of the format, and this build reads version {VERSION}: use the \
         tcptrace that wrote it, or a newer one"
    )]
    Version {
        /// Offset of the block's beginning, in bytes.
        bytes: u64,
        /// Version of the format.
        version: u16,
    },
    /// The ring records have another layout.
    #[error(
        "the block at byte {bytes} has kernel records of layout {layout}, and this build reads layout {LAYOUT}: read it with \
         the tcptrace that wrote it, whose --write FILE.jsonl converts it"
    )]
    Layout {
        /// Offset of the block's beginning, in bytes.
        bytes: u64,
        /// Number of the layout.
        layout: u16,
    },
    /// The machine that wrote it has another byte order.
    #[error(
        "the block at byte {bytes} was written on a machine with another byte order: read it on such a machine, where \
         --write FILE.jsonl converts it"
    )]
    ByteOrder {
        /// Offset of the block's beginning, in bytes.
        bytes: u64,
    },
    /// A block has a correct checksum, but is not one that tcptrace writes.
    #[error("the block at byte {bytes} is malformed: {what}")]
    Malformed {
        /// Offset of the block's beginning, in bytes.
        bytes: u64,
        /// Description of the fault.
        what: String,
    },
}

/// A [`TtrError`] about a block, without its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BlockFault {
    NoBlock,
    Version(u16),
    ByteOrder,
    Layout(u16),
    Checksum,
    Header,
    Compression,
    Columns,
}
