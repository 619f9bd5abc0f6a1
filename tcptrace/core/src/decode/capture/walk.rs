//! A walk through the headers of a frame, from its first byte to the IP header of a TCP segment or an ICMP error.

use super::{
    copies::Identity,
    ip::Reason,
    layer::{Layer, Layers},
    unread::Unread,
};
use crate::event::{Direction, Family, Process};

/// The headers that come next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// An IP header of this family.
    Ip(Family),
    /// An IP header, whose first four bits are the version.
    AnyIp,
    /// Headers announced by an EtherType.
    Type(u16),
    /// An Ethernet header.
    Ethernet,
    /// An IEEE 802.2 header.
    Llc,
    /// PPP, with or without address and control bytes.
    Ppp,
    /// MPLS labels.
    Mpls,
}

/// Position in a frame, and the layers passed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walk {
    /// Offset of the next header in bytes.
    pub(super) offset: usize,
    /// Offset at which the headers passed so far say that the packet ends; what follows is padding or a trailer.
    pub(super) end: usize,
    /// Encapsulation of the IP packet.
    pub(super) layers: Layers,
    /// Direction of the frame at the device.
    pub(super) direction: Option<Direction>,
    /// The index of the device, if one capture holds the frames of several.
    pub(super) device: Option<u32>,
    /// The process that sent or received the packet.
    pub(super) process: Option<Process>,
    /// Fields by which copies of the packet are recognised.
    pub(super) identity: Identity,
    /// True if the frame is shorter than the IP header of a segment says.
    pub(super) shortened: bool,
}

impl Walk {
    /// Creates a walk through a frame of which `original` bytes were on the wire.
    pub(super) fn through(original: u32) -> Self {
        Self { end: original as usize, ..Self::default() }
    }

    /// Notes that a header says how many bytes follow it. A length of 0 says nothing, and neither does one of 16 bits about
    /// more than they can count: segments that the device is to split (BIG TCP) have both.
    pub(super) fn encloses(&mut self, length: u16) {
        if length > 0 && self.end.saturating_sub(self.offset) <= u16::MAX.into() {
            self.end = self.end.min(self.offset + usize::from(length));
        }
    }

    /// Returns the bytes from here on.
    pub(super) fn rest<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.offset..).unwrap_or_default()
    }

    /// Returns the next `N` bytes.
    pub(super) fn peek<const N: usize>(&self, frame: &[u8]) -> Result<[u8; N], Reason> {
        self.rest(frame).first_chunk().copied().ok_or(Reason::Ends)
    }

    /// Returns and passes the next `N` bytes.
    pub(super) fn take<const N: usize>(&mut self, frame: &[u8]) -> Result<[u8; N], Reason> {
        let bytes = self.peek(frame)?;
        self.offset += N;
        Ok(bytes)
    }

    /// Passes `count` bytes.
    pub(super) fn skip(&mut self, frame: &[u8], count: usize) -> Result<(), Reason> {
        if self.rest(frame).len() < count {
            return Err(Reason::Ends);
        }
        self.offset += count;
        Ok(())
    }

    /// Adds a layer of encapsulation.
    pub(super) fn enter(&mut self, layer: Layer) -> Result<(), Reason> {
        if self.layers.push(layer) { Ok(()) } else { Err(Reason::Nested) }
    }

    /// Walks from `next` to an IP header and returns its family. [`Walk::offset`] is where it begins.
    pub(super) fn descend_to_ip(&mut self, frame: &[u8], mut next: Next) -> Result<Family, Reason> {
        // Each iteration passes at least one byte, except a few that only rename the next header.
        for _ in 0..MAX_HEADERS {
            next = match next {
                Next::Ip(family) => return Ok(family),
                Next::AnyIp => match self.peek::<1>(frame)?[0] >> 4 {
                    4 => return Ok(Family::V4),
                    6 => return Ok(Family::V6),
                    _ => return Err(Reason::NotIp(Unread::NoIp)),
                },
                Next::Type(number) => self.ether_type(frame, number)?,
                Next::Ethernet => self.ethernet(frame)?,
                Next::Llc => self.llc(frame)?,
                Next::Ppp => self.ppp(frame)?,
                Next::Mpls => self.mpls(frame)?,
            };
        }
        Err(Reason::Nested)
    }
}

/// Maximum number of headers between a frame's beginning, or an outer IP header, and the next IP header.
const MAX_HEADERS: usize = 32;
