//! The folders in which namespaces get their names, watched for changes.

use std::{io, os::fd::OwnedFd};

use log::debug;
use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;

use super::discovery::FOLDERS;

/// Watches the folders in which namespaces get their names; returns `None` if inotify is not available.
pub(super) fn watch() -> Option<AsyncFd<OwnedFd>> {
    let watched = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)
        .map_err(io::Error::from)
        // SAFETY: an owned descriptor is valid as long as it lives, and nothing replaces it within `AsyncFd`.
        .and_then(|folders| Ok(unsafe { AsyncFd::register(folders) }?));
    let watched = watched.inspect_err(|error| debug!("folders of namespaces are not watched: {error}")).ok()?;
    for folder in FOLDERS {
        let flags = inotify::WatchFlags::CREATE | inotify::WatchFlags::DELETE | inotify::WatchFlags::MOVED_TO;
        if let Err(error) = inotify::add_watch(watched.get_ref(), folder, flags) {
            debug!("{folder} is not watched: {error}");
        }
    }
    Some(watched)
}

/// Waits until a named namespace is created or deleted.
pub(super) async fn changed(folders: &Option<AsyncFd<OwnedFd>>) {
    let Some(folders) = folders else { return std::future::pending().await };
    let Ok(mut ready) = folders.readable().await else { return std::future::pending().await };
    let mut events = [0; 4096];
    while rustix::io::read(folders.get_ref(), &mut events).is_ok_and(|read| read > 0) {}
    ready.clear_ready();
}
