//! The processes that hold sockets: the kernel lists them, or `/proc` does.

use std::collections::{BTreeSet, HashMap};

use log::debug;

use super::{Owner, OwnersError, proc_fds::Proc};
use crate::bpf::HeldSockets;
use tcptrace_core::event::Comm;

/// The processes that hold the requested sockets.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// Owners by inode number, in the order in which they were found.
    pub(super) by_inode: HashMap<u32, Vec<Owner>>,
    /// True if owners may be missing: some processes, or their descriptors, are hidden from this one.
    pub(super) hidden: bool,
}

impl Holders {
    /// Adds the owner of a socket, if that was requested. A process may hold a socket by several descriptors.
    pub(super) fn add(&mut self, inode: u32, owner: Owner) {
        if let Some(owners) = self.by_inode.get_mut(&inode).filter(|owners| !owners.contains(&owner)) {
            owners.push(owner);
        }
    }

    /// Returns true if a socket has no owner yet.
    fn lacks_any(&self) -> bool {
        self.by_inode.values().any(Vec::is_empty)
    }
}

/// Finds the holders of sockets.
pub(super) struct HolderSearch {
    proc: Proc,
    /// The kernel's list, if it has one.
    listed: Option<HeldSockets>,
}

impl HolderSearch {
    /// Opens `/proc`.
    pub(super) fn open(listed: Option<HeldSockets>) -> Result<Self, OwnersError> {
        Ok(Self { proc: Proc::open()?, listed })
    }

    /// Finds the processes that hold the sockets with these inode numbers. The processes in `likely` are searched first, and
    /// others only if they do not hold all of the sockets.
    pub(super) fn find(
        &mut self,
        inodes: impl IntoIterator<Item = u32>,
        likely: &BTreeSet<u32>,
    ) -> Result<Holders, OwnersError> {
        let by_inode = inodes.into_iter().map(|inode| (inode, Vec::new())).collect();
        let mut holders = Holders { by_inode, hidden: false };
        for &pid in likely {
            self.proc.look_at(pid, &mut holders);
        }
        if holders.lacks_any() && !self.find_listed(&mut holders) {
            self.proc.look_at_all(likely, &mut holders)?;
        }
        Ok(holders)
    }

    /// Asks the kernel, which hides no process. Returns false if it does not answer, now or ever.
    fn find_listed(&mut self, holders: &mut Holders) -> bool {
        let Some(listed) = &self.listed else { return false };
        let read = listed.read(|held| {
            if let Ok(inode) = u32::try_from(held.inode) {
                holders.add(inode, Owner { pid: held.pid, comm: Comm(held.comm) });
            }
        });
        match read {
            Ok(()) => {
                holders.hidden = false;
                true
            }
            Err(error) => {
                debug!("the owners of sockets are looked up in /proc, since the kernel does not list them: {error}");
                self.listed = None;
                false
            }
        }
    }
}
