//! What goes when too many connections would have to be remembered.
//!
//! Those of which nothing but an attempt was seen have a quota of an eighth, so that a flood of SYNs pushes out SYNs of its
//! own. When the whole table is full they go first, unless they have only just begun; then those that ended longest ago,
//! then those that have been silent for longest. Only what had not ended counts as evicted.

use std::{
    collections::{BinaryHeap, VecDeque},
    num::NonZeroU32,
};

use super::{
    Table,
    connection::{Connection, Place},
};
use crate::event::BootTime;

/// The highest limit there is: places of connections have 31 bits in [`super::sockets`].
const MOST: usize = 1 << 30;

/// One in so many may be an attempt.
const ATTEMPTS: usize = 8;

/// How long an attempt is young, in nanoseconds: the first SYN is sent again after a second (RFC 6298 §2.1).
const YOUNG: u64 = 1_000_000_000;

/// One in so many connections is looked for at once when the idle ones have to go.
const IDLE_SHARE: usize = 64;

/// Attempts that are over, and not worth to be cleared away.
const FEW: usize = 1024;

/// Sockets beyond two for each connection: listeners, and those of connections forgotten before them.
const SPARE_SOCKETS: usize = 1 << 16;

/// How much is remembered, and what goes next.
#[derive(Debug)]
pub(in crate::correlate) struct Room {
    most: usize,
    /// Connections of which nothing but an attempt was seen.
    unproven: usize,
    /// Where these began, oldest first, with others that have become more than that or are gone.
    attempts: VecDeque<Place>,
    /// Some of those that have been silent for longest, and since when.
    idle: VecDeque<(BootTime, Place)>,
}

impl Default for Room {
    fn default() -> Self {
        Self { most: MOST, unproven: 0, attempts: VecDeque::new(), idle: VecDeque::new() }
    }
}

impl Room {
    /// Sets how many connections are remembered at the most.
    pub(in crate::correlate) fn limit(&mut self, most: NonZeroU32) {
        self.most = (most.get() as usize).min(MOST);
    }

    /// How many beginnings are noted.
    #[cfg(test)]
    pub(in crate::correlate) fn attempts(&self) -> usize {
        self.attempts.len()
    }

    /// A connection has begun.
    pub(in crate::correlate) fn admit(&mut self, place: Place) {
        self.unproven += 1;
        self.attempts.push_back(place);
    }

    /// A connection is more than an attempt now, or no longer there.
    pub(in crate::correlate) fn promote(&mut self, conn: &mut Connection) {
        if std::mem::replace(&mut conn.unproven, false) {
            self.unproven = self.unproven.saturating_sub(1);
        }
    }
}

/// Has more been seen of it than that somebody tries? Then an end here has it, or both ends have spoken.
pub(in crate::correlate) fn is_proven(conn: &Connection) -> bool {
    if conn.mid_life {
        conn.ends.iter().any(|end| end.had_socket) || conn.ends.iter().all(|end| end.spoke)
    } else {
        conn.opened || conn.ack_at().is_some()
    }
}

impl Table {
    /// Makes room for one more connection.
    pub(in crate::correlate) fn make_room(&mut self, now: BootTime) {
        // Most have become more than an attempt long ago.
        if self.room.attempts.len() > FEW + 2 * self.room.unproven {
            let mut attempts = std::mem::take(&mut self.room.attempts);
            attempts.retain(|&place| self.attempt(place).is_some());
            self.room.attempts = attempts;
        }
        if self.room.unproven >= (self.room.most / ATTEMPTS).max(1)
            && let Some(at) = self.oldest_attempt(now, 0)
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
            .or_else(|| self.oldest_attempt(now, 0))
    }

    /// The oldest connection that is still an attempt, if it is this old.
    fn oldest_attempt(&mut self, now: BootTime, age: u64) -> Option<u32> {
        while let Some(&place) = self.room.attempts.front() {
            match self.attempt(place) {
                Some(conn) if now.since(conn.first) < age => return None,
                Some(_) => return Some(place.at),
                None => drop(self.room.attempts.pop_front()),
            }
        }
        None
    }

    fn attempt(&self, place: Place) -> Option<&Connection> {
        self.get(self.resolve(place)?).filter(|conn| conn.unproven)
    }

    /// The open connection that has been silent for longest.
    fn longest_idle(&mut self) -> Option<u32> {
        let mut looked = false;
        loop {
            while let Some((last, place)) = self.room.idle.pop_front() {
                // Whatever has happened since then has been younger.
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

    /// Looks through all connections for some of those that have been silent for longest.
    fn find_idle(&mut self) {
        let some = (self.room.most / IDLE_SHARE).max(1);
        let mut longest = BinaryHeap::with_capacity(some + 1);
        for (at, conn) in self.iter().filter(|(_, conn)| !conn.ended && !conn.unproven) {
            longest.push((conn.last, conn.number, at));
            if longest.len() > some {
                longest.pop();
            }
        }
        let found = longest.into_sorted_vec().into_iter();
        self.room.idle = found.filter_map(|(last, _, at)| Some((last, self.place(at)?))).collect();
    }

    /// The end of some sockets was not seen, or their connections are gone.
    fn sweep_sockets(&mut self) {
        let mut sockets = std::mem::take(&mut self.sockets);
        sockets.retain(|socket| socket.conn().is_some_and(|place| self.resolve(place).is_some()));
        self.sockets = sockets;
    }
}
