//! Identity of a connection, and its two ends.

use std::{
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::event::Endpoint;

/// Identity of a connection's four-tuple: a namespace and two endpoints, the smaller first.
///
/// In words, since every event is looked up by it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) struct Key {
    pub(in crate::correlate) netns: u32,
    ports: [u16; 2],
    /// IPv4 addresses are mapped (RFC 4291 §2.5.5.2), which no event has otherwise.
    addrs: [u128; 2],
}

impl Key {
    /// Returns the key, and which of its ends `from` is. A socket connected to itself has one end, the first.
    pub(in crate::correlate) fn new(netns: u32, from: Endpoint, to: Endpoint) -> (Self, Side) {
        let (source, destination) = (mapped(from.addr), mapped(to.addr));
        if (source, from.port) <= (destination, to.port) {
            (Self { netns, ports: [from.port, to.port], addrs: [source, destination] }, Side::First)
        } else {
            (Self { netns, ports: [to.port, from.port], addrs: [destination, source] }, Side::Second)
        }
    }

    /// Returns both ends.
    pub(in crate::correlate) fn ends(&self) -> [Endpoint; 2] {
        let ([first, second], [first_port, second_port]) = (self.addrs, self.ports);
        [Endpoint { addr: unmapped(first), port: first_port }, Endpoint { addr: unmapped(second), port: second_port }]
    }

    /// Returns the key with the same ends in another namespace.
    pub(in crate::correlate) fn within(self, netns: u32) -> Self {
        Self { netns, ..self }
    }

    /// Returns true if the ends are the same, whatever the namespaces.
    pub(in crate::correlate) fn has_ends_of(&self, other: &Self) -> bool {
        self.ports == other.ports && self.addrs == other.addrs
    }

    /// Returns true if both ends are the same: a socket connected to itself.
    pub(in crate::correlate) fn is_self_connect(&self) -> bool {
        let ([first, second], [first_port, second_port]) = (self.addrs, self.ports);
        first == second && first_port == second_port
    }

    /// Returns the addresses as IPv4 ones; `None` if one is not.
    fn ipv4(&self) -> Option<[u32; 2]> {
        let [first, second] = self.addrs;
        let both = is_mapped(first) && is_mapped(second);
        both.then_some([first as u32, second as u32])
    }
}

/// Feeds the hasher as few words as possible.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [first_port, second_port] = self.ports.map(u64::from);
        state.write_u64(u64::from(self.netns) << 32 | first_port << 16 | second_port);
        match self.ipv4() {
            Some([first, second]) => state.write_u64(u64::from(first) << 32 | u64::from(second)),
            None => self.addrs.iter().for_each(|&addr| state.write_u128(addr)),
        }
    }
}

/// The first 96 bits of a mapped address.
const PREFIX: u128 = 0xffff << 32;

fn mapped(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => PREFIX | u128::from(addr.to_bits()),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

fn is_mapped(addr: u128) -> bool {
    addr >> 32 == PREFIX >> 32
}

fn unmapped(addr: u128) -> IpAddr {
    if is_mapped(addr) { Ipv4Addr::from_bits(addr as u32).into() } else { Ipv6Addr::from_bits(addr).into() }
}

/// A key as connections keep it: most addresses are IPv4 ones, which take a quarter of the room.
#[derive(Clone, Debug)]
pub(super) enum KeptKey {
    V4 { netns: u32, ports: [u16; 2], addrs: [u32; 2] },
    V6(Box<Key>),
}

impl KeptKey {
    pub(super) fn netns(&self) -> u32 {
        match self {
            Self::V4 { netns, .. } => *netns,
            Self::V6(key) => key.netns,
        }
    }
}

impl From<Key> for KeptKey {
    fn from(key: Key) -> Self {
        match key.ipv4() {
            Some(addrs) => Self::V4 { netns: key.netns, ports: key.ports, addrs },
            None => Self::V6(Box::new(key)),
        }
    }
}

impl From<&KeptKey> for Key {
    fn from(kept: &KeptKey) -> Self {
        match *kept {
            KeptKey::V4 { netns, ports, addrs } => {
                Self { netns, ports, addrs: addrs.map(|addr| PREFIX | u128::from(addr)) }
            }
            KeptKey::V6(ref key) => **key,
        }
    }
}

impl PartialEq<Key> for KeptKey {
    fn eq(&self, key: &Key) -> bool {
        Key::from(self) == *key
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
