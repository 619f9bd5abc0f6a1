//! Facts about a connection that only the recordings of several hosts together show.

use std::sync::Arc;

use super::EndpointOutput;
use crate::{
    text::WallTime,
    verdict::{CloseKind, Outcome, Reset},
};

/// Where a segment was seen, if the recordings of several hosts are read together.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Passage {
    /// The hosts that saw it, in the order in which it passed them.
    pub sightings: Vec<Sighting>,
    /// Nanoseconds from the first host to the last by corrected clocks. Only the sum of both directions is certain: each may
    /// be off by the error of the clock. Null if only one host saw it, and if the offset of the clocks is unknown.
    pub delay_ns: Option<u64>,
    /// True if it left one host and never reached another one on its way, which was recording and lost no events.
    pub lost: bool,
}

/// A segment as one host saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Sighting {
    /// Name of the host, or of the file if several have the same or it is a capture.
    pub host: Arc<str>,
    /// Time by that host's own clock.
    pub time: WallTime,
}

/// The connection as several hosts have it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Joined {
    /// The only host that saw the connection; null if several did.
    pub only_at: Option<Arc<str>>,
    /// The host whose verdict this is: the one that knows the cause, and otherwise the one that saw most.
    pub verdict_of: Arc<str>,
    /// Lowest round-trip time between the first and the last host, in nanoseconds, which is independent of their clocks;
    /// null unless both saw both directions.
    pub round_trip_ns: Option<u64>,
    /// The view of each host, from the client to the server.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<JoinedView>"))]
    pub views: Arc<[JoinedView]>,
}

/// The connection as one host has it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct JoinedView {
    /// Name of the host, or of the file if several have the same or it is a capture.
    pub host: Arc<str>,
    /// Number of the connection in this host's file.
    pub conn: u64,
    /// The client's address and port there.
    pub client: EndpointOutput,
    /// The server's address and port there.
    pub server: EndpointOutput,
    /// Nanoseconds that this host's clock is ahead of that of the host of the first file among these; null if unknown. Times are
    /// corrected by it.
    pub clock_offset_ns: Option<i64>,
    /// Largest error of `clock_offset_ns`: half of the round-trip time. Null if that is unknown.
    pub clock_error_ns: Option<u64>,
    /// Nanoseconds per second by which this host's clock gains on the other; null if too small to measure.
    pub clock_drift_ppb: Option<i64>,
    /// Outcome of the handshake there; null if it was not seen.
    pub outcome: Option<Outcome>,
    /// Kind of the close there; null if there was none.
    pub kind: Option<CloseKind>,
    /// The reset that ended the handshake or the connection there; null if there was none.
    pub reset: Option<Reset>,
    /// The last verdict there as one English sentence.
    pub summary: String,
}
