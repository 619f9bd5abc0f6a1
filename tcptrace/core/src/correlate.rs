//! Assignment of events to connections.
//!
//! Sans-IO: events and time go in, the same events in order and with their connection come out; no clock, no sockets,
//! no tokio.
//!
//! A connection is identified by network namespace, four-tuple and generation: a four-tuple may be reused, and a SYN
//! with a new ISN begins a new generation. Both sockets of a connection within this host, and both directions of its
//! segments, share one number. Events pass through these modules:
//!
//! - `reorder`: state changes that lack their port or peer wait, and so does everything after them, for at most 50 ms;
//! - `dedup`, `half_translated`: copies of a segment seen on another interface are dropped (recorded events have passed
//!   these and `reorder` before);
//! - `ingest`: the connection is found or begun in the `table`, by socket if one is known; hints only find one. Segments of a
//!   capture that come as expected are taken at once, the others as far as the `receiver` accepts them;
//! - `table`: the state kept for each connection and its ends, its timers, and eviction when the table is full;
//! - `verdict`: records of handshakes, closes and stalls, which `conclude` emits as soon as they are certain.
//!
//! Output depends only on the order in which events are placed and on their times, not on when
//! [`Correlator::handle_timeout`] is called between them. A recording of placed events therefore gives the same output.

mod cgroups;
mod choice;
mod conclude;
mod dedup;
mod half_translated;
mod ingest;
mod open_sockets;
mod output;
mod receiver;
mod reorder;
mod setup;
mod state_gaps;
mod table;
mod verdict;
mod watched;

#[cfg(feature = "mutants")]
pub use self::receiver::mutants;
pub use self::{
    ingest::{accept_queue::Unanswered, owner::Unowned},
    open_sockets::OpenSocket,
    output::{
        Correlated, CorrelatedDrop, CorrelatedHint, CorrelatedIcmp, CorrelatedOwner, CorrelatedReport,
        CorrelatedSegment, CorrelatedState, Evicted, Totals,
    },
};

use std::time::Duration;

use self::{
    cgroups::Cgroups,
    choice::Choice,
    dedup::Copies,
    half_translated::Arrivals,
    ingest::{accept_queue::Queues, filtered::Kinds, hint::EarlyReset, nat::Translations, owner::Owners},
    reorder::Waiting,
    state_gaps::{Placed, StateGaps},
    table::{Table, listeners::Listeners},
    verdict::progress,
    watched::Watched,
};
use crate::event::{BootTime, Event, Loss, LossSource};

/// The namespace of events from a capture, which does not contain any.
pub const NO_NAMESPACE: u32 = 0;

/// Time without an event after which a capture does not report stalls before the next one.
const PAUSE: Duration = Duration::from_secs(3600);

/// Correlates the events of a host: assigns them to connections and decides on their verdicts.
#[derive(Debug)]
pub struct Correlator {
    /// `None` if the events are in order already.
    waiting: Option<Waiting>,
    /// `None` if copies were dropped before.
    copies: Option<Copies>,
    /// `None` if half-translated copies were dropped before.
    arrivals: Option<Arrivals>,
    translations: Translations,
    table: Table,
    watched: Watched,
    /// Time of the last event.
    now: BootTime,
    cgroups: Cgroups,
    listeners: Listeners,
    owners: Owners,
    queues: Queues,
    state_gaps: StateGaps,
    /// True if every segment is recorded, and not only those that open and close a connection.
    all_segments: bool,
    kinds: Kinds,
    /// True if segments that neither open nor close a connection are not emitted.
    emits_control_only: bool,
    /// True if segments that come as expected are not judged by the rules, which would have the same result.
    predicts: bool,
    /// True if segments that neither open nor close a connection are recorded but not shown.
    hides_data: bool,
    /// True for a capture, which may have been paused where no event comes for longer than [`PAUSE`].
    pauses: bool,
    /// True if events that were left out of an output were not seen here either.
    lacks_left_out: bool,
    choice: Choice,
    /// The last hint at a reset for which no connection was known: the reset follows.
    early_reset: Option<EarlyReset>,
}

impl Correlator {
    /// Handles an event and emits everything that is complete now, in order of arrival.
    pub fn handle_event(&mut self, event: &Event, emit: &mut dyn FnMut(Correlated)) {
        if self.waiting.as_mut().is_some_and(|waiting| waiting.take(event)) {
            // A delayed processor writes its record long after the event. The times of other events therefore do not release
            // waiting ones; only an empty ring does, of which `handle_timeout` learns, or too many that wait.
            let too_many = self.waiting.as_ref().is_some_and(Waiting::is_long);
            self.release(if too_many { event.at() } else { BootTime(0) }, emit);
        } else {
            self.place(event, emit);
        }
    }

    /// Releases events that have waited long enough by `now`, and forgets connections that ended long ago. Everything
    /// that happened before `now` must have been passed in: an older event would find deadlines expired that a replay,
    /// which knows only the events, places after it.
    pub fn handle_timeout(&mut self, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        self.release(now, emit);
        // Waiting events may be older: time advances when they are placed.
        if self.waiting_until().is_none() {
            self.advance(now, emit);
        }
    }

