//! State kept for a connection.

mod accurate_ecn;
mod by_side;
mod key;
mod netns;
mod rare;
mod sides;

use self::key::KeptKey;
pub(in crate::correlate) use self::{
    accurate_ecn::AccurateEcn,
    key::{Key, Side},
    rare::{LaterDrops, NatForgot, Noted, Rare, SentAgain},
};
use super::{
    endpoint::{End, ResetContext, Sent},
    flags::flags,
};
use crate::{event::BootTime, tcp::TcpState};

/// Position of a connection in the table, with the low bits of its number, since the position may be reused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) struct Place {
    pub(in crate::correlate) at: u32,
    pub(in crate::correlate) tag: u32,
}

/// A connection. There may be a million, so it is kept small: see [`Rare`].
#[derive(Clone, Debug)]
pub(in crate::correlate) struct Connection {
    pub(in crate::correlate) number: u64,
    /// `None` while the local port is unknown.
    kept_key: Option<KeptKey>,
    /// Number of losses before it began, at most 2^32.
    pub(in crate::correlate) gaps: u32,
    pub(in crate::correlate) ends: [End; 2],
    /// Time of the first event.
    pub(in crate::correlate) first: BootTime,
    /// Time of the last event.
    pub(in crate::correlate) last: BootTime,
    /// Time of the ACK that completed the handshake; [`NEVER`] if there was none.
    acked: BootTime,
    /// Time of the queued timer; [`NEVER`] if none is armed.
    pub(in crate::correlate) queued: BootTime,
    rare: Option<Box<Rare>>,
    /// Position of the generation before, which may have been reused.
    pub(in crate::correlate) previous: u32,
    flags: ConnectionFlags,
    pub(in crate::correlate) client: Option<Side>,
    /// True if a SYN,ACK or the state ESTABLISHED was seen, or its first event was in mid-life: a SYN with another ISN
    /// cannot belong to it.
    pub(in crate::correlate) answered: bool,
    /// True if its handshake was over before its first event was seen.
    pub(in crate::correlate) mid_life: bool,
    /// True if any of its segments were seen.
    pub(in crate::correlate) has_segments: bool,
    /// Which of its segments are recorded.
    pub(in crate::correlate) recorded: Recorded,
    /// Sender of the first FIN.
    pub(in crate::correlate) first_fin: Option<Side>,
    /// Sender of the last accepted segment.
    pub(in crate::correlate) last_from: Option<Side>,
    /// True if the record of its handshake was emitted.
    pub(in crate::correlate) opened: bool,
    /// True if its last record was emitted.
    pub(in crate::correlate) ended: bool,
    /// Number of stall reports for its handshake or its close.
    pub(in crate::correlate) stalls: u8,
}

/// Which segments of a connection are recorded, as far as was seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) enum Recorded {
    /// Those that open and close it, and their acknowledgements.
    Control,
    /// Those with SYN, FIN or RST, of a capture that has no others so far: acknowledgements and data pass unseen.
    Flagged,
    /// All, or those with SYN, FIN or RST, of a capture that has shown no others yet.
    Undecided,
    /// All: one of them neither opens nor closes it.
    All,
}

/// No time: later than any event.
pub(in crate::correlate) const NEVER: BootTime = BootTime(u64::MAX);

flags!(ConnectionFlags of Connection: u16 {
    /// True if a generation before it had not ended when it got its four-tuple.
    follows_open, set_follows_open;
    /// True if a socket or a segment has shown the namespace, which is that of the key, if there is one.
    netns_known, set_netns_known;
    /// True if the client is only guessed.
    client_guessed, set_client_guessed;
    /// True if the SYN,ACK acknowledged data of the SYN.
    fast_open, set_fast_open;
    /// True if state changes of its sockets are missing.
    lost_states, set_lost_states;
    /// True if its listener is about to be queried.
    queue_wanted, set_queue_wanted;
    /// True if one of its events was emitted.
    shown, set_shown;
    /// True if the process that listens has been looked up.
    introduced, set_introduced;
    /// True if the first event was the client's first SYN and that is recorded nowhere else.
    began_with_syn, set_began_with_syn;
    /// True as long as only the sender of its first segment is known to want it.
    unproven, set_unproven;
    /// True if only a later segment of the client shows that it acknowledged the SYN,ACK.
    missed_ack, set_missed_ack;
});

impl Connection {
    pub(in crate::correlate) fn new(number: u64, at: BootTime, gaps: u64) -> Self {
        let mut conn = Self {
            number,
            kept_key: None,
            gaps: u32::try_from(gaps).unwrap_or(u32::MAX),
            ends: [End::default(), End::default()],
            first: at,
            last: at,
            acked: NEVER,
            queued: NEVER,
            rare: None,
            previous: u32::MAX,
            flags: ConnectionFlags::default(),
            client: None,
            answered: false,
            mid_life: false,
            has_segments: false,
            recorded: Recorded::Control,
            first_fin: None,
            last_from: None,
            opened: false,
            ended: false,
            stalls: 0,
        };
        conn.set_unproven(true);
        conn
    }

    /// Returns its key; `None` while the local port is unknown.
    pub(in crate::correlate) fn key(&self) -> Option<Key> {
        self.kept_key.as_ref().map(Key::from)
    }

    /// Returns the namespace of its key; `None` while the local port is unknown.
    pub(in crate::correlate) fn key_netns(&self) -> Option<u32> {
        self.kept_key.as_ref().map(KeptKey::netns)
    }

