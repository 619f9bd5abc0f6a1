//! What each thread may do: first with files that the caller names, then once it has what it needs.
//!
//! # Files of the caller's
//!
//! Where the program has file capabilities, those who may run it may trace with them, but they may not read and write what
//! they could not without. So the real user decides: root opens files with all rights that root has; for everybody else,
//! wherever the capabilities come from, no capability is effective while something is opened that the caller or its
//! environment names ([`as_caller`]: the file of `--write`, the socket of a service manager), and `-r` has none
//! at all ([`reduce_to_opening`]). Time zones, which `TZ` and `TZDIR` name, are first looked up after that, by threads that
//! may not pass over the permissions of files any more; there the environment can do no harm.
//!
//! # What is left
//!
//! Tracing takes many rights to begin with and few to go on. The order, which [`crate::app`] keeps, since each step needs
//! what the next ones take away:
//!
//! 1. Maps are made and programs loaded, the outputs are opened, the priority is raised, what killed tracers have left is
//!    removed, and programs are attached to what is there.
//! 2. What is needed of `/proc`, `/sys` and netlink later has been opened by then: the programs' `fdinfo`, the folder of
//!    `--write`, `/proc` for the owners of sockets, and the socket of the service manager is connected.
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
//! | `write-file` | CAP_DAC_OVERRIDE, for root alone | opening the file again in a folder of somebody else, as it was opened at first |
//! | `write-stdout` | nothing | |
//! | main, of `-r` | nothing | |
//!
//! The main thread may read `/proc` and the files of time zones, with `-r` only the latter, `write-file` may make and write
//! files in and below the folder of `--write`; beyond that none of them can open, change or run any file, nor make a TCP
//! connection. `owners` cannot be confined: a thread in a Landlock domain may not look at processes outside of it, whatever
//! its capabilities are.
//!
//! `-r` gives up what it has as soon as its input is open, before the first byte of it is read. With `--write` that has to
//! wait until the beginning of the input is known to be good, since then a file is emptied; until then root keeps
//! CAP_DAC_READ_SEARCH and CAP_DAC_OVERRIDE.

mod capabilities;
mod confinement;

use std::os::fd::BorrowedFd;

use caps::{Capability, errors::CapsError};
use log::{debug, warn};
use rustix::{process::getuid, thread::set_no_new_privs};
use thiserror::Error;

/// Capabilities that cannot be put aside. Nothing may be opened for somebody else then.
#[derive(Debug, Error)]
#[error("the capabilities of this process cannot be put aside for those of its user: {0}")]
pub struct NotAside(#[from] CapsError);

/// Opens something that the caller has named, with no other rights than the caller's own.
///
/// # Errors
/// When the capabilities cannot be put aside, or not be taken up again.
pub fn as_caller<R>(open: impl FnOnce() -> R) -> Result<R, NotAside> {
    if is_root() { Ok(open()) } else { Ok(capabilities::without(open)?) }
}

/// Gives up what reading a capture does not take, before it is opened: everything, but for root what opens files.
///
/// # Errors
/// When that is not possible.
pub fn reduce_to_opening() -> Result<(), NotAside> {
    let needed: &[_] = if is_root() { &[Capability::CAP_DAC_READ_SEARCH, Capability::CAP_DAC_OVERRIDE] } else { &[] };
    Ok(capabilities::keep(needed)?)
}

/// Whether root runs this process, and not somebody else a program that has been given rights.
fn is_root() -> bool {
    getuid().is_root()
}

/// What a thread still has to do.
#[derive(Clone, Copy, Debug)]
pub enum Duty<'a> {
    /// Taking records from the ring, showing them, and following interfaces.
    Trace {
        /// Whether programs are attached to interfaces.
        interfaces: bool,
    },
    /// Reading a capture that is open, and showing it.
    Replay,
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
            Self::File(_) if is_root() => &[Capability::CAP_DAC_OVERRIDE],
            Self::File(_) | Self::Stream | Self::Replay => &[],
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
        Duty::Replay => confinement::to_time_zones(),
        Duty::Stream => confinement::to_nothing(),
        Duty::File(folder) => confinement::to_writing_in(folder),
    };
    match confined {
        Ok(status) => debug!("Landlock: {:?}", status.ruleset),
        Err(error) => debug!("no confinement by Landlock: {error}"),
    }
}
