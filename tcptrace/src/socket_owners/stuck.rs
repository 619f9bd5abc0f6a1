//! Finds the sockets that make no progress, without looking at every socket in detail.

use std::collections::HashMap;

use super::{
    OwnersError,
    scan_schedule::FourTuple,
    sock_diag::{Diag, Wanted},
    sock_diag_reply::Socket,
};

/// Most sockets of which the details are asked for at a time.
const MAX_SOCKETS: usize = 1024;

/// The sockets that made no progress when the kernel was last asked, by cookie.
#[derive(Debug, Default)]
pub(super) struct StuckSockets {
    known: HashMap<u64, FourTuple>,
}

impl StuckSockets {
    /// Returns the sockets that make no progress, and those that did not the last time, in detail.
    pub(super) fn look(&mut self, diag: &mut Diag) -> Result<Vec<Socket>, OwnersError> {
        let found = diag.everything(Wanted::STUCK)?;
        let mut wanted: HashMap<u64, FourTuple> = found
            .into_iter()
            .map(|Socket { cookie, local, remote, .. }| (cookie, FourTuple { local, remote }))
            .take(MAX_SOCKETS)
            .collect();
        let again = std::mem::replace(&mut self.known, wanted.clone());
        wanted.extend(again);
        let mut sockets = Vec::new();
        for (cookie, tuple) in wanted {
            sockets.extend(diag.find_in_detail(&tuple)?.filter(|socket| socket.cookie == cookie));
        }
        Ok(sockets)
    }
}
