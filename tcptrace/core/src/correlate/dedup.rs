//! The same segment on several interfaces: through a bridge, over a veth pair, on a VLAN and the device below it. The
//! first is kept; on the interface and in the direction where it has been before, it is a retransmission.

use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::RandomState;

use crate::event::{BootTime, Direction, IcmpError, Segment};

/// Times [`WAYS`], the segments remembered. Copies follow each other within what it takes to pass a host.
const BUCKETS: usize = 1024;

/// Slots among which a segment chooses the oldest.
const WAYS: usize = 4;

/// Copies seen later than this, in nanoseconds, are segments of their own.
const SOON: u64 = 1_000_000_000;

/// Network namespace, interface index and direction.
type Place = (u32, u32, Option<Direction>);

/// Interfaces remembered for one segment.
const PLACES: usize = 8;

/// Segments of which any may be in any slot. What is compared lies together: that is all that is looked at, nearly always.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket {
    prints: [u64; WAYS],
    seen: [BootTime; WAYS],
    /// Where each has been seen.
    places: [[Option<Place>; PLACES]; WAYS],
}

impl Bucket {
    /// The namespace where the segment has been seen first, if that was not there. Remembers that it has been there.
    fn seen_elsewhere(&mut self, print: u64, at: BootTime, place: Place) -> Option<u32> {
        let known =
            self.prints.iter().zip(&self.seen).position(|(&known, &seen)| known == print && at.since(seen) < SOON);
        if let Some(places) = known.and_then(|slot| self.places.get_mut(slot))
            && !places.contains(&Some(place))
        {
            let [first, ..] = *places;
            if let Some(free) = places.iter_mut().find(|known| known.is_none()) {
                *free = Some(place);
            }
            return first.map(|(netns, ..)| netns);
        }
        let oldest = || self.seen.iter().enumerate().min_by_key(|&(_, seen)| seen).map_or(0, |(slot, _)| slot);
        self.put(known.unwrap_or_else(oldest), print, at, place);
        None
    }

    fn put(&mut self, slot: usize, print: u64, at: BootTime, place: Place) {
        let parts = (self.prints.get_mut(slot), self.seen.get_mut(slot), self.places.get_mut(slot));
        if let (Some(known), Some(seen), Some(places)) = parts {
            (*known, *seen, *places) = (print, at, first(place));
        }
    }
}

fn first(place: Place) -> [Option<Place>; PLACES] {
    let mut places = [None; PLACES];
    let [first, ..] = &mut places;
    *first = Some(place);
    places
}

/// What has passed lately.
#[derive(Debug)]
pub(in crate::correlate) struct Copies {
    hasher: RandomState,
    buckets: Box<[Bucket]>,
}

impl Default for Copies {
    fn default() -> Self {
        Self { hasher: RandomState::default(), buckets: vec![Bucket::default(); BUCKETS].into_boxed_slice() }
    }
}

impl Copies {
    /// The namespace where the same segment has just been seen first, if it has, at another place than this.
    pub(in crate::correlate) fn first_of(&mut self, segment: &Segment) -> Option<u32> {
        let Segment { src, dst, header, length, .. } = segment;
        // A retransmission has a newer timestamp, so that it is told from a copy even across interfaces.
        let print =
            (src, dst, header.seq.0, header.ack.0, header.flags.0, header.window, length, header.options.as_slice());
        let place = (segment.netns.unwrap_or_default(), segment.ifindex, segment.direction);
        self.seen_elsewhere(print, segment.at, place)
    }

    /// Whether the same ICMP error has just been seen elsewhere.
    pub(in crate::correlate) fn icmp_is_copy(&mut self, error: &IcmpError) -> bool {
        let IcmpError { from, icmp_type, icmp_code, src, dst, seq, .. } = error;
        let place = (error.netns.unwrap_or_default(), error.ifindex, error.direction);
        self.seen_elsewhere((from, icmp_type, icmp_code, src, dst, seq), error.at, place).is_some()
    }

    fn seen_elsewhere(&mut self, print: impl Hash, at: BootTime, place: Place) -> Option<u32> {
        let print = self.hasher.hash_one(print);
        // A remainder is below the length.
        let bucket = self.buckets.get_mut(print as usize % BUCKETS);
        bucket.and_then(|bucket| bucket.seen_elsewhere(print, at, place))
    }
}
