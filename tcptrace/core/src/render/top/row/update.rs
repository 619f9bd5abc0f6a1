//! Updates of a row by the records of its connection, and by the list of existing sockets.

use super::Row;
use crate::{
    event::{self, Endpoint, ExistingSocket},
    filter::Facts,
    output_record::{OutputRecord, ReportOutput, SegmentOutput, StateOutput},
    render::{
        ladder::open_block::{End, Process},
        top::Id,
    },
    tcp::{TcpFlags, TcpState},
    text::WallTime,
    verdict::{Close, Each, Handshake, Role, Stalled},
};

impl Row {
    /// Creates the row of a connection that existed when tracing began, at time `at`.
    pub(in crate::render::top) fn existing(id: Id, socket: &ExistingSocket, at: WallTime) -> Self {
        let age = i64::try_from(socket.at_least_ns.unwrap_or(0)).unwrap_or(i64::MAX);
        let [local, remote] = ends_of(socket);
        Self {
            state: socket.state.name(),
            ends: Some(Each { client: local, server: remote }),
            ..Self::new(id, WallTime(at.0.saturating_sub(age)))
        }
    }

    /// Adds the other socket of an existing connection.
    pub(in crate::render::top) fn add_existing(&mut self, socket: &ExistingSocket) {
        let [local, _] = ends_of(socket);
        self.learn(local);
    }

    /// Continues the row of a connection that was open at the start and is now named by a record.
    pub(in crate::render::top) fn continue_from(&mut self, before: Self) {
        self.began = self.began.min(before.began);
        before.ends.into_iter().flat_map(|Each { client, server }| [client, server]).for_each(|end| self.learn(end));
    }

    /// Notes the facts about one of its ends, whichever that is.
    fn learn(&mut self, new: End) {
        let ends = self.ends.iter_mut().flat_map(|Each { client, server }| [client, server]);
        ends.filter(|known| known.at == new.at).for_each(|known| complete(known, &new));
    }

    /// Applies a record of this connection; handshakes that take `slow_ns` or longer are slow.
    pub(in crate::render::top) fn apply(&mut self, record: &OutputRecord, slow_ns: u64) {
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
        self.held.push(record.clone());
    }

    fn on_state(&mut self, state: &StateOutput) {
        if self.ended.is_none() {
            // Where the kernel replaces the socket by something smaller, its state goes on.
            let new = state.continues_as.unwrap_or(state.new);
            if new != state.old {
                self.end_stall();
            }
            self.state = new.name();
        }
        let Some(remote) = state.remote else { return };
        // Only connect() certainly runs in the context of the end's own process; verdicts name the others.
        let connects = state.new == TcpState::SynSent;
        let process = Process::known(state.pid, state.comm).filter(|_| connects);
        let local = End { at: state.local, process, cgroup: state.cgroup.clone(), netns_name: None };
        let remote = End { at: remote, process: None, cgroup: None, netns_name: None };
        self.note_ends(local, remote, state.role);
    }

    fn on_segment(&mut self, segment: &SegmentOutput) {
        let end = |at| End { at, process: None, cgroup: None, netns_name: None };
        let role = match (segment.flags.contains(TcpFlags::SYN), segment.flags.contains(TcpFlags::ACK)) {
            (true, false) => Some(Role::Client),
            (true, true) => Some(Role::Server),
            (false, _) => None,
        };
        self.note_ends(end(segment.src), end(segment.dst), role);
    }

    /// Notes two ends, the first of which has this role.
    fn note_ends(&mut self, first: End, second: End, role: Option<Role>) {
        let new = match role {
            Some(Role::Server) => Each { client: second, server: first },
            Some(Role::Client) | None => Each { client: first, server: second },
        };
        match &mut self.ends {
            Some(known) if self.roles || role.is_none() => {
                // A verdict or an earlier record has shown which end is which.
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
            // As in `--format list`, a client that resets its own handshake has not failed.
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
        // The latest report of a stall includes everything in the earlier ones.
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

    /// Marks the connection as evicted before its end: nothing more is known about it.
    pub(in crate::render::top) fn forget(&mut self, at: WallTime) {
        self.end_stall();
        self.state = "forgotten";
        self.ended = self.ended.or(Some(at));
    }
}

/// Adds the process and the control group of an end where they were unknown.
fn complete(known: &mut End, new: &End) {
    known.process = known.process.or(new.process);
    known.cgroup = known.cgroup.take().or_else(|| new.cgroup.clone());
}

/// Returns the local and the remote end of a socket. If several processes hold it, none is named, since any of them may use
/// it.
fn ends_of(socket: &ExistingSocket) -> [End; 2] {
    let only = <[_; 1]>::try_from(socket.processes.as_slice()).ok();
    let process = only.and_then(|[event::Process { pid, comm }]| Process::known(Some(pid), Some(comm)));
    let end = |at: Endpoint, process, cgroup| End { at: at.into(), process, cgroup, netns_name: None };
    [end(socket.local, process, socket.cgroup.clone()), end(socket.remote, None, None)]
}

/// Returns true if the kernel reports that a socket makes progress again.
fn makes_progress(report: &ReportOutput) -> bool {
    !report.unaccepted && !report.window_closed && report.retransmissions == 0
}
