//! What is known of one end of a connection.

mod milestones;
mod on_segment;
mod on_state;
mod retransmission;

use std::num::{NonZeroU32, NonZeroU64};

use smallvec::SmallVec;

pub(in crate::correlate) use self::milestones::{Closed, Fin, ResetContext, ResetHint, Rst, Sent};
use crate::{
    event::{BootTime, Comm, Process, Segment, reset_reason::ResetReason},
    tcp::{OptionBytes, SeqNumber, TcpState},
};

/// What is known of an end while its connection is opened or closed, and of little use in between.
#[derive(Clone, Debug, Default)]
struct Detail {
    syn: Option<Sent>,
    synack: Option<Sent>,
    options: Option<OptionBytes>,
    fin: Option<Fin>,
    rst: Option<Rst>,
    /// Its last reset that the other end does not accept by its number.
    odd_rst: Option<Rst>,
    /// The ISN of its last SYN,ACK, where that is another than the first one's.
    other_isn: Option<SeqNumber>,
    /// TSval of the last segment that the other end has got in order (RFC 7323 §4.3, TS.Recent), where all segments come.
    ts_recent: Option<u32>,
    closed: Option<Closed>,
    reset_hint: Option<ResetHint>,
    /// A segment that acknowledges more than was seen to be sent, up to this offset.
    claim: Option<Box<(Segment, u64)>>,
    closer: Option<Process>,
    /// The states entered after the first two.
    states: SmallVec<[(TcpState, BootTime); 5]>,
}

/// A process in as few bytes as it takes: the number 0 is that of none.
#[derive(Clone, Copy, Debug)]
struct Holder {
    pid: NonZeroU32,
    comm: Comm,
}

/// One end. There are two of these for every connection of the host, so it is kept small: see [`Detail`].
#[derive(Clone, Debug, Default)]
pub(in crate::correlate) struct End {
    /// Offset from `isn` of the number after the last one it is known to have sent, wraps counted.
    pub(in crate::correlate) sent: u64,
    /// How far behind `sent` the other end's acknowledgements are.
    unacked: u32,
    /// How far behind what it has acknowledged the other end has offered room.
    room: u32,
    isn: SeqNumber,
    /// How many numbers before its next one it was seen to send, without a gap.
    run: u32,
    /// When it entered its first two states.
    entered: [BootTime; 2],
    /// The number that users see of the socket that is this end.
    pub(in crate::correlate) socket: Option<NonZeroU64>,
    detail: Option<Box<Detail>>,
    /// Who holds its socket: who opened it, or listens where it was opened to, or whom the kernel names.
    holder: Option<Holder>,
    /// The first two states its socket has entered.
    states: [Option<TcpState>; 2],
    has_isn: bool,
    /// How far its windows are shifted (RFC 7323 §2), as its SYN said.
    window_shift: u8,
    /// The other end has offered room.
    has_room: bool,
    /// Its ISN is no guess.
    pub(in crate::correlate) isn_known: bool,
    /// It has sent a SYN without ACK.
    pub(in crate::correlate) sent_syn: bool,
    /// It has sent a SYN with ACK.
    pub(in crate::correlate) sent_synack: bool,
    /// A segment of it has acknowledged the other end's FIN.
    pub(in crate::correlate) acked_fin: bool,
    /// How many more of its segments are shown after a FIN.
    pub(in crate::correlate) after_fin: u8,
    /// Payload of it has been seen: where that is shown, all of it is.
    pub(in crate::correlate) data_seen: bool,
    /// Its last segment was a keep-alive probe, and the other end has sent nothing since.
    pub(in crate::correlate) probed: bool,
    /// Its last segment had the window 0.
    pub(in crate::correlate) no_room: bool,
    /// Something shows that it is on this host.
    pub(in crate::correlate) here: bool,
    /// A socket here is or was this end.
    pub(in crate::correlate) had_socket: bool,
    /// Sockets here that are this end and not closed: one, or for a moment two children of one handshake, which two
    /// processors have made of it at the same time.
    pub(in crate::correlate) open_sockets: u8,
    /// A FIN or a reset of it has been accepted, or its socket has been in a state of those that end a connection.
    pub(in crate::correlate) closing: bool,
    /// A segment of its own has been seen.
    pub(in crate::correlate) spoke: bool,
    /// The kernel itself has named `holder`.
    pub(in crate::correlate) holder_asked: bool,
}

