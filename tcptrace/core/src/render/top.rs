//! The connections that `tcptrace top` lists, without a terminal: records go in, rows and ladders come out.
//!
//! - [`Top`] holds the connections, a bounded number of them;
//! - `row`: a connection, as described by its records;
//! - `subject`: which connection a record is about;
//! - `existing`: connections that existed when tracing began, until a record names them;
//! - [`View`]: the part of the list that is shown, and how keys change that.
//!
//! Nothing is derived here: states, verdicts and times are those of the records.

mod existing;
mod row;
mod subject;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use self::existing::{Existing, Tuple};
pub use self::{
    row::{Row, Standing},
    view::{Action, Column, Key, Mode, View},
};
use super::{Drawing, Ladder, Render as _};
use crate::{event::ExistingSocket, output_record::OutputRecord, text::WallTime};

/// Number of connections that are kept.
pub const MOST: usize = 4096;

/// Number of a connection: that of the run of a recording, and its own in that run.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Id {
    /// Number of the run, from 1; or [`Id::EXISTING`].
    pub run: u32,
    /// Number of the connection, from 1.
    pub conn: u64,
}

impl Id {
    /// Run number of connections that existed when tracing began and that no record has named yet.
    pub const EXISTING: u32 = u32::MAX;

    /// Returns true if the connection existed when tracing began and no record has named it yet.
    pub fn is_existing(self) -> bool {
        self.run == Self::EXISTING
    }
}

/// Numbers of connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Connections that are kept.
    pub kept: usize,
    /// Kept connections that have not ended.
    pub open: usize,
    /// Kept connections that make no progress.
    pub stalled: usize,
    /// Kept connections that failed.
    pub failed: usize,
    /// Connections that are no longer kept, to make room for others.
    pub left_out: u64,
}

/// The connections, by their numbers.
#[derive(Debug)]
pub struct Top {
    rows: BTreeMap<Id, Row>,
    /// Connections that have ended, by time of their end.
    ended: BTreeSet<(WallTime, Id)>,
    /// Connections that no record has named yet.
    existing: Existing,
    /// Maximum number of connections kept.
    most: usize,
    run: u32,
    left_out: u64,
    /// Minimum duration of a slow handshake, in nanoseconds.
    slow_ns: u64,
    /// Time of the latest record.
    last: WallTime,
    /// Number of changes so far.
    version: u64,
}

impl Top {
    /// Creates a list of at most `most` connections, usually [`MOST`]. A handshake is slow if it takes at least `slow_ns`
    /// nanoseconds.
    pub fn new(most: usize, slow_ns: u64) -> Self {
        Self {
            rows: BTreeMap::new(),
            ended: BTreeSet::new(),
            existing: Existing::default(),
            most: most.max(1),
            run: 0,
            left_out: 0,
            slow_ns,
            last: WallTime::default(),
            version: 0,
        }
    }

    /// Applies a record.
    pub fn apply(&mut self, record: &OutputRecord) {
        match record {
            // The numbers of connections start again.
            OutputRecord::Start(_) => self.run += 1,
            OutputRecord::Existing(existing) => {
                existing.record.each.iter().for_each(|socket| self.add_existing(socket, existing.stamp.time));
            }
            OutputRecord::Evicted(evicted) => {
                let id = Id { run: self.run, conn: evicted.conn };
                self.change(id, |row| row.forget(evicted.stamp.time));
            }
            _ => {
                let (Some(conn), stamp) = (subject::conn(record), record.stamp()) else { return };
                self.last = self.last.max(stamp.time);
                let id = Id { run: self.run, conn };
                let slow_ns = self.slow_ns;
                let apply = |row: &mut Row| row.apply(record, slow_ns);
                if !self.change(id, apply) {
                    // A late event does not bring back a connection that is no longer kept.
                    if subject::is_late(record) {
                        return;
                    }
                    self.make_room();
                    self.rows.insert(id, Row::new(id, stamp.time));
                    self.change(id, apply);
                }
                self.recognise(id, record);
            }
        }
    }

