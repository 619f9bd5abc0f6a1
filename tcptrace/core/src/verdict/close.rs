//! The end of a connection.

use std::{net::IpAddr, num::NonZeroU16, sync::Arc};

use strum::{IntoStaticStr, VariantNames};

use super::{Each, Missing, NoSegments, Reset, Role, SegmentDrops, TranslatedSide, sentence::CloseFacts};
use crate::{
    event::{BootTime, Cgroup, Comm, Exit, Proof},
    tcp::TcpState,
};

/// The close of a connection.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq, VariantNames)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum CloseKind {
    /// Simultaneous close: neither FIN, as first sent, acknowledges the other (RFC 9293 §3.6, figure 13).
    Simultaneous,
    /// FIN; FIN,ACK; ACK: the second FIN is the first segment of its end that acknowledges the first FIN.
    ThreeSegment,
    /// FIN; ACK; FIN; ACK: an earlier segment of the other end acknowledged the first FIN (RFC 9293 §3.6, figure 12).
    FourSegment,
    /// A reset came before both FINs were acknowledged.
    Reset,
    /// The connection timed out.
    TimedOut,
    /// Both ends closed, as the states of their sockets show; the FINs were not seen. Or both FINs are in a capture that has no
    /// acknowledgements, which would tell three segments from four.
    Orderly,
    /// The close had begun but was not complete when tracing ended.
    Unfinished,
    /// The connection ended in a way that was not seen, or in a way that nothing shows to the other end (TCP_REPAIR).
    Unseen,
}

/// The ends that enter TIME_WAIT.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum TimeWait {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Both ends.
    Both,
}

/// One end of a connection at its close.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CloseEnd {
    /// IP address.
    pub addr: IpAddr,
    /// TCP port; null if it was never seen.
    pub port: Option<u16>,
    /// Inode number of the network namespace of its socket; null if no socket of this host is known to be this end.
    pub netns: Option<u32>,
    /// Name of that network namespace; null if it has none, or unknown.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub netns_name: Option<Arc<str>>,
    /// ID of the process that closed this end, or else of the one known from the handshake; null if unknown.
    pub pid: Option<u32>,
    /// Name of the process; null if unknown.
    pub comm: Option<Comm>,
    /// Name of the thread that closed it, if it is not that of the process; null otherwise.
    pub thread: Option<Comm>,
    /// User of the process that made or accepted its socket, by the initial user namespace; null if unknown.
    pub uid: Option<u32>,
    /// The end of its process, if that was exiting as it closed this end; null otherwise.
    pub exit: Option<Exit>,
    /// Bytes that had arrived and that no process had read when its socket entered CLOSE; null if unknown.
    pub unread_bytes: Option<u32>,
    /// Bytes that a process had written and that were never sent when its socket entered CLOSE; null if unknown.
    pub unsent_bytes: Option<u32>,
    /// Control group of its socket, with the container, the pod and the systemd unit that its path names; absent if unknown or
    /// on another host.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub cgroup: Option<Arc<Cgroup>>,
}

/// Payload in each direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Bytes {
    /// Bytes from the client to the server; null if no sequence number shows them.
    pub client_to_server: Option<u64>,
    /// Bytes from the server to the client; null if no sequence number shows them.
    pub server_to_client: Option<u64>,
}

/// Round-trip times.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Rtt {
    /// Duration of the handshake in nanoseconds: from SYN_SENT to ESTABLISHED of the client's socket or, if that is not on
    /// this host, from the SYN to the ACK that completed it. Null if a SYN or SYN,ACK was sent again, and if unknown.
    pub handshake_ns: Option<u64>,
    /// Smoothed round-trip time (RFC 6298) in nanoseconds as the connection ended, of the client's socket or, if that is not on
    /// this host, of the server's; null if unknown.
    pub smoothed_ns: Option<u64>,
    /// Lowest round-trip time of the connection's last minutes in nanoseconds, of the same socket; null if unknown.
    pub min_ns: Option<u64>,
}

/// A state of a socket, and the time spent in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StateTime {
    /// The state.
    pub state: TcpState,
    /// Nanoseconds spent in the state; null for the last state, and if its beginning was not seen.
    pub ns: Option<u64>,
    /// Present and true if the state was inferred from the segments of a capture (RFC 9293 §3.3.2), as no socket was seen.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub inferred: bool,
}

/// An ICMP error about a segment of an established connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct IcmpReport {
    /// Address of its sender.
    pub from: IpAddr,
    /// Meaning of the error, in the words of RFC 792, RFC 1122 and RFC 4443.
    pub kind: &'static str,
    /// ICMP type, or ICMPv6 type if `from` is IPv6.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
}

