//! State kept for one end of a connection.

mod detail;
mod expected;
mod milestones;
mod numbers;
mod on_segment;
mod on_state;
mod resets;
mod retransmission;
mod socket;
mod undecided;

use std::{num::NonZeroU64, sync::Arc};

use smallvec::SmallVec;

use self::detail::Detail;
pub(in crate::correlate) use self::{
    milestones::{Claim, Closed, Fin, ResetContext, ResetHint, Rst, Sent},
    on_segment::Reached,
    retransmission::Addition,
};
use super::flags::flags;
use crate::{
    correlate::cgroups::Origin,
    event::BootTime,
    tcp::{SeqNumber, StateSet, TcpState},
};

/// Instead of a number: the last sequence number that an end has sent was not seen, and came alone.
const MISSED_ONE: u32 = u32::MAX;

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
    /// Number of sequence numbers before its next one that it was seen to send without a gap; or [`MISSED_ONE`].
    run: u32,
    /// Time at which its socket entered its first state, or that of its last segment with data if it has no socket on this host.
    entered: BootTime,
    /// Nanoseconds until it entered its second state, if that is among `states`.
    second_after: u32,
    /// Number of its socket, as shown to users.
    pub(in crate::correlate) socket: Option<NonZeroU64>,
    detail: Option<Box<Detail>>,
    /// Control group, user and owner of its socket.
    origin: Option<Arc<Origin>>,
    /// The first two states that its socket entered. The second may be among its facts instead, as those after it are.
    states: [Option<TcpState>; 2],
    /// All states that its socket entered.
    entered_states: StateSet,
    flags: EndFlags,
    /// Shift of its windows (RFC 7323 §2), as its SYN stated.
    window_shift: u8,
    /// True if it has sent a SYN with ACK.
    pub(in crate::correlate) sent_synack: bool,
    /// Number of its segments still to be shown after a FIN.
    pub(in crate::correlate) after_fin: u8,
    /// True if something shows that it is on this host.
    pub(in crate::correlate) here: bool,
    /// True if a socket on this host is or was this end.
    pub(in crate::correlate) had_socket: bool,
    /// Number of open sockets on this host that are this end: one, or for a moment two children of one handshake,
    /// created by two processors at the same time.
    pub(in crate::correlate) open_sockets: u8,
}

flags!(EndFlags of End: u16 {
    /// True if its ISN, or a number to count from, is known.
    has_isn, set_has_isn;
    /// True if the other end has offered a window.
    has_room, set_has_room;
    /// True if one of its segments has acknowledged the other end's FIN.
    acked_fin, set_acked_fin;
    /// True if any of its payload was seen, except in a SYN: if any of that is recorded, all of it is.
    data_seen, set_data_seen;
    /// True if its last segment was a keep-alive probe, and the other end has sent nothing since.
    probed, set_probed;
    /// True if its last segment had a window of 0.
    no_room, set_no_room;
    /// True if the kernel itself has named the owner.
    holder_asked, set_holder_asked;
    /// True if its SYN, with ACK or without, was sent again.
    reopened, set_reopened;
    /// True if its FIN or its reset was accepted, or its socket was in a state that ends a connection.
    closing, set_closing;
    /// True if one of its own segments was seen.
    spoke, set_spoke;
    /// True if its segments are seen as they leave its socket.
    leaves, set_leaves;
    /// True if its socket is on this host, but its states are not recorded.
    states_left_out, set_states_left_out;
    /// True if its ISN is not a guess.
    isn_known, set_isn_known;
    /// True if it has sent a SYN without ACK.
    sent_syn, set_sent_syn;
});

impl End {
    /// Returns the time of its last segment with data, if it has no socket on this host.
    pub(in crate::correlate) fn last_data(&self) -> Option<BootTime> {
        let in_syn = || self.syn().or(self.synack()).is_some_and(Sent::has_data);
        (!self.had_socket && (self.data_seen() || in_syn())).then_some(self.entered)
    }

    /// Returns the states that its socket entered, with the times.
    pub(in crate::correlate) fn states(&self) -> impl Iterator<Item = (TcpState, BootTime)> {
        let times = [self.entered, BootTime(self.entered.0.saturating_add(u64::from(self.second_after)))];
        let first = self.states.into_iter().flatten().zip(times);
        first.chain(self.socket_facts().into_iter().flat_map(|facts| facts.states.iter().copied()))
    }

    /// Returns true if its SYN was seen, with or without ACK.
    pub(in crate::correlate) fn syn_seen(&self) -> bool {
        self.sent_syn() || self.sent_synack
    }

    /// Returns true if a socket on this host is this end, and its states have been seen or are to be seen.
    pub(in crate::correlate) fn has_states(&self) -> bool {
        self.had_socket || self.here && !self.states_left_out()
    }

    /// Returns the time at which it first entered a state.
    pub(in crate::correlate) fn entered(&self, state: TcpState) -> Option<BootTime> {
        let find = || self.states().find(|&(entered, _)| entered == state).map(|(_, at)| at);
        if self.has_entered(StateSet::of(&[state])) { find() } else { None }
    }

    /// Returns true if its socket entered one of these states.
    pub(in crate::correlate) fn has_entered(&self, states: StateSet) -> bool {
        self.entered_states.intersects(states)
    }

    /// Copies what the other end has sent and received: a socket connected to itself is both ends.
    pub(in crate::correlate) fn share(&mut self, other: &Self) {
        self.reach(self.sent.max(other.sent), self.acked().max(other.acked()));
        if let Some(acked) = other.fin().and_then(|fin| fin.acked())
            && let Some(fin) = self.known_fin()
        {
            fin.note_acked(acked);
        }
    }

    /// Returns the other end of a socket connected to itself: a copy without the socket.
    pub(in crate::correlate) fn reflection(&self) -> Self {
        let mut other = Self {
            here: false,
            socket: None,
            had_socket: false,
            open_sockets: 0,
            states: [None; 2],
            entered_states: StateSet::default(),
            ..self.clone()
        };
        if let Some(facts) = other.detail.as_mut().and_then(|detail| detail.socket_facts.as_mut()) {
            facts.closed = None;
            facts.states = SmallVec::new();
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
        // With two sockets of 32 bytes, and entries in the two indices, a million need less than 350 MiB.
        assert!(size_of::<Connection>() <= 240, "{} {}", size_of::<Connection>(), size_of::<End>());
    }

    #[test]
    fn an_ended_connection_is_small() {
        // Up to 2^16 of them are kept, each with the details of two ends.
        assert!(size_of::<Detail>() <= 48, "{}", size_of::<Detail>());
    }

    #[test]
    fn flags_do_not_disturb_each_other() {
        let mut end = End::default();
        end.set_spoke(true);
        end.set_closing(true);
        end.set_spoke(false);
        assert_eq!((end.spoke(), end.closing(), end.has_isn()), (false, true, false));
    }

    #[test]
    fn an_ended_end_keeps_the_number_of_its_fin() {
        let mut end = End::default();
        end.set_fin(Some(Fin::ended(12, BootTime(7))));
        end.set_idle_ns(Some(3));
        end.forget_evidence();
        let fin = |end: &End| end.fin().map(|fin| (fin.end, fin.acked()));
        assert_eq!((fin(&end), end.idle_ns()), (Some((12, Some(BootTime(7)))), None));
        end.set_fin(Some(Fin::ended(20, BootTime(9))));
        assert_eq!(fin(&end), Some((12, Some(BootTime(7)))), "another one no longer counts");
    }
}
