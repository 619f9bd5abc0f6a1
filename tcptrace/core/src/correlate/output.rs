//! What comes out of the correlator: events in their place, and the records they add up to.

use crate::{
    event::{BootTime, Hint, IcmpError, ListenerOwner, Loss, Role, Segment, SegmentNote, SocketOwner, StateChange},
    filter::Emit,
    tcp::TcpState,
    verdict::{Close, Handshake, Stalled},
};

/// An event in its place.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Correlated {
    /// A state change.
    State(CorrelatedState),
    /// A segment, the first of its copies.
    Segment(CorrelatedSegment),
    /// An ICMP error.
    Icmp(CorrelatedIcmp),
    /// Who holds a connection's socket.
    Owner(CorrelatedOwner),
    /// Who holds a listener.
    Listener(ListenerOwner),
    /// What the kernel said about a segment it sent, or did not answer.
    Hint(CorrelatedHint),
    /// A gap.
    Loss(Loss),
    /// Changes of a connection's sockets' states must have been missed: the next one of the socket follows.
    StateGap(Loss, u64),
    /// What came of a connection's handshake.
    Handshake(Box<Handshake>),
    /// How a connection ended.
    Close(Box<Close>),
    /// A connection that is being opened or closed does not get on.
    Stalled(Box<Stalled>),
    /// A connection was forgotten before it ended, to make room for another.
    Evicted(Evicted),
}

impl Correlated {
    /// [`OutputRecord::emit`](crate::output_record::OutputRecord::emit) of the record that this becomes.
    pub fn emit(&self) -> Emit {
        match self {
            Self::State(_) | Self::Owner(_) | Self::Listener(_) | Self::Hint(_) => Emit::STATE,
            Self::Segment(_) | Self::Icmp(_) => Emit::SEGMENT,
            Self::Handshake(_) => Emit::HANDSHAKE,
            Self::Close(_) => Emit::CLOSE,
            Self::Stalled(_) | Self::Evicted(_) => Emit::STALLED,
            Self::Loss(_) | Self::StateGap(..) => Emit::NONE,
        }
    }
}

/// A state change in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CorrelatedState {
    /// The change; a port that is still 0 was never learnt.
    pub change: StateChange,
    /// The connection; none for listeners.
    pub conn: Option<u64>,
    /// The namespace under which its connection is known, where that is another than its own.
    pub conn_netns: Option<u32>,
    /// A number for the socket, from 1, as long as it lives.
    pub socket: u64,
    /// Which end of the connection it is, where something tells.
    pub role: Option<Role>,
    /// The number of the socket whose address this one has got, where the end of that one was not seen.
    pub replaces: Option<u64>,
    /// Nanoseconds spent in the old state, where its beginning was seen.
    pub old_state_ns: Option<u64>,
    /// Nanoseconds since the connection's first event; none for listeners.
    pub since_start_ns: Option<u64>,
    /// The socket is gone, but the kernel stays in this state without it.
    pub continues_as: Option<TcpState>,
    /// The connection's last record was written before.
    pub late: bool,
}

/// A segment in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CorrelatedSegment {
    /// The segment.
    pub segment: Segment,
    /// The connection.
    pub conn: u64,
    /// The namespace under which its connection is known, where that is another than its own.
    pub conn_netns: Option<u32>,
    /// The number of the socket that sent it, where that has one.
    pub socket: Option<u64>,
    /// Sequence number relative to the sender's ISN.
    pub rel_seq: u32,
    /// Acknowledgement number relative to the other end's ISN.
    pub rel_ack: Option<u32>,
    /// It belongs to what opens and closes the connection: one of those that `--segments control` shows.
    pub control: bool,
    /// What the segments before tell of it.
    pub note: Option<SegmentNote>,
    /// Nanoseconds since the connection's first event.
    pub since_start_ns: u64,
    /// It carries sequence numbers that its sender was seen to send before.
    pub retransmission: bool,
    /// The connection's last record was written before.
    pub late: bool,
}

/// An ICMP error in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CorrelatedIcmp {
    /// The error.
    pub error: IcmpError,
    /// The connection of the segment it quotes.
    pub conn: u64,
    /// The namespace under which its connection is known, where that is another than its own.
    pub conn_netns: Option<u32>,
    /// Nanoseconds since the connection's first event.
    pub since_start_ns: u64,
    /// The connection's last record was written before.
    pub late: bool,
}

/// Who holds a socket, in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CorrelatedOwner {
    /// The socket's ends and its owner.
    pub owner: SocketOwner,
    /// The connection.
    pub conn: u64,
    /// The socket's number, where it has one.
    pub socket: Option<u64>,
}

/// A hint in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CorrelatedHint {
    /// The hint.
    pub hint: Hint,
    /// The connection, if one is known that it can belong to.
    pub conn: Option<u64>,
    /// The namespace under which its connection is known, where that is another than its own.
    pub conn_netns: Option<u32>,
    /// The number of its socket, if that is known.
    pub socket: Option<u64>,
    /// Nanoseconds since the connection's first event; none without a connection.
    pub since_start_ns: Option<u64>,
    /// The connection's last record was written before.
    pub late: bool,
}

/// A connection that was forgotten before it ended, since there is room for no more: nothing more comes under its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Evicted {
    /// When.
    pub at: BootTime,
    /// The connection.
    pub conn: u64,
}

/// Counts of connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Totals {
    /// Numbered so far.
    pub numbered: u64,
    /// Of these, ended.
    pub ended: u64,
    /// Of these, forgotten before they ended.
    pub evicted: u64,
}

impl Totals {
    /// Neither ended nor forgotten.
    pub fn open(&self) -> u64 {
        self.numbered - self.ended - self.evicted
    }
}
