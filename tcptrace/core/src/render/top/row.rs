//! A connection as its records tell it.

use super::{
    super::{
        ladder::{
            cells::process_text,
            heading::endpoint,
            open_block::{End, Process},
        },
        list::without_columns,
        palette,
        selection::Held,
    },
    Id,
};
use crate::{
    event::{self, Endpoint, ExistingSocket},
    filter::Facts,
    output_record::{OutputRecord, ReportOutput, SegmentOutput, StateOutput},
    tcp::{TcpFlags, TcpState},
    text::WallTime,
    verdict::{Bytes, Close, Each, Handshake, Role, Stalled},
};

/// The standing of a connection, in the order in which they are listed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// Open, without progress.
    Stalled,
    /// Open.
    Open,
    /// Failed.
    Failed,
    /// Ended without a failure.
    Ended,
}

/// A connection.
#[derive(Debug)]
pub struct Row {
    /// Number of the connection.
    pub id: Id,
    began: WallTime,
    /// Time when it ended.
    ended: Option<WallTime>,
    /// Duration in nanoseconds, as its last record has it.
    lasted_ns: Option<u64>,
    ends: Option<Each<End>>,
    /// The records tell which end is the client.
    roles: bool,
    /// Word for its state.
    state: &'static str,
    facts: Facts,
    bytes: Option<Bytes>,
    /// The word for a stall, and its sentence.
    stall: Option<(&'static str, String)>,
    /// Sentence of its handshake or, later, of its close.
    verdict: Option<String>,
    held: Held,
}

impl Row {
    /// A connection of which nothing is known but the time of its first record.
    pub(super) fn new(id: Id, began: WallTime) -> Self {
        Self {
            id,
            began,
            ended: None,
            lasted_ns: None,
            ends: None,
            roles: false,
            state: "opening",
            facts: Facts::NEW,
            bytes: None,
            stall: None,
            verdict: None,
            held: Held::default(),
        }
    }

    /// A connection that was there when tracing began, which was at `at`.
    pub(super) fn existing(id: Id, socket: &ExistingSocket, at: WallTime) -> Self {
        let age = i64::try_from(socket.at_least_ns.unwrap_or(0)).unwrap_or(i64::MAX);
        let [local, remote] = ends_of(socket);
        Self {
            state: socket.state.name(),
            ends: Some(Each { client: local, server: remote }),
            ..Self::new(id, WallTime(at.0.saturating_sub(age)))
        }
    }

    /// Adds the other socket of a connection that was there.
    pub(super) fn add_existing(&mut self, socket: &ExistingSocket) {
        let [local, _] = ends_of(socket);
        self.learn(local);
    }

    /// Continues the row of a connection that was open at the start and is now named by a record.
    pub(super) fn continue_from(&mut self, before: Self) {
        self.began = self.began.min(before.began);
        before.ends.into_iter().flat_map(|Each { client, server }| [client, server]).for_each(|end| self.learn(end));
    }

    /// Notes what is known of one of its ends, whichever that is.
    fn learn(&mut self, new: End) {
        let ends = self.ends.iter_mut().flat_map(|Each { client, server }| [client, server]);
        ends.filter(|known| known.at == new.at).for_each(|known| complete(known, &new));
    }

    /// Adds what a record of this connection tells; handshakes that take `slow_ns` are slow.
    pub(super) fn apply(&mut self, record: &OutputRecord, slow_ns: u64) {
        match record {
            OutputRecord::State(state) if !state.late => self.on_state(state),
            OutputRecord::Segment(segment) if !segment.late => self.on_segment(segment),
            OutputRecord::Report(report) if makes_progress(report) => self.end_stall(),
            OutputRecord::Handshake(handshake) => {
                let facts = Facts::of_handshake(&handshake.record, slow_ns);
                self.on_handshake(&handshake.record, facts, handshake.stamp.time);
            }
            OutputRecord::Close(close) => self.on_close(&close.record, close.stamp.time),
            OutputRecord::Stalled(stalled) => self.on_stall(&stalled.record),
            _ => {}
        }
        self.held.push(record);
    }

