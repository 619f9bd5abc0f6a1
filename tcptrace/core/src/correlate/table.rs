//! The table of connections, and how they are found.

pub(in crate::correlate) mod connection;
pub(in crate::correlate) mod endpoint;
mod eviction;
mod flags;
pub(in crate::correlate) mod listeners;
mod loose;
mod passes;
mod paths;
mod sides;
pub(in crate::correlate) mod sockets;
mod timers;

use std::{
    collections::{BTreeMap, VecDeque},
    hash::BuildHasher as _,
    num::NonZeroU32,
    time::Duration,
};

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};
use slab::Slab;

use self::{
    connection::{Connection, Key, NEVER, Place},
    eviction::Room,
    loose::Loose,
    sockets::Sockets,
    timers::Deadlines,
};
use super::{Totals, verdict::progress};
use crate::event::{BootTime, SocketKey};

/// Time for which an ended connection is kept for late segments: tcp_fin_timeout.
const ENDED_KEPT_FOR: Duration = Duration::from_secs(60);

/// Maximum number of ended connections kept, at some 400 bytes each: those of a minute at 680 a second.
const MAX_ENDED: usize = 40 << 10;

/// All connections and sockets. Connections are in a slab; the index holds positions in it, not copies of the keys.
#[derive(Debug, Default)]
pub(in crate::correlate) struct Table {
    hasher: RandomState,
    connections: Slab<Connection>,
    by_key: HashTable<u32>,
    /// The namespace by which a connection is known, by the others that it passes.
    passes: HashMap<Key, u32, RandomState>,
    loose: BTreeMap<Loose, (u32, SocketKey)>,
    /// Existing sockets.
    pub(in crate::correlate) sockets: Sockets,
    ended: VecDeque<(BootTime, Place)>,
    due: Deadlines,
    pub(in crate::correlate) room: Room,
    /// Number of losses so far.
    pub(in crate::correlate) gaps: u64,
    totals: Totals,
    /// Numbers of the connections evicted since the list was last drained.
    pub(in crate::correlate) evicted: Vec<u64>,
}

impl Table {
    pub(in crate::correlate) fn totals(&self) -> Totals {
        self.totals
    }

    /// Sets the maximum number of connections kept.
    pub(in crate::correlate) fn limit(&mut self, most: NonZeroU32) {
        self.room.limit(most);
    }

    /// Returns the number of connections kept.
    pub(in crate::correlate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Returns all connections with their positions.
    pub(in crate::correlate) fn iter(&self) -> impl Iterator<Item = (u32, &Connection)> {
        self.connections.iter().map(|(at, conn)| (at as u32, conn))
    }

    /// Returns the newest generation of a four-tuple.
    pub(in crate::correlate) fn find(&self, key: &Key) -> Option<u32> {
        let same = |&at: &u32| self.connections.get(at as usize).is_some_and(|conn| conn.has_key(key));
        self.by_key.find(self.hasher.hash_one(key), same).copied()
    }

    pub(in crate::correlate) fn get(&self, at: u32) -> Option<&Connection> {
        self.connections.get(at as usize)
    }

    pub(in crate::correlate) fn get_mut(&mut self, at: u32) -> Option<&mut Connection> {
        self.connections.get_mut(at as usize)
    }

    /// Returns the generation before one, if it is still kept.
    pub(in crate::correlate) fn previous(&self, at: u32) -> Option<u32> {
        let conn = self.get(at)?;
        // A connection that has reused the position since began later.
        let before = self.get(conn.previous).filter(|before| before.number < conn.number && before.key() == conn.key());
        before.map(|_| conn.previous)
    }

    /// Returns the position of the connection, if it is still kept.
    pub(in crate::correlate) fn resolve(&self, place: Place) -> Option<u32> {
        (tag(self.get(place.at)?.number) == place.tag).then_some(place.at)
    }

    /// Returns the place of a connection that is kept.
    pub(in crate::correlate) fn place(&self, at: u32) -> Option<Place> {
        Some(Place { at, tag: tag(self.get(at)?.number) })
    }

    /// Returns the connection of an existing socket.
    pub(in crate::correlate) fn conn_of_socket(&self, key: SocketKey) -> Option<u32> {
        self.resolve(self.sockets.get(key)?.conn()?)
    }

    /// Begins a connection, which becomes the newest generation of its four-tuple.
    pub(in crate::correlate) fn begin(&mut self, key: Option<Key>, at: BootTime) -> u32 {
        self.make_room(at);
        self.totals.numbered += 1;
        let number = self.totals.numbered;
        let place = self.connections.insert(Connection::new(number, at, self.gaps)) as u32;
        self.room.admit(Place { at: place, tag: tag(number) });
        if let Some(key) = key {
            self.bind(place, key);
        }
        place
    }

    /// Sets the four-tuple of a connection, which was unknown so far.
    pub(in crate::correlate) fn bind(&mut self, at: u32, key: Key) {
        self.fasten(at);
        let before = self.find(&key);
        let hash = self.hasher.hash_one(key);
        if let Some(before) = before
            && let Ok(entry) = self.by_key.find_entry(hash, |&found| found == before)
        {
            entry.remove();
        }
        let replaced = before.and_then(|before| self.get_mut(before));
        let follows_open = replaced.as_ref().is_some_and(|replaced| !replaced.ended || replaced.follows_open());
        let passes = replaced.map(Connection::take_passes).unwrap_or_default();
        if let Some(conn) = self.get_mut(at) {
            conn.set_key(key);
            conn.previous = before.unwrap_or(u32::MAX);
            conn.set_follows_open(follows_open);
            if !passes.is_empty() {
                conn.rare_mut().passes = passes;
            }
        }
        let (hasher, connections) = (&self.hasher, &self.connections);
        self.by_key.insert_unique(hash, at, |&at| hash_of(hasher, connections, at));
    }

    /// Notes that the last record of a connection was emitted.
    pub(in crate::correlate) fn end(&mut self, at: u32, now: BootTime) {
        self.fasten(at);
        if let Some(conn) = self.connections.get_mut(at as usize)
            && !conn.ended
        {
            conn.ended = true;
            self.totals.ended += 1;
            self.room.promote(conn);
            self.ended.push_back((now, Place { at, tag: tag(conn.number) }));
        }
        // Here as well, since in a flood nothing else may call it.
        self.expire(now);
    }

    /// Returns the connections that may have a record to emit at the end, oldest first: handshakes not yet reported,
    /// and closes that have begun.
    pub(in crate::correlate) fn unfinished(&self) -> Vec<u32> {
        let is_reported = |conn: &Connection| {
            let quiet = conn.ends.iter().all(|end| !end.has_detail());
            conn.ended || (quiet && (conn.opened || conn.mid_life))
        };
        let unfinished = self.connections.iter().filter(|(_, conn)| !is_reported(conn));
        let mut all: Vec<_> = unfinished.map(|(at, conn)| (conn.number, at as u32)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, at)| at).collect()
    }

