//! Sockets that make no progress, found without querying every socket in detail.

use std::collections::{HashMap, HashSet};

use super::{
    OwnersError,
    scan_schedule::FourTuple,
    sock_diag::{Diag, Wanted},
    sock_diag_reply::Socket,
};

/// Maximum number of sockets whose details are requested at a time.
const MAX_SOCKETS: usize = 1024;

/// The sockets that made no progress when the kernel was last asked, by cookie.
#[derive(Debug, Default)]
pub struct StuckSockets {
    known: HashMap<u64, FourTuple>,
    /// Sockets not yet accepted when first seen, most of which are accepted a moment later.
    unaccepted: HashSet<u64>,
}

impl StuckSockets {
    /// Returns the sockets that make no progress in the network namespace of the calling thread, and those that made none the last
    /// time, in detail.
    ///
    /// # Errors
    /// When netlink cannot be used, or the kernel does not list its sockets.
    pub fn look_here(&mut self) -> Result<Vec<Socket>, OwnersError> {
        self.look(&mut Diag::open()?)
    }

    /// Returns the sockets that make no progress, and those that made none the last time, in detail.
    pub(super) fn look(&mut self, diag: &mut Diag) -> Result<Vec<Socket>, OwnersError> {
        let found = diag.everything(Wanted::STUCK)?;
        let mut unaccepted = HashSet::new();
        let mut wanted: HashMap<u64, FourTuple> = HashMap::new();
        for Socket { cookie, local, remote, inode, retransmits, .. } in found.into_iter().take(MAX_SOCKETS) {
            let before = self.known.contains_key(&cookie) || self.unaccepted.contains(&cookie);
            if inode.is_none() && retransmits == 0 && !before {
                unaccepted.insert(cookie);
            } else {
                wanted.insert(cookie, FourTuple { local, remote });
            }
        }
        self.unaccepted = unaccepted;
        let again = std::mem::replace(&mut self.known, wanted.clone());
        wanted.extend(again);
        let mut sockets = Vec::new();
        for (cookie, tuple) in wanted {
            sockets.extend(diag.find_in_detail(&tuple)?.filter(|socket| socket.cookie == cookie));
        }
        Ok(sockets)
    }
}
