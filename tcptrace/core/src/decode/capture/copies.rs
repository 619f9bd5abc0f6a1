//! Recognition of copies: a mirror port that takes both directions, or a capture of several ports, delivers a packet
//! twice. A copy has the bytes of the first, or is the same packet at another place of its way; a retransmission is a packet
//! of its own.
//!
//! This module recognises copies within one interface. Those on different interfaces are the correlator's, which knows the
//! interfaces of a live host, too.

use std::{hash::BuildHasher as _, num::NonZeroU16};

use foldhash::fast::FixedState;

use crate::{
    event::{BootTime, Segment},
    tcp::TcpFlags,
};

/// Number of packets remembered. Copies follow each other closely.
const SLOTS: usize = 4096;

/// Number of directions of connections whose last packet is remembered.
const SENDERS: usize = 1024;

/// Maximum age of a copy, in nanoseconds: less than the shortest retransmission timeout in use (200 ms), more than a
/// switch buffers a frame.
const MAX_AGE: u64 = 100_000_000;

/// Maximum age for packets without an identification that repeat data or a FIN, in nanoseconds: later ones may have been
/// sent again after duplicate acknowledgements.
const MAX_AGE_UNIDENTIFIED: u64 = 1_000_000;

/// Fields beside those of a [`Segment`] that tell packets apart.
///
/// Options of IPv4 such as a recorded route, and extension headers of IPv6, are not among them: a router may change them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Identity {
    /// Identification in the IPv4 header; 0 in packets that cannot be fragmented (RFC 6864 §4.1), and in IPv6.
    pub(super) ip_id: u16,
    /// TCP checksum, 0 if it was not captured. It covers the payload.
    pub(super) checksum: u16,
    /// TTL or hop limit, which a router lowers.
    pub(super) hops: u8,
}

/// Where a packet was on its way. One that was sent again is there again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Hop {
    hops: u8,
    encapsulation: Option<NonZeroU16>,
}

/// A packet seen lately.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    print: u64,
    at: BootTime,
    hop: Hop,
}

/// The last packet of one direction of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Sender {
    flow: u64,
    print: u64,
    ip_id: u16,
    /// True if different packets have this identification, as some systems and generators of packets send them.
    shared: bool,
}

/// Packets seen lately. A print has one slot, and the last packet that is not a copy keeps it.
#[derive(Debug)]
pub(super) struct Copies {
    hasher: FixedState,
    slots: Box<[Seen]>,
    senders: Box<[Sender]>,
    /// Time of the newest packet.
    newest: BootTime,
    /// Time of the last packet.
    last: BootTime,
}

impl Default for Copies {
    fn default() -> Self {
        Self {
            hasher: FixedState::default(),
            slots: vec![Seen::default(); SLOTS].into_boxed_slice(),
            senders: vec![Sender::default(); SENDERS].into_boxed_slice(),
            newest: BootTime::default(),
            last: BootTime::default(),
        }
    }
}

impl Copies {
    /// Returns true if this packet was seen just before, on the same interface and in the same direction.
    pub(super) fn is_copy(&mut self, segment: &Segment, identity: Identity) -> bool {
        let Segment { at, ifindex, direction, src, dst, header, length, encapsulation, .. } = segment;
        let Identity { ip_id, checksum, hops } = identity;
        let flags = header.flags;
        // As in a file that was appended to itself.
        let returns = self.last.min(*at) < self.newest && *at <= self.newest;
        (self.newest, self.last) = (self.newest.max(*at), *at);
        let numbers = (header.seq.0, header.ack.0, flags.0, header.window, *length);
        let flow = self.hasher.hash_one((src, dst, ifindex, direction));
        let print = self.hasher.hash_one((flow, numbers, ip_id, checksum, header.options.as_slice()));
        let identified = self.tells_apart(flow, print, ip_id);
        let hop = Hop { hops, encapsulation: *encapsulation };
        // The remainder is below the length.
        let Some(seen) = self.slots.get_mut(print as usize % SLOTS) else { return false };
        let oldest = if identified || flags.contains(TcpFlags::SYN) || seen.hop != hop {
            Some(MAX_AGE)
        } else if *length > 0 || flags.contains(TcpFlags::FIN) || ip_id != 0 {
            Some(MAX_AGE_UNIDENTIFIED)
        } else {
            // Equal acknowledgements and resets are sent in a row, though hardly by what gives all packets one identification.
            returns.then_some(0)
        };
        let copy = seen.print == print && oldest.is_some_and(|oldest| at.0.abs_diff(seen.at.0) <= oldest);
        if !copy {
            *seen = Seen { print, at: *at, hop };
        }
        copy
    }

    /// Returns true if the identification tells this packet from others of its sender.
    fn tells_apart(&mut self, flow: u64, print: u64, ip_id: u16) -> bool {
        // The remainder is below the length.
        let Some(sender) = self.senders.get_mut(flow as usize % SENDERS) else { return false };
        let again = sender.flow == flow && sender.ip_id == ip_id;
        let shared = again && (sender.shared || sender.print != print);
        *sender = Sender { flow, print, ip_id, shared };
        ip_id != 0 && !shared
    }
}