impl End {
    fn detail_mut(&mut self) -> &mut Detail {
        self.detail.get_or_insert_default()
    }

    /// Its ISN as its SYN showed it or the other's acknowledgement did, or else a number that makes the first one seen 1.
    pub(in crate::correlate) fn isn(&self) -> Option<SeqNumber> {
        self.has_isn.then_some(self.isn)
    }

    fn set_isn(&mut self, isn: SeqNumber) {
        self.isn = isn;
        self.has_isn = true;
    }

    /// Its SYNs without ACK, while it opens.
    pub(in crate::correlate) fn syn(&self) -> Option<Sent> {
        self.detail.as_ref()?.syn
    }

    /// Its SYNs with ACK, while it opens.
    pub(in crate::correlate) fn synack(&self) -> Option<Sent> {
        self.detail.as_ref()?.synack
    }

    /// The options of the first of these.
    pub(in crate::correlate) fn options(&self) -> Option<OptionBytes> {
        self.detail.as_ref()?.options
    }

    /// Its first FIN.
    pub(in crate::correlate) fn fin(&self) -> Option<Fin> {
        self.detail.as_ref()?.fin
    }

    /// Its first reset that the other end accepts, by its number.
    pub(in crate::correlate) fn rst(&self) -> Option<Rst> {
        self.detail.as_ref()?.rst
    }

    /// How its socket ended.
    pub(in crate::correlate) fn closed(&self) -> Option<Closed> {
        self.detail.as_ref()?.closed
    }

    /// What the kernel said about its first reset.
    pub(in crate::correlate) fn reset_hint(&self) -> Option<ResetHint> {
        self.detail.as_ref()?.reset_hint
    }

    /// Takes what the kernel says about a reset of it.
    pub(in crate::correlate) fn learn_reset(&mut self, hint: ResetHint) {
        let ends = |hint: &ResetHint| hint.reason.is_some_and(ResetReason::ends_socket);
        let known = &mut self.detail_mut().reset_hint;
        // A reset that refused a segment says nothing of the one that ends the socket.
        if known.is_none_or(|known| !ends(&known) && ends(&hint)) {
            *known = Some(hint);
        }
    }

    /// Who closed it.
    pub(in crate::correlate) fn closer(&self) -> Option<Process> {
        self.detail.as_ref()?.closer
    }

    /// Who holds its socket: who opened it, or listens where it was opened to, or whom the kernel names.
    pub(in crate::correlate) fn holder(&self) -> Option<Process> {
        self.holder.map(|Holder { pid, comm }| Process { pid: pid.get(), comm })
    }

    /// Somebody holds its socket.
    pub(in crate::correlate) fn set_holder(&mut self, process: Option<Process>) {
        self.holder = process.and_then(|Process { pid, comm }| Some(Holder { pid: NonZeroU32::new(pid)?, comm }));
    }

    /// The states its socket has entered, and when.
    pub(in crate::correlate) fn states(&self) -> impl Iterator<Item = (TcpState, BootTime)> {
        let first = self.states.into_iter().flatten().zip(self.entered);
        first.chain(self.detail.iter().flat_map(|detail| detail.states.iter().copied()))
    }

    /// The opening is over and told: forgets what nobody asks for any more.
    pub(in crate::correlate) fn forget_opening(&mut self) {
        if let Some(detail) = &mut self.detail {
            (detail.syn, detail.synack, detail.options, detail.other_isn) = (None, None, None, None);
            let Detail {
                syn: _,
                synack: _,
                options: _,
                other_isn: _,
                fin,
                rst,
                odd_rst,
                closed,
                reset_hint,
                claim,
                ts_recent,
                closer,
                states,
            } = &**detail;
            let nothing = fin.is_none() && rst.is_none() && odd_rst.is_none() && closed.is_none();
            if nothing
                && reset_hint.is_none()
                && claim.is_none()
                && ts_recent.is_none()
                && closer.is_none()
                && states.is_empty()
            {
                self.detail = None;
            }
        }
    }

