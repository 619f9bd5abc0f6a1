//! Look-up of the processes that own the TCP sockets of this network namespace, as by `ss -p`: the kernel lists the sockets
//! with their inode numbers (`sock_diag`), and an iterator of the kernel or `/proc/PID/fd` shows which process holds which
//! inode. Also finds the number of connections in a listener's accept queue, as `ss -l` does.
//!
//! ```text
//! Request ─▶ Scanner ─▶ scan_schedule   pending requests, and the time of the next scan
//!  (thread)             sock_diag       sockets and their inodes, from the kernel
//!                       holders         inodes and their processes, from the kernel's list or (proc_fds) from /proc
//! Snapshot ◀─────────── scan            both joined
//! ```
//!
//! A scan takes time, and its result describes the sockets while it ran. A [`Scanner`] therefore works on a thread of its
//! own and limits its share of a processor. It cannot find the owner of a socket that was closed before the scan.
//!
//! Files and netlink sockets are opened when the scanner starts. Rights dropped by other threads do not affect its thread
//! ([`crate::privileges`]).

mod holders;
mod proc_fds;
mod scan;
mod scan_schedule;
mod scanner;
mod sock_diag;
mod sock_diag_reply;
mod stuck;
mod syn_queue;
mod tcp_info;
#[cfg(test)]
mod tests;

use std::io;

use thiserror::Error;

use self::{
    scan::Scan,
    scan_schedule::Job,
    sock_diag::{Diag, Wanted},
};
pub use self::{
    scan_schedule::{FourTuple, Request},
    scanner::Scanner,
    sock_diag_reply::Socket,
    stuck::StuckSockets,
    tcp_info::TcpInfo,
};
use tcptrace_core::{
    event::{BootTime, Comm},
    tcp::TcpState,
};

/// A process that holds a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Owner {
    /// PID in the PID namespace of the mounted `/proc`.
    pub pid: u32,
    /// Name of its main thread.
    pub comm: Comm,
}

/// A socket and the processes that hold it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnedSocket {
    /// The socket.
    pub socket: Socket,
    /// The processes that hold it, each once, ordered by PID. Empty if no process holds it (then [`Socket::inode`] is none),
    /// if none could be found, or if it was closed during the scan.
    pub owners: Vec<Owner>,
}

/// The result of one scan.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    /// Time when the scan began. Sockets opened later may be missing.
    pub began: BootTime,
    /// The requested sockets that exist, each once.
    pub sockets: Vec<OwnedSocket>,
    /// For each requested connection, the listener that would take its SYN. Its owners are not looked up.
    pub listeners: Vec<(FourTuple, Socket)>,
    /// If requested, the sockets that make no progress, and those that make progress again.
    pub stuck: Vec<Socket>,
    /// True if the descriptors of some processes could not be read, so that owners may be missing: a result of no owner or
    /// only one is not conclusive.
    pub hidden: bool,
    /// True for the snapshot of all sockets at the start of tracing, with [`Socket::info`].
    pub at_start: bool,
}

impl Snapshot {
    /// Returns true if the owner of some socket that `matters` was not found, possibly for lack of rights.
    pub fn lacks_owners(&self, matters: impl Fn(&Socket) -> bool) -> bool {
        let lacks = |OwnedSocket { socket, owners }: &OwnedSocket| socket.inode.is_some() && owners.is_empty();
        self.hidden && self.sockets.iter().any(|owned| lacks(owned) && matters(&owned.socket))
    }
}

/// A failure to find the owners of sockets.
#[derive(Debug, Error)]
pub enum OwnersError {
    /// `/proc` cannot be read.
    #[error("cannot read /proc")]
    Proc(#[source] io::Error),
    /// A netlink socket cannot be opened.
    #[error("cannot open a netlink socket to ask the kernel for its sockets")]
    Netlink(#[source] io::Error),
    /// The kernel does not list its sockets. Without the modules `inet_diag` or `tcp_diag` the cause is
    /// `No such file or directory`.
    #[error("the kernel does not list its TCP sockets (modules inet_diag and tcp_diag)")]
    Refused(#[source] io::Error),
    /// The thread cannot be started.
    #[error("cannot start the thread that looks for the owners of sockets")]
    Thread(#[source] io::Error),
}

/// Lists all sockets but those in TIME_WAIT and CLOSE, in the network namespace of the calling thread, with
/// [`Socket::info`].
///
/// # Errors
/// When netlink cannot be used, or the kernel does not list its sockets.
pub fn list_all() -> Result<Vec<Socket>, OwnersError> {
    Diag::open()?.everything(Wanted::IN_DETAIL)
}

/// Lists the sockets in these states, in the network namespace of the calling thread, with [`Socket::info`].
///
/// # Errors
/// When netlink cannot be used, or the kernel does not list its sockets.
pub fn list(states: &[TcpState]) -> Result<Vec<Socket>, OwnersError> {
    Diag::open()?.everything(Wanted::in_states(states))
}

/// Finds for each of these the listener that would take a SYN from `remote` to `local`, in the network namespace of the calling
/// thread.
///
/// # Errors
/// When netlink cannot be used, or the kernel does not tell.
pub fn listeners(tuples: &[FourTuple]) -> Result<Vec<(FourTuple, Socket)>, OwnersError> {
    Diag::open()?.find_listeners(tuples)
}

/// Finds the owners of sockets, which may be of several network namespaces; `now` is the current time.
///
/// # Errors
/// When `/proc` or netlink cannot be used.
pub fn owners(sockets: Vec<Socket>, now: BootTime) -> Result<Snapshot, OwnersError> {
    Scan::open(None)?.owners(sockets, now)
}

/// Finds all sockets and their owners in one scan on this thread; `now` is the current time.
///
/// # Errors
/// When `/proc` or netlink cannot be used, or the kernel does not list its sockets.
pub fn snapshot(now: BootTime) -> Result<Snapshot, OwnersError> {
    Scan::open(None)?.run(&Job::Everything, now)
}
