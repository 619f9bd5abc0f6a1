//! Milestones of an end: its SYNs, its FIN, its reset, the end of its socket.

use std::num::NonZeroU32;

use crate::{
    correlate::table::connection::NEVER,
    event::{BootTime, Counters, Proof, Segment, reset_reason::ResetReason},
    tcp::TcpState,
};

/// Segments of one kind that an end has sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Sent {
    pub(in crate::correlate) first: BootTime,
    pub(in crate::correlate) last: BootTime,
    count: NonZeroU32,
    /// Number of payload bytes that a SYN carried, at most.
    payload: u16,
    /// True if a SYN was also a FIN.
    pub(in crate::correlate) fin: bool,
}

impl Sent {
    /// Creates the entry for the first segment of the kind.
    pub(in crate::correlate) fn once(at: BootTime) -> Self {
        Self { first: at, last: at, count: NonZeroU32::MIN, payload: 0, fin: false }
    }

    /// Notes what a SYN carries.
    pub(in crate::correlate) fn note_contents(&mut self, payload: u32, fin: bool) {
        self.payload = self.payload.max(u16::try_from(payload).unwrap_or(u16::MAX));
        self.fin |= fin;
    }

    /// Returns the offset from the ISN of the number after everything in a SYN.
    pub(in crate::correlate) fn end_of_syn(self) -> u64 {
        1 + u64::from(self.payload) + u64::from(self.fin)
    }

    /// Returns true if it has data, as with Fast Open.
    pub(in crate::correlate) fn has_data(self) -> bool {
        self.payload > 0
    }

    /// Counts one more segment of the kind.
    pub(in crate::correlate) fn note_again(&mut self, at: BootTime) {
        self.last = at;
        self.count = self.count.saturating_add(1);
    }

    /// Returns the number of segments of the kind.
    pub(in crate::correlate) fn count(self) -> u32 {
        self.count.get()
    }

    /// Returns the number of retransmissions.
    pub(in crate::correlate) fn again(self) -> u32 {
        self.count.get() - 1
    }
}

/// A segment that acknowledges more of the other end's data than was seen to be sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Claim {
    pub(in crate::correlate) segment: Segment,
    /// Offset up to which it acknowledges the other end's numbers.
    pub(in crate::correlate) offset: u64,
    /// True if the other end was seen to be beyond that since: it has sent something that was not seen.
    pub(in crate::correlate) likely: bool,
}

/// A FIN, as first sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Fin {
    pub(in crate::correlate) sent: Sent,
    /// Offset from the ISN of the number after it.
    pub(in crate::correlate) end: u64,
    /// Offset that this end had reached before it.
    pub(in crate::correlate) before: u64,
    /// Offset that the other end had reached.
    pub(in crate::correlate) other_sent: u64,
    /// Number of sequence numbers up to there that it does not acknowledge.
    pub(super) other_unacked: u32,
    /// True if an earlier segment of this end had acknowledged as much.
    pub(in crate::correlate) acks_nothing_new: bool,
    /// True if it acknowledges the other end's FIN.
    pub(in crate::correlate) acks_other: bool,
    /// True if an earlier segment of this end acknowledged the other end's FIN.
    pub(in crate::correlate) acked_before: bool,
    /// Time at which it was acknowledged; [`NEVER`] as long as it is not.
    pub(super) acked: BootTime,
}

impl Fin {
    /// Returns the FIN of an ended connection, of which nothing else matters any more.
    pub(super) fn ended(end: u64, acked: BootTime) -> Self {
        Self {
            sent: Sent::once(acked),
            end,
            before: end.saturating_sub(1),
            other_sent: 0,
            other_unacked: 0,
            acks_nothing_new: true,
            acks_other: false,
            acked_before: false,
            acked,
        }
    }

    /// Returns the offset up to which it acknowledges the other end's numbers.
    pub(in crate::correlate) fn acks(&self) -> u64 {
        self.other_sent.saturating_sub(u64::from(self.other_unacked))
    }

    /// Returns the time at which it was acknowledged.
    pub(in crate::correlate) fn acked(&self) -> Option<BootTime> {
        (self.acked != NEVER).then_some(self.acked)
    }

    /// Notes its acknowledgement, if it is the first.
    pub(super) fn note_acked(&mut self, at: BootTime) {
        if self.acked == NEVER {
            self.acked = at;
        }
    }
}

