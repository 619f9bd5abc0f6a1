//! The pcap format: one header, followed by frames of one link type.

use super::{
    LinkType,
    bytes::Order,
    decoder::{MAX_RECORD_LEN, Part},
    error::Fault,
    frame::Frame,
};
use crate::event::BootTime;

/// Mask of the link type in its field; the upper bits describe checksums after frames.
const LINK_TYPE: u32 = 0x03ff_ffff;

const NANOSECONDS: u64 = 1_000_000_000;

/// Order of the two lengths of a record. Before version 2.3 the original one came first; writers of 2.3 did either.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lengths {
    CapturedFirst,
    OriginalFirst,
    SmallerIsCaptured,
}

/// Contents of the file header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pcap {
    order: Order,
    /// Unit of the fractions of seconds, in nanoseconds.
    unit: u64,
    /// Length of a record's header in bytes.
    header: usize,
    lengths: Lengths,
    /// Number of bytes between the file header and the first record.
    leading: u64,
}

impl Pcap {
    /// Length of the file header in bytes.
    pub(super) const HEADER: usize = 24;

    /// Decodes the file header.
    pub(super) fn open(bytes: &[u8]) -> Result<(Self, LinkType), Fault> {
        const DAMAGED: Fault = Fault::Damaged("its header cannot be read");
        let magic = Order::Big.u32(bytes, 0).ok_or(DAMAGED)?;
        // No magic number equals another one in reversed byte order.
        let (order, magic) = match magic {
            0xa1b2_c3d4 | 0xa1b2_3c4d | 0xa1b2_cd34 | 0x1c00_01ab | 0x1c00_01ac => (Order::Big, magic),
            _ => (Order::Little, magic.swap_bytes()),
        };
        // Records with 24-byte headers were written by patched versions of libpcap in Linux distributions around the
        // year 2000. IXIA's have the length of the file after the header.
        let (unit, header, leading) = match magic {
            0xa1b2_c3d4 => (1_000, 16, 0),
            0xa1b2_3c4d => (1, 16, 0),
            0xa1b2_cd34 => (1_000, 24, 0),
            0x1c00_01ab | 0x1c00_01ac => (1, 16, 4),
            _ => return Err(DAMAGED),
        };
        let number = |at| order.u16(bytes, at).ok_or(DAMAGED);
        let lengths = match (number(4)?, number(6)?) {
            (2, 0..=2) | (543, _) => Lengths::OriginalFirst,
            (2, 3) => Lengths::SmallerIsCaptured,
            (2, _) => Lengths::CapturedFirst,
            (major, minor) => return Err(Fault::Version { format: "pcap", major, minor }),
        };
        let link_type = LinkType(order.u32(bytes, 20).ok_or(DAMAGED)? & LINK_TYPE);
        Ok((Self { order, unit, header, lengths, leading }, link_type))
    }

    /// Decodes the first frame of `window`.
    pub(super) fn part<'a>(&mut self, window: &'a [u8]) -> Result<Part<'a>, Fault> {
        if self.leading > 0 {
            return Ok(Part::Skip(std::mem::take(&mut self.leading)));
        }
        let number = |at| self.order.u32(window, at);
        let (Some(header), Some(seconds), Some(fraction), Some(first), Some(second)) =
            (window.get(..self.header), number(0), number(4), number(8), number(12))
        else {
            return Ok(Part::Need(if window.is_empty() { 1 } else { self.header }));
        };
        let (captured, original) = match self.lengths {
            Lengths::OriginalFirst => (second, first),
            Lengths::SmallerIsCaptured if first > second => (second, first),
            _ => (first, second),
        };
        let whole = header.len().saturating_add(captured as usize);
        if whole > MAX_RECORD_LEN {
            return Err(Fault::TooLong(whole as u64));
        }
        let Some(bytes) = window.get(self.header..whole) else { return Ok(Part::Need(whole)) };
        let at = u64::from(seconds) * NANOSECONDS + u64::from(fraction) * self.unit;
        let frame = Frame { at: Some(BootTime(at)), interface: 0, direction: None, bytes, original, process: None };
        Ok(Part::Frame { used: whole, frame: Ok(frame) })
    }
}
