//! Which connection an event belongs to.
//!
//! Sans-IO: events and time in, the same events in their place out; no clock, no sockets, no tokio.
//!
//! A connection is a network namespace, a four-tuple and a generation: the same four-tuple is used again, and a SYN with
//! a new ISN begins a new generation. Both sockets of a connection whose two ends are on this host, and both directions
//! of its segments, share one number. Events go through
//!
//! - `waiting`: state changes that do not know their port or peer yet wait, and everything behind them, for 50 ms at
//!   the most;
//! - `copies`: the same segment seen on another interface is dropped (what was recorded has been through these two);
//! - `segments`, `states`: the connection is found or begun in the `table`, by socket where one is known; `hints` only
//!   finds it;
//! - `connection`: what is remembered of it;
//! - `room` says what goes when too much would have to be remembered, `deadlines` what has to be looked at when.
//!
//! What is said of a connection depends on the order in which events are placed and on their times alone, not on when
//! [`Correlator::handle_timeout`] is called between them: so a recording of what was placed says the same again.

mod dedup;
mod ingest;
mod output;
mod receiver;
mod reorder;
mod state_gaps;
mod table;
mod verdict;

#[cfg(feature = "mutants")]
pub use self::receiver::mutants;
pub use self::{
    ingest::{accept_queue::Unanswered, owner::Unowned},
    output::{
        Correlated, CorrelatedHint, CorrelatedIcmp, CorrelatedOwner, CorrelatedSegment, CorrelatedState, Evicted,
        Totals,
    },
};

use std::num::NonZeroU32;

use foldhash::HashSet;

use self::{
    dedup::Copies,
    ingest::{accept_queue::Queues, nat::Translations, owner::Owners},
    reorder::Waiting,
    state_gaps::{Placed, StateGaps},
    table::{Table, connection::Connection, listeners::Listeners},
    verdict::{assemble, close, handshake, progress, stalled},
};
use crate::event::{BootTime, Event, Loss, LossSource};

/// The namespace of what comes from a capture, which tells none.
pub const NO_NAMESPACE: u32 = 0;

/// Where segments are seen.
#[derive(Clone, Copy, Debug)]
struct Watched<'a> {
    /// The namespace of the tracer, or [`NO_NAMESPACE`].
    here: u32,
    /// The namespaces of which segments have been seen.
    namespaces: &'a HashSet<u32>,
}

impl Watched<'_> {
    /// Whether the connection is in a namespace of which no segment has been seen.
    fn is_elsewhere(self, conn: &Connection) -> bool {
        let elsewhere = |netns: u32| netns != self.here && !self.namespaces.contains(&netns);
        self.here != NO_NAMESPACE && conn.netns().is_some_and(elsewhere)
    }
}

/// The connections of a host.
#[derive(Debug)]
pub struct Correlator {
    /// The namespace whose segments are seen.
    netns: u32,
    /// None where the events have been in order before.
    waiting: Option<Waiting>,
    /// None where copies have been dropped before.
    copies: Option<Copies>,
    translations: Translations,
    table: Table,
    /// The namespaces of which segments have been seen.
    watched: HashSet<u32>,
    /// The time of the last event.
    now: BootTime,
    listeners: Listeners,
    owners: Owners,
    queues: Queues,
    state_gaps: StateGaps,
    /// Every segment of every connection comes, and not only those that open and close them.
    all_segments: bool,
}

impl Correlator {
    /// Nothing seen yet. Segments, and sockets whose namespace is not known, belong to `netns`.
    pub fn new(netns: u32) -> Self {
        Self { waiting: Some(Waiting::default()), copies: Some(Copies::default()), ..Self::recorded(netns) }
    }

    /// The same for events that have been placed before: order, ports and copies were decided then.
    pub fn recorded(netns: u32) -> Self {
        Self {
            netns,
            waiting: None,
            copies: None,
            translations: Translations::default(),
            table: Table::default(),
            watched: HashSet::default(),
            now: BootTime::default(),
            listeners: Listeners::default(),
            owners: Owners::default(),
            queues: Queues::default(),
            state_gaps: StateGaps::default(),
            all_segments: false,
        }
    }

