//! A connection that is being opened or closed and makes no progress.

use strum::IntoStaticStr;

use super::{CloseEnd, Each, OpeningDrops, SegmentDrops, TranslatedSide};
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
    /// The server's socket becoming ESTABLISHED, or its process accepting the connection; the client has done its part.
    Accept,
    /// The ACK of data.
    DataAck,
    /// Room at the receiver, whose window is 0.
    Window,
    /// A FIN.
    Fin,
    /// A process closing its socket, which is in CLOSE_WAIT.
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
    /// The client.
    Client,
    /// The server.
    Server,
    /// Neither end: what was sent must arrive.
    Network,
}

/// A connection that makes no progress: its handshake or its close is unfinished, or a socket reports that it waits.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Stalled {
    /// Time of the record.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub at: BootTime,
    /// Time of the last event that the record includes.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub last: BootTime,
    /// Time since which the step is awaited.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub since: BootTime,
    /// True if the SYN was answered by a reset that does not acknowledge it, so that the client goes on waiting; the sentence
    /// says so.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub ignored_reset: bool,
    /// The option that signs the client's SYN: TCP-MD5 or TCP-AO; the SYN shows it.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub signature: Option<&'static str>,
    /// Number of the connection.
    pub conn: u64,
    /// Inode number of the connection's network namespace; null if unknown.
    pub netns: Option<u32>,
    /// The client: the end that sent the first SYN.
    pub client: CloseEnd,
    /// The server: the other end.
    pub server: CloseEnd,
    /// State of each end: that of its socket on this host, or the one that its segments prove; else null.
    pub state: Each<Option<TcpState>>,
    /// The step that comes next; null if unknown.
    pub waiting_for: Option<Awaited>,
    /// The end whose turn it is; null if unknown.
    pub turn: Option<Turn>,
    /// Payload bytes written and not acknowledged, in both directions together: as the sockets report them or, if every
    /// segment is recorded, as they were sent; null otherwise.
    pub unacked_bytes: Option<u64>,
    /// Number of retransmissions of the SYN, SYN,ACK or FIN whose answer is awaited, or of retransmission timeouts of data,
    /// as the socket reports them; null if unknown.
    pub retransmissions: Option<u32>,
    /// SYNs or SYN,ACKs that this host's kernel dropped, while the handshake waits for them; null if none is known.
    pub dropped: Option<OpeningDrops>,
    /// Other segments that this host's kernel dropped, while an answer to them is awaited; null if none is known.
    pub dropped_segments: Option<SegmentDrops>,
    /// Numbers of the connections that are the other sides of the same exchange, whose addresses or ports a translation (NAT)
    /// changes on the way; null without any.
    pub same_as: Option<Vec<u64>>,
    /// The ends of each of these connections, by its own addresses, in the same order; null without any.
    pub nat: Option<Vec<TranslatedSide>>,
    /// The record as one English sentence.
    pub summary: String,
}

impl Stalled {
    /// Returns the word before the sentence: a handshake or a close is unfinished, an established connection stalled.
    pub fn word(&self) -> &'static str {
        let accepted = |state: Option<TcpState>| matches!(state, Some(TcpState::Established | TcpState::CloseWait));
        match self.waiting_for {
            Some(Awaited::DataAck | Awaited::Window) => "stalled",
            Some(Awaited::Accept) if accepted(self.state.server) => "stalled",
            _ => "unfinished",
        }
    }
}
