//! Identity of a connection, and its two ends.

use std::net::{IpAddr, Ipv4Addr};

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

/// A key as connections keep it: most addresses are IPv4 ones, which take a quarter of the room.
#[derive(Clone, Debug)]
pub(super) enum KeptKey {
    V4 { netns: u32, addrs: [Ipv4Addr; 2], ports: [u16; 2] },
    V6(Box<Key>),
}

impl From<Key> for KeptKey {
    fn from(key: Key) -> Self {
        match key.ends.map(|end| end.addr) {
            [IpAddr::V4(first), IpAddr::V4(second)] => {
                Self::V4 { netns: key.netns, addrs: [first, second], ports: key.ends.map(|end| end.port) }
            }
            _ => Self::V6(Box::new(key)),
        }
    }
}

impl From<&KeptKey> for Key {
    fn from(kept: &KeptKey) -> Self {
        match kept {
            &KeptKey::V4 { netns, addrs: [first, second], ports: [first_port, second_port] } => Self {
                netns,
                ends: [
                    Endpoint { addr: first.into(), port: first_port },
                    Endpoint { addr: second.into(), port: second_port },
                ],
            },
            KeptKey::V6(key) => **key,
        }
    }
}

impl PartialEq<Key> for KeptKey {
    fn eq(&self, key: &Key) -> bool {
        match self {
            Self::V4 { netns, addrs, ports } => {
                *netns == key.netns
                    && key.ends.map(|end| end.addr) == addrs.map(IpAddr::V4)
                    && key.ends.map(|end| end.port) == *ports
            }
            Self::V6(known) => **known == *key,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_whole() {
        let ends: Vec<Endpoint> = ["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"]
            .iter()
            .flat_map(|addr| [80, 443].map(|port| Endpoint { addr: addr.parse().unwrap(), port }))
            .collect();
        let pairs = ends.iter().flat_map(|from| ends.iter().map(move |to| (from, to)));
        let keys: Vec<Key> = pairs.flat_map(|(from, to)| [1, 2].map(|netns| Key::new(netns, *from, *to).0)).collect();
        for key in &keys {
            let kept = KeptKey::from(*key);
            assert_eq!(Key::from(&kept), *key);
            keys.iter().for_each(|other| assert_eq!(kept == *other, key == other, "{key:?} {other:?}"));
        }
    }
}
