//! An event in its place: with its connection's number, the role of each end and relative numbers. Entries are what
//! renderers print; their fields are the JSON fields, so that text and JSON cannot disagree.

use std::{net::IpAddr, rc::Rc};

#[cfg(feature = "schema")]
mod schema;

#[cfg(feature = "schema")]
pub use self::schema::{json_schema, json_schema_text};
use crate::{
    event::{
        AcceptQueue, Comm, Direction, HintName, LossSource, OwnerSource, Proof, Role, SegmentNote,
        reset_reason::ResetReason,
    },
    filter::{Emit, SegmentChoice},
    tcp::{TcpFlags, TcpOptions, TcpState},
    text::{Errno, WallTime},
    verdict::{Close, Handshake},
};

/// One line of output.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "type", rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum OutputRecord {
    /// Tracing begins.
    Start(StartOutput),
    /// A socket changed its state.
    State(StateOutput),
    /// A segment passed an interface.
    Segment(SegmentOutput),
    /// An ICMP error that quotes a segment passed an interface.
    Icmp(IcmpOutput),
    /// Who holds a socket that nobody was seen to open.
    Owner(OwnerOutput),
    /// The kernel said something by the way of a segment it sent or did not answer.
    Hint(HintOutput),
    /// Something was lost here.
    Lost(LostOutput),
    /// What came of a handshake.
    Handshake(HandshakeOutput),
    /// How a connection ended.
    Close(CloseOutput),
    /// Tracing ended.
    End(EndOutput),
}

impl OutputRecord {
    /// The type of record that has to be chosen for this one to be written; [`Emit::NONE`] if it is always written.
    pub fn emit(&self) -> Emit {
        match self {
            Self::State(_) | Self::Owner(_) | Self::Hint(_) => Emit::STATE,
            Self::Segment(_) | Self::Icmp(_) => Emit::SEGMENT,
            Self::Handshake(_) => Emit::HANDSHAKE,
            Self::Close(_) => Emit::CLOSE,
            Self::Start(_) | Self::Lost(_) | Self::End(_) => Emit::NONE,
        }
    }
}

/// When an entry's event happened.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Stamp {
    /// Wall clock, RFC 3339 in UTC with nine digits.
    pub time: WallTime,
    /// `CLOCK_BOOTTIME` in nanoseconds; null from a capture.
    pub boot_ns: Option<u64>,
}

/// What is traced, by what.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StartOutput {
    /// When tracing began.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// The number of the JSON schema. Within it fields may be added, none renamed.
    pub schema: u32,
    /// tcptrace's version.
    pub version: &'static str,
    /// This host's name.
    pub hostname: String,
    /// The kernel's release; null from a capture.
    pub kernel: Option<String>,
    /// Inode number of the network namespace whose segments are seen; null from a capture.
    pub netns: Option<u32>,
    /// The interfaces attached to.
    pub interfaces: Vec<String>,
    /// Which segments are chosen.
    pub segments: SegmentChoice,
    /// The filter, in words; empty for none.
    pub filter: String,
    /// When this run of tcptrace began, in nanoseconds of `CLOCK_BOOTTIME`: the same in each `start` of a run, one for every
    /// file that SIGHUP began. Null from a capture.
    pub began_ns: Option<u64>,
}

/// An endpoint as JSON shows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct EndpointOutput {
    /// Address.
    pub addr: IpAddr,
    /// Port; null where the kernel had not chosen it.
    pub port: Option<u16>,
}

/// A socket changed its state.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StateOutput {
    /// When.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// The connection; null for listeners.
    pub conn: Option<u64>,
    /// Inode number of the network namespace; null where this kernel does not tell.
    pub netns: Option<u32>,
    /// A number for this socket as long as it lives.
    pub socket: u64,
    /// The socket that lay at the same place in memory, where its own end was not seen; only then.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub replaces: Option<u64>,
    /// The state it leaves.
    pub old: TcpState,
    /// The state it enters.
    pub new: TcpState,
    /// Its own end.
    pub local: EndpointOutput,
    /// The other end; null for listeners.
    pub remote: Option<EndpointOutput>,
    /// Which end of the connection the socket is; null for listeners and where nothing tells.
    pub role: Option<Role>,
    /// The socket's pending error by its errno name.
    pub error: Option<Errno>,
    /// What the socket was like when it entered CLOSE, where that may prove why it sent a reset.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Proof::is_empty"))]
    pub evidence: Proof,
    /// The process that made the change; null where the change ran in nobody's context.
    pub pid: Option<u32>,
    /// The thread that made the change.
    pub tid: Option<u32>,
    /// The thread's name.
    pub comm: Option<Comm>,
    /// Nanoseconds spent in the old state; null where its beginning was not seen.
    pub old_state_ns: Option<u64>,
}