    /// Adds a socket that existed when tracing began, at time `at`. Both sockets of one connection are one row. Together
    /// with the other connections there are never more than `most`; the rest is left out.
    fn add_existing(&mut self, socket: &ExistingSocket, at: WallTime) {
        self.version += 1;
        let tuple = Tuple::new(socket.netns, socket.local.into(), socket.remote.into());
        if let Some(row) = self.existing.find(&tuple).and_then(|id| self.rows.get_mut(&id)) {
            return row.add_existing(socket);
        }
        if self.rows.len() >= self.most {
            self.left_out += 1;
            return;
        }
        let id = self.existing.add(tuple);
        self.rows.insert(id, Row::existing(id, socket, at));
    }

    /// Replaces the row of an existing socket by that of its connection, once a record names that.
    fn recognise(&mut self, id: Id, record: &OutputRecord) {
        if self.existing.is_empty() {
            return;
        }
        let Some(row) = self.rows.get(&id) else { return };
        let Some(tuple) = row.ends().map(|ends| Tuple::new(subject::netns(record), ends.client.at, ends.server.at))
        else {
            return;
        };
        if let Some(before) = self.existing.take(&tuple).and_then(|id| self.rows.remove(&id))
            && let Some(row) = self.rows.get_mut(&id)
        {
            row.continue_from(before);
        }
    }

    /// Changes a connection. Returns false if it is not kept.
    fn change(&mut self, id: Id, change: impl FnOnce(&mut Row)) -> bool {
        let Some(row) = self.rows.get_mut(&id) else { return false };
        let before = row.ended();
        change(row);
        let after = row.ended();
        if before != after {
            before.map(|at| self.ended.remove(&(at, id)));
            self.ended.extend(after.map(|at| (at, id)));
        }
        self.version += 1;
        true
    }

    /// Removes a connection if there is no room for another: the one that ended first or, if none has, the oldest.
    fn make_room(&mut self) {
        if self.rows.len() < self.most {
            return;
        }
        let ended = self.ended.pop_first();
        let oldest = ended.map(|(_, id)| id).or_else(|| self.rows.keys().next().copied());
        if let Some(id) = oldest {
            self.rows.remove(&id);
            self.left_out += 1;
        }
    }

    /// Returns the connections, by their numbers.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// Returns a connection, if it is still kept.
    pub fn row(&self, id: Id) -> Option<&Row> {
        self.rows.get(&id)
    }

    /// Returns the numbers of connections.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { kept: self.rows.len(), left_out: self.left_out, ..Counts::default() };
        for row in self.rows.values() {
            counts.open += usize::from(row.ended().is_none());
            counts.stalled += usize::from(row.standing() == Standing::Stalled);
            counts.failed += usize::from(row.facts().failed());
        }
        counts
    }

    /// Returns the time of the latest record.
    pub fn last(&self) -> WallTime {
        self.last
    }

    /// Returns a number that differs after each change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the ladders of a connection as lines, with ANSI escape sequences if `drawing` has colours. Events that have
    /// not led to a verdict yet are drawn, too. Empty if the connection is not kept.
    pub fn ladder(&self, id: Id, drawing: Drawing, width: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(row) = self.rows.get(&id) else { return out };
        if id.is_existing() {
            out.extend_from_slice(b"It was there when tracing began, and nothing has happened since that is traced.\n");
            return out;
        }
        let mut ladder = Ladder::new(drawing, move || width);
        row.records(&mut |record| ladder.render(record, &mut out));
        if row.ended().is_none()
            && let Some(ends) = row.ends()
        {
            ladder.unfinished(id.conn, ends.clone(), &mut out);
        }
        out
    }

    /// Shows the handshake, close and stalled records of these connections.
    pub fn verdicts(&self, ids: &[Id], show: &mut dyn FnMut(&OutputRecord)) {
        for row in ids.iter().filter_map(|id| self.rows.get(id)) {
            row.records(&mut |record| {
                if let OutputRecord::Handshake(_) | OutputRecord::Close(_) | OutputRecord::Stalled(_) = record {
                    show(record);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests;
