//! What the thread that covers namespaces tells.

use super::entered::Attached;
use crate::{
    conntrack::Forgotten,
    socket_owners::{FourTuple, Socket},
};
use tcptrace_core::event::BootTime;

/// A change of the covered namespaces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum News {
    /// A namespace is covered now, or its name or interfaces have changed.
    Covered {
        /// Inode number.
        netns: u32,
        /// The name that `ip netns` or docker gives it, if any.
        name: Option<String>,
        /// Its interfaces to which the programs are attached, by index.
        interfaces: Attached,
    },
    /// The namespace with this inode number has no name and no process any more.
    Gone(u32),
    /// The listeners of connections that wait for an answer, if there are any.
    Listeners {
        /// Inode number.
        netns: u32,
        /// The connections, from the listener's side, each with its listener.
        listeners: Vec<(FourTuple, Socket)>,
    },
    /// Sockets that make no progress, and those that made none the last time, if there are any.
    Stuck {
        /// Inode number.
        netns: u32,
        /// Time at which the kernel was asked.
        asked: BootTime,
        /// The sockets.
        sockets: Vec<Socket>,
    },
    /// The connection tracking of a namespace has forgotten address translations of open connections.
    Forgot {
        /// Inode number.
        netns: u32,
        /// The translations.
        translations: Vec<Forgotten>,
    },
}
