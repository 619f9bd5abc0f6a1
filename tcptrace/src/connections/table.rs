//! The connections and sockets that are remembered, and how they are found.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    hash::BuildHasher as _,
    net::IpAddr,
};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use slab::Slab;

use super::{
    Totals,
    connection::{Connection, Key, Place, Side},
};
use crate::event::{BootTime, Endpoint, SocketKey};

/// How long an ended connection is remembered for segments that come late, in nanoseconds: tcp_fin_timeout.
const LATE: u64 = 60_000_000_000;

/// How many ended connections are remembered at the most.
const MOST_ENDED: usize = 1 << 16;

/// So many times to look at connections are too few to be tidied up.
const FEW: usize = 1024;

/// A socket that lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    pub(super) key: SocketKey,
    /// The number that users see.
    pub(super) number: u64,
    /// Its connection.
    pub(super) conn: Option<Place>,
    /// Which end of it.
    pub(super) side: Side,
    /// Since when, where that was seen.
    pub(super) since: Option<BootTime>,
}

/// What is known of a connection whose local port is not: the local address, the remote end and the connection's number.
type Loose = (IpAddr, IpAddr, u16, u64);

/// Everything that is remembered. Connections and sockets lie in slabs; the indices hold places in these, not copies of
/// the keys.
#[derive(Debug, Default)]
pub(super) struct Table {
    hasher: RandomState,
    connections: Slab<Connection>,
    by_key: HashTable<u32>,
    loose: BTreeMap<Loose, (u32, SocketKey)>,
    sockets: Slab<Socket>,
    by_socket: HashTable<u32>,
    ended: VecDeque<(BootTime, Place)>,
    due: BinaryHeap<Reverse<(BootTime, u32, u64)>>,
    /// Gaps so far.
    pub(super) gaps: u64,
    totals: Totals,
    socket_numbers: u64,
}

impl Table {
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// The newest generation of a four-tuple.
    pub(super) fn find(&self, key: &Key) -> Option<u32> {
        let same = |&at: &u32| self.connections.get(at as usize).is_some_and(|conn| conn.key.as_ref() == Some(key));
        self.by_key.find(self.hasher.hash_one(key), same).copied()
    }

    pub(super) fn get(&self, at: u32) -> Option<&Connection> {
        self.connections.get(at as usize)
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Connection> {
        self.connections.get_mut(at as usize)
    }

    /// The generation before one, if it is remembered.
    pub(super) fn previous(&self, at: u32) -> Option<u32> {
        self.resolve(self.get(at)?.previous?)
    }

    /// Where the connection is, if it is remembered.
    pub(super) fn resolve(&self, place: Place) -> Option<u32> {
        (self.get(place.at)?.number == place.number).then_some(place.at)
    }

    /// The place of a connection that is remembered.
    pub(super) fn place(&self, at: u32) -> Option<Place> {
        Some(Place { at, number: self.get(at)?.number })
    }

    /// The connection of a socket that lives.
    pub(super) fn conn_of_socket(&self, key: SocketKey) -> Option<u32> {
        self.resolve(self.socket(key)?.conn?)
    }

    /// Begins a connection: the newest generation of its four-tuple from now on.
    pub(super) fn begin(&mut self, key: Option<Key>, at: BootTime) -> u32 {
        self.totals.numbered += 1;
        let place = self.connections.insert(Connection::new(self.totals.numbered, at, self.gaps)) as u32;
        if let Some(key) = key {
            self.bind(place, key);
        }
        place
    }

    /// The port of a connection between these ends is not known, but its socket is.
    pub(super) fn loosen(&mut self, at: u32, [local, remote]: [Endpoint; 2], socket: SocketKey) {
        if let Some(conn) = self.connections.get_mut(at as usize) {
            conn.loose = Some([local, remote]);
            self.loose.insert((local.addr, remote.addr, remote.port, conn.number), (at, socket));
        }
    }

    /// The only connection between these ends whose port is not known, and its socket; none where there are several.
    pub(super) fn only_loose(&self, local: IpAddr, remote: Endpoint) -> Option<(u32, SocketKey)> {
        let of = |number| (local, remote.addr, remote.port, number);
        let mut found = self.loose.range(of(0)..=of(u64::MAX)).map(|(_, &found)| found);
        found.next().filter(|_| found.next().is_none())
    }

    /// The port of a connection is known now, or will never be.
    fn fasten(&mut self, at: u32) {
        if let Some(conn) = self.connections.get(at as usize)
            && let Some([local, remote]) = conn.loose
        {
            self.loose.remove(&(local.addr, remote.addr, remote.port, conn.number));
        }
    }

    /// The four-tuple of a connection is known now.
    pub(super) fn bind(&mut self, at: u32, key: Key) {
        self.fasten(at);
        let before = self.find(&key);
        let hash = self.hasher.hash_one(key);
        if let Some(before) = before
            && let Ok(entry) = self.by_key.find_entry(hash, |&found| found == before)
        {
            entry.remove();
        }
        let previous = before.and_then(|before| self.place(before));
        if let Some(conn) = self.get_mut(at) {
            conn.key = Some(key);
            conn.previous = previous;
        }
        let (hasher, connections) = (&self.hasher, &self.connections);
        self.by_key.insert_unique(hash, at, |&at| hash_of(hasher, connections, at));
    }

    /// The last record of a connection has been written.
    pub(super) fn end(&mut self, at: u32, now: BootTime) {
        self.fasten(at);
        if let Some(conn) = self.connections.get_mut(at as usize)
            && !conn.ended
        {
            conn.ended = true;
            conn.queued = None;
            self.totals.ended += 1;
            self.ended.push_back((now, Place { at, number: conn.number }));
        }
        // Here too, since a flood may leave no time for anything else.
        self.expire(now);
    }

    /// Something about a connection has changed: it has to be looked at when `due`.
    pub(super) fn schedule(&mut self, at: u32, due: Option<BootTime>) {
        let Some(conn) = self.connections.get_mut(at as usize) else { return };
        // A later time needs no entry of its own: the earlier one will find it.
        let earlier = due.is_some_and(|due| conn.queued.is_none_or(|queued| due < queued));
        if let Some(due) = due
            && earlier
        {
            conn.queued = Some(due);
            self.due.push(Reverse((due, at, conn.number)));
            if self.due.len() > 2 * self.connections.len() + FEW {
                self.forget_overtaken();
            }
        }
    }

    /// Drops the times that have been overtaken by earlier ones, or whose connections have ended: most do long before the
    /// time when nobody would have answered.
    fn forget_overtaken(&mut self) {
        let connections = &self.connections;
        self.due.retain(|&Reverse((due, at, number))| {
            let conn = connections.get(at as usize).filter(|conn| conn.number == number);
            conn.is_some_and(|conn| conn.queued == Some(due))
        });
    }

    /// The next connection that has to be looked at by `now`, and when it had to be.
    pub(super) fn next_due(&mut self, now: BootTime) -> Option<(BootTime, u32)> {
        loop {
            let &Reverse((due, at, number)) = self.due.peek()?;
            if due > now {
                return None;
            }
            self.due.pop();
            if let Some(conn) = self.connections.get_mut(at as usize)
                && conn.number == number
                && conn.queued == Some(due)
            {
                conn.queued = None;
                return Some((due, at));
            }
        }
    }

    /// When the next connection has to be looked at.
    pub(super) fn due(&self) -> Option<BootTime> {
        self.due.peek().map(|&Reverse((due, ..))| due)
    }

    /// All connections that are remembered, oldest first.
    pub(super) fn all(&self) -> Vec<u32> {
        let mut all: Vec<_> = self.connections.iter().map(|(at, conn)| (conn.number, at as u32)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, at)| at).collect()
    }

