//! Runs the command of `tcptrace -- COMMAND…` and tells which sockets are its own.
//!
//! The command runs as the user who called sudo (`caller`), in a control group of its own (`group`); the kernel programs
//! mark the sockets that were made in it. Where there is no such group, its process tree tells (`process_tree`). A thread
//! of its own starts it, passes signals on to it and removes the group (`thread`), since the main thread has no right to
//! do so any more by then.

mod caller;
mod group;
mod launch;
mod process_tree;
mod sockets;
mod thread;

pub(crate) use self::group::mount_points;
pub use self::{
    launch::run_if_asked,
    sockets::Sockets,
    thread::{Running, StartError},
};
