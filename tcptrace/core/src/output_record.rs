//! Output records: events with the number of their connection, roles and relative sequence numbers, and verdicts.
//!
//! The renderers print only these. Their fields are those of the JSON lines, so text and JSON agree.

use std::sync::Arc;

mod context;
mod events;
mod joined;
#[cfg(feature = "schema")]
mod schema;

#[cfg(feature = "schema")]
pub use self::schema::{json_schema, json_schema_text};
pub use self::{
    context::{CommunityId, CommunityIdText, Context, Origin},
    events::{
        DropOutput, EndpointOutput, HintOutput, IcmpOutput, OwnerOutput, ReportOutput, SegmentOutput, StateOutput,
    },
    joined::{Joined, JoinedView, Passage, Sighting},
};
use crate::{
    event::{Container, Existing, LossSource, Process},
    filter::{Emit, SegmentChoice},
    tcp::TcpState,
    text::WallTime,
    verdict::{Close, Handshake, Stalled},
};

/// One line of JSON output.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "type", rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum OutputRecord {
    /// Tracing begins.
    Start(StartOutput),
    /// Sockets were there when tracing began.
    Existing(ExistingOutput),
    /// The interfaces of another network namespace are traced from now on.
    Namespace(NamespaceOutput),
    /// A socket changed its state.
    State(StateOutput),
    /// A segment passed an interface.
    Segment(SegmentOutput),
    /// An ICMP error that quotes a segment passed an interface.
    Icmp(IcmpOutput),
    /// The process that holds a socket was found.
    Owner(OwnerOutput),
    /// The kernel gave a reason for a segment it sent, or for one it did not answer.
    Hint(HintOutput),
    /// The kernel dropped a segment.
    Drop(DropOutput),
    /// Events were lost.
    Lost(LostOutput),
    /// The outcome of a handshake.
    Handshake(HandshakeOutput),
    /// The close of a connection.
    Close(CloseOutput),
    /// The kernel told of a socket that makes no progress, or does again.
    Report(ReportOutput),
    /// A connection makes no progress.
    Stalled(StalledOutput),
    /// A connection was forgotten before it ended, since there is room for no more.
    Evicted(EvictedOutput),
    /// A socket that waits for its process or for the other end, as `tcptrace leaks` lists it.
    Leak(LeakOutput),
    /// Tracing ended.
    End(EndOutput),
}

impl OutputRecord {
    /// Returns the type that `--emit` must include for this record to be written; [`Emit::NONE`] if it always is.
    pub fn emit(&self) -> Emit {
        match self {
            Self::State(_) | Self::Owner(_) | Self::Hint(_) => Emit::STATE,
            Self::Segment(_) | Self::Icmp(_) | Self::Drop(_) => Emit::SEGMENT,
            Self::Handshake(_) => Emit::HANDSHAKE,
            Self::Close(_) => Emit::CLOSE,
            Self::Stalled(_) | Self::Report(_) | Self::Evicted(_) => Emit::STALLED,
            Self::Start(_) | Self::Existing(_) | Self::Namespace(_) | Self::Leak(_) | Self::Lost(_) | Self::End(_) => {
                Emit::NONE
            }
        }
    }
}

impl OutputRecord {
    /// Returns the time of the record.
    pub fn stamp(&self) -> Stamp {
        match self {
            Self::Start(StartOutput { stamp, .. })
            | Self::Existing(ExistingOutput { stamp, .. })
            | Self::Namespace(NamespaceOutput { stamp, .. })
            | Self::State(StateOutput { stamp, .. })
            | Self::Segment(SegmentOutput { stamp, .. })
            | Self::Icmp(IcmpOutput { stamp, .. })
            | Self::Owner(OwnerOutput { stamp, .. })
            | Self::Hint(HintOutput { stamp, .. })
            | Self::Drop(DropOutput { stamp, .. })
            | Self::Lost(LostOutput { stamp, .. })
            | Self::Handshake(HandshakeOutput { stamp, .. })
            | Self::Close(CloseOutput { stamp, .. })
            | Self::Report(ReportOutput { stamp, .. })
            | Self::Stalled(StalledOutput { stamp, .. })
            | Self::Evicted(EvictedOutput { stamp, .. })
            | Self::Leak(LeakOutput { stamp, .. })
            | Self::End(EndOutput { stamp, .. }) => *stamp,
        }
    }
}

/// Time of a record's event.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Stamp {
    /// Wall-clock time: RFC 3339, UTC, nine fractional digits; null if nobody recorded it, as in simple packet blocks of pcapng.
    pub time: WallTime,
    /// Time since boot (`CLOCK_BOOTTIME`) in nanoseconds; null in records made from a capture.
    pub boot_ns: Option<u64>,
}