    fn on_state(&mut self, state: &StateOutput) {
        if self.ended.is_none() {
            self.end_stall();
            self.state = state.new.name();
        }
        let Some(remote) = state.remote else { return };
        // Only connect() runs in the context of the end's own process for sure; verdicts tell the others.
        let connects = state.new == TcpState::SynSent;
        let process = Process::known(state.pid, state.comm).filter(|_| connects);
        let local = End { at: state.local, process, cgroup: state.cgroup.clone(), netns_name: None };
        let remote = End { at: remote, process: None, cgroup: None, netns_name: None };
        self.meet(local, remote, state.role);
    }

    fn on_segment(&mut self, segment: &SegmentOutput) {
        let end = |at| End { at, process: None, cgroup: None, netns_name: None };
        let role = match (segment.flags.contains(TcpFlags::SYN), segment.flags.contains(TcpFlags::ACK)) {
            (true, false) => Some(Role::Client),
            (true, true) => Some(Role::Server),
            (false, _) => None,
        };
        self.meet(end(segment.src), end(segment.dst), role);
    }

    /// Notes two ends, the first of which has this role.
    fn meet(&mut self, first: End, second: End, role: Option<Role>) {
        let new = match role {
            Some(Role::Server) => Each { client: second, server: first },
            Some(Role::Client) | None => Each { client: first, server: second },
        };
        match &mut self.ends {
            Some(known) if self.roles || role.is_none() => {
                // A verdict or an earlier record has told which end is which.
                for (known, new) in [(&mut known.client, &new.client), (&mut known.server, &new.server)] {
                    if known.at == new.at {
                        complete(known, new);
                    }
                    if known.at.addr == new.at.addr && known.at.port.is_none() {
                        known.at = new.at;
                    }
                }
            }
            _ => self.ends = Some(new),
        }
        self.roles |= role.is_some();
    }

    fn on_handshake(&mut self, record: &Handshake, facts: Facts, at: WallTime) {
        self.end_stall();
        self.ends = Some(Each { client: End::from(&record.client), server: End::from(&record.server) });
        self.roles = true;
        self.verdict = Some(record.summary.clone());
        if record.failure().is_some() {
            // As in a list, a client that resets its own handshake has not failed.
            self.state = if facts.failed() { "failed" } else { "closed" };
            (self.ended, self.lasted_ns) = (Some(at), record.connect_ns);
        } else if self.state == "opening" {
            self.state = "open";
        }
        self.facts = self.facts.with(facts);
    }

    fn on_close(&mut self, record: &Close, at: WallTime) {
        self.end_stall();
        self.ends = Some(Each { client: End::from(&record.client), server: End::from(&record.server) });
        self.roles = true;
        self.verdict = Some(record.summary.clone());
        self.bytes = Some(record.bytes);
        (self.ended, self.lasted_ns) = (Some(at), record.duration_ns);
        let facts = Facts::of_close(record);
        self.state = if facts.failed() { "failed" } else { "closed" };
        self.facts = self.facts.with(facts);
    }

    fn on_stall(&mut self, record: &Stalled) {
        // The latest record tells everything that earlier ones of the same stall do.
        self.held.drop_stalls();
        self.ends = Some(Each { client: End::from(&record.client), server: End::from(&record.server) });
        self.roles = true;
        self.facts = self.facts.with(Facts::of_stall());
        self.stall = Some((record.word(), record.summary.clone()));
    }

    fn end_stall(&mut self) {
        if self.stall.take().is_some() {
            self.held.drop_stalls();
        }
    }

    /// Marks the connection as evicted before its end: nothing more is known of it.
    pub(super) fn forget(&mut self, at: WallTime) {
        self.end_stall();
        self.state = "forgotten";
        self.ended = self.ended.or(Some(at));
    }