    /// Every segment comes, as from a capture, and not only those that the kernel programs choose: what has not been seen is not
    /// taken to have been sent.
    pub fn expect_all_segments(&mut self) {
        self.all_segments = true;
    }

    /// Remembers no more than this many connections.
    pub fn limit(&mut self, most: NonZeroU32) {
        self.table.limit(most);
    }

    /// Takes an event; hands on whatever is complete now, in the order in which it came.
    pub fn handle_event(&mut self, event: &Event, emit: &mut dyn FnMut(Correlated)) {
        if self.waiting.as_mut().is_some_and(|waiting| waiting.take(event)) {
            // A processor that is held up writes its record long after its time: what waits is not given up by the times of
            // others, but when `handle_timeout` says that nothing more lies in the ring, or when too much waits.
            let long = self.waiting.as_ref().is_some_and(Waiting::is_long);
            self.let_go(if long { event.at() } else { BootTime(0) }, emit);
        } else {
            self.place(event, emit);
        }
    }

    /// Lets go what has waited long enough by `now`, and forgets what ended long ago. Everything that happened before `now` has
    /// to have come: an event that is older all the same finds deadlines past that a replay, which has nothing but the
    /// events, puts behind it.
    pub fn handle_timeout(&mut self, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        self.let_go(now, emit);
        // What still waits may have happened before: time passes when it is placed.
        if self.waiting_until().is_none() {
            self.pass_time(now, emit);
        }
    }

    /// When [`Self::handle_timeout`] should be called at the latest.
    pub fn poll_timeout(&self) -> Option<BootTime> {
        self.waiting_until().or_else(|| self.table.due())
    }

    /// No more events will come, and it is `now`: lets go everything that waits, and writes what is unfinished as
    /// unfinished.
    pub fn finish(&mut self, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        self.let_go(BootTime(u64::MAX), emit);
        self.pass_time(now, emit);
        for at in self.table.unfinished() {
            self.write_handshake(at, self.now, true, emit);
            if self.table.get(at).is_some_and(|conn| !conn.ended) {
                self.write_close(at, self.now, true, emit);
            }
        }
        for at in self.table.stalling() {
            self.tell_stalled(at, None, emit);
        }
    }

    /// State changes that are missing and in no [`Event::Loss`]: the next change of the same socket showed it.
    pub fn uncounted_losses(&self) -> u64 {
        self.state_gaps.beyond_counts()
    }

    /// How many connections there have been.
    pub fn totals(&self) -> Totals {
        self.table.totals()
    }

    /// When it is told next that a connection does not get on.
    #[cfg(test)]
    pub(crate) fn next_stall(&self) -> Option<BootTime> {
        self.table.iter().filter_map(|(_, conn)| progress::due(conn)).min()
    }

    /// When the first of what waits has waited long enough.
    fn waiting_until(&self) -> Option<BootTime> {
        self.waiting.as_ref().and_then(Waiting::deadline)
    }

    /// Places what has waited long enough by `now`, or need not wait any more.
    fn let_go(&mut self, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        while let Some(event) = self.waiting.as_mut().and_then(|waiting| waiting.next(now)) {
            self.place(&event, emit);
        }
    }

    /// Deadlines up to `now`, each as if somebody had looked just then.
    fn pass_time(&mut self, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        while let Some((due, at)) = self.table.next_due(now) {
            self.settle(at, due, emit);
        }
        self.table.expire(now);
    }

    fn place(&mut self, event: &Event, emit: &mut dyn FnMut(Correlated)) {
        // What a slow reader of the output has missed is noticed at another time than what is seen just then.
        let output = matches!(event, Event::Loss(Loss { source: LossSource::Output, .. }));
        if !output {
            self.now = event.at();
            self.pass_time(self.now, emit);
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
                emit(Correlated::Segment(placed));
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
            Event::Loss(loss) => {
                if let Some(loss) = self.state_gaps.count(loss) {
                    // It has been seen here all the same, but is in no recording.
                    self.table.gaps += u64::from(!output || self.waiting.is_none());
                    emit(Correlated::Loss(loss));
                }
                None
            }
        };
        if let Some(at) = touched {
            self.settle(at, self.now, emit);
        }
    }

