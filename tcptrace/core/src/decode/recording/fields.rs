//! The fields of each record type that are decoded. Others are ignored.

use std::{borrow::Cow, net::IpAddr};

use serde::{Deserialize, Deserializer};

use crate::{
    event::{
        AcceptQueue, Comm, Container, Counters, Direction, Endpoint, ExistingGroup, Exit, HintName, KernelName,
        LossSource, OwnerSource, Proof, reset_reason::ResetReason,
    },
    filter::{SegmentChoice, StatesOf},
    tcp::{TcpFlags, TcpOptions, TcpState},
    text::{Errno, WallTime},
};

/// Fields that every line has.
#[derive(Debug, Deserialize)]
pub(super) struct Typed<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
}

/// The field of a `start` that is decoded first: under another schema any other field may have another meaning.
#[derive(Debug, Deserialize)]
pub(super) struct Schema {
    pub(super) schema: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Start {
    pub(super) time: WallTime,
    pub(super) boot_ns: Option<u64>,
    pub(super) hostname: String,
    pub(super) kernel: Option<String>,
    pub(super) netns: Option<u32>,
    pub(super) interfaces: Vec<String>,
    pub(super) segments: Option<SegmentChoice>,
    pub(super) filter: String,
    pub(super) states_of: Option<StatesOf>,
    pub(super) began_ns: Option<u64>,
    pub(super) run: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Namespace {
    pub(super) time: WallTime,
    pub(super) boot_ns: Option<u64>,
    pub(super) netns: u32,
    pub(super) netns_name: Option<String>,
    pub(super) interfaces: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Existing {
    pub(super) time: WallTime,
    pub(super) boot_ns: Option<u64>,
    pub(super) groups: Vec<ExistingGroup>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Report {
    pub(super) time: WallTime,
    pub(super) boot_ns: Option<u64>,
    pub(super) conn: Option<u64>,
    pub(super) netns: Option<u32>,
    pub(super) conn_netns: Option<u32>,
    pub(super) local: End,
    pub(super) remote: End,
    pub(super) state: TcpState,
    pub(super) unaccepted: bool,
    pub(super) unacked_bytes: u32,
    pub(super) acked_bytes: Option<u64>,
    pub(super) retransmissions: u32,
    pub(super) window_closed: bool,
    pub(super) segment_size: Option<u32>,
    pub(super) stuck_ns: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct End {
    addr: IpAddr,
    port: Option<u16>,
}

impl From<End> for Endpoint {
    /// Port 0 stands for one that was never learnt.
    fn from(end: End) -> Self {
        Self { addr: end.addr.to_canonical(), port: end.port.unwrap_or(0) }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct State {
    pub(super) time: WallTime,
    pub(super) boot_ns: Option<u64>,
    pub(super) conn: Option<u64>,
    pub(super) netns: Option<u32>,
    pub(super) conn_netns: Option<u32>,
    pub(super) socket: u64,
    pub(super) replaces: Option<u64>,
    pub(super) old: TcpState,
    pub(super) new: TcpState,
    pub(super) local: End,
    pub(super) remote: Option<End>,
    pub(super) error: Option<Errno>,
    #[serde(default)]
    pub(super) evidence: Proof,
    pub(super) pid: Option<u32>,
    pub(super) tid: Option<u32>,
    pub(super) comm: Option<Comm>,
    pub(super) thread: Option<Comm>,
    pub(super) exit: Option<Exit>,
    pub(super) uid: Option<u32>,
    pub(super) counters: Option<Counters>,
    pub(super) container: Option<Container>,
    pub(super) unit: Option<String>,
    pub(super) cgroup: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Segment<'a> {
    pub(super) time: WallTime,
    pub(super) boot_ns: Option<u64>,
    pub(super) conn: Option<u64>,
    pub(super) netns: Option<u32>,
    pub(super) conn_netns: Option<u32>,
    #[serde(borrow)]
    pub(super) interface: Cow<'a, str>,
    pub(super) direction: Option<Direction>,
    #[serde(borrow, default)]
    pub(super) encapsulation: Vec<Cow<'a, str>>,
    /// `None` if no socket sent the segment; `Some(None)` if that socket has no number.
    #[serde(default, deserialize_with = "even_null")]
    pub(super) socket: Option<Option<u64>>,
    pub(super) src: End,
    pub(super) dst: End,
    pub(super) flags: TcpFlags,
    /// The rest of the flags, where they were not shown as such.
    #[serde(default)]
    pub(super) ace: u8,
    pub(super) seq: u32,
    pub(super) ack: Option<u32>,
    pub(super) window: u16,
    pub(super) urgent: Option<u16>,
    pub(super) length: u32,
    /// Schema 1 has another name for this field.
    #[serde(alias = "segments")]
    pub(super) gso_segments: Option<u16>,
    pub(super) options: TcpOptions,
}

#[derive(Debug, Deserialize)]
pub(super) struct Icmp<'a> {
    pub(super) time: WallTime,
    pub(super) boot_ns: Option<u64>,
    pub(super) conn: Option<u64>,
    pub(super) netns: Option<u32>,
    pub(super) conn_netns: Option<u32>,
    #[serde(borrow)]
    pub(super) interface: Cow<'a, str>,
    pub(super) direction: Option<Direction>,
    pub(super) from: IpAddr,
    pub(super) icmp_type: u8,
    pub(super) icmp_code: u8,
    pub(super) src: End,
    pub(super) dst: End,
    #[serde(default)]
    pub(super) seq: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct Hint {
    pub(super) time: WallTime,
    pub(super) boot_ns: Option<u64>,
    pub(super) netns: Option<u32>,
    pub(super) conn_netns: Option<u32>,
    pub(super) socket: Option<u64>,
    pub(super) name: HintName,
    pub(super) value: Option<ResetReason>,
    pub(super) state: Option<TcpState>,
    pub(super) local: End,
    pub(super) remote: End,
    #[serde(default)]
    pub(super) queue_full: bool,
    pub(super) queue: Option<AcceptQueue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Dropped<'a> {
    pub(super) time: WallTime,
    pub(super) boot_ns: Option<u64>,
    pub(super) netns: Option<u32>,
    pub(super) conn_netns: Option<u32>,
    #[serde(borrow)]
    pub(super) interface: Option<Cow<'a, str>>,
    pub(super) src: End,
    pub(super) dst: End,
    pub(super) flags: TcpFlags,
    pub(super) seq: u32,
    pub(super) length: u32,
    pub(super) reason: KernelName,
    pub(super) location: Option<KernelName>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Owner {
    pub(super) time: WallTime,
    pub(super) boot_ns: Option<u64>,
    pub(super) conn: Option<u64>,
    pub(super) netns: Option<u32>,
    pub(super) local: End,
    pub(super) remote: Option<End>,
    pub(super) sockets: Option<u32>,
    pub(super) asked_ns: Option<u64>,
    pub(super) pid: Option<u32>,
    pub(super) comm: Option<Comm>,
    pub(super) source: OwnerSource,
}

#[derive(Debug, Deserialize)]
pub(super) struct Lost {
    pub(super) time: WallTime,
    pub(super) boot_ns: Option<u64>,
    pub(super) conn: Option<u64>,
    pub(super) source: LossSource,
    pub(super) count: u64,
    pub(super) total: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Ended {
    pub(super) time: WallTime,
    pub(super) boot_ns: Option<u64>,
}

/// Deserializes a field that is present, null or not.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
