//! The rights of each thread: while it opens files that the caller names, and after it has opened everything it needs.
//!
//! # Files named by the caller
//!
//! If the program has file capabilities, they let those who may run it trace, but must not let them read or write files that
//! they otherwise could not. The real user therefore decides. Root opens files with all of root's rights. For everybody
//! else, wherever the capabilities come from, no capability is effective while something is opened that the caller or the
//! environment names ([`as_caller`]: the file of `--write`, the socket of a service manager), and `-r` drops all of them
//! ([`reduce_to_opening`]). Time zone files, which `TZ` and `TZDIR` name, are first read after that, by threads that can no
//! longer override file permissions.
//!
//! # Rights that remain
//!
//! Tracing takes many rights to start and few to continue. Each step needs what the later ones take away, so [`crate::app`]
//! keeps this order:
//!
//! 1. Create maps, load programs, open the outputs, raise the priority, remove what killed tracers have left, and attach the
//!    programs.
//! 2. By then, everything needed later from `/proc`, `/sys` and netlink is open: the programs' `fdinfo`, the folder of
//!    `--write`, `/proc` for the owners of sockets, and the connection to the service manager.
//! 3. Each thread drops the capabilities it does not need from all of its sets, and sets `no_new_privs` so that it cannot
//!    regain them.
//! 4. Each thread confines itself by Landlock, if the kernel supports it.
//!
//! Capabilities, `no_new_privs` and Landlock domains belong to threads. Each thread therefore calls [`reduce`] itself when
//! it starts, and the main thread once everything is attached. Threads started later inherit all this.
//!
//! | thread | keeps | for |
//! |---|---|---|
//! | main | CAP_NET_ADMIN, unless no segments are wanted | attaching to interfaces that come later, and removing clsact filters |
//! | | CAP_BPF (CAP_SYS_ADMIN if it had only that) | reading and writing maps: until Linux 5.18 every call of bpf() needs it |
//! | `owners` | CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH | `/proc/PID/fd` of other users' processes |
//! | `namespaces`, unless `--netns own` | CAP_SYS_ADMIN, CAP_NET_ADMIN | entering network namespaces, and attaching to their interfaces |
//! | | CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH | `/proc/PID/ns` of other users' processes |
//! | `cgroups` | CAP_DAC_READ_SEARCH | opening control groups by their IDs, and the files of container runtimes |
//! | `write-file` | CAP_DAC_OVERRIDE, only if root | reopening the file in another user's folder, as it was first opened |
//! | `command` | CAP_KILL | passing signals on to a command of another user |
//! | | CAP_DAC_OVERRIDE, only if root | removing the command's control group, whose parent nobody may write |
//! | `write-stdout`, `keys` | nothing | |
//! | main, with `-r` | nothing | |
//!
//! The main thread may read `/proc` and time zone files, with `-r` only the latter; `write-file` may create and write files
//! in and below the folder of `--write`, with `--rotate` also rename and remove them, or with `top` in the current folder;
//! `cgroups` may read the files that name containers. Beyond that, none of them can open, change or run any file or make a
//! TCP connection. `owners` and `namespaces` cannot be confined: a thread in a Landlock domain may not inspect processes
//! outside it, whatever its capabilities. `command` is not confined, since it removes the control group of the command; it
//! gives up its rights once it has started the command, which does not inherit them.
//!
//! `-r` drops its rights as soon as its input is open, before the first byte is read. With `--write`, that must wait until
//! the beginning of the input is known to be valid, because only then is the file of `--write` opened and emptied; until
//! then root keeps CAP_DAC_READ_SEARCH and CAP_DAC_OVERRIDE.

mod capabilities;
mod confinement;

use std::os::fd::BorrowedFd;

use caps::{Capability, errors::CapsError};
use log::{debug, warn};
use rustix::{process::getuid, thread::set_no_new_privs};
use thiserror::Error;

use crate::container_names;

