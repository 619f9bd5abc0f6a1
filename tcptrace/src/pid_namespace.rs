//! The PID namespace that numbers the processes in `/proc`: the host's, or that of the container in which tcptrace runs.

use std::{fs, os::unix::fs::MetadataExt as _};

/// Inode number of the initial PID namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
const FIRST: u64 = 0xEFFF_FFFC;

/// The notice to the user where `/proc` does not number processes as the host does.
pub(crate) const NOTICE: &str = "in this PID namespace, which is not the host's, process IDs are its own; a process outside of \
                                 it has the host's ID, or is not known";

/// A PID namespace, identified by its file under `/proc`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PidNamespace {
    /// Device of the namespaces' file system.
    pub(crate) device: u64,
    /// Inode number.
    pub(crate) inode: u64,
}

impl PidNamespace {
    /// Returns the PID namespace of the mounted `/proc`; `None` if that is the host's or cannot be read. Without CAP_SYS_PTRACE,
    /// which reading the namespace of process 1 needs, it is taken to be tcptrace's own.
    pub(crate) fn within_host() -> Option<Self> {
        let file = fs::metadata("/proc/1/ns/pid").or_else(|_| fs::metadata("/proc/self/ns/pid")).ok()?;
        (file.ino() != FIRST).then(|| Self { device: file.dev(), inode: file.ino() })
    }
}

/// Returns true if tcptrace runs in the host's PID namespace and not in that of a container.
pub(crate) fn is_own_the_hosts() -> bool {
    fs::metadata("/proc/self/ns/pid").is_ok_and(|namespace| namespace.ino() == FIRST)
}
