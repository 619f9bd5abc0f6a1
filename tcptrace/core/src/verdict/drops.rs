//! Segments that the kernel of this host dropped, as verdicts mention them.

use super::Role;
use crate::event::KernelName;

/// Segments of a handshake that this host's kernel dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct OpeningDrops {
    /// The kernel's reason for the first one, by its name in `enum skb_drop_reason` without the prefix: `NETFILTER_DROP`.
    pub reason: KernelName,
    /// True if that was the server's SYN,ACK, false if the client's SYN.
    pub of_synack: bool,
    /// Number of those dropped for this reason, from 1.
    pub segments: u32,
    /// Number of the open connection whose ends an address translation had given the SYN; absent if they were free.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub ends_of: Option<u64>,
}

/// Segments without SYN, of one end, that this host's kernel dropped one after the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SegmentDrops {
    /// The end that sent them.
    pub sender: Role,
    /// The kernel's reason for the first one, by its name in `enum skb_drop_reason` without the prefix: `NETFILTER_DROP`.
    pub reason: KernelName,
    /// Number of those dropped for this reason, from 1.
    pub segments: u32,
}