    /// Forgets connections that ended long ago.
    pub(super) fn expire(&mut self, now: BootTime) {
        while let Some(&(since, place)) = self.ended.front() {
            if self.ended.len() <= MOST_ENDED && now.since(since) < LATE {
                break;
            }
            self.ended.pop_front();
            if let Some(at) = self.resolve(place) {
                self.forget(at);
            }
        }
    }

    fn forget(&mut self, at: u32) {
        let Some(conn) = self.connections.try_remove(at as usize) else { return };
        if let Some(key) = conn.key
            && let Ok(entry) = self.by_key.find_entry(self.hasher.hash_one(key), |&found| found == at)
        {
            entry.remove();
        }
    }

    /// A socket that lives.
    pub(super) fn socket(&self, key: SocketKey) -> Option<&Socket> {
        let at = self.by_socket.find(self.hasher.hash_one(key), |&at| self.is_socket(at, key))?;
        self.sockets.get(*at as usize)
    }

    /// A socket that lives, to change it.
    pub(super) fn socket_mut(&mut self, key: SocketKey) -> Option<&mut Socket> {
        let hash = self.hasher.hash_one(key);
        let at = *self.by_socket.find(hash, |&at| self.is_socket(at, key))?;
        self.sockets.get_mut(at as usize)
    }

    /// A socket begins to live, or is seen for the first time.
    pub(super) fn add_socket(&mut self, key: SocketKey, since: Option<BootTime>) -> Socket {
        self.remove_socket(key);
        self.socket_numbers += 1;
        let socket = Socket { key, number: self.socket_numbers, conn: None, side: Side::First, since };
        let at = self.sockets.insert(socket) as u32;
        let (hasher, sockets) = (&self.hasher, &self.sockets);
        let rehash = |&at: &u32| sockets.get(at as usize).map_or(0, |socket| hasher.hash_one(socket.key));
        self.by_socket.insert_unique(hasher.hash_one(key), at, rehash);
        socket
    }

    /// A socket's life has ended: its address will be another's.
    pub(super) fn remove_socket(&mut self, key: SocketKey) -> Option<Socket> {
        let hash = self.hasher.hash_one(key);
        let sockets = &self.sockets;
        let same = |&at: &u32| sockets.get(at as usize).is_some_and(|socket| socket.key == key);
        let (at, _vacant) = self.by_socket.find_entry(hash, same).ok()?.remove();
        self.sockets.try_remove(at as usize)
    }

    fn is_socket(&self, at: u32, key: SocketKey) -> bool {
        self.sockets.get(at as usize).is_some_and(|socket| socket.key == key)
    }
}

fn hash_of(hasher: &RandomState, connections: &Slab<Connection>, at: u32) -> u64 {
    connections.get(at as usize).and_then(|conn| conn.key).map_or(0, |key| hasher.hash_one(key))
}
