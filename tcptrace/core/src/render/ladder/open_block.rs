//! The events of a connection until its next block is drawn, and its ends at that time.

use std::sync::Arc;

use super::{row::Row, rows::Rows, sides::Verdict};
use crate::{
    event::{Cgroup, Comm, HintName, Role},
    output_record::{EndpointOutput, HintOutput},
    tcp::{TcpFlags, TcpState},
    text::Escaped,
    verdict::{CloseEnd, Each, HandshakeEnd, Outcome},
};

/// Maximum distance between two reports of the same stall, in nanoseconds.
const SAME_MOMENT: i64 = 500_000_000;

/// The next block of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenBlock {
    pub(super) rows: Rows,
    /// Number of the rows that were shown with a stall.
    pub(super) shown: usize,
    /// Time of the last report of a stall, in nanoseconds since 1970.
    pub(super) stalled_at: Option<i64>,
    /// Sentence about a handshake that was over before tracing began; it is shown with the close.
    pub(super) unseen: Option<String>,
    /// True if the last row about the accept queue of the server's listener says that it is full.
    queue_full: bool,
    /// As above, about its SYN queue.
    syn_queue_full: bool,
    /// True if a row says that the listener waits for data.
    deferred: bool,
}

impl OpenBlock {
    /// Returns a block that is shown before its phase is finished.
    pub(super) fn of_rows(rows: Rows) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Removes everything but keeps the room for rows.
    pub(super) fn clear(&mut self) {
        let Self { rows, shown, stalled_at, unseen, queue_full, syn_queue_full, deferred } = self;
        rows.clear();
        (*shown, *stalled_at, *unseen) = (0, None, None);
        (*queue_full, *syn_queue_full, *deferred) = (false, false, false);
    }

    /// Returns true if an ICMP error that quotes one of its segments is among the events.
    pub(super) fn is_quoted(&self) -> bool {
        self.rows.iter().any(|row| matches!(row, Row::Icmp(_)))
    }

    /// Returns true if a record of the same kind as this verdict on another side is expected soon for the connection.
    ///
    /// That is the case if its events open or close the connection and no record has described them yet: that record follows
    /// within seconds. Later, records of several sides come at the same time only if there is no answer, since their SYNs
    /// passed at the same time.
    pub(super) fn is_pending(&self, verdict: &Verdict) -> bool {
        let opens = |row: &Row| match row {
            _ if row.since_start_ns().is_some_and(|since| since > 0) => false,
            Row::Segment(segment) => segment.flags.contains(TcpFlags::SYN),
            Row::State(state) => matches!(state.new, TcpState::SynSent | TcpState::SynRecv),
            Row::Icmp(_) | Row::Hint(_) | Row::Drop(_) => false,
        };
        let closes = |row: &Row| match row {
            Row::Segment(segment) => segment.flags.intersects(TcpFlags::FIN | TcpFlags::RST),
            Row::State(state) => state.new.belongs_to_close(),
            Row::Icmp(_) | Row::Hint(_) | Row::Drop(_) => false,
        };
        let opening = self.unseen.is_none() && self.rows.iter().next().is_some_and(opens);
        match (self.stalled_at, *verdict) {
            (None, _) => opening || self.unseen.is_none() && self.rows.iter().any(closes),
            (Some(before), Verdict::Stalled { at, .. }) => opening && at.saturating_sub(before) > SAME_MOMENT,
            (Some(_), Verdict::Handshake { outcome: Some(Outcome::Unanswered), .. }) => opening,
            (Some(_), _) => false,
        }
    }

