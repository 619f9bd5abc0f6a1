//! Errors of reading captures.

use std::io;

use thiserror::Error;

use super::{LinkType, LooksLike};

/// Reasons why a capture cannot be read, or not to its end. Every message is one sentence.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// Reading the input failed.
    #[error("the capture cannot be read")]
    Io(#[source] io::Error),
    /// The input is something else.
    #[error("this is not a capture: {0}")]
    NotACapture(LooksLike),
    /// The format has an unsupported version.
    #[error("this is {format} version {major}.{minor}, which is not supported: convert it with editcap")]
    Version {
        /// `pcap` or `pcapng`.
        format: &'static str,
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// No frame can be decoded; with several interfaces, the frames of none can be.
    #[error(
        "the capture has {0}, which is not supported: docs/captures.md lists the link types that are; if the device has \
         several, choose one with `tcpdump -y`"
    )]
    LinkType(LinkType),
    /// The input ends within a record, as it does when the capturing program is killed or the disk is full.
    #[error("the capture is cut off in the middle of a record (complete frames before it: {frames}, in {bytes} bytes)")]
    Truncated {
        /// Number of complete frames.
        frames: u64,
        /// Offset of the end of the last complete record, in bytes.
        bytes: u64,
    },
    /// A record's length exceeds any frame's: the file is damaged at or before it.
    #[error("the capture is damaged at byte {bytes} (complete frames before it: {frames}): a record of {length} bytes")]
    TooLong {
        /// Number of complete frames.
        frames: u64,
        /// Offset of the end of the last good record, in bytes.
        bytes: u64,
        /// Length of the record according to its header, in bytes.
        length: u64,
    },
    /// A snoop file with a link type that is not supported.
    #[error("the capture has the snoop link type {0}, which is not supported: docs/captures.md lists those that are")]
    SnoopLink(u32),
    /// Records that contradict themselves were skipped; all others have been read.
    #[error("the capture is damaged: record {number} {what} (records skipped: {count}; all others were read)")]
    Passed {
        /// Number of the first such record, among the records of frames, from 1.
        number: u64,
        /// Description of its fault.
        what: &'static str,
        /// Number of such records.
        count: u64,
    },
    /// The file contradicts itself.
    #[error("the capture is damaged at byte {bytes} (complete frames before it: {frames}): {what}")]
    Damaged {
        /// Number of complete frames.
        frames: u64,
        /// Offset of the end of the last good record, in bytes.
        bytes: u64,
        /// Description of the contradiction.
        what: &'static str,
    },
}

/// A [`CaptureError`] of a format decoder, which does not know how far the file has been read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    Version { format: &'static str, major: u16, minor: u16 },
    LinkType(LinkType),
    SnoopLink(u32),
    TooLong(u64),
    Passed { number: u64, what: &'static str, count: u64 },
    Damaged(&'static str),
}

impl Fault {
    /// Adds how far the file has been read.
    pub(super) fn after(self, frames: u64, bytes: u64) -> CaptureError {
        match self {
            Self::Version { format, major, minor } => CaptureError::Version { format, major, minor },
            Self::LinkType(link_type) => CaptureError::LinkType(link_type),
            Self::SnoopLink(number) => CaptureError::SnoopLink(number),
            Self::TooLong(length) => CaptureError::TooLong { frames, bytes, length },
            Self::Passed { number, what, count } => CaptureError::Passed { number, what, count },
            Self::Damaged(what) => CaptureError::Damaged { frames, bytes, what },
        }
    }
}
