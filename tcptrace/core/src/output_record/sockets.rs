//! Records of sockets: state changes, owners, the kernel's hints and its reports.

use std::sync::Arc;

use super::{EndpointOutput, Stamp};
use crate::{
    event::{AcceptQueue, Cgroup, Comm, Counters, Exit, HintName, OwnerSource, Proof, Role, reset_reason::ResetReason},
    tcp::TcpState,
    text::Errno,
};

/// A socket changed its state.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StateOutput {
    /// Time of the event.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection, from 1; null for listeners.
    pub conn: Option<u64>,
    /// Inode number of the socket's network namespace; null if the kernel does not report it.
    pub netns: Option<u32>,
    /// Inode number of the network namespace by which the connection is known, if other than `netns`: it passes both. Absent
    /// otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub conn_netns: Option<u32>,
    /// Number of the socket, from 1, unique while the socket exists.
    pub socket: u64,
    /// Number of an earlier socket at the same kernel address whose end was not seen; absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub replaces: Option<u64>,
    /// State that the socket leaves.
    pub old: TcpState,
    /// State that the socket enters.
    pub new: TcpState,
    /// Local address and port of the socket.
    pub local: EndpointOutput,
    /// Remote address and port of the socket; null for listeners.
    pub remote: Option<EndpointOutput>,
    /// Role of the socket in the connection; null for listeners and if unknown.
    pub role: Option<Role>,
    /// Pending error of the socket (`sk_err`) by its errno name, such as ECONNRESET; null for none or if not readable.
    pub error: Option<Errno>,
    /// Properties of the socket as it entered CLOSE or ESTABLISHED that prove why a reset was sent, or that no handshake
    /// took place; absent if there are none.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Proof::is_empty"))]
    pub evidence: Proof,
    /// ID of the process in whose context the change ran; null if it ran in no process's context, as in an interrupt.
    pub pid: Option<u32>,
    /// ID of the thread in whose context the change ran; null like `pid`.
    pub tid: Option<u32>,
    /// Name of that process; null like `pid`.
    pub comm: Option<Comm>,
    /// Name of that thread, if it is not that of the process; null otherwise.
    pub thread: Option<Comm>,
    /// The end of that process, if it was exiting; absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Exit"))]
    pub exit: Option<Exit>,
    /// User of the process that made or accepted the socket, by the initial user namespace; absent in changes that do not
    /// report it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub uid: Option<u32>,
    /// Nanoseconds spent in the old state; null if its beginning was not seen.
    pub old_state_ns: Option<u64>,
    /// Nanoseconds since the connection's first event; null for listeners.
    pub since_start_ns: Option<u64>,
    /// State in which the kernel keeps the connection after it replaced the socket by a smaller one; else null.
    pub continues_as: Option<TcpState>,
    /// Control group in which the socket was made, with the container, the pod and the systemd unit that its path names; only
    /// in the first change of a socket, and absent if unknown.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub cgroup: Option<Arc<Cgroup>>,
    /// Counters of the socket as it leaves ESTABLISHED or enters CLOSE, and as it enters ESTABLISHED if its SYN or SYN,ACK was
    /// sent again; absent otherwise and if unknown.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Counters"))]
    pub counters: Option<Counters>,
    /// Present and true if it was placed after the connection's last record.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub late: bool,
}

/// The process that holds a socket, if no state change shows it: the socket existed before tracing, or was accepted.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct OwnerOutput {
    /// Time at which the owner was found.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection, from 1; null for listeners.
    pub conn: Option<u64>,
    /// Number of the socket, as in `state`; null if none of its state changes was seen, and for listeners.
    pub socket: Option<u64>,
    /// Inode number of the socket's network namespace; absent for the tracer's own.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub netns: Option<u32>,
    /// Local address and port of the socket.
    pub local: EndpointOutput,
    /// Remote address and port of the socket; null for listeners.
    pub remote: Option<EndpointOutput>,
    /// Number of sockets that listen there (SO_REUSEPORT); absent for 1.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub sockets: Option<u32>,
    /// Age of the answer in nanoseconds: listeners may have come or gone since. Present for listeners only.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub asked_ns: Option<u64>,
    /// ID of the process that holds the socket; null if several do, or if none is visible.
    pub pid: Option<u32>,
    /// Name of the process; null like `pid`.
    pub comm: Option<Comm>,
    /// Source of the knowledge of the owner.
    pub source: OwnerSource,
}

/// A reason that the kernel gave for a segment it sent, or for one it did not answer.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct HintOutput {
    /// Time of the event.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection; null if it matches no known connection.
    pub conn: Option<u64>,
    /// Inode number of the network namespace; null if unknown.
    pub netns: Option<u32>,
    /// Inode number of the network namespace by which the connection is known, if other than `netns`: it passes both. Absent
    /// otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub conn_netns: Option<u32>,
    /// Number of the socket that the segment was sent for, which may be a listener; null if unknown.
    pub socket: Option<u64>,
    /// Tracepoint that reported it, or `accept_queue`, `syn_queue`, `defer_accept`, `nat_expired` or `nat_deleted`.
    pub name: HintName,
    /// Reason for a reset (`enum sk_rst_reason`); null on kernels before 6.10 and for other hints.
    pub value: Option<ResetReason>,
    /// State of that socket or request; null without one.
    pub state: Option<TcpState>,
    /// Address and port of the sender, or of the end that did not answer.
    pub local: EndpointOutput,
    /// Address and port of the receiver, or of the end that waits for an answer.
    pub remote: EndpointOutput,
    /// Present and true if that socket is a listener whose accept queue was full.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub queue_full: bool,
    /// Queue of the listener; present with `accept_queue` and `syn_queue` only.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "AcceptQueue"))]
    pub queue: Option<AcceptQueue>,
    /// Nanoseconds since the connection's first event; null without a connection.
    pub since_start_ns: Option<u64>,
    /// Present and true if it was placed after the connection's last record.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub late: bool,
}

/// The state of a socket that makes no progress, or that makes progress again, as the kernel reported it when asked.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ReportOutput {
    /// Time of the answer.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection.
    pub conn: u64,
    /// Inode number of the socket's network namespace; null if unknown.
    pub netns: Option<u32>,
    /// Inode number of the network namespace by which the connection is known, if other than `netns`. Absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub conn_netns: Option<u32>,
    /// State of the socket.
    pub state: TcpState,
    /// Local end.
    pub local: EndpointOutput,
    /// Remote end.
    pub remote: EndpointOutput,
    /// True if it waits for a process that accepts it.
    pub unaccepted: bool,
    /// Payload bytes written that the other end has not acknowledged.
    pub unacked_bytes: u32,
    /// Payload bytes acknowledged so far; null if unknown.
    pub acked_bytes: Option<u64>,
    /// Number of retransmission timeouts since the last ACK that acknowledged something.
    pub retransmissions: u32,
    /// True if the other end's receive window is closed, and is probed.
    pub window_closed: bool,
    /// Maximum payload of its segments in bytes; null if unknown.
    pub segment_size: Option<u32>,
    /// Minimum time for which it has made no progress, in nanoseconds: that of its timeouts.
    pub stuck_ns: u64,
    /// Nanoseconds since the connection's first event.
    pub since_start_ns: u64,
}
