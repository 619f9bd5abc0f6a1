//! Verdicts: one record for a connection's handshake, one for its close. Their fields are the fields of the JSON lines.

mod stalled;

use std::net::IpAddr;

use strum::IntoStaticStr;

pub use self::stalled::{Awaited, Stalled, Turn};
use crate::{
    event::{AcceptQueue, BootTime, Comm},
    tcp::{TcpOptions, TcpState},
};

/// How a connection was set up.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
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
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
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

/// Something that was not seen, which makes a record incomplete.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum Missing {
    /// The SYN.
    Syn,
    /// The SYN,ACK.
    Synack,
    /// The ACK that completes the handshake.
    Ack,
    /// A FIN, or the reset sent instead of it.
    Fin,
    /// State changes of a socket on this host.
    States,
    /// Segments: they pass no interface that is traced.
    Interface,
    /// Events were lost while the connection existed.
    Lost,
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
    /// Initial sequence number (ISN); null if no segment shows it.
    pub isn: Option<u32>,
    /// ID of the process that opened or accepted the connection; null if unknown or on another host.
    pub pid: Option<u32>,
    /// Name of the thread that did; null if unknown.
    pub comm: Option<Comm>,
    /// TCP options of this end's SYN or SYN,ACK; null if that was not seen.
    pub options: Option<TcpOptions>,
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

/// The handshake of a connection: how it was set up, or why it was not.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Handshake {
    /// Time of the last event that the record includes.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub at: BootTime,
    /// Number of the connection, as in its other records.
    pub conn: u64,
    /// Inode number of the connection's network namespace; null if unknown.
    pub netns: Option<u32>,
    /// How it was set up.
    pub kind: HandshakeKind,
    /// Outcome; null if the handshake was complete before tracing began.
    pub outcome: Option<Outcome>,
    /// True if an ICMP error, and not a reset, refused the connection.
    pub by_icmp: bool,
    /// The missing segment of an unanswered handshake; null for other outcomes.
    pub waiting_for: Option<WaitingFor>,
    /// The client: the end that sent the first SYN.
    pub client: HandshakeEnd,
    /// The server: the other end.
    pub server: HandshakeEnd,
    /// True if nothing that was seen shows which end is the client, so that the roles are inferred.
    pub role_inferred: bool,
    /// Nanoseconds from the first SYN to the first SYN,ACK; null unless both were seen.
    pub syn_to_synack_ns: Option<u64>,
    /// Nanoseconds from the first SYN,ACK to the ACK that completes the handshake; null unless both were seen, and for a
    /// simultaneous open.
    pub synack_to_ack_ns: Option<u64>,
    /// Nanoseconds that the client's socket spent between entering SYN_SENT and ESTABLISHED, which is how long connect()
    /// takes; null if the client's socket was not seen.
    pub connect_ns: Option<u64>,
    /// The reset that refused the connection or aborted the handshake; null if there was none.
    pub reset: Option<Reset>,
    /// Retransmitted segments.
    pub retransmissions: OpeningRetransmissions,
    /// Accept queue of the server's listener, if it was full when the kernel was last asked and no SYN,ACK came.
    pub accept_queue: Option<AcceptQueue>,
    /// True if `missing` is not empty.
    pub incomplete: bool,
    /// What was not seen, so that other fields may be null or inferred.
    pub missing: Vec<Missing>,
    /// The record as one English sentence.
    pub summary: String,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
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
    /// Both ends closed, as the states of their sockets show; the FINs were not seen.
    Orderly,
    /// The close had begun but was not complete when tracing ended.
    Unfinished,
    /// The connection ended, but how was not seen.
    Unseen,
}

/// The proven reason for a reset.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum ResetCause {
    /// The application closed its socket with SO_LINGER and time 0.
    Linger,
    /// The application closed its socket with unread data in the receive queue.
    UnreadData,
    /// Data arrived after the application had closed its socket.
    DataAfterClose,
    /// No socket listens on the port.
    NoListener,
    /// The listener closed before the connection was accepted.
    ListenerClosed,
    /// The accept queue was full and `net.ipv4.tcp_abort_on_overflow` is set.
    Overflow,
    /// The sender has no socket for the connection.
    NoConnection,
    /// The socket was destroyed from outside, as by `ss --kill`.
    Killed,
    /// Keep-alive probes were not answered.
    Keepalive,
    /// A FIN met a FIN_WAIT2 that had expired: the connection was over at the end that sent the reset.
    LateFin,
    /// The last ACK of the handshake met a full accept queue, so that the server never had a socket.
    QueueFull,
    /// Nothing proves a reason.
    Unknown,
}

/// A reset that ended a connection or its handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Reset {
    /// The end whose address the reset was sent from.
    pub by: Role,
    /// The reason, if something proves one.
    pub cause: ResetCause,
}

pub use crate::event::Role;

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
    /// ID of the process that closed this end, or else of the one known from the handshake; null if unknown.
    pub pid: Option<u32>,
    /// Name of the thread that did; null if unknown.
    pub comm: Option<Comm>,
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

/// A value for each end.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Each<T> {
    /// The client's.
    pub client: T,
    /// The server's.
    pub server: T,
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

/// The end of a connection: how it was closed, by whom, and why.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Close {
    /// Time of the last event that the record includes.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub at: BootTime,
    /// Number of the connection, as in its other records.
    pub conn: u64,
    /// Inode number of the connection's network namespace; null if unknown.
    pub netns: Option<u32>,
    /// How the connection was closed.
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
    /// Number of times that each end sent its FIN again; null if no FIN of it is known.
    pub retransmissions: Each<Option<u32>>,
    /// States of each end's socket on this host, in order. Empty for an end elsewhere, except in captures, where states are
    /// inferred.
    pub states: Each<Vec<StateTime>>,
    /// True if `missing` is not empty.
    pub incomplete: bool,
    /// What was not seen, so that other fields may be null or inferred.
    pub missing: Vec<Missing>,
    /// The record as one English sentence.
    pub summary: String,
}