    /// Its records, the first and the last of many.
    pub(super) fn records(&self, show: &mut dyn FnMut(&OutputRecord)) {
        self.held.show(self.id.conn, true, show);
    }

    /// Its ends as far as they are known.
    pub(super) fn ends(&self) -> Option<&Each<End>> {
        self.ends.as_ref()
    }

    /// Time when it ended.
    pub fn ended(&self) -> Option<WallTime> {
        self.ended
    }

    /// Facts for the words of `--only`.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// Progress and outcome, by which rows are grouped.
    pub fn standing(&self) -> Standing {
        match (&self.stall, self.ended, self.facts.failed()) {
            (Some(_), ..) => Standing::Stalled,
            (None, None, _) => Standing::Open,
            (None, Some(_), true) => Standing::Failed,
            (None, Some(_), false) => Standing::Ended,
        }
    }

    /// A word for its state: a stall, the end, or the last state that its socket was seen to enter.
    pub fn state(&self) -> &'static str {
        self.stall.as_ref().map_or(self.state, |(word, _)| word)
    }

    /// Its duration in nanoseconds until it ended, or until `now`.
    pub fn age_ns(&self, now: WallTime) -> u64 {
        let until = self.ended.unwrap_or(now);
        self.lasted_ns.unwrap_or_else(|| u64::try_from(until.0.saturating_sub(self.began.0)).unwrap_or(0))
    }

    /// The client and the server; none if unknown.
    pub fn endpoints(&self) -> Option<[String; 2]> {
        self.ends.as_ref().map(|ends| [endpoint(&ends.client.at), endpoint(&ends.server.at)])
    }

    /// True if it is known which end is the client.
    pub fn knows_roles(&self) -> bool {
        self.roles
    }

    /// The processes at its ends, with a slash between them if there are two.
    pub fn processes(&self) -> String {
        self.both(|end| end.process.map(|process| process_text(&process, None)))
    }

    /// The containers at its ends, with a slash between them if there are two.
    pub fn containers(&self) -> String {
        self.both(|end| Some(end.cgroup.as_ref()?.container.as_ref()?.to_string()))
    }

    fn both(&self, part: impl Fn(&End) -> Option<String>) -> String {
        let ends = self.ends.iter().flat_map(|ends| [&ends.client, &ends.server]);
        let mut parts: Vec<String> = ends.filter_map(part).collect();
        parts.dedup();
        parts.join("/")
    }

    /// Payload bytes from the client and from the server, as far as they are known.
    pub fn bytes(&self) -> Option<Bytes> {
        self.bytes
    }

    /// The verdict so far in words, without bytes and duration; empty if there is none.
    pub fn verdict(&self, unicode: bool) -> String {
        let text = self.stall.as_ref().map(|(_, text)| text).or(self.verdict.as_ref());
        text.map(|text| without_columns(&palette::sentence(text, unicode))).unwrap_or_default()
    }
}

/// Adds what else is known of an end.
fn complete(known: &mut End, new: &End) {
    known.process = known.process.or(new.process);
    known.cgroup = known.cgroup.take().or_else(|| new.cgroup.clone());
}

/// The local and the remote end of a socket. If several processes hold it, none is named, since any of them may use it.
fn ends_of(socket: &ExistingSocket) -> [End; 2] {
    let only = <[_; 1]>::try_from(socket.processes.as_slice()).ok();
    let process = only.and_then(|[event::Process { pid, comm }]| Process::known(Some(pid), Some(comm)));
    let end = |at: Endpoint, process, cgroup| End { at: at.into(), process, cgroup, netns_name: None };
    [end(socket.local, process, socket.cgroup.clone()), end(socket.remote, None, None)]
}

/// Returns whether the kernel said that a socket makes progress again.
fn makes_progress(report: &ReportOutput) -> bool {
    !report.unaccepted && !report.window_closed && report.retransmissions == 0
}
