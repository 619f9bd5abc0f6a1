//! Output of the correlator: events with their connection, and the verdicts.

use std::sync::Arc;

use crate::{
    event::{
        Ace, BootTime, Cgroup, DroppedSegment, Hint, IcmpError, ListenerOwner, Loss, Role, Segment, SegmentNote,
        SocketOwner, SocketReport, StateChange,
    },
    filter::Emit,
    tcp::TcpState,
    verdict::{Close, Handshake, Stalled},
};

/// An event assigned to its connection, or a verdict.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Correlated {
    /// A state change.
    State(CorrelatedState),
    /// A segment; its copies on other interfaces are dropped.
    Segment(CorrelatedSegment),
    /// An ICMP error.
    Icmp(CorrelatedIcmp),
    /// The owner of a connection's socket.
    Owner(CorrelatedOwner),
    /// The owner of a listener.
    Listener(ListenerOwner),
    /// The kernel's reason for a segment it sent, or did not answer.
    Hint(CorrelatedHint),
    /// A segment that the kernel dropped.
    Drop(CorrelatedDrop),
    /// A loss of events.
    Loss(Loss),
    /// State changes of a connection's socket are missing before the next one; with the number of the connection.
    StateGap(Loss, u64),
    /// The outcome of a connection's handshake.
    Handshake(Box<Handshake>),
    /// The close of a connection.
    Close(Box<Close>),
    /// A handshake or close that makes no progress.
    Stalled(Box<Stalled>),
    /// The kernel reported a socket that makes no progress, or that makes progress again.
    Report(CorrelatedReport),
    /// A connection was evicted before it ended, to make room for another.
    Evicted(Evicted),
}

impl Correlated {
    /// Returns the [`OutputRecord::emit`](crate::output_record::OutputRecord::emit) of the record that this becomes.
    pub fn emit(&self) -> Emit {
        match self {
            Self::State(_) | Self::Owner(_) | Self::Listener(_) | Self::Hint(_) => Emit::STATE,
            Self::Segment(_) | Self::Icmp(_) | Self::Drop(_) => Emit::SEGMENT,
            Self::Handshake(_) => Emit::HANDSHAKE,
            Self::Close(_) => Emit::CLOSE,
            Self::Stalled(_) | Self::Report(_) | Self::Evicted(_) => Emit::STALLED,
            Self::Loss(_) | Self::StateGap(..) => Emit::NONE,
        }
    }
}

/// A state change assigned to its connection.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CorrelatedState {
    /// The change; its local port is 0 if it was never learnt.
    pub change: StateChange,
    /// Number of the connection; `None` for listeners.
    pub conn: Option<u64>,
    /// Namespace under which its connection is known, if other than its own.
    pub conn_netns: Option<u32>,
    /// Number of the socket, from 1, unique while the socket exists.
    pub socket: u64,
    /// Role of the socket in the connection, if known.
    pub role: Option<Role>,
    /// Number of an earlier socket at the same kernel address whose end was not seen.
    pub replaces: Option<u64>,
    /// Nanoseconds spent in the old state, if its beginning was seen.
    pub old_state_ns: Option<u64>,
    /// Nanoseconds since the connection's first event; `None` for listeners.
    pub since_start_ns: Option<u64>,
    /// State in which the kernel keeps the connection after it replaced the socket by a smaller one.
    pub continues_as: Option<TcpState>,
    /// Control group of the socket, with its first change.
    pub cgroup: Option<Arc<Cgroup>>,
    /// True if it was placed after the connection's last record.
    pub late: bool,
}

/// A segment assigned to its connection.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CorrelatedSegment {
    /// The segment.
    pub segment: Segment,
    /// Number of the connection.
    pub conn: u64,
    /// Namespace under which its connection is known, if other than its own.
    pub conn_netns: Option<u32>,
    /// Number of the socket that sent it, if it has one.
    pub socket: Option<u64>,
    /// Sequence number relative to the sender's ISN.
    pub rel_seq: u32,
    /// Acknowledgement number relative to the other end's ISN.
    pub rel_ack: Option<u32>,
    /// True if it opens or closes the connection: one of the segments that `--segments control` shows.
    pub control: bool,
    /// ACE field that AE, CWR and ECE are after an Accurate ECN handshake.
    pub ace: Option<Ace>,
    /// Meaning of the segment in the light of earlier ones.
    pub note: Option<SegmentNote>,
    /// Nanoseconds since the connection's first event.
    pub since_start_ns: u64,
    /// True if it carries sequence numbers that its sender was seen to send before.
    pub retransmission: bool,
    /// True if it was placed after the connection's last record.
    pub late: bool,
}

/// An ICMP error assigned to its connection.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CorrelatedIcmp {
    /// The error.
    pub error: IcmpError,
    /// Number of the connection of the quoted segment.
    pub conn: u64,
    /// Namespace under which its connection is known, if other than its own.
    pub conn_netns: Option<u32>,
    /// Nanoseconds since the connection's first event.
    pub since_start_ns: u64,
    /// True if it was placed after the connection's last record.
    pub late: bool,
}

/// The owner of a socket, assigned to its connection.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CorrelatedOwner {
    /// The socket's ends and its owner.
    pub owner: SocketOwner,
    /// Number of the connection.
    pub conn: u64,
    /// Number of the socket, if it has one.
    pub socket: Option<u64>,
}

/// A hint assigned to its connection.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CorrelatedHint {
    /// The hint.
    pub hint: Hint,
    /// Number of the connection, if it matches a known one.
    pub conn: Option<u64>,
    /// Namespace under which its connection is known, if other than its own.
    pub conn_netns: Option<u32>,
    /// Number of the connection's socket, if known.
    pub socket: Option<u64>,
    /// Nanoseconds since the connection's first event; `None` without a connection.
    pub since_start_ns: Option<u64>,
    /// True if it was placed after the connection's last record.
    pub late: bool,
}

/// A dropped segment assigned to its connection.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CorrelatedDrop {
    /// The segment.
    pub segment: DroppedSegment,
    /// Number of the connection, if it belongs to a known one.
    pub conn: Option<u64>,
    /// Namespace under which its connection is known, if other than its own.
    pub conn_netns: Option<u32>,
    /// Sequence number relative to the sender's ISN, if that is known.
    pub rel_seq: Option<u32>,
    /// Nanoseconds since the connection's first event; `None` without a connection.
    pub since_start_ns: Option<u64>,
    /// True if it was placed after the connection's last record.
    pub late: bool,
}

/// A socket report assigned to its connection.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CorrelatedReport {
    /// The report.
    pub report: SocketReport,
    /// Number of the connection.
    pub conn: u64,
    /// Namespace under which its connection is known, if other than its own.
    pub conn_netns: Option<u32>,
    /// Nanoseconds since the connection's first event.
    pub since_start_ns: u64,
}

/// A connection forgotten before it ended because the table is full: no more records have its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Evicted {
    /// Time of the eviction.
    pub at: BootTime,
    /// Number of the connection.
    pub conn: u64,
}

/// Counts of connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Totals {
    /// Number of connections numbered so far.
    pub numbered: u64,
    /// Number of these that ended.
    pub ended: u64,
    /// Number of these that were evicted before they ended.
    pub evicted: u64,
}

impl Totals {
    /// Returns the number of connections neither ended nor evicted.
    pub fn open(&self) -> u64 {
        self.numbered - self.ended - self.evicted
    }
}
