//! Recognition of copies: a mirror port that takes both directions, or a capture of several ports, delivers a packet
//! twice. A copy has the bytes of the first, a retransmission is a packet of its own.
//!
//! This module recognises copies within one interface. Those on different interfaces are the correlator's, which knows the
//! interfaces of a live host, too.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;

use crate::{
    event::{BootTime, Segment},
    tcp::TcpFlags,
};

/// Number of packets remembered. Copies follow each other closely.
const SLOTS: usize = 4096;

/// Maximum age of a copy, in nanoseconds: less than the shortest retransmission timeout in use (200 ms), more than a
/// switch buffers a frame.
const MAX_AGE: u64 = 100_000_000;

/// Maximum age for packets without an identification that repeat data or a FIN, in nanoseconds: later ones may have been
/// sent again after duplicate acknowledgements.
const MAX_AGE_UNIDENTIFIED: u64 = 1_000_000;

/// Fields beside those of a [`Segment`] in which a packet differs from one that repeats the same segment.
///
/// Whatever a router may change on the way is not among them: TTL, options of IPv4 such as a recorded route, extension
/// headers of IPv6.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Identity {
    /// Identification in the IPv4 header; 0 in packets that cannot be fragmented (RFC 6864 §4.1), and in IPv6.
    pub(super) ip_id: u16,
    /// TCP checksum, 0 if it was not captured. It covers the payload.
    pub(super) checksum: u16,
}

/// A packet seen lately.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    print: u64,
    at: BootTime,
}

/// Packets seen lately. A print has one slot, and the last packet keeps it.
#[derive(Debug)]
pub(super) struct Copies {
    hasher: FixedState,
    slots: Box<[Seen]>,
    /// Time of the newest packet.
    newest: BootTime,
    /// Time of the last packet.
    last: BootTime,
}

impl Default for Copies {
    fn default() -> Self {
        let slots = vec![Seen::default(); SLOTS].into_boxed_slice();
        Self { hasher: FixedState::default(), slots, newest: BootTime::default(), last: BootTime::default() }
    }
}

impl Copies {
    /// Returns true if this packet was seen just before, on the same interface and in the same direction.
    pub(super) fn is_copy(&mut self, segment: &Segment, identity: Identity) -> bool {
        let Segment { at, ifindex, direction, src, dst, header, length, .. } = segment;
        let flags = header.flags;
        // As in a file that was appended to itself.
        let returns = self.last.min(*at) < self.newest && *at <= self.newest;
        (self.newest, self.last) = (self.newest.max(*at), *at);
        let oldest = if identity.ip_id != 0 || flags.contains(TcpFlags::SYN) {
            Some(MAX_AGE)
        } else if *length > 0 || flags.contains(TcpFlags::FIN) {
            Some(MAX_AGE_UNIDENTIFIED)
        } else {
            // Equal acknowledgements and resets are sent in a row.
            returns.then_some(0)
        };
        let options = header.options.as_slice();
        let numbers = (header.seq.0, header.ack.0, flags.0, header.window, *length);
        let print = self.hasher.hash_one((
            (src, dst, ifindex, direction),
            numbers,
            (identity.ip_id, identity.checksum, options),
        ));
        // The remainder is below the length.
        let Some(seen) = self.slots.get_mut(print as usize % SLOTS) else { return false };
        let copy = seen.print == print && oldest.is_some_and(|oldest| at.0.abs_diff(seen.at.0) <= oldest);
        *seen = Seen { print, at: *at };
        copy
    }
}
