//! What is known of one end of a connection.

use crate::{
    event::{BootTime, Process, Proof, StateChange},
    reset_reason::ResetReason,
    tcp::{OptionBytes, SeqNumber, TcpFlags, TcpHeader, TcpState},
};

/// The segments of one kind that an end has sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) first: BootTime,
    pub(super) last: BootTime,
    pub(super) count: u32,
}

impl Sent {
    /// The first of the kind.
    fn once(at: BootTime) -> Self {
        Self { first: at, last: at, count: 1 }
    }

    /// One more of the kind.
    fn note_again(&mut self, at: BootTime) {
        self.last = at;
        self.count = self.count.saturating_add(1);
    }

    /// How many were sent again.
    pub(super) fn again(self) -> u32 {
        self.count.saturating_sub(1)
    }
}

/// A FIN, as it was first sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fin {
    pub(super) sent: Sent,
    /// The offset from the ISN of the number after it.
    pub(super) end: u64,
    /// It acknowledges the other end's FIN.
    pub(super) acks_other: bool,
    /// An earlier segment of this end did.
    pub(super) acked_before: bool,
    /// The offset that the other end had reached.
    pub(super) other_sent: u64,
    pub(super) acked: Option<BootTime>,
}

/// A reset, as it was first sent.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Rst {
    pub(super) at: BootTime,
    /// It acknowledges something, as the reset of a socket does that is there.
    pub(super) has_ack: bool,
    /// The offset of its number from the ISN.
    pub(super) offset: u64,
    /// It has been seen, and not only what it did.
    pub(super) seen: bool,
}

/// How a socket ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    pub(super) at: BootTime,
    /// The state it left.
    pub(super) from: TcpState,
    /// `sk_err`, where known.
    pub(super) error: Option<u32>,
    /// Whether a process closed it.
    pub(super) by_process: bool,
    /// What the socket was like.
    pub(super) proof: Proof,
}

/// What the kernel said about a reset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ResetHint {
    /// Why, where the kernel tells.
    pub(super) reason: Option<ResetReason>,
    /// It was sent on behalf of a listener whose accept queue was full.
    pub(super) queue_full: bool,
}

/// One end.
#[derive(Clone, Debug, Default)]
pub(super) struct End {
    /// Its ISN as its SYN showed it or the other's acknowledgement did, or else a number that makes the first one seen 1.
    pub(super) isn: Option<SeqNumber>,
    /// `isn` is no guess.
    pub(super) isn_known: bool,
    /// Offset from `isn` of the number after the last one it is known to have sent, wraps counted.
    pub(super) sent: u64,
    /// SYNs without ACK.
    pub(super) syn: Option<Sent>,
    /// SYNs with ACK.
    pub(super) synack: Option<Sent>,
    /// The options of the first of these.
    pub(super) options: Option<Box<OptionBytes>>,
    /// Its first FIN.
    pub(super) fin: Option<Fin>,
    /// A segment of it has acknowledged the other end's FIN.
    pub(super) acked_fin: bool,
    /// How many more of its segments are shown after a FIN.
    pub(super) after_fin: u8,
    /// Its first reset that the other end accepts, by its number.
    pub(super) rst: Option<Rst>,
    /// Its first reset that the other end would not accept, as far as numbers show.
    pub(super) odd_rst: Option<Rst>,
    /// Payload of it has been seen: where that is shown, all of it is.
    pub(super) data_seen: bool,
    /// The offset from the ISN that the other end has acknowledged.
    pub(super) acked: u64,
    /// Its last segment was a keep-alive probe, and the other end has sent nothing since.
    pub(super) probed: bool,
    /// Its last segment had the window 0.
    pub(super) no_room: bool,
    /// What the kernel said about its first reset.
    pub(super) reset_hint: Option<ResetHint>,
    /// Something shows that it is on this host.
    pub(super) here: bool,
    /// The number that users see of the socket that is this end.
    pub(super) socket: Option<u64>,
    /// A socket here is or was this end.
    pub(super) had_socket: bool,
    /// Sockets here that are this end and not closed: one, or for a moment two children of one handshake, which two
    /// processors have made of it at the same time.
    pub(super) open_sockets: u8,
    /// The states its socket has entered, and when.
    pub(super) states: Vec<(TcpState, BootTime)>,
    pub(super) closed: Option<Closed>,
    /// Who opened it, or listens where it was opened to.
    pub(super) opener: Option<Process>,
    /// Who holds its socket, as the kernel was asked.
    pub(super) owner: Option<Process>,
    /// Who closed it.
    pub(super) closer: Option<Process>,
}

impl End {
    /// Its SYN has been seen, alone or with an ACK.
    pub(super) fn syn_seen(&self) -> bool {
        self.syn.is_some() || self.synack.is_some()
    }

    /// The number that comes next.
    pub(super) fn next(&self) -> Option<SeqNumber> {
        // Truncation is meant: sequence numbers are modulo 2^32.
        self.isn.map(|isn| isn.add(self.sent as u32))
    }

    /// The offset from the ISN of a number that lies near those sent last.
    pub(super) fn offset(&self, number: SeqNumber) -> u64 {
        let Some(isn) = self.isn else { return 0 };
        let ahead = number.distance_from(isn).wrapping_sub(self.sent as u32).cast_signed();
        self.sent.saturating_add_signed(i64::from(ahead))
    }

    /// When it first entered a state.
    pub(super) fn entered(&self, state: TcpState) -> Option<BootTime> {
        self.states.iter().find(|(entered, _)| *entered == state).map(|&(_, at)| at)
    }