    /// Returns the latest time at which [`Self::handle_timeout`] should be called, or `None` if nothing is pending.
    pub fn poll_timeout(&self) -> Option<BootTime> {
        self.waiting_until().or_else(|| self.table.due())
    }

    /// Ends the trace at time `now`: releases all waiting events, and emits unfinished handshakes and closes as
    /// unfinished.
    pub fn finish(&mut self, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        self.release(BootTime(u64::MAX), emit);
        self.decide_kinds();
        self.advance(now, emit);
        for at in self.table.unfinished() {
            self.write_handshake(at, self.now, true, emit);
            if self.table.get(at).is_some_and(|conn| !conn.ended) {
                self.write_close(at, self.now.max(now), true, emit);
            }
        }
        for at in self.table.stalling() {
            self.emit_stalled(at, None, emit);
        }
    }

    /// Returns the number of missing state changes that no [`Event::Loss`] counted: the next change of the same socket
    /// showed them.
    pub fn uncounted_losses(&self) -> u64 {
        self.state_gaps.beyond_counts()
    }

    /// Returns the number of connections so far, by what became of them.
    pub fn totals(&self) -> Totals {
        self.table.totals()
    }

    /// Returns the time at which the first waiting event is released.
    fn waiting_until(&self) -> Option<BootTime> {
        self.waiting.as_ref().and_then(Waiting::deadline)
    }

    /// Places the events that have waited long enough by `now`, or need not wait any longer.
    fn release(&mut self, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        while let Some(event) = self.waiting.as_mut().and_then(|waiting| waiting.next(now)) {
            self.place(&event, emit);
        }
    }

    /// Handles the timers that expire by `now`, each as of its own time.
    fn advance(&mut self, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        // Far before the last event, too: a frame with a wrong time began the stall.
        let passed = self.pauses.then(|| (self.now - PAUSE)..=(self.now + PAUSE));
        while let Some((due, at)) = self.table.next_due(now) {
            if passed.as_ref().is_some_and(|passed| !passed.contains(&due))
                && let Some(conn) = self.table.get_mut(at)
            {
                progress::leave_out_stalls(conn, now);
            }
            self.settle(at, due, emit);
        }
        self.table.expire(now);
    }

    /// Assigns an event that is complete to its connection, and emits it and what it decides.
    fn place(&mut self, event: &Event, emit: &mut dyn FnMut(Correlated)) {
        if !self.choice.takes(event) {
            return;
        }
        // Losses caused by a slow reader of the output are noticed at other times than the events around them.
        let output = matches!(event, Event::Loss(Loss { source: LossSource::Output, .. }));
        // A gap that a recording reports belongs to the record after it, which a timer may emit: time must not advance yet.
        let placed = matches!(event, Event::Loss(Loss { placed: true, .. }));
        if !output && !placed {
            self.advance(event.at(), emit);
            self.now = event.at();
        }
        let touched = match event {
            Event::State(change) => {
                let (placed, at) = self.place_state(change);
                self.tell_evicted(emit);
                if let Some(Placed { conn, loss }) = self.state_gaps.place(change.at) {
                    emit(Correlated::StateGap(loss, conn));
                }
                if let Some(at) = at {
                    self.introduce(at, emit);
                }
                emit(Correlated::State(placed));
                at
            }
            Event::Segment(segment) => self.place_segment(segment).map(|(placed, at)| {
                self.tell_evicted(emit);
                self.introduce(at, emit);
                if placed.control || !self.emits_control_only {
                    emit(Correlated::Segment(placed));
                }
                at
            }),
            Event::Icmp(error) if self.copies.as_mut().is_some_and(|copies| copies.icmp_is_copy(error)) => None,
            Event::Icmp(error) => {
                let (placed, at) = self.place_quoted(error);
                self.tell_evicted(emit);
                self.introduce(at, emit);
                emit(Correlated::Icmp(placed));
                Some(at)
            }
            Event::Owner(owner) => self.place_owner(owner, emit),
            Event::Listener(owner) => {
                self.place_listener_owner(owner, emit);
                None
            }
            Event::Hint(hint) => {
                let (placed, at) = self.place_hint(hint);
                emit(Correlated::Hint(placed));
                at
            }
            Event::Drop(segment) if segment.is_copy() => None,
            Event::Drop(segment) => self.place_drop(segment, emit),
            Event::Report(report) => self.place_report(report, emit),
            Event::Loss(loss) => {
                if let Some(loss) = self.state_gaps.count(loss) {
                    // Events that an output lacks were seen here, unless this is a replay of that output.
                    self.table.gaps += u64::from(!output || self.lacks_left_out);
                    emit(Correlated::Loss(loss));
                }
                None
            }
        };
        if let Some(at) = touched {
            self.settle(at, self.now, emit);
        }
    }
}

#[cfg(test)]
mod tests;
