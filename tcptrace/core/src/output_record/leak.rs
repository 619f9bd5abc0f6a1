//! The record of a socket that waits for its process or for the other end.

use super::{EndpointOutput, Stamp};
use crate::{
    event::{Container, Process},
    tcp::TcpState,
};

/// A socket in CLOSE_WAIT, FIN_WAIT1, FIN_WAIT2, LAST_ACK or SYN_RECV, as `tcptrace leaks` lists it.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeakOutput {
    /// Time at which the kernel was asked, or of the recording's last event.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection in the recording; null if the kernel was asked.
    pub conn: Option<u64>,
    /// Inode number of the socket's network namespace; null if unknown.
    pub netns: Option<u32>,
    /// State of the socket.
    pub state: TcpState,
    /// Local end.
    pub local: EndpointOutput,
    /// Remote end.
    pub remote: EndpointOutput,
    /// The processes that hold it, ordered by PID; empty if there are none or they could not be determined.
    pub processes: Vec<Process>,
    /// The container in which it was made; null if none, or unknown.
    pub container: Option<Container>,
    /// Nanoseconds since it entered the state, which the recording shows; null if unknown.
    pub age_ns: Option<u64>,
    /// Minimum time in nanoseconds for which it has been in the state, as far as the kernel reports it; null if unknown.
    pub age_at_least_ns: Option<u64>,
    /// Payload bytes that it has received and no process has read; null if unknown.
    pub unread_bytes: Option<u32>,
    /// Payload bytes written that the other end has not acknowledged; null if unknown.
    pub unacked_bytes: Option<u32>,
}