    /// Sets its key.
    pub(in crate::correlate) fn set_key(&mut self, key: Key) {
        self.kept_key = Some(key.into());
    }

    /// Returns true if it has this key.
    pub(in crate::correlate) fn has_key(&self, key: &Key) -> bool {
        self.kept_key.as_ref().is_some_and(|known| known == key)
    }

    /// Returns true if all of its segments are shown, as far as is known.
    pub(in crate::correlate) fn shows_all(&self) -> bool {
        matches!(self.recorded, Recorded::All | Recorded::Undecided)
    }

    /// Returns true if acknowledgements are not in the capture.
    pub(in crate::correlate) fn lacks_acks(&self) -> bool {
        self.recorded == Recorded::Flagged
    }

    /// Returns true if the capture has shown no acknowledgement of any connection so far, and may have none.
    pub(in crate::correlate) fn may_lack_acks(&self) -> bool {
        matches!(self.recorded, Recorded::Flagged | Recorded::Undecided)
    }

    /// Exchanges its ends.
    pub(in crate::correlate) fn reverse(&mut self) {
        self.ends.reverse();
        self.client = self.client.map(Side::other);
        if let Some(rare) = &mut self.rare {
            rare.end_netns.reverse();
            rare.reports.reverse();
            rare.later_drops.reverse();
        }
    }

    /// Returns the time of the ACK that completed the handshake.
    pub(in crate::correlate) fn ack_at(&self) -> Option<BootTime> {
        (self.acked != NEVER).then_some(self.acked)
    }

    /// Returns the time of the ACK that completed the handshake, unless that is only known to have come before.
    pub(in crate::correlate) fn seen_ack_at(&self) -> Option<BootTime> {
        self.ack_at().filter(|_| !self.missed_ack())
    }

    /// Returns the time of the SYN,ACK if it was sent once, and no SYN behind it: without an ACK, both would be sent again.
    pub(in crate::correlate) fn sole_synack_at(&self) -> Option<BootTime> {
        let (client, server) = self.roles();
        let sole = |synack: &Sent| synack.again() == 0 && client.syn().is_none_or(|syn| syn.last <= synack.first);
        server.synack().filter(sole).map(|synack| synack.first)
    }

    /// Notes a segment that shows the handshake to be complete: the ACK, or one after it if that was `missed`.
    pub(in crate::correlate) fn complete(&mut self, at: BootTime, missed: bool) {
        if self.acked == NEVER {
            self.acked = at;
            self.set_missed_ack(missed);
        } else if !missed && self.missed_ack() && !self.opened {
            // It was captured too late.
            self.acked = at;
            self.set_missed_ack(false);
        }
    }

    /// Notes that a reset of the end `from` was accepted, whether it was seen or not; `proven`: its own kernel reports
    /// that it sent one.
    pub(in crate::correlate) fn accept_reset(&mut self, from: Side, at: BootTime, proven: bool) {
        let context = ResetContext {
            after_fin: self.first_fin.is_some(),
            after_close: self.fins_acked(),
            answers: false,
            certain: true,
            stray: false,
            proven,
            doubted: false,
            repeated: false,
            with_ack: true,
            by_error: false,
            has_socket: false,
            outgoing: false,
            fast_close: false,
            replaced: false,
            outlived: false,
            followed: false,
            first: self.end(from.other()).rst().is_none(),
        };
        self.end_mut(from).reset_accepted(at, context);
    }

    /// Returns true if the FINs of both ends were seen to be acknowledged.
    pub(in crate::correlate) fn fins_acked(&self) -> bool {
        self.ends.iter().all(|end| end.fin().is_some_and(|fin| fin.acked().is_some()))
    }

    /// Returns true if it is open, or its last record was emitted: no record becomes due merely because time passes.
    pub(in crate::correlate) fn is_undisturbed(&self) -> bool {
        (self.opened || self.mid_life) && (self.ended || !self.ends.iter().any(End::closing))
    }

    /// Returns the time at which the client began to open it: its first SYN, or SYN_SENT.
    pub(in crate::correlate) fn began(&self) -> Option<BootTime> {
        let (client, _) = self.roles();
        let by_socket = client.seen_to_enter(TcpState::SynSent);
        by_socket.or_else(|| self.syn_at())
    }

    /// Returns the time of the client's first SYN, as long as that is known.
    pub(in crate::correlate) fn syn_at(&self) -> Option<BootTime> {
        let (client, _) = self.roles();
        self.began_with_syn().then_some(self.first).or_else(|| client.syn().map(|sent| sent.first))
    }

    /// Drops the details of the handshake, once that was reported and the states of its ends do not depend on them.
    pub(in crate::correlate) fn forget_opening(&mut self) {
        if self.keeps_beginning() {
            self.ends.iter_mut().for_each(End::forget_opening);
        }
    }

    /// Drops what only the verdicts depend on, once the last one was given.
    pub(in crate::correlate) fn forget_evidence(&mut self) {
        if self.keeps_beginning() {
            self.ends.iter_mut().for_each(End::forget_evidence);
        }
    }

    /// Returns true if [`Self::began`] stays the same without the details of the handshake.
    fn keeps_beginning(&mut self) -> bool {
        let (client, _) = self.roles();
        let syn = client.syn().map(|sent| sent.first);
        let by_socket = client.seen_to_enter(TcpState::SynSent).is_some();
        self.set_began_with_syn(self.began_with_syn() || syn == Some(self.first));
        self.began_with_syn() || syn.is_none() || by_socket
    }
}
