//! Records about the trace itself: its beginning, the sockets that existed then, its losses, and its end.

use std::sync::Arc;

use super::Stamp;
use crate::{
    event::{Existing, LossSource},
    filter::{SegmentChoice, StatesOf},
};

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
    /// The sockets whose state changes are traced; null for both ends of every connection.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub states_of: Option<StatesOf>,
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

/// Sockets that match the filter and existed when tracing began.
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
