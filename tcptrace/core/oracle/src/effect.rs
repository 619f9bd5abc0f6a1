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

/// Why an end resets.
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
    /// Data came to what stands in the socket's place in FIN_WAIT2 or TIME_WAIT.
    TimeWaitSocket,
    /// The acknowledgement number is of nothing sent, while the connection is being opened.
    InvalidAck,
}

/// Who sends a segment.
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
        /// Who sends it.
        sender: Sender,
        /// Which connection of the four-tuple it belongs to.
        generation: usize,
        /// With this reset the sender ends its own connection.
        ends_own: bool,
    },
    /// `sock:inet_sock_set_state`
    State {
        /// Whose.
        side: Side,
        /// Which connection of the four-tuple.
        generation: usize,
        /// Which socket.
        socket: u64,
        /// The state it leaves.
        old: State,
        /// The state it enters.
        new: State,
        /// `sk_err`
        error: Errno,
        /// The proof that the socket gives as it enters CLOSE.
        cause: Option<Cause>,
        /// It runs in the context of the process that owns the socket.
        by_process: bool,
    },
    /// `tcp:tcp_send_reset`
    ResetHint {
        /// Who sends the reset.
        side: Side,
        /// For which connection of the four-tuple.
        generation: usize,
        /// The socket, where there is one.
        socket: Option<u64>,
        /// Why.
        cause: Cause,
    },
    /// What stood in a socket's place in FIN_WAIT2 has gone, without TIME_WAIT. The kernel shows it to nobody.
    Gone {
        /// Which.
        side: Side,
        /// Of which connection of the four-tuple.
        generation: usize,
    },
    /// An end has entered TIME_WAIT. The kernel shows it to nobody.
    TimeWait {
        /// Which.
        side: Side,
        /// Of which connection of the four-tuple.
        generation: usize,
    },
}

/// The reactions of an end to one input, in order.
#[derive(Debug)]
pub struct Effects {
    /// Nanoseconds, as the ends have to know for their timers.
    pub now: u64,
    /// How long an acknowledgement may wait, in nanoseconds.
    pub ack_delay: u64,
    /// Which connection of the four-tuple the segment belongs to that is being answered.
    pub answering: Option<usize>,
    pub(crate) all: Vec<Effect>,
}

impl Effects {
    /// Nothing yet, at this time.
    pub fn new(now: u64, ack_delay: u64) -> Self {
        Self { now, ack_delay, answering: None, all: Vec::new() }
    }

    /// Adds one.
    pub fn push(&mut self, effect: Effect) {
        self.all.push(effect);
    }

    /// Hands them on.
    pub fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.all)
    }
}
