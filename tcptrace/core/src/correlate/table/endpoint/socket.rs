//! Facts that the socket of an end reports: where it was made, how it ended, and its counters.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Closed, End, ResetHint};
use crate::{
    correlate::cgroups::{Origin, Origins},
    event::{BootTime, Cgroup, Comm, Counters, Process, Task, reset_reason::ResetReason},
    tcp::TcpState,
};

/// Facts about its socket from the kernel. They are larger than the rest of [`Detail`](super::Detail), and an end on another
/// host, or in a capture, has none of them.
#[derive(Clone, Debug, Default)]
pub(super) struct SocketFacts {
    pub(super) closed: Option<Closed>,
    pub(super) reset_hint: Option<ResetHint>,
    /// Name of the thread that opened it, if it is not that of the process.
    pub(super) opener_thread: Option<Comm>,
    /// The task that closed it.
    pub(super) closer: Option<Task>,
    /// Time at which its socket left ESTABLISHED, and its counters then.
    pub(super) left: Option<(BootTime, Counters)>,
    /// Segments that its socket had sent again as it entered ESTABLISHED.
    pub(super) opening_retransmissions: u32,
    /// States entered after the first two.
    pub(super) states: SmallVec<[(TcpState, BootTime); 5]>,
}

impl End {
    pub(super) fn socket_facts(&self) -> Option<&SocketFacts> {
        self.detail.as_ref()?.socket_facts.as_deref()
    }

    pub(super) fn socket_facts_mut(&mut self) -> &mut SocketFacts {
        self.detail_mut().socket_facts.get_or_insert_default()
    }

    /// Returns how its socket ended.
    pub(in crate::correlate) fn closed(&self) -> Option<Closed> {
        self.socket_facts()?.closed
    }

    /// Returns the kernel's reason for its first reset.
    pub(in crate::correlate) fn reset_hint(&self) -> Option<ResetHint> {
        self.socket_facts()?.reset_hint
    }

    /// Notes the kernel's reason for one of its resets.
    pub(in crate::correlate) fn learn_reset(&mut self, hint: ResetHint) {
        let ends = |hint: &ResetHint| hint.reason.is_some_and(ResetReason::ends_socket);
        let known = &mut self.socket_facts_mut().reset_hint;
        // A reset that refused a segment says nothing about the one that ends the socket.
        if known.is_none_or(|known| !ends(&known) && ends(&hint)) {
            *known = Some(hint);
        }
    }

    /// Returns the task that closed it.
    pub(in crate::correlate) fn closer(&self) -> Option<Task> {
        self.socket_facts()?.closer
    }

    /// Returns the name of the thread that opened it while that is known, if it is not that of the process.
    pub(in crate::correlate) fn opener_thread(&self) -> Option<Comm> {
        self.socket_facts()?.opener_thread
    }

    /// Returns the user of the process that made or accepted its socket.
    pub(in crate::correlate) fn uid(&self) -> Option<u32> {
        self.origin.as_ref()?.uid
    }

    /// Returns the control group in which its socket was made.
    pub(in crate::correlate) fn cgroup(&self) -> Option<Arc<Cgroup>> {
        self.origin.as_ref()?.cgroup.clone()
    }

    /// Returns the owner of its socket: the process that opened it, or that listens, or that the kernel names.
    pub(in crate::correlate) fn holder(&self) -> Option<Process> {
        self.origin.as_ref()?.holder
    }

    /// Sets the owner of its socket. ID 0 stands for none.
    pub(in crate::correlate) fn set_holder(&mut self, process: Option<Process>, origins: &mut Origins) {
        let holder = process.filter(|process| process.pid != 0);
        if holder != self.holder() {
            let known = self.origin.as_deref().cloned().unwrap_or_default();
            self.origin = Some(origins.share(Origin { holder, ..known }));
        }
    }

    /// Notes the control group and the user that its socket has now reported. Until then, an accepted socket has its listener's
    /// user; a recording names the control group only once.
    pub(in crate::correlate) fn learn_origin(
        &mut self,
        cgroup: Option<Arc<Cgroup>>,
        uid: Option<u32>,
        origins: &mut Origins,
    ) {
        if (cgroup.is_none() || cgroup == self.cgroup()) && (uid.is_none() || uid == self.uid()) {
            return;
        }
        let known = self.origin.as_deref().cloned().unwrap_or_default();
        let origin = Origin { cgroup: cgroup.or(known.cgroup), uid: uid.or(known.uid), holder: known.holder };
        self.origin = Some(origins.share(origin));
    }

    /// Returns the time at which its socket was first seen to enter a state; `None` as well if that was before tracing
    /// began.
    pub(in crate::correlate) fn seen_to_enter(&self, state: TcpState) -> Option<BootTime> {
        self.entered(state).filter(|&at| at != BootTime(0))
    }

    /// Returns the time at which its socket left ESTABLISHED, and its counters then.
    pub(in crate::correlate) fn left(&self) -> Option<(BootTime, Counters)> {
        self.socket_facts()?.left
    }

    /// Returns the counters of its socket as it entered CLOSE.
    pub(in crate::correlate) fn last_counters(&self) -> Option<Counters> {
        self.closed()?.counters
    }

    /// Returns how many segments with data its socket sent again; `None` if it does not report that, or if its handshake was
    /// not seen.
    pub(in crate::correlate) fn data_retransmissions(&self) -> Option<u32> {
        self.seen_to_enter(TcpState::Established)?;
        let closed = self.last_counters();
        let left = self.left().map(|(_, counters)| counters);
        let sent_fin = [TcpState::FinWait1, TcpState::LastAck].into_iter().any(|state| self.entered(state).is_some());
        let (counters, fins) = match self.fin() {
            // If its FIN was not seen, those sent again cannot be distinguished from data.
            None if sent_fin => (left, 0),
            fin => (closed.or(left), fin.map_or(0, |fin| fin.sent.again())),
        };
        let opening = self.socket_facts().map_or(0, |facts| facts.opening_retransmissions);
        Some(counters?.retransmissions?.saturating_sub(opening).saturating_sub(fins))
    }

    /// Returns true if its socket had sent its SYN or SYN,ACK again before it entered ESTABLISHED.
    pub(in crate::correlate) fn has_reopened(&self) -> bool {
        self.socket_facts().is_some_and(|facts| facts.opening_retransmissions > 0)
    }
}
