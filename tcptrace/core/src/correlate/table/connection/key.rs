//! Identity of a connection, and its two ends.

use crate::event::Endpoint;

/// Identity of a connection's four-tuple: a namespace and two endpoints, the smaller first.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(in crate::correlate) struct Key {
    pub(in crate::correlate) netns: u32,
    pub(in crate::correlate) ends: [Endpoint; 2],
}

impl Key {
    /// Returns the key, and which of its ends `from` is. A socket connected to itself has one end, the first.
    pub(in crate::correlate) fn new(netns: u32, from: Endpoint, to: Endpoint) -> (Self, Side) {
        let side = if (from.addr, from.port) <= (to.addr, to.port) { Side::First } else { Side::Second };
        // Chosen first and then copied once, each as a whole: it is done for every segment.
        let (first, second) = if side == Side::First { (&from, &to) } else { (&to, &from) };
        (Self { netns, ends: [*first, *second] }, side)
    }

    /// Returns true if both ends are the same: a socket connected to itself.
    pub(in crate::correlate) fn is_self_connect(&self) -> bool {
        let [first, second] = self.ends;
        first == second
    }
}

/// One of the two ends, as an index: the one with the smaller endpoint is the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) enum Side {
    First,
    Second,
}

impl Side {
    pub(in crate::correlate) fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}
