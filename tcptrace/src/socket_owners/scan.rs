//! One scan: it joins the kernel's sockets with the processes that hold them.

use std::collections::BTreeSet;

use super::{
    OwnedSocket, OwnersError, Snapshot,
    holders::HolderSearch,
    scan_schedule::Job,
    sock_diag::{Diag, Wanted},
    sock_diag_reply::Socket,
    stuck::StuckSockets,
};
use crate::bpf::HeldSockets;
use tcptrace_core::event::BootTime;

/// The kernel interfaces that a scan needs, opened once.
pub(super) struct Scan {
    diag: Diag,
    search: HolderSearch,
    stuck: StuckSockets,
}

impl Scan {
    /// Opens `sock_diag` and `/proc`. `listed` is the kernel's list of holders, if it has one.
    pub(super) fn open(listed: Option<HeldSockets>) -> Result<Self, OwnersError> {
        Ok(Self { diag: Diag::open()?, search: HolderSearch::open(listed)?, stuck: StuckSockets::default() })
    }

    /// Finds the sockets that the job requests.
    pub(super) fn run(&mut self, job: &Job, began: BootTime) -> Result<Snapshot, OwnersError> {
        match job {
            Job::Nothing => self.with_owners(began, Vec::new(), &BTreeSet::new()),
            Job::Everything => {
                let sockets = self.diag.everything(Wanted::ALL)?;
                self.with_owners(began, sockets, &BTreeSet::new())
            }
            Job::Listening => {
                let sockets = self.diag.everything(Wanted::LISTENING)?;
                self.with_owners(began, sockets, &BTreeSet::new())
            }
            Job::AtStart { elsewhere, asked } => {
                let mut sockets = self.diag.everything(Wanted::IN_DETAIL)?;
                sockets.extend(elsewhere);
                Ok(Snapshot { at_start: true, ..self.with_owners(*asked, sockets, &BTreeSet::new())? })
            }
            Job::Connections { tuples, likely } => {
                let found = tuples.iter().filter_map(|tuple| self.diag.find(tuple).transpose());
                let sockets = found.collect::<Result<_, _>>()?;
                self.with_owners(began, sockets, likely)
            }
            Job::Stuck => {
                let stuck = self.stuck.look(&mut self.diag)?;
                Ok(Snapshot { stuck, ..self.with_owners(began, Vec::new(), &BTreeSet::new())? })
            }
            Job::Listeners(tuples) => {
                let listeners = self.diag.find_listeners(tuples)?;
                Ok(Snapshot {
                    began,
                    sockets: Vec::new(),
                    listeners,
                    stuck: Vec::new(),
                    hidden: false,
                    at_start: false,
                })
            }
        }
    }

    /// Adds their owners to sockets, which may be of several network namespaces.
    pub(super) fn owners(&mut self, sockets: Vec<Socket>, began: BootTime) -> Result<Snapshot, OwnersError> {
        self.with_owners(began, sockets, &BTreeSet::new())
    }

    fn with_owners(
        &mut self,
        began: BootTime,
        sockets: Vec<Socket>,
        likely: &BTreeSet<u32>,
    ) -> Result<Snapshot, OwnersError> {
        let inodes = sockets.iter().filter_map(|socket| socket.inode);
        let mut holders = self.search.find(inodes, likely)?;
        let with_owners = |socket: Socket| {
            let owners = socket.inode.and_then(|inode| holders.by_inode.remove(&inode));
            let mut owners = owners.unwrap_or_default();
            owners.sort_unstable_by_key(|owner| owner.pid);
            OwnedSocket { socket, owners }
        };
        let sockets = sockets.into_iter().map(with_owners).collect();
        Ok(Snapshot {
            began,
            sockets,
            listeners: Vec::new(),
            stuck: Vec::new(),
            hidden: holders.hidden,
            at_start: false,
        })
    }
}
