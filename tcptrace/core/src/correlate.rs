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
//! - `ingest`: the connection is found or begun in the `table`, by socket if one is known; hints only find one;
//! - `table`: the state kept for each connection and its ends, its timers, and eviction when the table is full;
//! - `verdict`: records of handshakes, closes and stalls.
//!
//! Output depends only on the order in which events are placed and on their times, not on when
//! [`Correlator::handle_timeout`] is called between them: so a recording of placed events gives the same output.

mod cgroups;
mod dedup;
mod half_translated;
mod ingest;
mod open_sockets;
mod output;
mod receiver;
mod reorder;
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

use std::{num::NonZeroU32, sync::Arc};

use self::{
    cgroups::Cgroups,
    dedup::Copies,
    half_translated::Arrivals,
    ingest::{accept_queue::Queues, nat::Translations, owner::Owners},
    reorder::Waiting,
    state_gaps::{Placed, StateGaps},
    table::{Table, listeners::Listeners},
    verdict::{
        assemble::{self, Seen},
        close, handshake, progress, stalled,
    },
    watched::Watched,
};
use crate::event::{BootTime, Cgroup, CgroupKey, Event, Loss, LossSource};

/// The namespace of events from a capture, which does not contain any.
pub const NO_NAMESPACE: u32 = 0;

/// Time without an event, in nanoseconds, after which a capture does not report stalls before the next one.
const PAUSE: u64 = 3_600_000_000_000;

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
    /// True if every segment of every connection is recorded, and not only those that open and close it.
    all_segments: bool,
    /// True if those that neither open nor close it are not shown.
    hides_data: bool,
    /// True if nobody may have looked while there is no event for longer than [`PAUSE`].
    pauses: bool,
    /// True if events that were left out of an output were not seen here either.
    lacks_left_out: bool,
    choice: Choice,
}

/// Returns whether an event is chosen.
type Chooser = dyn Fn(&Event) -> bool;

/// Chooses events when they are complete: before that, their ends may not be known.
#[derive(Default)]
struct Choice {
    /// `None` for all.
    is_chosen: Option<Box<Chooser>>,
    /// Number of observed events that were not chosen.
    unchosen: u64,
}

impl std::fmt::Debug for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Choice").field("unchosen", &self.unchosen).finish_non_exhaustive()
    }
}

impl Choice {
    fn takes(&mut self, event: &Event) -> bool {
        let takes = self.is_chosen.as_ref().is_none_or(|is_chosen| is_chosen(event));
        let observed =
            matches!(event, Event::State(_) | Event::Segment(_) | Event::Icmp(_) | Event::Hint(_) | Event::Drop(_));
        self.unchosen += u64::from(!takes && observed);
        takes
    }
}

impl Correlator {
    /// Creates a correlator. Segments, and sockets whose namespace is unknown, belong to namespace `netns` (inode
    /// number).
    pub fn new(netns: u32) -> Self {
        Self {
            waiting: Some(Waiting::default()),
            copies: Some(Copies::default()),
            arrivals: Some(Arrivals::default()),
            lacks_left_out: false,
            ..Self::recorded(netns)
        }
    }

    /// Creates a correlator for recorded events, whose order, ports and copies were decided before.
    pub fn recorded(netns: u32) -> Self {
        Self {
            waiting: None,
            copies: None,
            arrivals: None,
            translations: Translations::default(),
            table: Table::default(),
            watched: Watched::new(netns),
            now: BootTime::default(),
            cgroups: Cgroups::default(),
            listeners: Listeners::default(),
            owners: Owners::default(),
            queues: Queues::default(),
            state_gaps: StateGaps::default(),
            all_segments: false,
            pauses: false,
            hides_data: false,
            lacks_left_out: true,
            choice: Choice::default(),
        }
    }

    /// Declares that every segment is recorded, as in a capture, and not only those that the kernel programs choose:
    /// data that was not seen is then not assumed to have been sent.
    pub fn expect_all_segments(&mut self) {
        self.all_segments = true;
    }

    /// Declares that every segment is seen in one place, such as a mirror port: none has a copy on another interface.
    pub fn expect_one_place(&mut self) {
        self.copies = None;
        self.arrivals = None;
    }

    /// Declares that the events are those of a capture. If they leave an hour out, it was not running all the time, or is made of
    /// several: stalls are then not told every ten minutes of a time in which nobody looked.
    pub fn expect_pauses(&mut self) {
        self.pauses = true;
    }

    /// Declares that nobody recorded when the following events happened: they are in order, but how long something took
    /// is not told from now on.
    pub fn lose_times(&mut self) {
        self.watched.untimed = true;
    }

    /// Declares whether segments that neither open nor close a connection are left out of what is shown. Verdicts then do not
    /// tell what only these show, the time since the last data.
    pub fn hide_data(&mut self, hides: bool) {
        self.hides_data = hides;
    }

