//! State kept for one end of a connection.

mod milestones;
mod on_segment;
mod on_state;
mod retransmission;
mod socket;

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
};

use smallvec::SmallVec;

pub(in crate::correlate) use self::{
    milestones::{Claim, Closed, Fin, ResetContext, ResetHint, Rst, Sent},
    on_segment::Reached,
};
use crate::{
    correlate::cgroups::Origin,
    event::{BootTime, Comm, Counters, Process, Task, reset_reason::ResetReason},
    tcp::{OptionBytes, SeqNumber, TcpState},
};

/// State of an end that matters while its connection is opened or closed, but not in between.
#[derive(Clone, Debug, Default)]
struct Detail {
    syn: Option<Sent>,
    synack: Option<Sent>,
    options: Option<OptionBytes>,
    fin: Option<Fin>,
    rst: Option<Rst>,
    /// Its last reset whose number the other end does not accept.
    odd_rst: Option<Rst>,
    /// ISN of its last SYN,ACK, if it differs from the first one's.
    other_isn: Option<SeqNumber>,
    /// TSval of the last segment that the other end received in order (RFC 7323 §4.3, TS.Recent), if all segments are
    /// recorded.
    ts_recent: Option<u32>,
    /// Its last segment that acknowledges more than was seen to be sent.
    claim: Option<Box<Claim>>,
    /// Nanoseconds from the last segment with data of either end to its FIN or reset, if that was the first one and no socket of
    /// this host is known.
    idle_ns: Option<u64>,
    told: Option<Box<Told>>,
}

/// What the kernel told of its socket. It is larger than the rest of [`Detail`], and an end on another host, or in a capture,
/// has none of it.
#[derive(Clone, Debug, Default)]
struct Told {
    closed: Option<Closed>,
    reset_hint: Option<ResetHint>,
    /// Name of the thread that opened it, if it is not that of the process.
    opener_thread: Option<Comm>,
    /// The task that closed it.
    closer: Option<Task>,
    /// Time at which its socket left ESTABLISHED, and its counters then.
    left: Option<(BootTime, Counters)>,
    /// Segments that its socket had sent again as it entered ESTABLISHED.
    opening_retransmissions: u32,
    /// States entered after the first two.
    states: SmallVec<[(TcpState, BootTime); 5]>,
}

/// A process in compact form: ID 0 stands for none.
#[derive(Clone, Copy, Debug)]
struct Holder {
    pid: NonZeroU32,
    comm: Comm,
}

/// One end. There are two for every connection of the host, so it is kept small: see [`Detail`].
#[derive(Clone, Debug, Default)]
pub(in crate::correlate) struct End {
    /// Offset from `isn` of the number after the last one it is known to have sent, counting wraps.
    pub(in crate::correlate) sent: u64,
    /// Distance of the other end's acknowledgements behind `sent`.
    unacked: u32,
    /// Window that the other end has offered, from what it has acknowledged.
    room: u32,
    isn: SeqNumber,
    /// Number of sequence numbers before its next one that it was seen to send without a gap.
    run: u32,
    /// Times at which its socket entered its first two states. The first is that of its last segment with data if it has no
    /// socket on this host.
    entered: [BootTime; 2],
    /// Number of its socket, as shown to users.
    pub(in crate::correlate) socket: Option<NonZeroU64>,
    detail: Option<Box<Detail>>,
    /// Control group and user that its socket has told.
    pub(in crate::correlate) origin: Option<Arc<Origin>>,
    /// Owner of its socket: the process that opened it, or that listens, or that the kernel names.
    holder: Option<Holder>,
    /// The first two states that its socket entered.
    states: [Option<TcpState>; 2],
    has_isn: bool,
    /// Shift of its windows (RFC 7323 §2), as its SYN stated.
    window_shift: u8,
    /// True if the other end has offered a window.
    has_room: bool,
    /// True if its ISN is not a guess.
    pub(in crate::correlate) isn_known: bool,
    /// True if it has sent a SYN without ACK.
    pub(in crate::correlate) sent_syn: bool,
    /// True if it has sent a SYN with ACK.
    pub(in crate::correlate) sent_synack: bool,
    /// True if a segment of it has acknowledged the other end's FIN.
    pub(in crate::correlate) acked_fin: bool,
    /// Number of its segments still to be shown after a FIN.
    pub(in crate::correlate) after_fin: u8,
    /// True if payload of it was seen: if any payload is recorded, all of it is.
    pub(in crate::correlate) data_seen: bool,
    /// True if its last segment was a keep-alive probe, and the other end has sent nothing since.
    pub(in crate::correlate) probed: bool,
    /// True if its last segment had a window of 0.
    pub(in crate::correlate) no_room: bool,
    /// True if something shows that it is on this host.
    pub(in crate::correlate) here: bool,
    /// True if a socket on this host is or was this end.
    pub(in crate::correlate) had_socket: bool,
    /// Number of open sockets on this host that are this end: one, or for a moment two children of one handshake,
    /// created by two processors at the same time.
    pub(in crate::correlate) open_sockets: u8,
    /// True if a FIN or a reset of it was accepted, or its socket was in a state that ends a connection.
    pub(in crate::correlate) closing: bool,
    /// True if a segment of its own was seen.
    pub(in crate::correlate) spoke: bool,
    /// True if the kernel itself has named `holder`.
    pub(in crate::correlate) holder_asked: bool,
    /// True if its SYN, with ACK or without, was sent again.
    pub(in crate::correlate) reopened: bool,
}

