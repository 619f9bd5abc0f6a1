//! Visits to network namespaces, one after another.

use std::{fs::File, io, os::fd::AsFd as _, os::unix::fs::MetadataExt as _, thread};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::discovery::{self, Found, Selection};

/// Calls `look` on a thread inside each chosen namespace except `own`. Returns the results, each with the inode number of
/// the namespace, or the error of entering it.
pub fn visit<T: Send>(selection: &Selection, own: u32, look: impl Fn() -> T + Sync) -> Vec<(u32, io::Result<T>)> {
    let chosen = discovery::all().into_iter().filter(|&(inode, _)| inode != own && selection.contains(inode));
    let visited = chosen.map(|(inode, found)| (inode, inside(&found, inode, &look)));
    // A namespace that has gone in between counts as absent.
    visited.filter(|(_, looked)| !looked.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)).collect()
}

/// Calls `look` on a thread inside of a namespace, if it still has this inode number.
pub(super) fn inside<T: Send>(found: &Found, inode: u32, look: impl FnOnce() -> T + Send) -> io::Result<T> {
    // The thread ends inside, so that it need not return.
    let looked = thread::scope(|scope| scope.spawn(|| enter(found, inode).map(|()| look())).join());
    looked.unwrap_or_else(|_| Err(io::Error::other("the thread that entered it has failed")))
}

/// Moves the calling thread into a namespace, if it still has this inode number.
fn enter(found: &Found, inode: u32) -> io::Result<()> {
    let namespace = File::open(&found.path)?;
    if namespace.metadata()?.ino() != u64::from(inode) {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}
