//! The handshake of a connection.

use std::{net::IpAddr, num::NonZeroU16, sync::Arc};

use strum::{IntoStaticStr, VariantNames};

use super::{Missing, NoSegments, OpeningDrops, Reset, SegmentDrops, TranslatedSide, sentence::HandshakeFacts};
use crate::{
    event::{AcceptQueue, BootTime, Cgroup, Comm, Exit, icmp},
    tcp::TcpOptions,
};

/// Kind of a handshake.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq, VariantNames)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum HandshakeKind {
    /// SYN; SYN,ACK; ACK (RFC 9293 §3.5).
    ThreeWay,
    /// Both ends sent a SYN of their own (RFC 9293 §3.5, figure 7).
    Simultaneous,
    /// The SYN,ACK acknowledges data of the SYN (RFC 7413).
    FastOpen,
    /// Not seen: the connection was open before tracing began.
    Unseen,
}

/// The outcome of a handshake.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq, VariantNames)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Every socket of the connection on this host reached ESTABLISHED.
    Established,
    /// The SYN was answered by a reset, or by an ICMP error that fails connect() with ECONNREFUSED.
    Refused,
    /// A reset aborted the handshake after the SYN had been answered.
    Reset,
    /// connect() failed with EHOSTUNREACH or ENETUNREACH, or an ICMP error reported the server as unreachable.
    Unreachable,
    /// The client's kernel gave up waiting for an answer (ETIMEDOUT).
    TimedOut,
    /// The client's application closed the socket before the handshake was complete.
    Cancelled,
    /// connect() found no free local port (EADDRNOTAVAIL).
    NoPort,
    /// No answer for 65 s, or until tracing ended.
    Unanswered,
}

/// The segment that an unanswered handshake lacks.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum WaitingFor {
    /// The server's SYN,ACK.
    SynAck,
    /// The client's ACK.
    Ack,
}

impl Handshake {
    /// Returns the outcome if the handshake made no connection. This record is then the connection's last.
    pub fn failure(&self) -> Option<Outcome> {
        self.outcome.filter(|&outcome| outcome != Outcome::Established)
    }
}

/// One end of a connection during its handshake.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct HandshakeEnd {
    /// IP address.
    pub addr: IpAddr,
    /// TCP port; null if it was never seen.
    pub port: Option<u16>,
    /// Inode number of the network namespace of its socket; null if no socket of this host is known to be this end.
    pub netns: Option<u32>,
    /// Name of that network namespace; null if it has none, or unknown.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub netns_name: Option<Arc<str>>,
    /// Initial sequence number (ISN); null if no segment shows it.
    pub isn: Option<u32>,
    /// ID of the process that opened or accepted the connection; null if unknown or on another host.
    pub pid: Option<u32>,
    /// Name of the process; null if unknown.
    pub comm: Option<Comm>,
    /// Name of the thread that opened or accepted it, if it is not that of the process; null otherwise.
    pub thread: Option<Comm>,
    /// User of the process that made or accepted its socket, by the initial user namespace; null if unknown.
    pub uid: Option<u32>,
    /// How its process ended, if it was exiting as it closed this end before that was established; null otherwise.
    pub exit: Option<Exit>,
    /// TCP options of this end's SYN or SYN,ACK; null if that was not seen.
    pub options: Option<TcpOptions>,
    /// Control group of its socket, with the container, the pod and the systemd unit that its path names; absent if unknown or
    /// on another host.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub cgroup: Option<Arc<Cgroup>>,
}

/// Retransmitted segments of a handshake.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct OpeningRetransmissions {
    /// Number of SYNs after the first; null if no SYN was seen being sent.
    pub syn: Option<u32>,
    /// Number of SYN,ACKs after the first; null if no SYN,ACK was seen being sent.
    pub synack: Option<u32>,
}

/// An ICMP error that quoted a SYN or a SYN,ACK.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct IcmpAnswer {
    /// Address of its sender.
    pub from: IpAddr,
    /// Meaning of the error, in the words of RFC 792, RFC 1122 and RFC 4443.
    pub kind: &'static str,
    /// ICMP type, or ICMPv6 type if `from` is IPv6.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// True if it quoted the server's SYN,ACK, false if the client's SYN.
    pub of_synack: bool,
}