impl End {
    fn detail_mut(&mut self) -> &mut Detail {
        self.detail.get_or_insert_default()
    }

    fn told(&self) -> Option<&Told> {
        self.detail.as_ref()?.told.as_deref()
    }

    fn told_mut(&mut self) -> &mut Told {
        self.detail_mut().told.get_or_insert_default()
    }

    /// Returns its ISN as its SYN or the other's acknowledgement showed it, or else a number that makes the first one
    /// seen 1.
    pub(in crate::correlate) fn isn(&self) -> Option<SeqNumber> {
        self.has_isn.then_some(self.isn)
    }

    fn set_isn(&mut self, isn: SeqNumber) {
        self.isn = isn;
        self.has_isn = true;
    }

    /// Returns its SYNs without ACK, while it opens.
    pub(in crate::correlate) fn syn(&self) -> Option<Sent> {
        self.detail.as_ref()?.syn
    }

    /// Returns its SYNs with ACK, while it opens.
    pub(in crate::correlate) fn synack(&self) -> Option<Sent> {
        self.detail.as_ref()?.synack
    }

    /// Returns the options of its first SYN.
    pub(in crate::correlate) fn options(&self) -> Option<OptionBytes> {
        self.detail.as_ref()?.options
    }

    /// Returns its first FIN.
    pub(in crate::correlate) fn fin(&self) -> Option<Fin> {
        self.detail.as_ref()?.fin
    }

    /// Returns its first reset whose number the other end accepts.
    pub(in crate::correlate) fn rst(&self) -> Option<Rst> {
        self.detail.as_ref()?.rst
    }

    /// Returns how its socket ended.
    pub(in crate::correlate) fn closed(&self) -> Option<Closed> {
        self.told()?.closed
    }

    /// Returns the kernel's reason for its first reset.
    pub(in crate::correlate) fn reset_hint(&self) -> Option<ResetHint> {
        self.told()?.reset_hint
    }

    /// Notes the kernel's reason for one of its resets.
    pub(in crate::correlate) fn learn_reset(&mut self, hint: ResetHint) {
        let ends = |hint: &ResetHint| hint.reason.is_some_and(ResetReason::ends_socket);
        let known = &mut self.told_mut().reset_hint;
        // A reset that refused a segment tells nothing about the one that ends the socket.
        if known.is_none_or(|known| !ends(&known) && ends(&hint)) {
            *known = Some(hint);
        }
    }

    /// Returns the task that closed it.
    pub(in crate::correlate) fn closer(&self) -> Option<Task> {
        self.told()?.closer
    }

    /// Returns the nanoseconds from the last segment with data of either end to its FIN or reset, if that was the first one and
    /// no socket of this host is known.
    pub(in crate::correlate) fn idle_ns(&self) -> Option<u64> {
        self.detail.as_ref()?.idle_ns
    }

    /// Sets these nanoseconds.
    pub(in crate::correlate) fn set_idle_ns(&mut self, idle_ns: Option<u64>) {
        self.detail_mut().idle_ns = idle_ns;
    }

    /// Returns the time of its last segment with data, if it has no socket on this host.
    pub(in crate::correlate) fn last_data(&self) -> Option<BootTime> {
        let [at, _] = self.entered;
        (!self.had_socket && self.data_seen).then_some(at)
    }

    /// Returns the name of the thread that opened it while that is known, if it is not that of the process.
    pub(in crate::correlate) fn opener_thread(&self) -> Option<Comm> {
        self.told()?.opener_thread
    }

    /// Sets the task that opened it.
    fn open_by(&mut self, task: Option<Task>) {
        self.set_holder(task.map(Process::from));
        if let Some(thread) = task.and_then(|task| task.thread) {
            self.told_mut().opener_thread = Some(thread);
        }
    }

    /// Returns the owner of its socket: the process that opened it, or that listens, or that the kernel names.
    pub(in crate::correlate) fn holder(&self) -> Option<Process> {
        self.holder.map(|Holder { pid, comm }| Process { pid: pid.get(), comm })
    }

    /// Sets the owner of its socket.
    pub(in crate::correlate) fn set_holder(&mut self, process: Option<Process>) {
        self.holder = process.and_then(|Process { pid, comm }| Some(Holder { pid: NonZeroU32::new(pid)?, comm }));
    }

    /// Returns the states that its socket entered, with the times.
    pub(in crate::correlate) fn states(&self) -> impl Iterator<Item = (TcpState, BootTime)> {
        let first = self.states.into_iter().flatten().zip(self.entered);
        first.chain(self.told().into_iter().flat_map(|told| told.states.iter().copied()))
    }

