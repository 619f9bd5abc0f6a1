//! Output records: events with the number of their connection, roles and relative sequence numbers, and verdicts.
//!
//! The renderers print only these. Their fields are those of the JSON lines, so text and JSON agree.

mod context;
mod endpoint;
mod joined;
mod leak;
#[cfg(feature = "schema")]
mod schema;
mod segments;
mod sockets;
mod trace;
mod verdicts;

#[cfg(feature = "schema")]
pub use self::schema::{json_schema, json_schema_text};
pub use self::{
    context::{CommunityId, CommunityIdText, Context, Origin},
    endpoint::EndpointOutput,
    joined::{Joined, JoinedView, Passage, Sighting},
    leak::LeakOutput,
    segments::{DropOutput, IcmpOutput, SegmentOutput},
    sockets::{HintOutput, OwnerOutput, ReportOutput, StateOutput},
    trace::{EndOutput, ExistingOutput, LostOutput, NamespaceOutput, StartOutput},
    verdicts::{CloseOutput, EvictedOutput, HandshakeOutput, StalledOutput},
};
use crate::{filter::Emit, text::WallTime};

/// One line of JSON output.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "type", rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum OutputRecord {
    /// Tracing begins.
    Start(StartOutput),
    /// Sockets existed when tracing began.
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
    /// The kernel reported a socket that makes no progress, or that makes progress again.
    Report(ReportOutput),
    /// A connection makes no progress.
    Stalled(StalledOutput),
    /// A connection was forgotten before it ended, to make room for others.
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

    /// Returns true if it describes an event of a connection: it is neither a verdict nor about the trace as a whole.
    pub(crate) fn is_event(&self) -> bool {
        matches!(
            self,
            Self::State(_) | Self::Segment(_) | Self::Icmp(_) | Self::Hint(_) | Self::Drop(_) | Self::Owner(_)
        )
    }

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