impl IcmpAnswer {
    /// Returns true if it means the same as a reset: that nobody listens there.
    pub(crate) fn refuses(&self) -> bool {
        !self.of_synack && icmp::refuses(self.from, self.icmp_type, self.icmp_code)
    }

    /// Returns true if the server's kernel forgets the SYN because of it.
    pub(crate) fn ends_request(&self) -> bool {
        self.of_synack && icmp::ends_request(self.from, self.icmp_type, self.icmp_code)
    }
}

/// The handshake of a connection: the way it was set up, or the reason why it was not.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Handshake {
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
    /// Kind of the handshake.
    pub kind: HandshakeKind,
    /// Outcome; null if the handshake was complete before tracing began.
    pub outcome: Option<Outcome>,
    /// True if the connection was refused by an ICMP error instead of a reset.
    pub by_icmp: bool,
    /// The first ICMP error that quoted the SYN or the SYN,ACK, if it decided the outcome. That includes an error for which
    /// the server's kernel forgot the SYN, so that it reset the ACK. Null otherwise.
    pub icmp: Option<IcmpAnswer>,
    /// The missing segment of an unanswered handshake; null for other outcomes.
    pub waiting_for: Option<WaitingFor>,
    /// The client: the end that sent the first SYN.
    pub client: HandshakeEnd,
    /// The server: the other end.
    pub server: HandshakeEnd,
    /// True if nothing seen shows which end is the client, so the roles are inferred.
    pub role_inferred: bool,
    /// Nanoseconds from the first SYN to the first SYN,ACK; null unless both were seen.
    pub syn_to_synack_ns: Option<u64>,
    /// Nanoseconds from the first SYN,ACK to the ACK that completes the handshake; null unless both were seen, and for a
    /// simultaneous open.
    pub synack_to_ack_ns: Option<u64>,
    /// Nanoseconds that the client's socket took from SYN_SENT to ESTABLISHED, which is the duration of connect(); null if
    /// the client's socket was not seen.
    pub connect_ns: Option<u64>,
    /// True if a SYN of the client was seen. False if none was, although the client's socket is on this host and its
    /// segments are traced: something on this host keeps the SYN from leaving. Null if unknown.
    pub syn_left: Option<bool>,
    /// True if the server makes no socket from the client's ACK, since it waits for data (TCP_DEFER_ACCEPT); the sentence
    /// says so.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub deferred: bool,
    /// True if the SYN was answered by a reset that does not acknowledge it, so that the client went on waiting; the sentence
    /// says so.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub ignored_reset: bool,
    /// True if the client's socket was destroyed from outside (ECONNABORTED), as by `ss --kill`.
    pub killed: bool,
    /// The reset that refused the connection or aborted the handshake; null if there was none.
    pub reset: Option<Reset>,
    /// Retransmitted segments.
    pub retransmissions: OpeningRetransmissions,
    /// SYNs or SYN,ACKs that this host's kernel dropped, if the handshake was not completed; null if none is known.
    pub dropped: Option<OpeningDrops>,
    /// Other segments that this host's kernel dropped, if the server waited for the client's ACK in vain; null if none is known.
    pub dropped_segments: Option<SegmentDrops>,
    /// Address of a socket that listens on the server's port, for its address or for all, where the kernel found none for the
    /// SYN; null if there is no such socket.
    pub passed_over: Option<IpAddr>,
    /// Accept queue of the server's listener, if it was full when the kernel was last asked and no SYN,ACK came.
    pub accept_queue: Option<AcceptQueue>,
    /// SYN queue of the server's listener, which limits its requests as SYN cookies are off, if that was full then, unlike its
    /// accept queue.
    pub syn_queue: Option<AcceptQueue>,
    /// Numbers of the connections that are the other sides of the same exchange, whose addresses or ports a translation (NAT)
    /// changes on the way; null without any.
    pub same_as: Option<Vec<u64>>,
    /// The ends of each of these connections, by its own addresses, in the same order; null without any.
    pub nat: Option<Vec<TranslatedSide>>,
    /// The reason why no segment was seen; null if one was, or if none was to be expected.
    pub no_segments: Option<NoSegments>,
    /// True if `missing` is not empty.
    pub incomplete: bool,
    /// Parts that were not seen, so that other fields may be null or inferred.
    pub missing: Vec<Missing>,
    /// The record as one English sentence.
    pub summary: String,
    /// What else the sentence tells.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) facts: HandshakeFacts,
}
