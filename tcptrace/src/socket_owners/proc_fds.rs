//! The processes that hold sockets, from `/proc/PID/fd`.
//!
//! A scan may have to read every descriptor of every process, so this is written for speed: no path is resolved twice, and
//! descriptors of other files cost no allocation.

use std::{
    collections::BTreeSet,
    ffi::CStr,
    mem::MaybeUninit,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use log::debug;
use rustix::{
    fs::{CWD, Mode, OFlags, RawDir, SeekFrom, openat, readlinkat_raw, seek},
    io::{self, Errno, read},
    path::DecInt,
};

use super::{Owner, OwnersError, holders::Holders};
use tcptrace_core::event::Comm;

/// Size in bytes of the buffer for directory entries.
const DIRECTORY_BUFFER: usize = 1 << 15;

/// `/proc`, opened once.
pub(super) struct Proc {
    root: OwnedFd,
    buffer: Box<[MaybeUninit<u8>]>,
    /// True if a failure to read a process's descriptors has been logged; further ones are not.
    failure_logged: bool,
}

impl Proc {
    /// Opens `/proc`.
    pub(super) fn open() -> Result<Self, OwnersError> {
        let root = directory(CWD, c"/proc").map_err(|error| OwnersError::Proc(error.into()))?;
        Ok(Self { root, buffer: Box::new_uninit_slice(DIRECTORY_BUFFER), failure_logged: false })
    }

    /// Looks at all processes, except those in `seen`.
    pub(super) fn look_at_all(&mut self, seen: &BTreeSet<u32>, holders: &mut Holders) -> Result<(), OwnersError> {
        let pids = self.processes().map_err(|error| OwnersError::Proc(error.into()))?;
        // With `hidepid`, PID 1 is hidden too.
        holders.hidden |= !pids.contains(&1);
        for pid in pids.into_iter().filter(|pid| !seen.contains(pid)) {
            self.look_at(pid, holders);
        }
        Ok(())
    }

    /// Returns the PIDs of all processes, including kernel threads.
    fn processes(&mut self) -> io::Result<Vec<u32>> {
        let mut pids = Vec::new();
        seek(&self.root, SeekFrom::Start(0))?;
        let mut entries = RawDir::new(&self.root, &mut self.buffer);
        while let Some(entry) = entries.next() {
            // Entries that are not numbers are not processes.
            pids.extend(number(entry?.file_name().to_bytes()));
        }
        Ok(pids)
    }

    /// Looks at a process, which may have ended.
    pub(super) fn look_at(&mut self, pid: u32, holders: &mut Holders) {
        match self.add_descriptors(pid, holders) {
            Ok(()) | Err(Errno::NOENT | Errno::SRCH) => {}
            Err(error) => {
                if !self.failure_logged {
                    debug!("cannot read the descriptors of process {pid}, and maybe of others: {error}");
                    self.failure_logged = true;
                }
                holders.hidden = true;
            }
        }
    }

    /// Adds the process as an owner of the requested sockets that it holds. Kernel threads have no descriptors.
    fn add_descriptors(&mut self, pid: u32, holders: &mut Holders) -> io::Result<()> {
        // An open folder stays that of the same process, even if its PID is reused.
        let process = openat(&self.root, DecInt::new(pid), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let descriptors = directory(process.as_fd(), c"fd")?;
        let mut owner = None;
        let mut entries = RawDir::new(&descriptors, &mut self.buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let mut link = [MaybeUninit::uninit(); 32];
            let target = match readlinkat_raw(&descriptors, entry.file_name(), &mut link) {
                Ok((target, _)) => target,
                // Closed in the meantime, or not a link: `.` and `..`.
                Err(Errno::NOENT | Errno::INVAL) => continue,
                Err(error) => return Err(error),
            };
            let Some(inode) = socket_inode(target).filter(|inode| holders.by_inode.contains_key(inode)) else {
                continue;
            };
            let owner = match owner {
                Some(owner) => owner,
                None => *owner.insert(Owner { pid, comm: comm(&process)? }),
            };
            holders.add(inode, owner);
        }
        Ok(())
    }
}

fn directory(at: BorrowedFd<'_>, path: &CStr) -> io::Result<OwnedFd> {
    openat(at, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Reads the name of a process's main thread.
fn comm(process: &OwnedFd) -> io::Result<Comm> {
    let file = openat(process, c"comm", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut comm = [0; 16];
    // The kernel returns the whole name at once, with a line feed after it. The name itself may contain line feeds.
    let length = read(&file, &mut comm)?;
    if let Some(end) = length.checked_sub(1).and_then(|last| comm.get_mut(last)) {
        *end = 0;
    }
    Ok(Comm(comm))
}

/// Returns the number in `socket:[N]`, the link target of a socket's descriptor.
fn socket_inode(target: &[u8]) -> Option<u32> {
    number(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

/// Parses a number of decimal digits only.
fn number(digits: &[u8]) -> Option<u32> {
    let text = str::from_utf8(digits).ok()?;
    if text.starts_with('+') { None } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inode_number_of_a_socket_is_read_and_nothing_else() {
        assert_eq!(socket_inode(b"socket:[4294967295]"), Some(u32::MAX));
        assert_eq!(socket_inode(b"socket:[1]"), Some(1));
        for other in [
            "socket:[4294967296]",
            "socket:[]",
            "socket:[+1]",
            "socket:[-1]",
            "socket:[1",
            "pipe:[1]",
            "/tmp/socket:[1]",
            "",
        ] {
            assert_eq!(socket_inode(other.as_bytes()), None, "{other}");
        }
    }
}