    /// A segment of its own; `acks_fin`: it acknowledges the other end's FIN, which has got as far as `other_sent`.
    pub(super) fn send(&mut self, header: &TcpHeader, length: u32, at: BootTime, acks_fin: bool, other_sent: u64) {
        let (syn, fin) = (header.has(TcpFlags::SYN), header.has(TcpFlags::FIN));
        if syn {
            self.send_syn(header, at);
        }
        if header.has(TcpFlags::RST) {
            let rst = Rst { at, has_ack: header.has(TcpFlags::ACK), offset: self.offset(header.seq), seen: true };
            if self.expects(rst.offset) {
                self.rst.get_or_insert(rst);
                self.sent = self.sent.max(rst.offset);
            } else {
                self.odd_rst.get_or_insert(rst);
            }
            // Its number is the one behind all that has been sent: no payload, no FIN.
            if self.isn.is_some() {
                return;
            }
        }
        self.data_seen |= length > 0;
        if self.isn.is_none() {
            self.isn = Some(header.seq.add(u32::MAX));
            self.sent = 1;
        }
        let end = self.offset(header.seq) + u64::from(length) + u64::from(syn) + u64::from(fin);
        self.sent = self.sent.max(end);
        match &mut self.fin {
            Some(known) if fin => known.sent.note_again(at),
            None if fin => {
                self.fin = Some(Fin {
                    sent: Sent::once(at),
                    end,
                    acks_other: acks_fin,
                    acked_before: self.acked_fin,
                    other_sent,
                    acked: None,
                });
            }
            _ => {}
        }
        self.acked_fin |= acks_fin;
    }

    /// The other end's socket says that a reset has come, whether it was seen and whatever its number.
    pub(super) fn reset_accepted(&mut self, at: BootTime) {
        let unseen = Rst { at, has_ack: true, offset: self.sent, seen: false };
        self.rst = self.rst.or(self.odd_rst).or(Some(unseen));
    }

    /// Whether the other end accepts a reset with the number at this offset (RFC 5961 §3.2): it is the next one, or the next that the other
    /// end knows of. Where no payload is shown, the next one may be further on.
    fn expects(&self, offset: u64) -> bool {
        let ahead = offset > self.sent && !self.data_seen && offset - self.sent < 1 << 31;
        self.isn.is_none() || offset == self.sent || offset == self.acked || ahead
    }

    fn send_syn(&mut self, header: &TcpHeader, at: BootTime) {
        if !self.syn_seen() {
            self.isn = Some(header.seq);
            self.isn_known = true;
            self.sent = 0;
            self.options = Some(Box::new(header.options));
        }
        let kind = if header.has(TcpFlags::ACK) { &mut self.synack } else { &mut self.syn };
        match kind {
            Some(sent) => sent.note_again(at),
            None => *kind = Some(Sent::once(at)),
        }
    }

    /// The other end has acknowledged everything before `ack`. Returns whether that includes the FIN.
    pub(super) fn acknowledged(&mut self, ack: SeqNumber, by_syn: bool, at: BootTime) -> bool {
        if self.isn.is_none() {
            // A SYN,ACK shows the ISN itself; any other acknowledgement only where to count from.
            self.isn = Some(ack.add(u32::MAX));
            self.isn_known = by_syn;
            self.sent = 1;
        }
        let offset = self.offset(ack);
        // What has not been sent cannot be acknowledged: numbers far ahead are nonsense.
        if offset < self.sent + (1 << 30) {
            self.sent = self.sent.max(offset);
            self.acked = self.acked.max(offset);
        }
        match &mut self.fin {
            Some(fin) if offset >= fin.end && offset < fin.end + (1 << 30) => {
                fin.acked.get_or_insert(at);
                true
            }
            _ => false,
        }
    }

    /// Its socket changes its state.
    pub(super) fn change(&mut self, change: &StateChange) {
        self.had_socket = true;
        self.here = true;
        let twin = match (change.old, change.new) {
            (TcpState::Listen, TcpState::SynRecv) => {
                self.open_sockets += 1;
                self.open_sockets > 1
            }
            // Of two children the one that closes again at once has never been the connection's.
            (TcpState::SynRecv, TcpState::Close) if self.open_sockets > 1 => true,
            _ => false,
        };
        if change.new == TcpState::Close {
            self.open_sockets = self.open_sockets.saturating_sub(1);
        }
        if twin {
            return;
        }
        if change.new != TcpState::Close {
            self.open_sockets = self.open_sockets.max(1);
        }
        if self.states.last().is_none_or(|&(state, _)| state != change.new) {
            if self.states.is_empty() && !matches!(change.old, TcpState::Close | TcpState::Listen) {
                // It had been in the old state for as long as nobody knows.
                self.states.push((change.old, BootTime(0)));
            }
            self.states.push((change.new, change.at));
        }
        let process = change.task.map(Process::from);
        match change.new {
            TcpState::SynSent => self.opener = process,
            TcpState::FinWait1 | TcpState::LastAck => self.closer = self.closer.or(process),
            TcpState::Close => {
                self.closer = self.closer.or(process);
                self.closed = Some(Closed {
                    at: change.at,
                    from: change.old,
                    error: change.error,
                    by_process: change.task.is_some(),
                    proof: change.proof,
                });
            }
            // close() after shutdown() shows as no change at all, in the right context.
            new if new == change.old => self.closer = process.or(self.closer),
            _ => {}
        }
    }
}
