//! Selection of the connections to show: the records of each are held back until its verdict decides.

mod connection;
mod decide;
mod held;
mod proof;

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
};

pub(super) use self::held::Held;
use self::{
    connection::{Connection, conn},
    proof::{Proof, matches},
};
use crate::{
    filter::{Facts, Only, Who},
    output_record::OutputRecord,
};

/// Selects connections. The records of a connection are held back until it is selected, and then pass in order; those
/// of different connections may be reordered as a result. With a side of a translated connection, the other sides are
/// selected. Records of no connection pass, except for listeners and their owners.
#[derive(Debug)]
pub struct Selection {
    only: Only,
    /// Duration from which on a handshake is slow, in nanoseconds.
    slow_ns: u64,
    /// True if only connections with a record in scope can be selected.
    scoped: bool,
    /// The processes of which a selected connection must have one at an end.
    who: Who,
    /// True if records are kept to be shown later.
    keeps: bool,
    /// True to show `stalled` records that were held back, although the connection has made progress since.
    keeps_stalled: bool,
    /// Maximum number of connections to hold back.
    most: usize,
    /// Connections that have not ended, by their numbers.
    open: BTreeMap<u64, Connection>,
    /// Number of connections in scope that had not ended when the run did.
    open_at_end: u64,
    /// Selected connections that ended last.
    recent: VecDeque<u64>,
    /// Number of connections in scope.
    entered: u64,
    chosen: u64,
    ended: u64,
    left_out: u64,
    /// Value of `chosen` at the beginning of this run of a recording.
    chosen_before: u64,
}

impl Selection {
    /// Creates a selection of the connections in `only`; a handshake is slow if it took `slow_ns` or more. At most
    /// `most` connections are held back: beyond that, the oldest are given up.
    pub fn new(only: Only, slow_ns: u64, most: u32) -> Self {
        Self {
            only,
            slow_ns,
            scoped: false,
            who: Who::default(),
            keeps: true,
            keeps_stalled: true,
            most: usize::try_from(most).unwrap_or(usize::MAX),
            open: BTreeMap::new(),
            open_at_end: 0,
            recent: VecDeque::new(),
            entered: 0,
            chosen: 0,
            ended: 0,
            left_out: 0,
            chosen_before: 0,
        }
    }

    /// Makes this a selection for counting only: records are not kept, and none pass later.
    #[must_use]
    pub fn counting(mut self) -> Self {
        self.keeps = false;
        self
    }

    /// Restricts this selection to connections of which at least one record is offered with `in_scope`.
    #[must_use]
    pub fn scoped(mut self) -> Self {
        self.scoped = true;
        self
    }

    /// Restricts this selection to connections of which an end is seen to match `who`.
    #[must_use]
    pub fn of(mut self, who: Who) -> Self {
        self.who = who;
        self
    }

    /// Makes this selection drop `stalled` records that are out of date when the connection is selected.
    #[must_use]
    pub fn without_past_stalls(mut self) -> Self {
        self.keeps_stalled = false;
        self
    }

    /// Selects by these words from now on: the connections that are not decided yet, and later ones.
    pub(super) fn select(&mut self, only: Only) {
        self.only = only;
    }

    /// Returns the number of connections selected so far.
    pub fn chosen(&self) -> u64 {
        self.chosen
    }

    /// Returns the number of these that have ended.
    pub fn ended(&self) -> u64 {
        self.ended
    }

    /// Returns the number of connections in scope that have not ended; after the end of a run, of those that had not by then.
    pub fn open_in_scope(&self) -> u64 {
        self.open_at_end + self.open.values().filter(|open| open.proof().is_complete()).count() as u64
    }

    /// Returns the number of connections in scope so far.
    pub fn entered(&self) -> u64 {
        self.entered
    }

    /// Returns the number of connections left out, which is final only at the end.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Returns true if only connections with a record in scope, or with certain processes, can be selected.
    pub fn is_scoped(&self) -> bool {
        self.scoped || !self.who.is_empty()
    }

    /// Returns whether the connection of a record is known to be in scope. `in_scope`: the record proves it to be.
    pub fn is_in_scope(&self, record: &OutputRecord, in_scope: bool) -> bool {
        let proof = self.proof(record, in_scope);
        let before = || conn(record).and_then(|conn| self.open.get(&conn));
        proof.is_complete() || before().is_some_and(|open| open.proof().with(proof).is_complete())
    }

    fn proof(&self, record: &OutputRecord, in_scope: bool) -> Proof {
        Proof { own: in_scope || !self.scoped, who: self.who.is_empty() || matches(&self.who, record) }
    }

    /// Passes `record`, and the records held back before it, to `show` if its connection is selected. `in_scope` states
    /// that the record proves its connection to be in scope.
    pub fn offer(&mut self, record: Cow<'_, OutputRecord>, in_scope: bool, show: &mut dyn FnMut(&OutputRecord)) {
        let proof = self.proof(&record, in_scope);
        match &*record {
            OutputRecord::Start(_) => {
                // The next run of a recording, whose connection numbers start again.
                self.open.clear();
                self.open_at_end = 0;
                self.recent.clear();
                self.chosen_before = self.chosen;
                show(&record);
            }
            // A command's connections all come later than that.
            OutputRecord::Existing(_) if self.scoped => {}
            OutputRecord::Existing(_) | OutputRecord::Namespace(_) | OutputRecord::Leak(_) | OutputRecord::Lost(_) => {
                show(&record);
            }
            OutputRecord::End(end) => {
                let mut end = end.clone();
                if self.is_scoped() {
                    end.connections = self.entered;
                    end.open = self.open_in_scope();
                }
                self.open_at_end = self.open_in_scope();
                self.open.clear();
                let left_out = end.connections.saturating_sub(self.chosen - self.chosen_before);
                self.left_out += left_out;
                end.left_out = (self.only != Only::default()).then_some(left_out);
                show(&OutputRecord::End(end));
            }
            OutputRecord::State(state) => self.event(state.conn, state.late, true, proof, record, show),
            OutputRecord::Segment(segment) => {
                self.event(Some(segment.conn), segment.late, true, proof, record, show);
            }
            OutputRecord::Icmp(icmp) => self.event(Some(icmp.conn), icmp.late, true, proof, record, show),
            // These may follow the last record without being late, and never come first.
            OutputRecord::Hint(hint) => self.event(hint.conn, hint.late, false, proof, record, show),
            OutputRecord::Drop(dropped) => self.event(dropped.conn, dropped.late, false, proof, record, show),
            OutputRecord::Report(report) => self.event(Some(report.conn), false, true, proof, record, show),
            OutputRecord::Owner(owner) => self.event(owner.conn, false, false, proof, record, show),
            OutputRecord::Handshake(handshake) => {
                let handshake = &*handshake.record;
                let facts = Facts::of_handshake(handshake, self.slow_ns);
                let possible = if handshake.failure().is_some() { Facts::NOTHING } else { Facts::LATER };
                self.verdict(handshake.conn, facts, possible, proof, record, show);
            }
            OutputRecord::Close(close) => {
                self.verdict(close.record.conn, Facts::of_close(&close.record), Facts::NOTHING, proof, record, show);
            }
            OutputRecord::Stalled(stalled) => {
                self.verdict(stalled.record.conn, Facts::of_stall(), Facts::ANYTHING, proof, record, show);
            }
            OutputRecord::Evicted(evicted) => {
                if self.open.remove(&evicted.conn).is_some_and(|open| open.decision == Some(true)) {
                    show(&record);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