    /// Drops what is not needed once the handshake was reported.
    pub(in crate::correlate) fn forget_opening(&mut self) {
        if let Some(detail) = &mut self.detail {
            (detail.syn, detail.synack, detail.options, detail.other_isn) = (None, None, None, None);
            if let Some(told) = &mut detail.told {
                told.opener_thread = None;
                let Told { closed, reset_hint, opener_thread: _, closer, left, opening_retransmissions, states } =
                    &**told;
                if closed.is_none()
                    && reset_hint.is_none()
                    && closer.is_none()
                    && left.is_none()
                    && *opening_retransmissions == 0
                    && states.is_empty()
                {
                    detail.told = None;
                }
            }
            let Detail {
                syn: _,
                synack: _,
                options: _,
                other_isn: _,
                fin,
                rst,
                odd_rst,
                claim,
                ts_recent,
                idle_ns,
                told,
            } = &**detail;
            let nothing = fin.is_none() && rst.is_none() && odd_rst.is_none() && claim.is_none();
            if nothing && ts_recent.is_none() && idle_ns.is_none() && told.is_none() {
                self.detail = None;
            }
        }
    }

    /// Returns true if it has state that matters only while its connection is opened or closed.
    pub(in crate::correlate) fn has_detail(&self) -> bool {
        self.detail.is_some()
    }

    /// Returns true if its SYN was seen, with or without ACK.
    pub(in crate::correlate) fn syn_seen(&self) -> bool {
        self.sent_syn || self.sent_synack
    }

    /// Returns the offset from the ISN that the other end has acknowledged.
    pub(in crate::correlate) fn acked(&self) -> u64 {
        self.sent.saturating_sub(u64::from(self.unacked))
    }

    /// Returns the offset after the last number within the window offered by the other end, if it has offered one.
    pub(in crate::correlate) fn offered(&self) -> Option<u64> {
        self.has_room.then(|| self.acked() + u64::from(self.room))
    }

    /// Returns the window that the other end has offered, from what it has acknowledged.
    pub(in crate::correlate) fn room(&self) -> u32 {
        self.room
    }

    /// Sets the offsets that it has sent and that were acknowledged.
    fn reach(&mut self, sent: u64, acked: u64) {
        if sent != self.sent {
            // The caller notes whether these numbers were seen.
            self.run = 0;
        }
        // Acknowledged data used up a part of the window.
        let taken = u32::try_from(acked.saturating_sub(self.acked())).unwrap_or(u32::MAX);
        self.room = self.room.saturating_sub(taken);
        self.sent = sent;
        // At most 2^32 bytes can be in flight: sequence numbers could not tell more apart (RFC 9293 §3.4).
        self.unacked = u32::try_from(sent.saturating_sub(acked)).unwrap_or(u32::MAX);
    }

    fn send_up_to(&mut self, offset: u64) {
        self.reach(self.sent.max(offset), self.acked());
    }

    /// Returns true if the other end has acknowledged everything before this number (RFC 7323 §4.3: SEG.SEQ <=
    /// Last.ACK.sent).
    pub(in crate::correlate) fn is_in_order(&self, number: SeqNumber) -> bool {
        self.isn().is_some_and(|isn| !number.after(isn.add(self.acked() as u32)))
    }

    /// Returns the number that comes next.
    pub(in crate::correlate) fn next(&self) -> Option<SeqNumber> {
        // Truncation is intended: sequence numbers are modulo 2^32.
        self.isn().map(|isn| isn.add(self.sent as u32))
    }

    /// Returns the offset from the ISN of a number near those sent last.
    pub(in crate::correlate) fn offset(&self, number: SeqNumber) -> u64 {
        let Some(isn) = self.isn() else { return 0 };
        let ahead = number.distance_from(isn).wrapping_sub(self.sent as u32).cast_signed();
        self.sent.saturating_add_signed(i64::from(ahead))
    }

    /// Returns the time at which it first entered a state.
    pub(in crate::correlate) fn entered(&self, state: TcpState) -> Option<BootTime> {
        self.states().find(|&(entered, _)| entered == state).map(|(_, at)| at)
    }

    /// Copies what the other end has sent and received: a socket connected to itself is both ends.
    pub(in crate::correlate) fn share(&mut self, other: &Self) {
        self.reach(self.sent.max(other.sent), self.acked().max(other.acked()));
        if let Some(told) = other.fin().and_then(|fin| fin.acked)
            && let Some(fin) = self.detail.as_mut().and_then(|detail| detail.fin.as_mut())
        {
            fin.acked.get_or_insert(told);
        }
    }

    /// Returns the other end of a socket connected to itself: the same, without a socket of its own.
    pub(in crate::correlate) fn reflection(&self) -> Self {
        let mut other =
            Self { here: false, socket: None, had_socket: false, open_sockets: 0, states: [None; 2], ..self.clone() };
        if let Some(told) = other.detail.as_mut().and_then(|detail| detail.told.as_mut()) {
            told.closed = None;
            told.states = SmallVec::new();
        }
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::table::connection::Connection;

    #[test]
    fn an_open_connection_is_small() {
        // With two sockets of 32 bytes, and entries in the two indices, a million need less than 400 MiB.
        assert!(size_of::<Connection>() <= 328, "{} {}", size_of::<Connection>(), size_of::<End>());
    }
}