    /// Writes the records of a connection that are complete by now, and says when to look again.
    fn settle(&mut self, at: u32, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        // Most events are data of an open connection: nothing is decided, and no time is waited for.
        if let Some(conn) = self.table.get(at)
            && conn.is_undisturbed()
        {
            debug_assert!(handshake::deadline(conn).or_else(|| close::deadline(conn)).is_none());
            debug_assert!(progress::due(conn).is_none());
            return self.table.schedule(at, None);
        }
        self.write_handshake(at, now, false, emit);
        let mut next = self.table.get(at).and_then(|conn| handshake::deadline(conn).or_else(|| close::deadline(conn)));
        // A handshake that is due has been written above, so this is the close's.
        if next.is_some_and(|due| due <= now) {
            self.write_close(at, now, false, emit);
            next = None;
        }
        let stalls = self.tell_stalled(at, Some(now), emit);
        self.table.schedule(at, [next, stalls].into_iter().flatten().min());
    }

    /// Tells that a connection does not get on, if it is time to by `now`, or if no time is left. Returns when it is to be told
    /// next.
    fn tell_stalled(&mut self, at: u32, now: Option<BootTime>, emit: &mut dyn FnMut(Correlated)) -> Option<BootTime> {
        let (gaps, watched) = (self.table.gaps, Watched { here: self.netns, namespaces: &self.watched });
        let conn = self.table.get_mut(at)?;
        let due = progress::due(conn)?;
        if now.is_some_and(|now| now < due) {
            return Some(due);
        }
        conn.stalls = conn.stalls.saturating_add(1);
        let at = now.unwrap_or(conn.last);
        emit(Correlated::Stalled(Box::new(stalled::record(conn, at, gaps, watched))));
        progress::due(conn)
    }

    /// Tells which connections have been forgotten to make room for the one that begins.
    fn tell_evicted(&mut self, emit: &mut dyn FnMut(Correlated)) {
        let at = self.now;
        self.table.evicted.drain(..).for_each(|conn| emit(Correlated::Evicted(Evicted { at, conn })));
    }

    fn write_handshake(&mut self, at: u32, now: BootTime, over: bool, emit: &mut dyn FnMut(Correlated)) {
        let (gaps, watched) = (self.table.gaps, Watched { here: self.netns, namespaces: &self.watched });
        let Some(conn) = self.table.get_mut(at) else { return };
        let Some(opened) = handshake::decide(conn, now, over) else { return };
        let record = assemble::handshake(conn, Some(opened), gaps, watched);
        conn.opened = true;
        progress::begin_close(conn);
        let last = assemble::is_last(&record);
        // From a capture, what the ends were in is told by when they sent what.
        if !last && watched.here != NO_NAMESPACE {
            conn.forget_opening();
        }
        emit(Correlated::Handshake(Box::new(record)));
        if last {
            self.table.end(at, now);
        }
    }

    fn write_close(&mut self, at: u32, now: BootTime, over: bool, emit: &mut dyn FnMut(Correlated)) {
        let (gaps, all) = (self.table.gaps, self.all_segments);
        let watched = Watched { here: self.netns, namespaces: &self.watched };
        let Some(conn) = self.table.get_mut(at) else { return };
        let Some(closing) = close::decide(conn, over) else { return };
        if conn.mid_life && !conn.opened {
            conn.opened = true;
            emit(Correlated::Handshake(Box::new(assemble::handshake(conn, None, gaps, watched))));
        }
        emit(Correlated::Close(Box::new(assemble::close(conn, &closing, gaps, watched, all))));
        self.table.end(at, now);
    }
}

#[cfg(test)]
mod tests;