/// A reset, as first sent.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::correlate) struct Rst {
    pub(in crate::correlate) at: BootTime,
    /// True if it has an acknowledgement, as the reset of an existing socket does.
    pub(in crate::correlate) has_ack: bool,
    /// Offset of its number from the ISN.
    pub(in crate::correlate) offset: u64,
    /// Offset that this end had reached before it.
    pub(in crate::correlate) before: u64,
    /// Offset that the other end had reached.
    pub(in crate::correlate) other_sent: u64,
    /// True if it was seen, and not only its effect.
    pub(in crate::correlate) seen: bool,
    /// Circumstances in which it was sent.
    pub(in crate::correlate) context: ResetContext,
}

/// Circumstances in which a reset was sent.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::correlate) struct ResetContext {
    /// True if a FIN of either end preceded it.
    pub(in crate::correlate) after_fin: bool,
    /// True if the acknowledgements of both FINs preceded it.
    pub(in crate::correlate) after_close: bool,
    /// True if a segment of the other end immediately preceded it: the reset may answer that.
    pub(in crate::correlate) answers: bool,
    /// True if no reset of the other end preceded it.
    pub(in crate::correlate) first: bool,
    /// True if the other end had acknowledged everything sent before: its RCV.NXT is known.
    pub(in crate::correlate) certain: bool,
    /// True if its number lies between those that the other end had acknowledged and this end's next one. An open
    /// socket resets with SND.NXT (RFC 9293 §3.10.5), and the answer to a segment has a number that this acknowledges
    /// (§3.10.7.1).
    pub(in crate::correlate) stray: bool,
    /// True if the end's own kernel reports that it sent one.
    pub(in crate::correlate) proven: bool,
    /// True if the other end continued after it, with data that may have been in flight before.
    pub(in crate::correlate) doubted: bool,
    /// True if this end answered later segments with resets, too.
    pub(in crate::correlate) repeated: bool,
    /// True if it has ACK, or one with ACK and the same number followed: an open socket sends that behind all of its text.
    pub(in crate::correlate) with_ack: bool,
    /// True if it counts only because the other end's socket has the error of a reset.
    pub(in crate::correlate) by_error: bool,
    /// True if it was seen leaving with a socket of this host.
    pub(in crate::correlate) has_socket: bool,
    /// True if it was seen leaving a network stack of this host, as everything on the loopback device is.
    pub(in crate::correlate) outgoing: bool,
    /// True if it ends the MPTCP connection that it belongs to (MP_FASTCLOSE, RFC 8684 §3.5).
    pub(in crate::correlate) fast_close: bool,
    /// True if the end in whose name it came went on after it, which a reset of its own would have ended.
    pub(in crate::correlate) outlived: bool,
    /// True if its sender had asked for another connection between the same ends: it answers a segment of the other end, which
    /// still has this one (RFC 9293 §3.5.1, half-open connections).
    pub(in crate::correlate) replaced: bool,
    /// True if a segment of either end other than a reset was seen after it. Times alone cannot show that: clocks may be coarse.
    pub(in crate::correlate) followed: bool,
}

/// The end of a socket.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Closed {
    pub(in crate::correlate) at: BootTime,
    /// State that it left.
    pub(in crate::correlate) from: TcpState,
    /// `sk_err`, if known.
    pub(in crate::correlate) error: Option<u32>,
    /// True if a process closed it.
    pub(in crate::correlate) by_process: bool,
    /// True if it had a local port.
    pub(in crate::correlate) has_port: bool,
    /// Properties of the socket when it closed.
    pub(in crate::correlate) proof: Proof,
    /// Counters of the socket when it closed.
    pub(in crate::correlate) counters: Option<Counters>,
}

impl Closed {
    /// Returns true if its process closed it before its FIN could leave, which waited behind data: it sends a reset. No task
    /// tells, but these states end in peace only when the FIN is acknowledged (tcp_disconnect and __tcp_close of
    /// net/ipv4/tcp.c).
    pub(in crate::correlate) fn aborted_with_unsent(&self) -> bool {
        let closing = matches!(self.from, TcpState::Closing | TcpState::LastAck);
        closing && self.error.is_none_or(|error| error == 0) && self.counters.is_some_and(Counters::has_unsent)
    }

    /// Returns true if it was aborted after its FIN, rather than replaced by a smaller socket: a process closed it after
    /// shutdown(), or the kernel did, since TCP_LINGER2 is negative.
    pub(in crate::correlate) fn aborted_in_fin_wait(&self) -> bool {
        let waits = matches!(self.from, TcpState::FinWait1 | TcpState::FinWait2);
        waits && self.error.is_none_or(|error| error == 0) && (self.by_process || self.proof.linger2)
    }
}

/// The kernel's reason for a reset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::correlate) struct ResetHint {
    /// The reason, if the kernel gives one.
    pub(in crate::correlate) reason: Option<ResetReason>,
    /// True if it was sent on behalf of a listener whose accept queue was full.
    pub(in crate::correlate) queue_full: bool,
}