    /// Returns the connections with a stall still to be reported, oldest first.
    pub(in crate::correlate) fn stalling(&self) -> Vec<u32> {
        let stalling = self.connections.iter().filter(|(_, conn)| conn.stalls == 0 && progress::due(conn).is_some());
        let mut all: Vec<_> = stalling.map(|(at, conn)| (conn.number, at as u32)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, at)| at).collect()
    }

    /// Forgets connections that ended long ago.
    pub(in crate::correlate) fn expire(&mut self, now: BootTime) {
        while let Some(&(since, place)) = self.ended.front() {
            if self.ended.len() <= MAX_ENDED && now < since + ENDED_KEPT_FOR {
                break;
            }
            self.ended.pop_front();
            if let Some(at) = self.resolve(place) {
                self.forget(at);
            }
        }
    }

    /// Returns the connection that ended longest ago.
    pub(in crate::correlate) fn longest_ended(&mut self) -> Option<u32> {
        loop {
            let (_, place) = self.ended.pop_front()?;
            if let Some(at) = self.resolve(place) {
                return Some(at);
            }
        }
    }

    /// Forgets a connection, ended or not, to make room.
    pub(in crate::correlate) fn evict(&mut self, at: u32) {
        if let Some(conn) = self.get(at).filter(|conn| !conn.ended) {
            let number = conn.number;
            self.totals.evicted += 1;
            self.evicted.push(number);
        }
        self.fasten(at);
        self.forget(at);
    }

    fn forget(&mut self, at: u32) {
        let Some(mut conn) = self.connections.try_remove(at as usize) else { return };
        self.room.promote(&mut conn);
        if conn.queued != NEVER {
            self.due.revoke();
        }
        if let Some(key) = conn.key()
            && let Ok(entry) = self.by_key.find_entry(self.hasher.hash_one(key), |&found| found == at)
        {
            entry.remove();
            self.forget_passes(key, &conn.take_passes());
        }
    }
}

/// Returns the part of a connection's number that distinguishes it from others at the same position.
fn tag(number: u64) -> u32 {
    // Truncation is intended: no position is remembered for 2^32 connections.
    number as u32
}

fn hash_of(hasher: &RandomState, connections: &Slab<Connection>, at: u32) -> u64 {
    connections.get(at as usize).and_then(Connection::key).map_or(0, |key| hasher.hash_one(key))
}
