//! Existing sockets, and how they are found.

use std::{hash::BuildHasher as _, num::NonZeroU64};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use slab::Slab;

use super::connection::{NEVER, Place, Side};
use crate::event::{BootTime, SocketKey};

/// An existing socket. There are two for every connection within this host, so it is kept small.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Socket {
    pub(in crate::correlate) key: SocketKey,
    /// Number shown to users.
    pub(in crate::correlate) number: NonZeroU64,
    /// Time at which it entered its state; [`NEVER`] if that was not seen.
    since: BootTime,
    /// Twice the position of its connection, plus one for its second end; [`NOWHERE`] for none.
    conn: u32,
    tag: u32,
}

/// A socket without a connection.
const NOWHERE: u32 = u32::MAX;

impl Socket {
    /// Returns its connection.
    pub(in crate::correlate) fn conn(&self) -> Option<Place> {
        (self.conn != NOWHERE).then_some(Place { at: self.conn >> 1, tag: self.tag })
    }

    /// Returns the end of the connection that it is.
    pub(in crate::correlate) fn side(&self) -> Side {
        if self.conn != NOWHERE && self.conn & 1 == 1 { Side::Second } else { Side::First }
    }

    /// Assigns it to an end of a connection.
    pub(in crate::correlate) fn join(&mut self, place: Option<Place>, side: Side) {
        match place {
            Some(Place { at, tag }) => {
                self.conn = at << 1 | u32::from(side == Side::Second);
                self.tag = tag;
            }
            None => self.conn = NOWHERE,
        }
    }

    /// Returns the time at which it entered its state, if that was seen.
    pub(in crate::correlate) fn since(&self) -> Option<BootTime> {
        (self.since != NEVER).then_some(self.since)
    }
}

/// All existing sockets, in a slab; the index holds positions in it, not copies of the keys.
#[derive(Debug, Default)]
pub(in crate::correlate) struct Sockets {
    hasher: RandomState,
    sockets: Slab<Socket>,
    index: HashTable<u32>,
    numbers: u64,
}

impl Sockets {
    /// Returns the number of sockets.
    pub(in crate::correlate) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Returns an existing socket.
    pub(in crate::correlate) fn get(&self, key: SocketKey) -> Option<&Socket> {
        let at = self.index.find(self.hasher.hash_one(key), |&at| self.is_at(at, key))?;
        self.sockets.get(*at as usize)
    }

    /// Returns an existing socket for writing.
    pub(in crate::correlate) fn get_mut(&mut self, key: SocketKey) -> Option<&mut Socket> {
        let at = *self.index.find(self.hasher.hash_one(key), |&at| self.is_at(at, key))?;
        self.sockets.get_mut(at as usize)
    }

    /// Adds a socket that was created, or is seen for the first time.
    pub(in crate::correlate) fn add(&mut self, key: SocketKey) -> Socket {
        self.remove(key);
        self.numbers += 1;
        let number = NonZeroU64::new(self.numbers).unwrap_or(NonZeroU64::MIN);
        let socket = Socket { key, number, since: NEVER, conn: NOWHERE, tag: 0 };
        let at = self.sockets.insert(socket) as u32;
        let (hasher, sockets) = (&self.hasher, &self.sockets);
        let rehash = |&at: &u32| sockets.get(at as usize).map_or(0, |socket| hasher.hash_one(socket.key));
        self.index.insert_unique(hasher.hash_one(key), at, rehash);
        socket
    }

    /// Notes that a socket has entered a state, and stores it.
    pub(in crate::correlate) fn change(&mut self, socket: Socket, at: BootTime) {
        if let Some(known) = self.get_mut(socket.key) {
            *known = Socket { since: at, ..socket };
        }
    }

    /// Removes a socket that has ended: its address may be reused.
    pub(in crate::correlate) fn remove(&mut self, key: SocketKey) -> Option<Socket> {
        let hash = self.hasher.hash_one(key);
        let sockets = &self.sockets;
        let same = |&at: &u32| sockets.get(at as usize).is_some_and(|socket| socket.key == key);
        let (at, _vacant) = self.index.find_entry(hash, same).ok()?.remove();
        self.sockets.try_remove(at as usize)
    }

    /// Forgets the sockets for which `keep` returns false.
    pub(in crate::correlate) fn retain(&mut self, mut keep: impl FnMut(&Socket) -> bool) {
        let sockets = &mut self.sockets;
        self.index.retain(|&mut at| {
            let kept = sockets.get(at as usize).is_some_and(&mut keep);
            if !kept {
                sockets.try_remove(at as usize);
            }
            kept
        });
    }

    fn is_at(&self, at: u32, key: SocketKey) -> bool {
        self.sockets.get(at as usize).is_some_and(|socket| socket.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_small_and_knows_its_end() {
        assert_eq!(size_of::<Socket>(), 32);
        let mut socket = Sockets::default().add(SocketKey(7));
        assert_eq!((socket.conn(), socket.side(), socket.since()), (None, Side::First, None));
        let place = Place { at: 3, tag: 9 };
        for side in [Side::First, Side::Second] {
            socket.join(Some(place), side);
            assert_eq!((socket.conn(), socket.side()), (Some(place), side));
        }
    }

    #[test]
    fn an_address_used_again_is_another_socket() {
        let mut sockets = Sockets::default();
        let first = sockets.add(SocketKey(7));
        let second = sockets.add(SocketKey(7));
        assert_ne!(first.number, second.number);
        assert_eq!(sockets.len(), 1);
        sockets.retain(|socket| socket.number == first.number);
        assert_eq!((sockets.len(), sockets.get(SocketKey(7)).is_none()), (0, true));
    }
}
