//! A connection that is being opened or closed and makes no progress.

use strum::IntoStaticStr;

use super::{CloseEnd, Each};
use crate::{event::BootTime, tcp::TcpState};

/// The next step of a connection that stalls.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
pub enum Awaited {
    /// The server's SYN,ACK.
    SynAck,
    /// The ACK of a SYN,ACK or of a FIN.
    Ack,
    /// The server's socket is to become ESTABLISHED; the client has done its part.
    Accept,
    /// The ACK of data that is sent before a FIN.
    DataAck,
    /// Room at the receiver: its window is 0.
    Window,
    /// A FIN that is to be sent.
    Fin,
    /// A process is to close its socket, which is in CLOSE_WAIT.
    Close,
}

/// The end whose turn it is.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
pub enum Turn {
    /// The client's.
    Client,
    /// The server's.
    Server,
    /// Neither end's: what was sent has to arrive.
    Network,
}

/// A connection whose handshake or close has taken a second and is not finished, or is not when tracing ends.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Stalled {
    /// Time of the record.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub at: BootTime,
    /// The last event it includes.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub last: BootTime,
    /// Time since which the step is awaited.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub since: BootTime,
    /// The connection.
    pub conn: u64,
    /// Inode number of the network namespace.
    pub netns: Option<u32>,
    /// The end that sent the first SYN.
    pub client: CloseEnd,
    /// The other end.
    pub server: CloseEnd,
    /// The state of each end: that of its socket here, or the one that its segments prove; else null.
    pub state: Each<Option<TcpState>>,
    /// The step that comes next; null where nothing tells.
    pub waiting_for: Option<Awaited>,
    /// The end whose turn it is; null where nothing tells.
    pub turn: Option<Turn>,
    /// Payload bytes sent and not acknowledged, both ways together; null unless every segment is shown.
    pub unacked_bytes: Option<u64>,
    /// Number of retransmissions of the SYN, SYN,ACK or FIN whose answer is awaited; null where none was seen.
    pub retransmissions: Option<u32>,
    /// All this in one sentence.
    pub summary: String,
}