    /// Declares that events that were left out of a recording, because its disk was too slow, are not passed in either.
    pub fn expect_output_losses(&mut self) {
        self.lacks_left_out = true;
    }

    /// Ignores events of which `is_chosen` is false. It is asked when the ends of an event are known.
    pub fn choose(&mut self, is_chosen: impl Fn(&Event) -> bool + 'static) {
        self.choice.is_chosen = Some(Box::new(is_chosen));
    }

    /// Returns the number of events of the kernel that were ignored so far.
    pub fn unchosen(&self) -> u64 {
        self.choice.unchosen
    }

    /// Declares that no segment is recorded: then nothing is said about those that were not seen.
    pub fn expect_no_segments(&mut self) {
        self.watched.segments = false;
    }

    /// Declares whether an interface is a bridge whose ports are watched too: they show again what goes out through it.
    pub fn set_bridge(&mut self, netns: u32, ifindex: u32, bridge: bool) {
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.set_bridge(netns, ifindex, bridge);
        }
    }

    /// Names a control group, before the first event that has its key.
    pub fn name_cgroup(&mut self, key: CgroupKey, cgroup: Arc<Cgroup>) {
        self.cgroups.insert(key, cgroup);
    }

    /// Returns true if the control group has a name that is remembered.
    pub fn knows_cgroup(&self, key: CgroupKey) -> bool {
        self.cgroups.contains(key)
    }

    /// Sets the maximum number of connections kept.
    pub fn limit(&mut self, most: NonZeroU32) {
        self.table.limit(most);
    }

    /// Handles an event and emits everything that is complete now, in order of arrival.
    pub fn handle_event(&mut self, event: &Event, emit: &mut dyn FnMut(Correlated)) {
        if self.waiting.as_mut().is_some_and(|waiting| waiting.take(event)) {
            // A processor that is delayed writes its record long after its time: waiting events are not released by the
            // times of other events, but when `handle_timeout` says that the ring is empty, or when too many wait.
            let long = self.waiting.as_ref().is_some_and(Waiting::is_long);
            self.let_go(if long { event.at() } else { BootTime(0) }, emit);
        } else {
            self.place(event, emit);
        }
    }

    /// Releases events that have waited long enough by `now`, and forgets connections that ended long ago. Everything
    /// that happened before `now` must have been passed in: an older event would find deadlines expired that a replay,
    /// which knows only the events, places after it.
    pub fn handle_timeout(&mut self, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        self.let_go(now, emit);
        // Waiting events may be older: time advances when they are placed.
        if self.waiting_until().is_none() {
            self.pass_time(now, emit);
        }
    }

    /// Returns the latest time at which [`Self::handle_timeout`] should be called, or `None` if nothing is pending.
    pub fn poll_timeout(&self) -> Option<BootTime> {
        self.waiting_until().or_else(|| self.table.due())
    }

    /// Ends the trace at time `now`: releases all waiting events, and emits unfinished handshakes and closes as
    /// unfinished.
    pub fn finish(&mut self, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        self.let_go(BootTime(u64::MAX), emit);
        self.pass_time(now, emit);
        for at in self.table.unfinished() {
            self.write_handshake(at, self.now, true, emit);
            if self.table.get(at).is_some_and(|conn| !conn.ended) {
                self.write_close(at, self.now.max(now), true, emit);
            }
        }
        for at in self.table.stalling() {
            self.tell_stalled(at, None, emit);
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

    /// Returns the time at which the next stall is due to be reported.
    #[cfg(test)]
    pub(crate) fn next_stall(&self) -> Option<BootTime> {
        self.table.iter().filter_map(|(_, conn)| progress::due(conn)).min()
    }

    /// Returns the time at which the first waiting event is released.
    fn waiting_until(&self) -> Option<BootTime> {
        self.waiting.as_ref().and_then(Waiting::deadline)
    }

    /// Places the events that have waited long enough by `now`, or need not wait any longer.
    fn let_go(&mut self, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        while let Some(event) = self.waiting.as_mut().and_then(|waiting| waiting.next(now)) {
            self.place(&event, emit);
        }
    }

    /// Handles the timers that expire by `now`, each as of its own time.
    fn pass_time(&mut self, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        let paused = self.pauses.then(|| self.now.plus(PAUSE));
        while let Some((due, at)) = self.table.next_due(now) {
            if paused.is_some_and(|paused| paused < due)
                && let Some(conn) = self.table.get_mut(at)
            {
                progress::leave_out_stalls(conn, now);
            }
            self.settle(at, due, emit);
        }
        self.table.expire(now);
    }

    fn place(&mut self, event: &Event, emit: &mut dyn FnMut(Correlated)) {
        if !self.choice.takes(event) {
            return;
        }
        // Losses caused by a slow reader of the output are noticed at other times than the events around them.
        let output = matches!(event, Event::Loss(Loss { source: LossSource::Output, .. }));
        // A gap that a recording reports belongs to what follows, which may be a record that time completes.
        let placed = matches!(event, Event::Loss(Loss { placed: true, .. }));
        if !output && !placed {
            self.pass_time(event.at(), emit);
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
            Event::Drop(segment) if segment.is_copy() => None,
            Event::Drop(segment) => {
                let (placed, at) = self.place_drop(segment);
                emit(Correlated::Drop(placed));
                at
            }
            Event::Report(report) => self.place_report(report, emit),
            Event::Loss(loss) => {
                if let Some(loss) = self.state_gaps.count(loss) {
                    // It was seen here, but is in no recording.
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

    /// Emits the records of a connection that are complete by `now`, and schedules its next timer.
    fn settle(&mut self, at: u32, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        // Fast path: most events are data of an open connection, where nothing is decided and no timer is armed.
        if let Some(conn) = self.table.get(at)
            && conn.is_undisturbed()
        {
            debug_assert!(handshake::deadline(conn).or_else(|| close::deadline(conn)).is_none());
            debug_assert!(progress::due(conn).is_none());
            return self.table.schedule(at, None);
        }
        self.write_handshake(at, now, false, emit);
        let mut next = self.table.get(at).and_then(|conn| handshake::deadline(conn).or_else(|| close::deadline(conn)));
        // A handshake that was due has been emitted above, so this is the close.
        if next.is_some_and(|due| due <= now) {
            self.write_close(at, now, false, emit);
            next = None;
        }
        let stalls = self.tell_stalled(at, Some(now), emit);
        self.table.schedule(at, [next, stalls].into_iter().flatten().min());
    }

    /// Reports that a connection stalls, if that is due by `now` or if tracing ends (`now` is `None`). Returns the time
    /// of the next such report.
    fn tell_stalled(&mut self, at: u32, now: Option<BootTime>, emit: &mut dyn FnMut(Correlated)) -> Option<BootTime> {
        let (gaps, watched) = (self.table.gaps, &self.watched);
        let conn = self.table.get_mut(at)?;
        let due = progress::due(conn)?;
        if now.is_some_and(|now| now < due) {
            return Some(due);
        }
        progress::count_stall(conn);
        let at = now.unwrap_or(conn.last);
        emit(Correlated::Stalled(Box::new(stalled::record(conn, at, gaps, watched))));
        progress::due(conn)
    }

    /// Reports the connections evicted to make room for the new one.
    fn tell_evicted(&mut self, emit: &mut dyn FnMut(Correlated)) {
        let at = self.now;
        self.table.evicted.drain(..).for_each(|conn| emit(Correlated::Evicted(Evicted { at, conn })));
    }

    fn write_handshake(&mut self, at: u32, now: BootTime, over: bool, emit: &mut dyn FnMut(Correlated)) {
        let (gaps, watched) = (self.table.gaps, &self.watched);
        let Some(conn) = self.table.get_mut(at) else { return };
        let Some(opened) = handshake::decide(conn, now, over) else { return };
        let record = assemble::handshake(conn, Some(opened), gaps, watched);
        conn.opened = true;
        progress::begin_close(conn);
        let last = record.failure().is_some();
        // In a capture, the states follow from the times of the segments.
        if !last && watched.here != NO_NAMESPACE {
            conn.forget_opening();
        }
        emit(Correlated::Handshake(Box::new(record)));
        if last {
            self.table.end(at, now);
        }
    }

    fn write_close(&mut self, at: u32, now: BootTime, over: bool, emit: &mut dyn FnMut(Correlated)) {
        let (gaps, watched, all) = (self.table.gaps, &self.watched, self.all_segments);
        let Some(conn) = self.table.get_mut(at) else { return };
        if over && all {
            close::accept_last_reset(conn);
        }
        let Some(closing) = close::decide(conn, over) else { return };
        if let Some(missing) = close::missing_ends(conn, now, over) {
            self.state_gaps.find(conn.number, missing);
            if let Some(Placed { conn, loss }) = self.state_gaps.place(now) {
                emit(Correlated::StateGap(loss, conn));
            }
        }
        if conn.mid_life && !conn.opened {
            conn.opened = true;
            emit(Correlated::Handshake(Box::new(assemble::handshake(conn, None, gaps, watched))));
        }
        let seen = Seen { all, data: all && !self.hides_data };
        emit(Correlated::Close(Box::new(assemble::close(conn, &closing, gaps, watched, seen))));
        self.table.end(at, now);
    }
}

#[cfg(test)]
mod tests;
