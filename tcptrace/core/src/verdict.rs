//! What became of a connection: one record for its handshake, one for its close. The fields are the JSON fields.

use std::net::IpAddr;

use strum::IntoStaticStr;

use crate::{
    event::{BootTime, Comm},
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
    /// It was over before tracing began.
    Unseen,
}

/// What came of a handshake.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Every end that has a socket here reached ESTABLISHED.
    Established,
    /// A reset, or an ICMP error that means the same, answered the SYN.
    Refused,
    /// A reset later in the handshake.
    Reset,
    /// An ICMP error said that there is no way to the other end.
    Unreachable,
    /// The client's kernel gave up.
    TimedOut,
    /// The client's application closed first.
    Cancelled,
    /// connect() found no free local port.
    NoPort,
    /// Nothing came for 65 s, or until tracing ended.
    Unanswered,
}

/// What a handshake without an answer waits for.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum WaitingFor {
    /// The server's turn.
    SynAck,
    /// The client's turn.
    Ack,
}

/// What was not seen, so that a record is incomplete.
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
    /// A FIN, or the reset that came instead of it.
    Fin,
    /// State changes of a socket here.
    States,
    /// Segments: they pass no interface that is watched.
    Interface,
    /// Events were lost in the connection's life.
    Lost,
}

/// One end in a handshake.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct HandshakeEnd {
    /// Address.
    pub addr: IpAddr,
    /// Port; null where it was never learnt.
    pub port: Option<u16>,
    /// Initial sequence number; null where nothing shows it.
    pub isn: Option<u32>,
    /// The process that opened or accepted the connection.
    pub pid: Option<u32>,
    /// The name of its thread.
    pub comm: Option<Comm>,
    /// The options of its SYN or SYN,ACK; null where that was not seen.
    pub options: Option<TcpOptions>,
}

/// Segments sent again in a handshake.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct OpeningRetransmissions {
    /// SYNs after the first; null when none was seen to leave.
    pub syn: Option<u32>,
    /// SYN,ACKs after the first; null when none was seen to leave.
    pub synack: Option<u32>,
}

/// How a connection was set up, or why it was not.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Handshake {
    /// The last event it includes.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub at: BootTime,
    /// The connection.
    pub conn: u64,
    /// Inode number of the network namespace.
    pub netns: Option<u32>,
    /// How it was set up.
    pub kind: HandshakeKind,
    /// What came of it; null for one that was over before tracing began.
    pub outcome: Option<Outcome>,
    /// Whether an ICMP error brought the refusal.
    pub by_icmp: bool,
    /// Whose turn it is, where it was not answered.
    pub waiting_for: Option<WaitingFor>,
    /// The end that sent the first SYN.
    pub client: HandshakeEnd,
    /// The other end.
    pub server: HandshakeEnd,
    /// Whether which is which was inferred.
    pub role_inferred: bool,
    /// From the first SYN to the first SYN,ACK.
    pub syn_to_synack_ns: Option<u64>,
    /// From the first SYN,ACK to the first ACK; null in a simultaneous open, where neither waits for the other.
    pub synack_to_ack_ns: Option<u64>,
    /// The client's socket from SYN_SENT to ESTABLISHED.
    pub connect_ns: Option<u64>,
    /// The reset that refused it or broke it off.
    pub reset: Option<Reset>,
    /// Segments sent again.
    pub retransmissions: OpeningRetransmissions,
    /// Whether something is missing.
    pub incomplete: bool,
    /// What is missing.
    pub missing: Vec<Missing>,
    /// All this in one sentence.
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
    /// Neither FIN, as first sent, acknowledges the other.
    Simultaneous,
    /// The second FIN is its end's first segment that acknowledges the first.
    ThreeSegment,
    /// An earlier segment of that end acknowledged the first FIN.
    FourSegment,
    /// A reset before both FINs were acknowledged.
    Reset,
    /// A time-out ended it.
    TimedOut,
    /// Both ends closed, as their states show; the FINs were not seen.
    Orderly,
    /// It had begun to close when tracing stopped.
    Unfinished,
    /// It ended; how was not seen.
    Unseen,
}

/// Why an end sent a reset.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum ResetCause {
    /// SO_LINGER with time 0.
    Linger,
    /// It closed with data unread.
    UnreadData,
    /// Data came for a socket that was closed already.
    DataAfterClose,
    /// Nobody listens there.
    NoListener,
    /// The listener closed before the connection was accepted.
    ListenerClosed,
    /// The accept queue was full, and tcp_abort_on_overflow says so.
    Overflow,
    /// The end knows no such connection.
    NoConnection,
    /// The socket was destroyed from outside.
    Killed,
    /// Keep-alive probes were not answered.
    Keepalive,
    /// A FIN met a FIN_WAIT2 that had expired: the connection was over at the end that sent the reset.
    LateFin,
    /// The last ACK of the handshake met a full accept queue, so that the server never had a socket.
    QueueFull,
    /// The other end kept its window closed until this one gave up.
    ZeroWindow,
    /// There is no proof.
    Unknown,
}

/// A reset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Reset {
    /// The end whose address sent it.
    pub by: Role,
    /// Why.
    pub cause: ResetCause,
}

pub use crate::event::Role;

/// Which end holds TIME_WAIT.
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
    /// Both.
    Both,
}

/// One end in a close.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CloseEnd {
    /// Address.
    pub addr: IpAddr,
    /// Port; null where it was never learnt.
    pub port: Option<u16>,
    /// The process that closed this end, or else the one of the handshake.
    pub pid: Option<u32>,
    /// The name of its thread.
    pub comm: Option<Comm>,
}

/// A value for each direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Bytes {
    /// From the client to the server.
    pub client_to_server: Option<u64>,
    /// From the server to the client.
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

/// A state that an end was in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StateTime {
    /// The state.
    pub state: TcpState,
    /// How long; null for the last one, and where it had begun before anything was seen.
    pub ns: Option<u64>,
    /// It follows from the segments of a capture (RFC 9293); no socket was seen.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub inferred: bool,
}

/// How a connection was torn down.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Close {
    /// The last event it includes.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub at: BootTime,
    /// The connection.
    pub conn: u64,
    /// Inode number of the network namespace.
    pub netns: Option<u32>,
    /// How.
    pub kind: CloseKind,
    /// Who began.
    pub initiator: Option<Role>,
    /// The end that sent the first SYN.
    pub client: CloseEnd,
    /// The other end.
    pub server: CloseEnd,
    /// From the first FIN to the other end's.
    pub half_close_ns: Option<u64>,
    /// Payload that the other end sent in between.
    pub half_closed_bytes: Option<u64>,
    /// Payload sent in each direction, as far as sequence numbers show; null where none that was shown tells.
    pub bytes: Bytes,
    /// From the first SYN or SYN_SENT to the last event.
    pub duration_ns: Option<u64>,
    /// Who holds TIME_WAIT.
    pub time_wait: Option<TimeWait>,
    /// The reset, if there was one.
    pub reset: Option<Reset>,
    /// Control segments sent again.
    pub retransmissions: Each<Option<u32>>,
    /// The states of each end whose socket is here.
    pub states: Each<Vec<StateTime>>,
    /// Whether something is missing.
    pub incomplete: bool,
    /// What is missing.
    pub missing: Vec<Missing>,
    /// All this in one sentence.
    pub summary: String,
}
