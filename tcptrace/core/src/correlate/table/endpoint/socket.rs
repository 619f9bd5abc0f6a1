//! Facts that the socket of an end reports: where it was made, and its counters.

use std::sync::Arc;

use super::End;
use crate::{
    correlate::cgroups::{Origin, Origins},
    event::{BootTime, Cgroup, Counters, Process},
    tcp::TcpState,
};

impl End {
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