/// The end of a connection: the kind of its close, the end that began it, and the reason.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Close {
    /// Time of the last event that the record includes.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub at: BootTime,
    /// Time of the connection's first event.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub started: BootTime,
    /// Number of the encapsulation of its first segment.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub encapsulation: Option<NonZeroU16>,
    /// Number of the connection, as in its other records.
    pub conn: u64,
    /// Inode number of the connection's network namespace; null if unknown.
    pub netns: Option<u32>,
    /// Kind of the close.
    pub kind: CloseKind,
    /// The end that began to close the connection; null if unknown.
    pub initiator: Option<Role>,
    /// The client: the end that sent the first SYN.
    pub client: CloseEnd,
    /// The server: the other end.
    pub server: CloseEnd,
    /// Nanoseconds from the first FIN to the FIN of the other end; null unless both were seen.
    pub half_close_ns: Option<u64>,
    /// Payload bytes that the other end sent between the two FINs; null unless both were seen.
    pub half_closed_bytes: Option<u64>,
    /// Payload bytes in each direction, computed from sequence numbers.
    pub bytes: Bytes,
    /// Nanoseconds from the first SYN or SYN_SENT to the last event; null if the beginning was not seen.
    pub duration_ns: Option<u64>,
    /// The ends that enter TIME_WAIT; null if none does or that is unknown.
    pub time_wait: Option<TimeWait>,
    /// The reset that ended the connection; null if there was none.
    pub reset: Option<Reset>,
    /// Properties of the socket that sent the reset, as a process closed it; null if it had none of them or is not on
    /// this host.
    pub evidence: Option<Proof>,
    /// Nanoseconds from the FIN of the end that sent the reset to the reset; null if it had not closed before.
    pub closed_before_ns: Option<u64>,
    /// True if the other end had received that FIN when it sent the data that the reset answers, false if FIN and data
    /// crossed; null for another cause than `data_after_close`, and if unknown.
    pub close_known: Option<bool>,
    /// The end whose socket on this host timed out, with ETIMEDOUT or with the error of an ICMP message; null if none did.
    pub gave_up: Option<Role>,
    /// The last ICMP error about a segment of the end that gave up, if its socket ended with such an error; null otherwise, and
    /// if none was seen.
    pub icmp: Option<IcmpReport>,
    /// Segments that this host's kernel dropped before the connection timed out, or while it waited for the end of the close;
    /// null if none is known.
    pub dropped_segments: Option<SegmentDrops>,
    /// Number of times that each end sent its FIN again; null if no FIN of that end is known.
    pub retransmissions: Each<Option<u32>>,
    /// Number of segments with data that each end's socket sent again; null if it is not on this host, if its handshake was not
    /// seen, and if unknown.
    pub data_retransmissions: Each<Option<u32>>,
    /// Nanoseconds from the last segment with data, in either direction, to the first FIN or reset; as exact as the kernel's
    /// tick, 1 to 10 ms, or measured between segments where all are shown and no socket is on this host. Null without data,
    /// and if unknown.
    pub idle_ns: Option<u64>,
    /// Round-trip times.
    pub rtt: Rtt,
    /// States of each end's socket on this host, in order. Empty for an end elsewhere, except in captures, where states are
    /// inferred.
    pub states: Each<Vec<StateTime>>,
    /// Numbers of the connections that are the other sides of the same exchange, whose addresses or ports a translation (NAT)
    /// changes on the way; null without any.
    pub same_as: Option<Vec<u64>>,
    /// The ends of each of these connections, by its own addresses, in the same order; null without any.
    pub nat: Option<Vec<TranslatedSide>>,
    /// The reason why no segment was seen; null if one was.
    pub no_segments: Option<NoSegments>,
    /// True if `missing` is not empty.
    pub incomplete: bool,
    /// Parts that were not seen, so that other fields may be null or inferred.
    pub missing: Vec<Missing>,
    /// The record as one English sentence.
    pub summary: String,
    /// What else the sentence tells.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) facts: CloseFacts,
}

impl Close {
    /// Removes all durations: the times of the events were not recorded.
    pub(crate) fn forget_times(&mut self) {
        let Self { half_close_ns, duration_ns, closed_before_ns, idle_ns, rtt, states, .. } = self;
        for time in [half_close_ns, duration_ns, closed_before_ns, idle_ns] {
            *time = None;
        }
        *rtt = Rtt::default();
        for stay in states.client.iter_mut().chain(&mut states.server) {
            stay.ns = None;
        }
    }
}
