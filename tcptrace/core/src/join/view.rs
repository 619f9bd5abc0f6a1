//! A connection as recorded in one file, from its first event to its last record.

use foldhash::{HashMap, HashMapExt as _};

use super::noted::{Noted, NotedSegment, NotedState};
use crate::{
    correlate::Correlated,
    event::Role,
    output_record::{CloseOutput, EndpointOutput, HandshakeOutput, OutputRecord, Stamp},
    tcp::TcpFlags,
    text::WallTime,
};

/// Number of events kept from the beginning of a connection.
const FIRST: usize = 64;

/// Number of events kept from its end.
const LAST: usize = 64;

/// A view, and the index of its file.
pub(super) type Member = (usize, Box<View>);

/// A connection that is over, as recorded in one file.
#[derive(Debug, Default)]
pub struct View {
    /// Its handshake, if that was seen at all.
    pub(super) handshake: Option<HandshakeOutput>,
    /// Its close, if the handshake made a connection.
    pub(super) close: Option<CloseOutput>,
    /// States, segments, ICMP errors, hints, owners and stalls: the first and the last.
    pub(super) events: Vec<Noted>,
    /// The records of the events with the same indices, where they are shown or nothing else tells what joining needs.
    pub(super) records: Vec<Option<OutputRecord>>,
    /// Number of the events between them.
    pub(super) left_out: u64,
    /// True if an event has no time.
    untimed: bool,
    /// Time at which the file ended, if the connection was open then.
    pub(super) until: Option<WallTime>,
}

impl View {
    /// Returns true if each of its events has a time.
    pub fn has_times(&self) -> bool {
        let verdicts = [
            self.handshake.as_ref().map(|record| record.stamp.time),
            self.close.as_ref().map(|record| record.stamp.time),
        ];
        !self.untimed && verdicts.into_iter().flatten().all(WallTime::is_known)
    }

    /// Adds an event, and its record if that is kept.
    pub(super) fn add(&mut self, event: Noted, record: Option<OutputRecord>) {
        self.untimed |= !event.time().is_known();
        let mut index = self.events.len();
        if index < FIRST + LAST {
            self.events.push(event);
        } else {
            // Takes the place of the oldest of the last ones.
            index = FIRST + oldest(self.left_out);
            if let Some(oldest) = self.events.get_mut(index) {
                *oldest = event;
            }
            self.left_out += 1;
        }
        match self.records.get_mut(index) {
            Some(known) => *known = record,
            None if record.is_some() => {
                self.records.resize_with(index, || None);
                self.records.push(record);
            }
            None => {}
        }
    }

    /// Brings the last events in order.
    fn order(&mut self) {
        let oldest = oldest(self.left_out);
        if oldest == 0 {
            return;
        }
        if !self.records.is_empty() {
            self.records.resize_with(self.events.len(), || None);
        }
        if let Some(last) = self.events.get_mut(FIRST..) {
            last.rotate_left(oldest);
        }
        if let Some(last) = self.records.get_mut(FIRST..) {
            last.rotate_left(oldest);
        }
    }

    /// Returns the initial sequence number of the client; `None` if it was not seen.
    pub(super) fn client_isn(&self) -> Option<u32> {
        self.handshake.as_ref()?.record.client.isn
    }

    /// Returns the initial sequence number of the server; `None` if it was not seen, or if the server never sent a SYN.
    pub(super) fn server_isn(&self) -> Option<u32> {
        self.handshake.as_ref()?.record.server.isn
    }

    /// Returns the time of the last event that a verdict includes, if the connection is over.
    pub(super) fn over(&self) -> Option<WallTime> {
        let close = self.close.as_ref().map(|close| close.stamp.time);
        close.or(self.handshake.as_ref().map(|handshake| handshake.stamp.time))
    }

    /// Returns the number of the connection in its file.
    pub(super) fn conn(&self) -> Option<u64> {
        let close = self.close.as_ref().map(|close| close.record.conn);
        close.or(self.handshake.as_ref().map(|handshake| handshake.record.conn))
    }

    /// Returns the numbers, in the same file, of its other sides of an address translation.
    pub(super) fn sides(&self) -> &[u64] {
        let close = self.close.as_ref().and_then(|close| close.record.same_as.as_deref());
        close.or(self.handshake.as_ref().and_then(|handshake| handshake.record.same_as.as_deref())).unwrap_or_default()
    }

    /// Returns true if a segment was seen that this end sent.
    pub(super) fn has_segment_of(&self, role: Role) -> bool {
        self.segments().any(|segment| self.role_of(&segment.src) == role)
    }

    /// Returns the client's SYNs.
    pub(super) fn syns(&self) -> impl Iterator<Item = &NotedSegment> {
        self.segments().filter(|segment| {
            segment.flags.contains(TcpFlags::SYN) && segment.ack.is_none() && self.role_of(&segment.src) == Role::Client
        })
    }

