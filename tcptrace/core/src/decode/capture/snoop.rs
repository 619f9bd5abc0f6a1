//! The snoop format of Solaris (RFC 1761): all numbers in network order.

use super::{
    LinkType,
    bytes::Order,
    decoder::{Frame, LONGEST, Part},
    error::Fault,
    ip::Reason,
};
use crate::event::BootTime;

/// Lengths of the frame, of what was captured of it and of the record, frames dropped so far, seconds, microseconds.
const RECORD: usize = 24;

/// A snoop file whose header was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snoop {
    /// Frames that the last record says were dropped before it.
    lost: u64,
}

impl Snoop {
    /// Length of the header: eight bytes of magic number, version, link type.
    pub(super) const HEADER: usize = 16;

    /// Reads the header.
    pub(super) fn open(bytes: &[u8]) -> Result<(Self, LinkType), Fault> {
        const DAMAGED: Fault = Fault::Damaged("its header cannot be read");
        let number = |at| Order::Big.u32(bytes, at).ok_or(DAMAGED);
        let version = number(8)?;
        if version != 2 {
            let major = u16::try_from(version).unwrap_or(u16::MAX);
            return Err(Fault::Version { format: "snoop", major, minor: 0 });
        }
        let link_type = match number(12)? {
            // IEEE 802.3 and Ethernet, token ring, FDDI; later ones are those of Solaris: ATM, IPoIB.
            0 | 4 => 1,
            2 => 6,
            8 => 10,
            18 => 123,
            other => return Err(Fault::SnoopLink(other)),
        };
        Ok((Self { lost: 0 }, LinkType(link_type)))
    }

    /// Frames that were lost in capturing.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Reads the frame that `window` begins with.
    pub(super) fn part<'a>(&mut self, window: &'a [u8]) -> Result<Part<'a>, Fault> {
        let number = |at| Order::Big.u32(window, at);
        let (Some(original), Some(captured), Some(length), Some(dropped), Some(seconds), Some(micros)) =
            (number(0), number(4), number(8), number(12), number(16), number(20))
        else {
            return Ok(Part::Need(if window.is_empty() { 1 } else { RECORD }));
        };
        let whole = length as usize;
        if whole > LONGEST {
            return Err(Fault::TooLong(length.into()));
        }
        if whole < RECORD {
            return Err(Fault::Damaged("a record has a length that no record can have"));
        }
        let Some(record) = window.get(..whole) else { return Ok(Part::Need(whole)) };
        self.lost = self.lost.max(dropped.into());
        let bytes = record.get(RECORD..).and_then(|rest| rest.get(..captured as usize)).ok_or(Reason::Malformed);
        let at = u64::from(seconds) * 1_000_000_000 + u64::from(micros) * 1_000;
        let frame = bytes.map(|bytes| Frame {
            at: Some(BootTime(at)),
            interface: 0,
            direction: None,
            bytes,
            original,
            process: None,
        });
        Ok(Part::Frame { used: whole, frame })
    }
}
