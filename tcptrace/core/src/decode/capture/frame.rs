//! A frame before and after it is decoded.

use super::layer::Layers;
use crate::event::{BootTime, Direction, Event, OwnerSource, Process, Segment, SocketOwner};

/// An event with the details that only captures have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Framed {
    /// A segment or an ICMP error. Its `at` is the time since 1970, not since boot; without a time of its own, that of the
    /// frame before. Its `ifindex` is [`Framed::interface`] plus 1.
    pub event: Event,
    /// False if the frame has no time.
    pub timed: bool,
    /// Direction at the interface, if the capture states it: pcapng may, Linux cooked headers do.
    pub direction: Option<Direction>,
    /// The interface, as an index into [`super::Frames::interfaces`].
    pub interface: u32,
    /// The process that sent or received it, if the capture names it.
    pub process: Option<Process>,
    /// Encapsulation of the IP packet.
    pub layers: Layers,
    /// True if the same packet was captured just before on the same interface, as a mirror port delivers it. A
    /// correlator would take it for a retransmission.
    pub copy: bool,
}

impl Framed {
    /// Returns the owner of the socket that sent this segment, if the capture names it. The process of a received segment is
    /// not returned: some programs name its sender, others its receiver.
    pub fn sender(&self) -> Option<SocketOwner> {
        let Event::Segment(Segment { at, src, dst, direction: Some(Direction::Out), .. }) = self.event else {
            return None;
        };
        Some(SocketOwner {
            at,
            asked: at,
            early: false,
            netns: None,
            local: src,
            remote: dst,
            process: Some(self.process?),
            source: OwnerSource::Capture,
        })
    }
}

/// A frame as the format decoders return it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// Nanoseconds since 1970.
    pub(super) at: Option<BootTime>,
    pub(super) interface: u32,
    pub(super) direction: Option<Direction>,
    /// The captured bytes …
    pub(super) bytes: &'a [u8],
    /// … of this original length, as the record states it: some writers leave it at 0.
    pub(super) original: u32,
    /// The process that the record names.
    pub(super) process: Option<Process>,
}

impl Frame<'_> {
    /// Returns the length of the frame before the snap length cut it: what was captured was there.
    pub(super) fn original(&self) -> u32 {
        self.original.max(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX))
    }
}
