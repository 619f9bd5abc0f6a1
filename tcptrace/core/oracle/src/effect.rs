//! Effects of an end: segments that leave it, and what the kernel's tracepoints would show of it.

use crate::{
    endpoint::State,
    segment::{Segment, Side},
};

/// An errno; 0 is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Errno(pub u32);

#[expect(missing_docs, reason = "errno(3) describes them")]
impl Errno {
    pub const NONE: Self = Self(0);
    pub const EPIPE: Self = Self(32);
    pub const ECONNRESET: Self = Self(104);
    pub const ETIMEDOUT: Self = Self(110);
    pub const ECONNREFUSED: Self = Self(111);
}

/// Reason for a reset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// SO_LINGER with time 0.
    Linger,
    /// It was closed with data unread.
    Unread,
    /// Data came after close().
    AbortOnData,
    /// The stack knows no such connection.
    NoSocket,
    /// Data arrived for the timewait socket that replaced the socket in FIN_WAIT2 or TIME_WAIT.
    TimeWaitSocket,
    /// During the handshake, the acknowledgement number is one that was never sent.
    InvalidAck,
}

/// Sender of a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sender {
    /// A socket.
    Socket(u64),
    /// A request of a listener.
    Request(u64),
    /// The stack on its own, for TIME_WAIT or for no socket at all.
    Stack,
}

/// Something that an end does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// A segment leaves.
    Send {
        /// The segment.
        segment: Segment,
        /// Its sender.
        sender: Sender,
        /// Generation of the four-tuple that it belongs to, from 0.
        generation: usize,
        /// True if it is a reset by which the sender ends its own connection.
        ends_own: bool,
    },
    /// `sock:inet_sock_set_state`
    State {
        /// End that the socket belongs to.
        side: Side,
        /// Generation of the four-tuple, from 0.
        generation: usize,
        /// The socket.
        socket: u64,
        /// The state it leaves.
        old: State,
        /// The state it enters.
        new: State,
        /// `sk_err`
        error: Errno,
        /// The proof that the socket gives as it enters CLOSE.
        cause: Option<Cause>,
        /// True if the owner of the socket causes the change, in its own context.
        by_process: bool,
    },
    /// `tcp:tcp_send_reset`
    ResetHint {
        /// End that sends the reset.
        side: Side,
        /// Generation of the four-tuple, from 0.
        generation: usize,
        /// The socket, if there is one.
        socket: Option<u64>,
        /// Reason for the reset.
        cause: Cause,
    },
    /// A timewait socket in FIN_WAIT2 has ended without entering TIME_WAIT. No tracepoint shows it.
    Gone {
        /// The end.
        side: Side,
        /// Generation of the four-tuple, from 0.
        generation: usize,
    },
    /// An end has entered TIME_WAIT. No tracepoint shows it.
    TimeWait {
        /// The end.
        side: Side,
        /// Generation of the four-tuple, from 0.
        generation: usize,
    },
}

/// The reactions of an end to one input, in order.
#[derive(Debug)]
pub struct Effects {
    /// Current time in nanoseconds.
    pub now: u64,
    /// Maximum delay of an acknowledgement, in nanoseconds.
    pub ack_delay: u64,
    /// Generation of the segment that is being answered.
    pub answering: Option<usize>,
    pub(crate) all: Vec<Effect>,
}

impl Effects {
    /// No effects yet, at time `now`.
    pub fn new(now: u64, ack_delay: u64) -> Self {
        Self { now, ack_delay, answering: None, all: Vec::new() }
    }

    /// Adds an effect.
    pub fn push(&mut self, effect: Effect) {
        self.all.push(effect);
    }

    /// Takes the effects out.
    pub fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.all)
    }
}
