//! The snoop format of Solaris (RFC 1761), with all numbers in network order.

use super::{
    LinkType,
    bytes::Order,
    decoder::{MAX_RECORD_LEN, Part},
    error::Fault,
    frame::Frame,
    ip::Reason,
};
use crate::event::BootTime;

/// Length of a record header in bytes: lengths of the frame, of its captured part and of the record, frames dropped so
/// far, seconds, microseconds.
const RECORD_HEADER_LEN: usize = 24;

/// A snoop file whose header was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snoop {
    /// Number of frames dropped so far, by the last record.
    lost: u64,
}

impl Snoop {
    /// Length of the file header in bytes: eight of magic number, version, link type.
    pub(super) const HEADER: usize = 16;

    /// Decodes the file header.
    pub(super) fn open(bytes: &[u8]) -> Result<(Self, LinkType), Fault> {
        const DAMAGED: Fault = Fault::Damaged("its header cannot be read");
        let number = |at| Order::Big.u32(bytes, at).ok_or(DAMAGED);
        let version = number(8)?;
        if version != 2 {
            let major = u16::try_from(version).unwrap_or(u16::MAX);
            return Err(Fault::Version { format: "snoop", major, minor: 0 });
        }
        let link_type = match number(12)? {
            // IEEE 802.3 and Ethernet, token ring, FDDI; later numbers are Solaris's own: ATM, IPoIB.
            0 | 4 => 1,
            2 => 6,
            8 => 10,
            18 => 123,
            other => return Err(Fault::SnoopLink(other)),
        };
        Ok((Self { lost: 0 }, LinkType(link_type)))
    }

    /// Returns the number of frames lost during capture.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Decodes the first frame of `window`.
    pub(super) fn part<'a>(&mut self, window: &'a [u8]) -> Result<Part<'a>, Fault> {
        let number = |at| Order::Big.u32(window, at);
        let (Some(original), Some(captured), Some(length), Some(dropped), Some(seconds), Some(micros)) =
            (number(0), number(4), number(8), number(12), number(16), number(20))
        else {
            return Ok(Part::Need(if window.is_empty() { 1 } else { RECORD_HEADER_LEN }));
        };
        let whole = length as usize;
        if whole > MAX_RECORD_LEN {
            return Err(Fault::TooLong(length.into()));
        }
        if whole < RECORD_HEADER_LEN {
            return Err(Fault::Damaged("a record has a length that no record can have"));
        }
        let Some(record) = window.get(..whole) else { return Ok(Part::Need(whole)) };
        self.lost = self.lost.max(dropped.into());
        let bytes =
            record.get(RECORD_HEADER_LEN..).and_then(|rest| rest.get(..captured as usize)).ok_or(Reason::Malformed);
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