/// A segment passed an interface.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SegmentOutput {
    /// When.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// The connection.
    pub conn: u64,
    /// The interface where it was seen first.
    pub interface: Rc<str>,
    /// Which way it passed; null from a capture that does not tell.
    pub direction: Option<Direction>,
    /// The socket that sent it; null for one without changes of its own yet, such as a request's. Only at egress, and only
    /// where a socket sent it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<u64>"))]
    pub socket: Option<Option<u64>>,
    /// Source.
    pub src: EndpointOutput,
    /// Destination.
    pub dst: EndpointOutput,
    /// Flags in tcpdump's letters and order; `none` for no flag.
    pub flags: TcpFlags,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; null without ACK.
    pub ack: Option<u32>,
    /// Sequence number relative to the sender's ISN, modulo 2^32.
    pub rel_seq: u32,
    /// Acknowledgement number relative to the other end's ISN, modulo 2^32; null without ACK.
    pub rel_ack: Option<u32>,
    /// The window field, unscaled.
    pub window: u16,
    /// The urgent pointer; only with URG.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub urgent: Option<u16>,
    /// Payload bytes by the IP length; of all segments where offloading merged several.
    pub length: u32,
    /// How many segments the buffer stands for, when more than one.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub segments: Option<u16>,
    /// What the segments before tell of this one; only where that is something.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "SegmentNote"))]
    pub note: Option<SegmentNote>,
    /// TCP options.
    pub options: TcpOptions,
}

/// An ICMP error that quotes a segment passed an interface.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct IcmpOutput {
    /// When.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// The connection of the quoted segment.
    pub conn: u64,
    /// The interface where it was seen first.
    pub interface: Rc<str>,
    /// Which way it passed; null from a capture that does not tell.
    pub direction: Option<Direction>,
    /// Who sent it.
    pub from: IpAddr,
    /// What it says, in words.
    pub kind: &'static str,
    /// Type.
    pub icmp_type: u8,
    /// Code.
    pub icmp_code: u8,
    /// Source of the quoted segment.
    pub src: EndpointOutput,
    /// Destination of the quoted segment.
    pub dst: EndpointOutput,
    /// Sequence number of the quoted segment.
    pub seq: u32,
}

/// Who holds a socket, where no state change of it tells: it was there before, or it was accepted.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct OwnerOutput {
    /// When it was found out.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// The connection; null for listeners.
    pub conn: Option<u64>,
    /// The socket's number, as in `state`; null where it has not changed its state yet, and for listeners.
    pub socket: Option<u64>,
    /// Its own end.
    pub local: EndpointOutput,
    /// The other end; null for listeners.
    pub remote: Option<EndpointOutput>,
    /// How many sockets listen there, where it is more than one.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub sockets: Option<u32>,
    /// How long before the kernel was asked, in nanoseconds; only for listeners, some of which may have come or gone since.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub asked_ns: Option<u64>,
    /// The process that holds it; null where several do, or none that can be seen.
    pub pid: Option<u32>,
    /// The process's name.
    pub comm: Option<Comm>,
    /// Where that is known from.
    pub source: OwnerSource,
}

/// What the kernel said by the way of a segment it sent, or of one that it did not answer.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct HintOutput {
    /// When.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// The connection; null where none is known that it can belong to.
    pub conn: Option<u64>,
    /// Inode number of the network namespace; null where it is not known.
    pub netns: Option<u32>,
    /// The number of the socket on whose behalf it was sent, a listener's too; null where that is not known.
    pub socket: Option<u64>,
    /// The tracepoint that told it, or `accept_queue`.
    pub name: HintName,
    /// Why a reset is sent; null where the kernel does not tell (before 6.10), and for other hints.
    pub value: Option<ResetReason>,
    /// The state of what it was sent on behalf of; null where there is nothing.
    pub state: Option<TcpState>,
    /// The sender; whoever did not answer.
    pub local: EndpointOutput,
    /// To whom it was sent; who waits for an answer.
    pub remote: EndpointOutput,
    /// Whether that is a listener whose accept queue was full; only then.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub queue_full: bool,
    /// The listener's accept queue; only with `accept_queue`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "AcceptQueue"))]
    pub queue: Option<AcceptQueue>,
}

/// Something was lost here.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LostOutput {
    /// When it was noticed.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// The connection whose socket has left a state that it was not seen to enter: the kernel told of no loss. Only then.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub conn: Option<u64>,
    /// What was lost.
    pub source: LossSource,
    /// How much since the last such entry.
    pub count: u64,
    /// How much since tracing began; what was noticed by a connection alone is counted by itself.
    pub total: u64,
}

/// What came of a handshake.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct HandshakeOutput {
    /// When the last event that it includes happened.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// The record.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub record: Box<Handshake>,
}

/// How a connection ended.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CloseOutput {
    /// When the last event that it includes happened.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// The record.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub record: Box<Close>,
}

/// What was seen in all.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EndOutput {
    /// When tracing ended.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Connections numbered.
    pub connections: u64,
    /// Of these, still open.
    pub open: u64,
    /// Connections forgotten because the table was full.
    pub evicted: u64,
    /// Events taken from the ring.
    pub events: u64,
    /// Records lost, all sources together.
    pub lost: u64,
}