/// The beginning of a trace: what is traced, where, and by which version.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StartOutput {
    /// Time at which tracing began.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Version of this JSON schema. Within a version fields may be added, but none are removed or renamed.
    pub schema: u32,
    /// Version of tcptrace.
    pub version: &'static str,
    /// Name of the host.
    pub hostname: String,
    /// Kernel release, as `uname -r` prints it; null if read from a capture.
    pub kernel: Option<String>,
    /// Inode number of the network namespace whose segments are traced; null if read from a capture.
    pub netns: Option<u32>,
    /// Names of the traced interfaces.
    pub interfaces: Vec<String>,
    /// Choice of segments to record.
    pub segments: SegmentChoice,
    /// The filter in words; empty without a filter.
    pub filter: String,
    /// Time at which this run of tcptrace began, in nanoseconds of `CLOCK_BOOTTIME`. It is the same in every `start` of a run,
    /// which SIGHUP writes at the beginning of each new file. Null if read from a capture.
    pub began_ns: Option<u64>,
    /// UUID of this run of tcptrace. Null if read from a capture, and from recordings without it.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub run: Option<Arc<str>>,
}

/// The interfaces of a network namespace other than tcptrace's own are traced from now on, or have changed.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NamespaceOutput {
    /// Time from which they are traced.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Inode number of the namespace.
    pub netns: u32,
    /// Its name, as `ip netns` and docker keep it; null if it has none.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub netns_name: Option<Arc<str>>,
    /// Names of its traced interfaces.
    pub interfaces: Vec<String>,
}

/// Sockets that match the filter and were there when tracing began.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ExistingOutput {
    /// Time at which the kernel was asked.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// The record.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub record: Box<Existing>,
}

impl ExistingOutput {
    /// Creates the record; `stamp` is that of [`Existing::at`].
    pub fn new(stamp: Stamp, record: Existing) -> Self {
        Self { stamp, record: Box::new(record) }
    }
}

/// A socket in CLOSE_WAIT, FIN_WAIT1, FIN_WAIT2, LAST_ACK or SYN_RECV, as `tcptrace leaks` lists it.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeakOutput {
    /// Time at which the kernel was asked, or of the recording's last event.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection in the recording; null if the kernel was asked.
    pub conn: Option<u64>,
    /// Inode number of the socket's network namespace; null if unknown.
    pub netns: Option<u32>,
    /// State of the socket.
    pub state: TcpState,
    /// Local end.
    pub local: EndpointOutput,
    /// Remote end.
    pub remote: EndpointOutput,
    /// The processes that hold it, ordered by PID; empty if nobody holds it or it could not be found out.
    pub processes: Vec<Process>,
    /// The container in which it was made; null if none, or unknown.
    pub container: Option<Container>,
    /// Nanoseconds since it entered the state, which the recording shows; null if unknown.
    pub age_ns: Option<u64>,
    /// Nanoseconds for which it has been in the state at least, as far as the kernel tells; null if unknown.
    pub age_at_least_ns: Option<u64>,
    /// Payload bytes that it has received and no process has read; null if unknown.
    pub unread_bytes: Option<u32>,
    /// Payload bytes written that the other end has not acknowledged; null if unknown.
    pub unacked_bytes: Option<u32>,
}

/// Events were lost.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LostOutput {
    /// Time at which the loss was noticed.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection whose socket left a state that it was not seen to enter; present if the loss showed there before
    /// the kernel had counted it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub conn: Option<u64>,
    /// Kind of events that were lost.
    pub source: LossSource,
    /// Number of events lost since the last record of this source.
    pub count: u64,
    /// Number of events lost since tracing began, of this source.
    pub total: u64,
}

/// The outcome of a handshake.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct HandshakeOutput {
    /// Time of the last event that the record includes.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Encapsulation in which its first segment travelled, outermost layer first: VLAN tags, labels, sessions and tunnels, in words, with the
    /// identifier where both directions share one. Absent without any, and live.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub encapsulation: Option<Arc<[String]>>,
    /// The connection as several hosts have it, if their files are read together. Absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Joined"))]
    pub joined: Option<Box<Joined>>,
    /// Host, run, beginning and severity.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub context: Context,
    /// The verdict.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub record: Box<Handshake>,
}

/// The close of a connection.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CloseOutput {
    /// Time of the last event that the record includes.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Encapsulation in which its first segment travelled, outermost layer first: VLAN tags, labels, sessions and tunnels, in words, with the
    /// identifier where both directions share one. Absent without any, and live.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub encapsulation: Option<Arc<[String]>>,
    /// The connection as several hosts have it, if their files are read together. Absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Joined"))]
    pub joined: Option<Box<Joined>>,
    /// Host, run, beginning and severity.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub context: Context,
    /// The verdict.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub record: Box<Close>,
}

/// A connection makes no progress.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StalledOutput {
    /// Time of the record.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Time since which the step is awaited.
    pub since: WallTime,
    /// The record.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub record: Box<Stalled>,
}

/// A connection was forgotten before it ended because the table is full (`--max-connections`): no more records have its
/// number.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct EvictedOutput {
    /// Time of the record.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// The connection.
    pub conn: u64,
}

/// The end of a trace, with its totals.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EndOutput {
    /// Time at which tracing ended.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of connections seen.
    pub connections: u64,
    /// Number of these that were still open.
    pub open: u64,
    /// Number of connections forgotten because the table was full (`--max-connections`).
    pub evicted: u64,
    /// Number of events read.
    pub events: u64,
    /// Number of events and records lost, from all sources.
    pub lost: u64,
    /// Number of connections that `--only` left out here; absent without it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub left_out: Option<u64>,
}
