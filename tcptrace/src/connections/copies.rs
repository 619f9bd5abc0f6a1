//! The same segment on several interfaces: through a bridge, over a veth pair, on a VLAN and the device below it. The
//! first is kept; on the interface and in the direction where it has been before, it is a retransmission.

use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::RandomState;

use crate::event::{BootTime, Direction, IcmpError, Segment};

/// Segments remembered. Copies follow each other within what it takes to pass a host.
const SLOTS: usize = 4096;

/// Slots among which a segment chooses the oldest.
const WAYS: usize = 4;

/// Copies seen later than this, in nanoseconds, are segments of their own.
const SOON: u64 = 1_000_000_000;

/// Interface index and direction.
type Place = (u32, Option<Direction>);

/// Interfaces remembered for one segment.
const PLACES: usize = 4;

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    print: u64,
    at: BootTime,
    /// Where it has been seen: interface index and direction.
    places: [Option<Place>; PLACES],
}

impl Seen {
    fn first(print: u64, at: BootTime, place: Place) -> Self {
        Self { print, at, places: [Some(place), None, None, None] }
    }
}

/// What has passed lately.
#[derive(Debug)]
pub(super) struct Copies {
    hasher: RandomState,
    slots: Box<[Seen]>,
}

impl Default for Copies {
    fn default() -> Self {
        Self { hasher: RandomState::default(), slots: vec![Seen::default(); SLOTS].into_boxed_slice() }
    }
}

impl Copies {
    /// Whether the same segment has just been seen elsewhere.
    pub(super) fn is_copy(&mut self, segment: &Segment) -> bool {
        let Segment { src, dst, header, length, .. } = segment;
        // A retransmission has a newer timestamp, so that it is told from a copy even across interfaces.
        let print =
            (src, dst, header.seq.0, header.ack.0, header.flags.0, header.window, length, header.options.as_slice());
        self.seen_elsewhere(print, segment.at, (segment.ifindex, segment.direction))
    }

    /// Whether the same ICMP error has just been seen elsewhere.
    pub(super) fn icmp_is_copy(&mut self, error: &IcmpError) -> bool {
        let IcmpError { from, icmp_type, icmp_code, src, dst, seq, .. } = error;
        self.seen_elsewhere((from, icmp_type, icmp_code, src, dst, seq), error.at, (error.ifindex, error.direction))
    }

    fn seen_elsewhere(&mut self, print: impl Hash, at: BootTime, place: Place) -> bool {
        let print = self.hasher.hash_one(print);
        // The remainder is below the length, which is what a cast could lose.
        let first = (print % (SLOTS / WAYS) as u64) as usize * WAYS;
        let Some(bucket) = self.slots.get_mut(first..first + WAYS) else { return false };
        if let Some(seen) = bucket.iter_mut().find(|seen| seen.print == print && at.since(seen.at) < SOON) {
            if !seen.places.contains(&Some(place)) {
                if let Some(free) = seen.places.iter_mut().find(|known| known.is_none()) {
                    *free = Some(place);
                }
                return true;
            }
            *seen = Seen::first(print, at, place);
            return false;
        }
        if let Some(oldest) = bucket.iter_mut().min_by_key(|seen| seen.at) {
            *oldest = Seen::first(print, at, place);
        }
        false
    }
}
