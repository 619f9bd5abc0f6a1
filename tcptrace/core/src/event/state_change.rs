//! State changes of sockets.

use super::{BootTime, CgroupKey, Comm, Counters, Endpoint, Exit, Proof, SocketKey};
use crate::tcp::TcpState;

/// The task in whose context a state change ran, if it is the one that caused the change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Task {
    /// Thread group ID, which users call the process ID.
    pub pid: u32,
    /// Thread ID.
    pub tid: u32,
    /// Name of the process: that of its first thread. In recordings of earlier versions, and from kernels whose types are
    /// not known, that of the thread.
    pub comm: Comm,
    /// Name of the thread, if it is not the process's first one and its name differs.
    pub thread: Option<Comm>,
    /// The end of the process, if it was exiting.
    pub exit: Option<Exit>,
}

/// One state change of a socket, as `sock:inet_sock_set_state` reports it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StateChange {
    /// Time of the event.
    pub at: BootTime,
    /// The socket.
    pub socket: SocketKey,
    /// Inode number of the socket's network namespace, if known.
    pub netns: Option<u32>,
    /// Namespace under which a recording knows its connection, if other than its own.
    pub conn_netns: Option<u32>,
    /// State that the socket leaves.
    pub old: TcpState,
    /// State that the socket enters.
    pub new: TcpState,
    /// Local address and port.
    pub local: Endpoint,
    /// Remote address and port.
    pub remote: Endpoint,
    /// `sk_err`, an errno, if it could be read; 0 is no error.
    pub error: Option<u32>,
    /// Properties of the socket as it enters CLOSE.
    pub proof: Proof,
    /// The task that caused the change, if known.
    pub task: Option<Task>,
    /// Control group in which the socket was made, if known. Only a socket's first change contains it.
    pub cgroup: Option<CgroupKey>,
    /// User of the process that made or accepted the socket, by the initial user namespace, if known.
    pub uid: Option<u32>,
    /// Counters of the socket, as it leaves ESTABLISHED or enters CLOSE, and as it enters ESTABLISHED if its SYN or SYN,ACK was
    /// sent again.
    pub counters: Option<Counters>,
}
