//! Eviction when the table is full.
//!
//! Mere attempts have a quota of an eighth of the table, so that in a flood SYNs evict other SYNs. When the whole table
//! is full, attempts are evicted first, unless they have just begun; then connections that ended longest ago; then
//! those that have been silent for longest. Only connections that had not ended count as evicted.

use std::{
    collections::{BinaryHeap, VecDeque},
    num::NonZeroU32,
    time::Duration,
};

use super::{
    Table,
    connection::{Connection, Place},
    endpoint::End,
};
use crate::event::BootTime;

/// Upper bound of the limit: positions of connections have 31 bits in [`super::sockets`].
const MAX_LIMIT: usize = 1 << 30;

/// Attempts may take one in this many entries.
const ATTEMPTS: usize = 8;

/// Age below which an attempt is not evicted by others: the first SYN is retransmitted after a second
/// (RFC 6298 §2.1).
const YOUNG: Duration = Duration::from_secs(1);

/// Fraction of the connections selected at a time when idle ones must be evicted.
const IDLE_SHARE: usize = 64;

/// Number of finished attempts that are not worth cleaning up.
const FEW_STALE: usize = 1024;

/// Number of sockets beyond two per connection: listeners, and those of connections forgotten before them.
const SPARE_SOCKETS: usize = 1 << 16;

/// Number of connections kept, and the order of eviction.
#[derive(Debug)]
pub(in crate::correlate) struct Room {
    most: usize,
    /// Number of connections that are mere attempts.
    unproven: usize,
    /// Positions of attempts, oldest first, including some that were promoted or are gone.
    attempts: VecDeque<Place>,
    /// Some of the connections that have been silent for longest, with the times of their last events.
    idle: VecDeque<(BootTime, Place)>,
}

impl Default for Room {
    fn default() -> Self {
        Self { most: MAX_LIMIT, unproven: 0, attempts: VecDeque::new(), idle: VecDeque::new() }
    }
}

impl Room {
    /// Sets the maximum number of connections kept.
    pub(in crate::correlate) fn limit(&mut self, most: NonZeroU32) {
        self.most = (most.get() as usize).min(MAX_LIMIT);
    }

    /// Returns the number of entries in the queue of attempts.
    #[cfg(test)]
    pub(in crate::correlate) fn attempts(&self) -> usize {
        self.attempts.len()
    }

    /// Adds a connection that has begun.
    pub(in crate::correlate) fn admit(&mut self, place: Place) {
        self.unproven += 1;
        self.attempts.push_back(place);
    }

    /// Removes a connection from the attempts: it has become more than that, or is gone.
    pub(in crate::correlate) fn promote(&mut self, conn: &mut Connection) {
        if conn.unproven() {
            conn.set_unproven(false);
            self.unproven = self.unproven.saturating_sub(1);
        }
    }
}

/// Returns true if a connection is more than an attempt: an end here has it, or both ends have spoken.
pub(in crate::correlate) fn is_proven(conn: &Connection) -> bool {
    if conn.mid_life {
        conn.ends.iter().any(|end| end.had_socket) || conn.ends.iter().all(End::spoke)
    } else {
        conn.opened || conn.ack_at().is_some()
    }
}

impl Table {
    /// Makes room for one more connection.
    pub(in crate::correlate) fn make_room(&mut self, now: BootTime) {
        // Most have become more than an attempt long ago.
        if self.room.attempts.len() > FEW_STALE + 2 * self.room.unproven {
            let mut attempts = std::mem::take(&mut self.room.attempts);
            attempts.retain(|&place| self.attempt(place).is_some());
            self.room.attempts = attempts;
        }
        if self.room.unproven >= (self.room.most / ATTEMPTS).max(1)
            && let Some(at) = self.oldest_attempt(now, Duration::ZERO)
        {
            self.evict(at);
        }
        while self.len() >= self.room.most {
            let Some(at) = self.least_missed(now) else { break };
            self.evict(at);
        }
        if self.sockets.len() >= 2 * self.room.most + SPARE_SOCKETS {
            self.sweep_sockets();
        }
    }

    fn least_missed(&mut self, now: BootTime) -> Option<u32> {
        self.oldest_attempt(now, YOUNG)
            .or_else(|| self.longest_ended())
            .or_else(|| self.longest_idle())
            .or_else(|| self.oldest_attempt(now, Duration::ZERO))
    }

    /// Returns the oldest connection that is still an attempt, if it is at least this old.
    fn oldest_attempt(&mut self, now: BootTime, age: Duration) -> Option<u32> {
        while let Some(&place) = self.room.attempts.front() {
            match self.attempt(place) {
                Some(conn) if Duration::from_nanos(now.since(conn.first)) < age => return None,
                Some(_) => return Some(place.at),
                None => drop(self.room.attempts.pop_front()),
            }
        }
        None
    }

    fn attempt(&self, place: Place) -> Option<&Connection> {
        self.get(self.resolve(place)?).filter(|conn| conn.unproven())
    }

    /// Returns the open connection that has been silent for longest.
    fn longest_idle(&mut self) -> Option<u32> {
        let mut looked = false;
        loop {
            while let Some((last, place)) = self.room.idle.pop_front() {
                // Any event since the selection is younger.
                if let Some(at) = self.resolve(place)
                    && self.get(at).is_some_and(|conn| conn.last == last && !conn.ended)
                {
                    return Some(at);
                }
            }
            if std::mem::replace(&mut looked, true) {
                return None;
            }
            self.find_idle();
        }
    }

    /// Selects some of the connections that have been silent for longest.
    fn find_idle(&mut self) {
        let some = (self.room.most / IDLE_SHARE).max(1);
        let mut longest = BinaryHeap::with_capacity(some + 1);
        for (at, conn) in self.iter().filter(|(_, conn)| !conn.ended && !conn.unproven()) {
            longest.push((conn.last, conn.number, at));
            if longest.len() > some {
                longest.pop();
            }
        }
        let found = longest.into_sorted_vec().into_iter();
        self.room.idle = found.filter_map(|(last, _, at)| Some((last, self.place(at)?))).collect();
    }

    /// Forgets sockets whose connection is gone, since their end was not seen.
    fn sweep_sockets(&mut self) {
        let mut sockets = std::mem::take(&mut self.sockets);
        sockets.retain(|socket| socket.conn().is_some_and(|place| self.resolve(place).is_some()));
        self.sockets = sockets;
    }
}
