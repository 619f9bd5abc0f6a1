//! What an end does that counts: its SYNs, its FIN, its reset, the end of its socket.

use crate::{
    event::{BootTime, Proof},
    reset_reason::ResetReason,
    tcp::TcpState,
};

/// The segments of one kind that an end has sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::connections) struct Sent {
    pub(in crate::connections) first: BootTime,
    pub(in crate::connections) last: BootTime,
    pub(in crate::connections) count: u32,
}

impl Sent {
    /// The first of the kind.
    pub(super) fn once(at: BootTime) -> Self {
        Self { first: at, last: at, count: 1 }
    }

    /// One more of the kind.
    pub(super) fn note_again(&mut self, at: BootTime) {
        self.last = at;
        self.count = self.count.saturating_add(1);
    }

    /// How many were sent again.
    pub(in crate::connections) fn again(self) -> u32 {
        self.count.saturating_sub(1)
    }
}

/// A FIN, as it was first sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::connections) struct Fin {
    pub(in crate::connections) sent: Sent,
    /// The offset from the ISN of the number after it.
    pub(in crate::connections) end: u64,
    /// It acknowledges the other end's FIN.
    pub(in crate::connections) acks_other: bool,
    /// An earlier segment of this end did.
    pub(in crate::connections) acked_before: bool,
    /// The offset that the other end had reached.
    pub(in crate::connections) other_sent: u64,
    pub(in crate::connections) acked: Option<BootTime>,
}

/// A reset, as it was first sent.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::connections) struct Rst {
    pub(in crate::connections) at: BootTime,
    /// It acknowledges something, as the reset of a socket does that is there.
    pub(in crate::connections) has_ack: bool,
    /// The offset of its number from the ISN.
    pub(in crate::connections) offset: u64,
    /// It has been seen, and not only what it did.
    pub(in crate::connections) seen: bool,
}

/// How a socket ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::connections) struct Closed {
    pub(in crate::connections) at: BootTime,
    /// The state it left.
    pub(in crate::connections) from: TcpState,
    /// `sk_err`, where known.
    pub(in crate::connections) error: Option<u32>,
    /// Whether a process closed it.
    pub(in crate::connections) by_process: bool,
    /// What the socket was like.
    pub(in crate::connections) proof: Proof,
}

/// What the kernel said about a reset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::connections) struct ResetHint {
    /// Why, where the kernel tells.
    pub(in crate::connections) reason: Option<ResetReason>,
    /// It was sent on behalf of a listener whose accept queue was full.
    pub(in crate::connections) queue_full: bool,
}
