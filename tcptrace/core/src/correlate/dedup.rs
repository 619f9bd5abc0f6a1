//! Removal of copies: a segment may pass several interfaces, such as a bridge, a veth pair, or a VLAN and the device
//! below it. The first copy is kept; on an interface and in a direction where it was seen before, it is a
//! retransmission.

use std::{
    hash::{BuildHasher as _, Hash},
    num::NonZeroU64,
    time::Duration,
};

use foldhash::fast::RandomState;

use crate::event::{BootTime, Direction, IcmpError, Segment};

/// Number of buckets; times [`WAYS`], that of segments remembered. Copies follow each other within the time it takes to
/// pass a host.
const BUCKETS: usize = 1024;

/// Number of slots in a bucket; a new segment replaces the oldest.
const WAYS: usize = 4;

/// Maximum age of a copy; later ones are segments of their own.
const MAX_COPY_AGE: Duration = Duration::from_secs(1);

/// Network namespace, interface index and direction, as one number: a bucket is read for every segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place(NonZeroU64);

impl Place {
    fn new(netns: Option<u32>, ifindex: u32, direction: Option<Direction>) -> Self {
        let direction = match direction {
            None => 1,
            Some(Direction::In) => 2,
            Some(Direction::Out) => 3,
        };
        // The kernel counts interfaces from 1, per namespace: none ever gets a number beyond 2^30.
        let place = u64::from(netns.unwrap_or_default()) << 32 | u64::from(ifindex) << 2 & 0xffff_ffff | direction;
        Self(NonZeroU64::new(place).unwrap_or(NonZeroU64::MIN))
    }

    fn netns(self) -> u32 {
        // Truncation is intended: what is left are its 32 bits.
        (self.0.get() >> 32) as u32
    }
}

/// Maximum number of interfaces remembered for one segment.
const PLACES: usize = 8;

/// A set of segments, each in any slot. The fields compared are adjacent, since nearly always nothing else is read.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket {
    prints: [u64; WAYS],
    seen: [BootTime; WAYS],
    /// Interfaces and directions where each segment has been seen.
    places: [[Option<Place>; PLACES]; WAYS],
}

impl Bucket {
    /// Returns the namespace where the segment has been seen first, if that was not at `place`; remembers the place.
    fn seen_elsewhere(&mut self, print: u64, at: BootTime, place: Place) -> Option<u32> {
        let known =
            self.prints.iter().zip(&self.seen).position(|(&known, &seen)| known == print && at < seen + MAX_COPY_AGE);
        if let Some(places) = known.and_then(|slot| self.places.get_mut(slot))
            && !places.contains(&Some(place))
        {
            let [first, ..] = *places;
            if let Some(free) = places.iter_mut().find(|known| known.is_none()) {
                *free = Some(place);
            }
            return first.map(Place::netns);
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

/// Returns the list that holds one place.
fn first(place: Place) -> [Option<Place>; PLACES] {
    let mut places = [None; PLACES];
    let [first, ..] = &mut places;
    *first = Some(place);
    places
}

/// Segments and ICMP errors seen lately.
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
    /// Returns the namespace where the same segment has just been seen first, if that was at another place.
    pub(in crate::correlate) fn first_of(&mut self, segment: &Segment) -> Option<u32> {
        let Segment { src, dst, header, length, .. } = segment;
        // A retransmission has a newer timestamp, which distinguishes it from a copy even across interfaces.
        let print =
            (src, dst, header.seq.0, header.ack.0, header.flags.0, header.window, length, header.options.as_slice());
        let place = Place::new(segment.netns, segment.ifindex, segment.direction);
        self.seen_elsewhere(print, segment.at, place)
    }

    /// Returns true if the same ICMP error has just been seen elsewhere.
    pub(in crate::correlate) fn icmp_is_copy(&mut self, error: &IcmpError) -> bool {
        let IcmpError { from, icmp_type, icmp_code, src, dst, seq, .. } = error;
        let place = Place::new(error.netns, error.ifindex, error.direction);
        self.seen_elsewhere((from, icmp_type, icmp_code, src, dst, seq), error.at, place).is_some()
    }

    fn seen_elsewhere(&mut self, print: impl Hash, at: BootTime, place: Place) -> Option<u32> {
        let print = self.hasher.hash_one(print);
        // The remainder is below the length.
        let bucket = self.buckets.get_mut(print as usize % BUCKETS);
        bucket.and_then(|bucket| bucket.seen_elsewhere(print, at, place))
    }
}
