//! Which processes own the TCP sockets of this network namespace, as `ss -p` finds it out: the kernel lists the sockets
//! with their inode numbers (`sock_diag`), and `/proc/PID/fd` tells which process holds which inode. And, as `ss -l` finds it
//! out, how many connections wait in a listener's queue.
//!
//! ```text
//! Request ─▶ Scanner ─▶ agenda   what is asked for, and when the next scan may begin
//!  (thread)             diag     sockets and their inodes, from the kernel
//!                       proc     inodes and their processes, from /proc
//! Snapshot ◀────────────scan     both joined
//! ```
//!
//! It is not free, and it is late: what is found held when the scan came by. So a [`Scanner`] works on a thread of its own
//! and keeps its share of a processor small, and a socket that lived for less than that has no owner here.
//!
//! Everything is opened when the scanner starts. What other threads give up or forbid themselves does not reach the
//! scanner's thread ([`crate::privileges`]).

mod proc_fds;
mod scan;
mod scan_schedule;
mod scanner;
mod sock_diag;
mod sock_diag_reply;
#[cfg(test)]
mod tests;

use std::io;

use thiserror::Error;

use self::{scan::Scan, scan_schedule::Job};
pub use self::{
    scan_schedule::{Ends, Request},
    scanner::Scanner,
    sock_diag_reply::Socket,
};
use tcptrace_core::event::{BootTime, Comm};

/// A process that holds a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Owner {
    /// Its number in the PID namespace of the mounted `/proc`.
    pub pid: u32,
    /// The name of its main thread.
    pub comm: Comm,
}

/// A socket and who holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnedSocket {
    /// The socket.
    pub socket: Socket,
    /// One for each process that holds it, by PID. Empty when none does ([`Socket::inode`] tells that apart), none could be
    /// found, or it was let go during the scan.
    pub owners: Vec<Owner>,
}

/// What one scan found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    /// When the scan began: what was opened after that need not be among them.
    pub began: BootTime,
    /// The sockets that were asked for, as far as they were there; each once.
    pub sockets: Vec<OwnedSocket>,
    /// For connections that were asked for, the listener that would take their SYN. Who owns it was not looked for.
    pub listeners: Vec<(Ends, Socket)>,
    /// Some processes kept their descriptors to themselves, so that an owner may be missing: the lack of one proves
    /// nothing, and one alone may not be the only one.
    pub hidden: bool,
}

impl Snapshot {
    /// Whether the owner of some socket was not found, and rights may be the reason.
    pub fn lacks_owners(&self) -> bool {
        self.hidden && self.sockets.iter().any(|owned| owned.socket.inode.is_some() && owned.owners.is_empty())
    }
}

/// Why nothing can be said about the owners of sockets.
#[derive(Debug, Error)]
pub enum OwnersError {
    /// `/proc` cannot be used.
    #[error("/proc cannot be read: {0}")]
    Proc(#[source] io::Error),
    /// A netlink socket cannot be had.
    #[error("the kernel cannot be asked for its sockets: {0}")]
    Netlink(#[source] io::Error),
    /// The kernel has no answer: without the module `inet_diag`, or with `tcp_diag` missing, `No such file or directory`.
    #[error("the kernel does not list its TCP sockets (modules inet_diag and tcp_diag): {0}")]
    Refused(#[source] io::Error),
    /// No thread can be started.
    #[error("the thread that looks for the owners of sockets cannot be started: {0}")]
    Thread(#[source] io::Error),
}

/// Looks for every socket and its owners, once and at once; `now` is when it begins.
///
/// # Errors
/// When `/proc` or netlink cannot be used, or the kernel does not list its sockets.
pub fn snapshot(now: BootTime) -> Result<Snapshot, OwnersError> {
    Scan::open()?.run(&Job::Everything, now)
}
