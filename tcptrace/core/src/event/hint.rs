//! Side information from the kernel: why it sends a reset, and why it leaves a segment unanswered.

use super::{BootTime, Endpoint, SocketKey, reset_reason::ResetReason};
use crate::tcp::TcpState;

/// Source of a hint: a tracepoint by its name, or a look-up of a listener.
#[derive(Clone, Copy, Debug, strum::Display, Eq, strum::EnumString, Hash, strum::IntoStaticStr, PartialEq)]
#[strum(serialize_all = "snake_case")]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
pub enum HintName {
    /// `tcp:tcp_send_reset`.
    #[strum(serialize = "tcp_send_reset")]
    #[cfg_attr(feature = "serde", serde(rename = "tcp_send_reset"))]
    SendReset,
    /// `tcp:tcp_retransmit_synack`.
    #[strum(serialize = "tcp_retransmit_synack")]
    #[cfg_attr(feature = "serde", serde(rename = "tcp_retransmit_synack"))]
    RetransmitSynack,
    /// No tracepoint: the listener's accept queue was read, because a SYN to it was retransmitted without an answer.
    AcceptQueue,
    /// No tracepoint: as above, the number of requests of that listener, which is limited as SYN cookies are off: those
    /// whose SYN was answered, and that wait for the ACK.
    SynQueue,
    /// No tracepoint: a SYN,ACK left whose listener has TCP_DEFER_ACCEPT set (tcp(7)), so that the ACK of the handshake
    /// makes no socket, but the first data does.
    DeferAccept,
    /// No tracepoint: the kernel's connection tracking forgot how to translate the addresses of an open connection, since
    /// nothing had passed for too long. `local` and `remote` are its ends on one side of the translation.
    NatExpired,
    /// As above, but a program deleted the entry.
    NatDeleted,
}

impl HintName {
    /// Returns the name of the tracepoint, or of the kind of hint if it has none.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for HintName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::from_word(deserializer, "the name of a hint", |word| word.parse().ok())
    }
}

/// A queue of a listener: connections that wait for its process to accept them, or requests that wait for the ACK.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AcceptQueue {
    /// Number of connections in it (`sk_ack_backlog`), or of requests.
    pub length: u32,
    /// The listener's backlog (`sk_max_ack_backlog`): the argument of listen(), but no more than `net.core.somaxconn`; for
    /// requests no more than three quarters of `net.ipv4.tcp_max_syn_backlog`.
    pub limit: u32,
}

impl AcceptQueue {
    /// Returns true if the queue has no room for another connection (`sk_acceptq_is_full`,
    /// `inet_csk_reqsk_queue_is_full`): it may hold one more than the limit.
    pub fn is_full(self) -> bool {
        self.length > self.limit
    }
}

/// The kernel's reason for a segment that it sends, or does not answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hint {
    /// Time of the observation.
    pub at: BootTime,
    /// Socket that the segment is sent for, if there is one; it may be a listener, but not a request or a socket in
    /// TIME_WAIT.
    pub socket: Option<SocketKey>,
    /// Inode number of the network namespace, if known.
    pub netns: Option<u32>,
    /// Namespace under which a recording knows its connection, if other than its own.
    pub conn_netns: Option<u32>,
    /// The end that sends, or does not answer.
    pub local: Endpoint,
    /// The end that the segment is sent to, or that waits for an answer.
    pub remote: Endpoint,
    /// Kind of the hint.
    pub name: HintName,
    /// Reason for the reset, if the kernel gives one (6.10 and later).
    pub reason: Option<ResetReason>,
    /// State of the socket that the segment is sent for, if there is one.
    pub state: Option<TcpState>,
    /// True if the socket is a listener whose accept queue, or with [`HintName::SynQueue`] whose SYN queue, is full.
    pub queue_full: bool,
    /// Queue of the listener, if the kernel was asked for it.
    pub queue: Option<AcceptQueue>,
}

impl Hint {
    /// Creates a hint about a pair of ends, of which nothing else is known.
    pub fn new(at: BootTime, netns: Option<u32>, local: Endpoint, remote: Endpoint, name: HintName) -> Self {
        Self {
            at,
            socket: None,
            netns,
            conn_netns: None,
            local,
            remote,
            name,
            reason: None,
            state: None,
            queue_full: false,
            queue: None,
        }
    }
}
