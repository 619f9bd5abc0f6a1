//! What each thread may still do, once it has what it needs.
//!
//! Tracing takes many rights to begin with and few to go on. The order, which [`crate::app`] keeps, since each step needs
//! what the next ones take away:
//!
//! 1. Maps are made and programs loaded, the outputs are opened, the priority is raised, what killed tracers have left is
//!    removed, and programs are attached to what is there.
//! 2. What is needed of `/proc`, `/sys` and netlink later has been opened by then: the programs' `fdinfo`, the folder of
//!    `--write`, `/proc` for the owners of sockets.
//! 3. Each thread gives up the capabilities it does not need, from all of its sets, and the way back (`no_new_privs`).
//! 4. Each thread confines itself by Landlock, where the kernel has it.
//!
//! Capabilities, `no_new_privs` and Landlock domains all belong to threads. So each thread calls [`reduce`] itself, when it
//! begins, and the main thread when everything is attached. What a thread starts later inherits all of it.
//!
//! | thread | keeps | for |
//! |---|---|---|
//! | main | CAP_NET_ADMIN, unless no segments are wanted | attaching to interfaces that come later, and removing clsact filters |
//! | | CAP_BPF (CAP_SYS_ADMIN where only that was there) | reading and writing maps: until Linux 5.18 every call of bpf() needs it |
//! | `owners` | CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH | `/proc/PID/fd` of others |
//! | `write-file` | CAP_DAC_OVERRIDE | opening the file again in a folder of somebody else, as it was opened at first |
//! | `write-stdout` | nothing | |
//!
//! The main thread may read `/proc` and the files of time zones, `write-file` may make and write files in and below the
//! folder of `--write`; beyond that none of the three can open, change or run any file, nor make a TCP connection. `owners` cannot be
//! confined: a thread in a Landlock domain may not look at processes outside of it, whatever its capabilities are.

mod capabilities;
mod confinement;

use std::os::fd::BorrowedFd;

use caps::Capability;
use log::{debug, warn};
use rustix::thread::set_no_new_privs;

/// What a thread still has to do.
#[derive(Clone, Copy, Debug)]
pub enum Duty<'a> {
    /// Taking records from the ring, showing them, and following interfaces.
    Trace {
        /// Whether programs are attached to interfaces.
        interfaces: bool,
    },
    /// Looking for the owners of sockets.
    Owners,
    /// Writing to what is open.
    Stream,
    /// Writing to a file, and opening it again in this folder.
    File(BorrowedFd<'a>),
}

impl Duty<'_> {
    /// Capabilities to keep, as far as they are there.
    fn capabilities(self) -> &'static [Capability] {
        match self {
            Self::Trace { interfaces: true } => &[Capability::CAP_BPF, Capability::CAP_NET_ADMIN],
            Self::Trace { interfaces: false } => &[Capability::CAP_BPF],
            Self::Owners => &[Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH],
            Self::Stream => &[],
            Self::File(_) => &[Capability::CAP_DAC_OVERRIDE],
        }
    }
}

/// Gives up all that the calling thread does not need for this duty. Where that fails, it is logged and the thread goes on
/// as it was: it does nothing else for that.
pub fn reduce(duty: Duty<'_>) {
    if let Err(error) = capabilities::keep(duty.capabilities()) {
        warn!("capabilities that are not needed any more cannot be dropped: {error}");
    }
    if let Err(error) = set_no_new_privs(true) {
        warn!("new privileges cannot be renounced: {error}");
    }
    let confined = match duty {
        Duty::Owners => return,
        Duty::Trace { .. } => confinement::to_reading(),
        Duty::Stream => confinement::to_nothing(),
        Duty::File(folder) => confinement::to_writing_in(folder),
    };
    match confined {
        Ok(status) => debug!("Landlock: {:?}", status.ruleset),
        Err(error) => debug!("no confinement by Landlock: {error}"),
    }
}