    /// Adds a hint about a reset or an unanswered SYN. A retransmitted SYN,ACK needs no row, since its arrow shows it;
    /// nor does an unchanged queue, or a listener that still waits for data.
    pub(super) fn hint(&mut self, entry: &HintOutput) {
        let news = match entry.name {
            HintName::SendReset => entry.value.is_some() || entry.queue_full,
            HintName::SynQueue => std::mem::replace(&mut self.syn_queue_full, entry.queue_full) != entry.queue_full,
            HintName::AcceptQueue => std::mem::replace(&mut self.queue_full, entry.queue_full) != entry.queue_full,
            HintName::DeferAccept => !std::mem::replace(&mut self.deferred, true),
            HintName::NatExpired | HintName::NatDeleted => true,
            HintName::RetransmitSynack => false,
        };
        if news {
            self.rows.push(Row::Hint(Box::new(entry.clone())));
        }
    }
}

/// The process at an end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::render) struct Process {
    pub(in crate::render) pid: Option<u32>,
    pub(in crate::render) comm: Option<Comm>,
}

impl Process {
    /// Returns the process if anything is known about it.
    pub(in crate::render) fn known(pid: Option<u32>, comm: Option<Comm>) -> Option<Self> {
        (pid.is_some() || comm.is_some()).then_some(Self { pid, comm })
    }
}

/// An end as a record describes it.
#[derive(Clone, Debug)]
pub(in crate::render) struct End {
    pub(in crate::render) at: EndpointOutput,
    pub(in crate::render) process: Option<Process>,
    /// Control group of its socket.
    pub(in crate::render) cgroup: Option<Arc<Cgroup>>,
    /// Name of the network namespace of its socket.
    pub(in crate::render) netns_name: Option<Arc<str>>,
}

impl End {
    /// Returns where its process runs, in words: the container, or else the network namespace, if either has a name.
    pub(in crate::render) fn place(&self) -> Option<String> {
        let container = self.cgroup.as_ref().and_then(|cgroup| cgroup.container.as_ref());
        // Anybody may name a namespace, with any characters.
        let netns = || self.netns_name.as_ref().map(|name| format!("netns {}", Escaped(name.as_bytes())));
        container.map(ToString::to_string).or_else(netns)
    }
}

impl From<&HandshakeEnd> for End {
    fn from(&HandshakeEnd { addr, port, pid, comm, ref cgroup, ref netns_name, .. }: &HandshakeEnd) -> Self {
        let (cgroup, netns_name) = (cgroup.clone(), netns_name.clone());
        Self { at: EndpointOutput { addr, port }, process: Process::known(pid, comm), cgroup, netns_name }
    }
}

impl From<&CloseEnd> for End {
    fn from(&CloseEnd { addr, port, pid, comm, ref cgroup, ref netns_name, .. }: &CloseEnd) -> Self {
        let (cgroup, netns_name) = (cgroup.clone(), netns_name.clone());
        Self { at: EndpointOutput { addr, port }, process: Process::known(pid, comm), cgroup, netns_name }
    }
}

impl Each<End> {
    /// Returns one of the ends.
    pub(super) fn end(&self, role: Role) -> &End {
        match role {
            Role::Client => &self.client,
            Role::Server => &self.server,
        }
    }

    /// Returns the end of an endpoint. A port that was never learnt matches any.
    pub(super) fn role_of(&self, endpoint: &EndpointOutput) -> Role {
        let same = |End { at, .. }: &End| {
            at.addr == endpoint.addr && (at.port == endpoint.port || at.port.is_none() || endpoint.port.is_none())
        };
        if !same(&self.client) && same(&self.server) { Role::Server } else { Role::Client }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::endpoint;

    #[test]
    fn a_port_that_was_never_learnt_is_that_of_whoever_has_the_address() {
        let end = |at| End { at, process: None, cgroup: None, netns_name: None };
        let remote = endpoint([10, 0, 0, 2], 80);
        let ends = Each { client: end(endpoint([10, 0, 0, 1], None)), server: end(remote) };
        assert_eq!(ends.role_of(&endpoint([10, 0, 0, 1], 40000)), Role::Client);
        assert_eq!(ends.role_of(&remote), Role::Server);
    }
}
