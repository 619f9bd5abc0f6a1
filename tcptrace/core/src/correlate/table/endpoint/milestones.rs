//! What an end does that counts: its SYNs, its FIN, its reset, the end of its socket.

use crate::{
    event::{BootTime, Proof, reset_reason::ResetReason},
    tcp::TcpState,
};

/// The segments of one kind that an end has sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Sent {
    pub(in crate::correlate) first: BootTime,
    pub(in crate::correlate) last: BootTime,
    pub(in crate::correlate) count: u32,
}

impl Sent {
    /// The first of the kind.
    pub(in crate::correlate) fn once(at: BootTime) -> Self {
        Self { first: at, last: at, count: 1 }
    }

    /// One more of the kind.
    pub(in crate::correlate) fn note_again(&mut self, at: BootTime) {
        self.last = at;
        self.count = self.count.saturating_add(1);
    }

    /// How many were sent again.
    pub(in crate::correlate) fn again(self) -> u32 {
        self.count.saturating_sub(1)
    }
}

/// A FIN, as it was first sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Fin {
    pub(in crate::correlate) sent: Sent,
    /// The offset from the ISN of the number after it.
    pub(in crate::correlate) end: u64,
    /// It acknowledges the other end's FIN.
    pub(in crate::correlate) acks_other: bool,
    /// An earlier segment of this end did.
    pub(in crate::correlate) acked_before: bool,
    /// The offset that the other end had reached.
    pub(in crate::correlate) other_sent: u64,
    pub(in crate::correlate) acked: Option<BootTime>,
}

/// A reset, as it was first sent.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::correlate) struct Rst {
    pub(in crate::correlate) at: BootTime,
    /// It acknowledges something, as the reset of a socket does that is there.
    pub(in crate::correlate) has_ack: bool,
    /// The offset of its number from the ISN.
    pub(in crate::correlate) offset: u64,
    /// It has been seen, and not only what it did.
    pub(in crate::correlate) seen: bool,
    /// What had come before it.
    pub(in crate::correlate) context: ResetContext,
}

/// What had come before a reset.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::correlate) struct ResetContext {
    /// A FIN of either end.
    pub(in crate::correlate) after_fin: bool,
    /// The acknowledgements of both FINs.
    pub(in crate::correlate) after_close: bool,
    /// A segment of the other end, right before: the reset may answer it.
    pub(in crate::correlate) answers: bool,
    /// No reset of the other end.
    pub(in crate::correlate) first: bool,
    /// The other end had acknowledged all that was sent before: its RCV.NXT is known.
    pub(in crate::correlate) certain: bool,
    /// The end's own kernel says that it has sent one.
    pub(in crate::correlate) proven: bool,
    /// The other end has gone on behind it, with what may have been on its way before.
    pub(in crate::correlate) doubted: bool,
    /// It counts only because the other end's socket has the error of one.
    pub(in crate::correlate) by_error: bool,
}

/// How a socket ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Closed {
    pub(in crate::correlate) at: BootTime,
    /// The state it left.
    pub(in crate::correlate) from: TcpState,
    /// `sk_err`, where known.
    pub(in crate::correlate) error: Option<u32>,
    /// Whether a process closed it.
    pub(in crate::correlate) by_process: bool,
    /// It had a local port.
    pub(in crate::correlate) has_port: bool,
    /// What the socket was like.
    pub(in crate::correlate) proof: Proof,
}

/// What the kernel said about a reset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::correlate) struct ResetHint {
    /// Why, where the kernel tells.
    pub(in crate::correlate) reason: Option<ResetReason>,
    /// It was sent on behalf of a listener whose accept queue was full.
    pub(in crate::correlate) queue_full: bool,
}
