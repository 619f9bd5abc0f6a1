//! Running of the command of `tcptrace -- COMMAND…`, and recognition of its sockets.
//!
//! The command runs as the user who called sudo (`caller`), in a control group of its own (`group`); the kernel programs
//! mark the sockets made in it. Without such a group, its process tree decides (`process_tree`). A thread of its own starts
//! it, passes signals on to it and removes the group (`thread`), since the main thread no longer has the right to do so by
//! then. `tcptrace doctor --clean` removes the groups of tracers that were killed (`stale_groups`).

mod caller;
mod group;
mod launch;
mod process_tree;
mod sockets;
mod stale_groups;
mod thread;

pub(crate) use self::group::mount_points;
pub use self::{
    launch::run_if_asked,
    sockets::Sockets,
    stale_groups::remove_stale_groups,
    thread::{Running, StartError},
};
