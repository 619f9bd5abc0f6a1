//! Verdicts: one record for a connection's handshake and one for its close. Their fields are those of the JSON lines.

mod close;
mod drops;
mod handshake;
pub(crate) mod sentence;
mod severity;
mod stalled;
mod translation;

use strum::{IntoStaticStr, VariantNames};

pub(crate) use self::translation::SameAs;
pub use self::{
    close::{Bytes, Close, CloseEnd, CloseKind, IcmpReport, Rtt, StateTime, TimeWait},
    drops::{OpeningDrops, SegmentDrops},
    handshake::{Handshake, HandshakeEnd, HandshakeKind, IcmpAnswer, OpeningRetransmissions, Outcome, WaitingFor},
    severity::Severity,
    stalled::{Awaited, Stalled, Turn},
    translation::{TranslatedEnd, TranslatedSide},
};
pub use crate::event::Role;

/// A part that was not seen, which makes a record incomplete.
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
    /// The ACK that completes the handshake; of a close, that of a FIN.
    Ack,
    /// A FIN, or the reset sent instead of it; or what an end sent last, which may have been a FIN.
    Fin,
    /// Data before a reset: its number is ahead of what was captured.
    Data,
    /// State changes of a socket on this host.
    States,
    /// Segments: the connection passes no interface that is traced.
    Interface,
    /// Events were lost while the connection existed.
    Lost,
}

/// The reason why no segment of a connection was seen.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum NoSegments {
    /// They pass in another network namespace.
    OtherNamespace,
    /// They passed no interface that is traced.
    NotWatched,
    /// They have the addresses of another side of the connection, whose number `same_as` holds.
    Translated,
}

/// The proven reason for a reset.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq, VariantNames)]
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
    /// The kernel ended the closed socket instead of waiting for the other end's FIN: TCP_LINGER2 is negative.
    Linger2,
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
    /// The end's socket was still open after the reset, or its host did not see the reset leave: something else sent it, as a
    /// firewall does.
    Forged,
    /// Not a reset: the socket timed out while the other end's window was closed.
    ZeroWindow,
    /// The host had too many orphaned sockets, or too little memory for TCP.
    OutOfMemory,
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
    /// The reason, if one is proven.
    pub cause: ResetCause,
}

/// A value for each end.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Each<T> {
    /// The client's.
    pub client: T,
    /// The server's.
    pub server: T,
}
