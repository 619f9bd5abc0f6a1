//! Why a capture cannot be read, or not to its end.

use std::io;

use thiserror::Error;

use super::{LinkType, LooksLike};

/// Why a capture cannot be read, or not to its end. Every message is one sentence.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The operating system says so.
    #[error("the capture cannot be read ({0})")]
    Io(io::Error),
    /// It is something else.
    #[error("this is no capture: {0}")]
    NotACapture(LooksLike),
    /// A format of the future, or of a distant past.
    #[error("this is {format} version {major}.{minor}, which is not supported: convert it with editcap")]
    Version {
        /// `pcap` or `pcapng`.
        format: &'static str,
        /// Before the point.
        major: u16,
        /// Behind it.
        minor: u16,
    },
    /// No frame can be read. In a file of several interfaces: of none of them.
    #[error(
        "the capture has {0}, which is not supported: docs/captures.md lists the link types that are; of a device that has \
         several, choose one with `tcpdump -y`"
    )]
    LinkType(LinkType),
    /// It ends in the middle of a record, as it does when the capturing program is killed or the disk is full.
    #[error("the capture is cut off in the middle of a record (complete frames before it: {frames}, in {bytes} bytes)")]
    Truncated {
        /// Complete frames.
        frames: u64,
        /// Where the last complete record ends.
        bytes: u64,
    },
    /// A length that no frame has: the file is damaged before or at this record.
    #[error("the capture is damaged at byte {bytes} (complete frames before it: {frames}): a record of {length} bytes")]
    TooLong {
        /// Complete frames.
        frames: u64,
        /// Where the last good record ends.
        bytes: u64,
        /// What the record claims.
        length: u64,
    },
    /// A snoop file of a device whose frames cannot be read.
    #[error("the capture has the snoop link type {0}, which is not supported: docs/captures.md lists those that are")]
    SnoopLink(u32),
    /// Records that contradict themselves were passed over; all others have been read.
    #[error("the capture is damaged: record {number} {what} (records passed over: {count}; all others were read)")]
    Passed {
        /// The first of them, among the records of frames, from 1.
        number: u64,
        /// What is wrong with it.
        what: &'static str,
        /// How many there are.
        count: u64,
    },
    /// It contradicts itself.
    #[error("the capture is damaged at byte {bytes} (complete frames before it: {frames}): {what}")]
    Damaged {
        /// Complete frames.
        frames: u64,
        /// Where the last good record ends.
        bytes: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// A [`CaptureError`] of the formats, which do not know how far the file has been read.
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
    /// The error, of a file that was read so far.
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