    /// Whether something is known that only matters while its connection is opened or closed.
    pub(in crate::correlate) fn has_detail(&self) -> bool {
        self.detail.is_some()
    }

    /// Its SYN has been seen, alone or with an ACK.
    pub(in crate::correlate) fn syn_seen(&self) -> bool {
        self.sent_syn || self.sent_synack
    }

    /// The offset from the ISN that the other end has acknowledged.
    pub(in crate::correlate) fn acked(&self) -> u64 {
        self.sent.saturating_sub(u64::from(self.unacked))
    }

    /// The offset behind the last number that the other end has offered room for, where it has offered any.
    pub(in crate::correlate) fn offered(&self) -> Option<u64> {
        self.has_room.then(|| self.acked() + u64::from(self.room))
    }

    /// How far behind what it has acknowledged the other end has offered room.
    pub(in crate::correlate) fn room(&self) -> u32 {
        self.room
    }

    /// Sets how far it has sent and how far that has been acknowledged.
    fn reach(&mut self, sent: u64, acked: u64) {
        if sent != self.sent {
            // Whether these numbers were seen is told by whoever saw them.
            self.run = 0;
        }
        // What is acknowledged takes up room that had been offered.
        let taken = u32::try_from(acked.saturating_sub(self.acked())).unwrap_or(u32::MAX);
        self.room = self.room.saturating_sub(taken);
        self.sent = sent;
        // More than 2^32 bytes cannot be on their way: numbers could not tell them apart (RFC 9293 §3.4).
        self.unacked = u32::try_from(sent.saturating_sub(acked)).unwrap_or(u32::MAX);
    }

    fn send_up_to(&mut self, offset: u64) {
        self.reach(self.sent.max(offset), self.acked());
    }

    /// Whether the other end has acknowledged everything before this number (RFC 7323 §4.3: SEG.SEQ <= Last.ACK.sent).
    pub(in crate::correlate) fn is_in_order(&self, number: SeqNumber) -> bool {
        self.isn().is_some_and(|isn| !number.after(isn.add(self.acked() as u32)))
    }

    /// The number that comes next.
    pub(in crate::correlate) fn next(&self) -> Option<SeqNumber> {
        // Truncation is meant: sequence numbers are modulo 2^32.
        self.isn().map(|isn| isn.add(self.sent as u32))
    }

    /// The offset from the ISN of a number that lies near those sent last.
    pub(in crate::correlate) fn offset(&self, number: SeqNumber) -> u64 {
        let Some(isn) = self.isn() else { return 0 };
        let ahead = number.distance_from(isn).wrapping_sub(self.sent as u32).cast_signed();
        self.sent.saturating_add_signed(i64::from(ahead))
    }

    /// When it first entered a state.
    pub(in crate::correlate) fn entered(&self, state: TcpState) -> Option<BootTime> {
        self.states().find(|&(entered, _)| entered == state).map(|(_, at)| at)
    }

    /// A socket connected to itself is both ends: takes what the other one has sent and been told.
    pub(in crate::correlate) fn share(&mut self, other: &Self) {
        self.reach(self.sent.max(other.sent), self.acked().max(other.acked()));
        if let Some(told) = other.fin().and_then(|fin| fin.acked)
            && let Some(fin) = self.detail.as_mut().and_then(|detail| detail.fin.as_mut())
        {
            fin.acked.get_or_insert(told);
        }
    }

    /// What the other end of a socket connected to itself is: the same, without a socket of its own.
    pub(in crate::correlate) fn reflection(&self) -> Self {
        let mut other =
            Self { here: false, socket: None, had_socket: false, open_sockets: 0, states: [None; 2], ..self.clone() };
        if let Some(detail) = &mut other.detail {
            detail.closed = None;
            detail.states = SmallVec::new();
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
        // With two sockets of 32 bytes, and places in the two indices, a million need less than 400 MB.
        assert!(size_of::<Connection>() <= 312, "{} {}", size_of::<Connection>(), size_of::<End>());
    }
}