/// The capabilities of this process cannot be reduced. Nothing may then be opened on behalf of the caller.
#[derive(Debug, Error)]
#[error("cannot reduce the capabilities of this process to those of its user")]
pub struct CapabilityError(#[from] CapsError);

/// Calls `open`, which opens a file named by the caller, with only the caller's own rights.
///
/// # Errors
/// When the capabilities cannot be made ineffective, or effective again.
pub fn as_caller<R>(open: impl FnOnce() -> R) -> Result<R, CapabilityError> {
    if is_root() { Ok(open()) } else { Ok(capabilities::without(open)?) }
}

/// Drops all capabilities before a capture is opened; root keeps those that open files.
///
/// # Errors
/// When they cannot be dropped.
pub fn reduce_to_opening() -> Result<(), CapabilityError> {
    let needed: &[_] = if is_root() { &[Capability::CAP_DAC_READ_SEARCH, Capability::CAP_DAC_OVERRIDE] } else { &[] };
    Ok(capabilities::keep(needed)?)
}

/// Returns true if the real user is root, as opposed to a user who runs a program with file capabilities.
fn is_root() -> bool {
    getuid().is_root()
}

/// The remaining work of a thread, which determines the rights it keeps.
#[derive(Clone, Copy, Debug)]
pub enum Duty<'a> {
    /// Processes the records of the ring, writes them out and follows interfaces.
    Trace {
        /// True if programs are attached to interfaces.
        interfaces: bool,
    },
    /// Reads an open capture, and writes its records out.
    Replay,
    /// Looks up the owners of sockets.
    Owners,
    /// Finds the paths of control groups, and the names of containers.
    Cgroups,
    /// Enters network namespaces, and attaches to their interfaces.
    Namespaces,
    /// Passes signals on to the command, and removes its control group.
    Command,
    /// Connects to a collector, whose name it looks up.
    Export {
        /// The collector's port.
        port: u16,
    },
    /// Writes to an open file descriptor.
    Stream,
    /// Writes to a file, and reopens it in its folder.
    File {
        /// The folder.
        folder: BorrowedFd<'a>,
        /// True if it renames and removes files there.
        rotates: bool,
    },
}

impl Duty<'_> {
    /// Returns the capabilities to keep if the thread has them.
    fn capabilities(self) -> &'static [Capability] {
        match self {
            Self::Trace { interfaces: true } => &[Capability::CAP_BPF, Capability::CAP_NET_ADMIN],
            Self::Trace { interfaces: false } => &[Capability::CAP_BPF],
            Self::Owners => &[Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH],
            Self::Cgroups => &[Capability::CAP_DAC_READ_SEARCH],
            Self::Namespaces => &[
                Capability::CAP_SYS_ADMIN,
                Capability::CAP_NET_ADMIN,
                Capability::CAP_SYS_PTRACE,
                Capability::CAP_DAC_READ_SEARCH,
            ],
            Self::Command if is_root() => &[Capability::CAP_KILL, Capability::CAP_DAC_OVERRIDE],
            Self::Command => &[Capability::CAP_KILL],
            Self::File { .. } if is_root() => &[Capability::CAP_DAC_OVERRIDE],
            Self::File { .. } | Self::Export { .. } | Self::Stream | Self::Replay => &[],
        }
    }
}

/// Drops all rights that the calling thread does not need for this duty. A failure is logged, and the thread continues with
/// the rights it has.
pub fn reduce(duty: Duty<'_>) {
    if let Err(error) = capabilities::keep(duty.capabilities()) {
        warn!("cannot drop capabilities that are no longer needed: {error}");
    }
    if let Err(error) = set_no_new_privs(true) {
        warn!("cannot set no_new_privs: {error}");
    }
    let confined = match duty {
        Duty::Owners | Duty::Namespaces | Duty::Command => return,
        Duty::Trace { .. } => confinement::to_reading(),
        Duty::Replay => confinement::to_time_zones(),
        Duty::Cgroups => confinement::to_reading_in(container_names::folders()),
        Duty::Export { port } => confinement::to_connecting(port),
        Duty::Stream => confinement::to_nothing(),
        Duty::File { folder, rotates } => confinement::to_writing_in(folder, rotates),
    };
    match confined {
        Ok(status) => debug!("Landlock: {:?}", status.ruleset),
        Err(error) => debug!("no confinement by Landlock: {error}"),
    }
}
