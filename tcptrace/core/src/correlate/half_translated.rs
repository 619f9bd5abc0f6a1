//! Half-translated copies: with `net.bridge.bridge-nf-call-iptables`, netfilter changes the destination of a segment between
//! the port of a bridge and the bridge itself, and its source only later (br_nf_pre_routing of
//! net/bridge/br_netfilter_hooks.c). What comes in from the bridge then has ends that no socket and no other interface sees.
//!
//! Such a copy comes in twice in a row in the same namespace, with the same source and all else the same, but another
//! destination: any other translated segment leaves the host, or reaches a socket of it. Or it goes out through the bridge,
//! where the kernel first has to find the link-layer address (br_nf_pre_routing_finish_bridge), and out again through a port,
//! where its source is translated too.

use std::{hash::BuildHasher as _, time::Duration};

use foldhash::{HashSet, fast::RandomState};

use crate::event::{BootTime, Direction, Endpoint, Segment};

/// Number of segments remembered: a copy follows within microseconds.
const SLOTS: usize = 1024;

/// Maximum age of a copy.
const MAX_AGE: Duration = Duration::from_millis(100);

/// A segment that came in.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    print: u64,
    at: BootTime,
    netns: u32,
    ifindex: u32,
    dst: Endpoint,
}

/// Segments that came in lately.
#[derive(Debug)]
pub(in crate::correlate) struct Arrivals {
    hasher: RandomState,
    /// Namespaces and indices of bridges.
    bridges: HashSet<(u32, u32)>,
    slots: Box<[Option<Arrival>]>,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            bridges: HashSet::default(),
            slots: vec![None; SLOTS].into_boxed_slice(),
        }
    }
}

impl Arrivals {
    /// Notes whether an interface is a bridge whose ports are watched too.
    pub(in crate::correlate) fn set_bridge(&mut self, netns: u32, ifindex: u32, bridge: bool) {
        if bridge {
            self.bridges.insert((netns, ifindex));
        } else {
            self.bridges.remove(&(netns, ifindex));
        }
    }

    /// Returns true if the segment has just come in with another destination, and has not left since; remembers one that
    /// comes in for the first time.
    pub(in crate::correlate) fn is_half_translated(&mut self, segment: &Segment, netns: u32) -> bool {
        let comes = segment.direction == Some(Direction::In);
        let leaves_bridge = || !self.bridges.is_empty() && self.bridges.contains(&(netns, segment.ifindex));
        if !comes && !leaves_bridge() {
            return false;
        }
        let Segment { src, dst, header, length, ifindex, at, .. } = segment;
        let print = self.hasher.hash_one((
            src,
            header.seq.0,
            header.ack.0,
            header.flags.0,
            header.window,
            length,
            header.options.as_slice(),
        ));
        // The remainder is below the length.
        let Some(slot) = self.slots.get_mut(print as usize % SLOTS) else { return false };
        let known = slot
            .filter(|known| known.print == print && known.netns == netns && *at < known.at + MAX_AGE)
            .filter(|known| known.ifindex != *ifindex);
        match known {
            Some(known) => known.dst != *dst,
            None => {
                if comes {
                    *slot = Some(Arrival { print, at: *at, netns, ifindex: *ifindex, dst: *dst });
                }
                false
            }
        }
    }
}