    /// Returns the timestamps in the client's SYNs.
    pub(super) fn syn_timestamps(&self) -> impl Iterator<Item = u32> {
        self.syns().filter_map(|syn| syn.timestamp)
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &NotedSegment> {
        self.events.iter().filter_map(Noted::segment)
    }

    /// Returns the records of its events that are kept.
    pub(super) fn records(&self) -> impl Iterator<Item = &OutputRecord> {
        self.records.iter().flatten()
    }

    /// Returns the record of the event with this index, if it is kept.
    pub(super) fn record(&self, index: usize) -> Option<&OutputRecord> {
        self.records.get(index)?.as_ref()
    }

    /// Returns the client and the server, as this file has them.
    pub(super) fn ends(&self) -> Option<(EndpointOutput, EndpointOutput)> {
        match (&self.handshake, &self.close) {
            (Some(HandshakeOutput { record, .. }), _) => Some((
                EndpointOutput { addr: record.client.addr, port: record.client.port },
                EndpointOutput { addr: record.server.addr, port: record.server.port },
            )),
            (None, Some(CloseOutput { record, .. })) => Some((
                EndpointOutput { addr: record.client.addr, port: record.client.port },
                EndpointOutput { addr: record.server.addr, port: record.server.port },
            )),
            (None, None) => None,
        }
    }

    /// Returns the end that an address belongs to.
    pub(super) fn role_of(&self, end: &EndpointOutput) -> Role {
        let same = |known: &EndpointOutput| known.addr == end.addr && (known.port == end.port || known.port.is_none());
        match self.ends() {
            Some((client, server)) if !same(&client) && same(&server) => Role::Server,
            _ => Role::Client,
        }
    }

    /// Returns true if the socket of this end is on the file's host.
    pub(super) fn has_socket(&self, role: Role) -> bool {
        self.events.iter().any(|event| matches!(event, Noted::State(state) if state.role == Some(role)))
    }

    /// Returns the nanoseconds from the client's first SYN to the server's first segment: the nearer to the client, the
    /// longer.
    pub(super) fn answer_ns(&self) -> Option<i64> {
        let mut segments = self.segments();
        let syn = segments.find(|segment| {
            segment.flags.contains(TcpFlags::SYN)
                && self.role_of(&segment.src) == Role::Client
                && !segment.retransmission
        })?;
        let answer = segments.find(|segment| self.role_of(&segment.src) == Role::Server)?;
        Some(answer.time.0.saturating_sub(syn.time.0))
    }
}

/// Collects the records of one file until a connection is over.
#[derive(Debug)]
pub struct Views {
    /// Connections by their numbers.
    open: HashMap<u64, Box<View>>,
}

impl Default for Views {
    fn default() -> Self {
        Self { open: HashMap::new() }
    }
}

impl Views {
    /// Adds a record. Returns the view of a connection if the record is its last one. Later events, and the records of
    /// listeners and of sockets that existed before, are not part of a view.
    pub fn take(&mut self, record: OutputRecord) -> Option<Box<View>> {
        let conn = match &record {
            OutputRecord::State(state) if !state.late => state.conn?,
            OutputRecord::Segment(segment) if !segment.late => segment.conn,
            OutputRecord::Icmp(icmp) if !icmp.late => icmp.conn,
            OutputRecord::Hint(hint) if !hint.late => hint.conn?,
            OutputRecord::Drop(dropped) if !dropped.late => dropped.conn?,
            OutputRecord::Owner(owner) => owner.conn?,
            OutputRecord::Stalled(stalled) => stalled.record.conn,
            _ => return self.take_other(record),
        };
        self.open.entry(conn).or_default().add((&record).into(), Some(record));
        None
    }

    /// Adds a segment or a state change at this time whose record is not shown. That takes a fraction of the time of adding its
    /// record.
    pub fn take_unshown(&mut self, stamp: Stamp, event: &Correlated) {
        let (conn, event) = match event {
            Correlated::Segment(placed) if !placed.late => {
                (placed.conn, Noted::Segment(NotedSegment::unshown(stamp, placed)))
            }
            Correlated::State(placed) if !placed.late => {
                let Some(conn) = placed.conn else { return };
                (conn, Noted::State(NotedState::unshown(stamp, placed)))
            }
            _ => return,
        };
        self.open.entry(conn).or_default().add(event, None);
    }

    /// Ends the file at `until`: returns the open connections whose handshakes were seen, as far as recorded, in the order
    /// of their numbers.
    pub fn finish(&mut self, until: WallTime) -> impl Iterator<Item = Box<View>> {
        let mut open: Vec<u64> = self.open.keys().copied().collect();
        open.sort_unstable();
        let views = open.into_iter().filter_map(|conn| self.over(conn, None));
        views.filter(|view| view.handshake.is_some()).map(move |mut view| {
            view.until = Some(until);
            view
        })
    }

    /// Handles a verdict, or the end of a connection.
    fn take_other(&mut self, record: OutputRecord) -> Option<Box<View>> {
        match record {
            OutputRecord::Handshake(handshake) => {
                let (conn, failed) = (handshake.record.conn, handshake.record.failure().is_some());
                self.open.entry(conn).or_default().handshake = Some(handshake);
                if failed { self.over(conn, None) } else { None }
            }
            OutputRecord::Close(close) => self.over(close.record.conn, Some(close)),
            OutputRecord::Evicted(evicted) => self.over(evicted.conn, None).filter(|view| view.handshake.is_some()),
            // The next run of a recording, whose connections have numbers of their own.
            OutputRecord::Start(_) => {
                self.open.clear();
                None
            }
            _ => None,
        }
    }

    fn over(&mut self, conn: u64, close: Option<CloseOutput>) -> Option<Box<View>> {
        let mut view = self.open.remove(&conn).unwrap_or_default();
        view.close = close;
        view.order();
        Some(view)
    }
}

/// Returns the place of the oldest of the last events after so many before it were left out.
fn oldest(left_out: u64) -> usize {
    (left_out % LAST as u64) as usize
}
