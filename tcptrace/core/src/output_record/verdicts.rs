//! Records of verdicts on connections.

use std::sync::Arc;

use super::{Context, Joined, Stamp};
use crate::{
    text::WallTime,
    verdict::{Close, Handshake, Stalled},
};

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
