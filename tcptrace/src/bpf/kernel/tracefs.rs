//! Access to tracefs where nobody has mounted it, without leaving it mounted.

use std::{fs, io, path::Path, thread};

use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

/// The conventional mount point of tracefs.
const MOUNT_POINT: &str = "/sys/kernel/tracing";

/// Runs `work` on a thread that sees tracefs mounted: either it is, or it is mounted for this thread only, in a mount
/// namespace that ends with it.
///
/// # Errors
/// When it is not mounted and cannot be mounted, which requires CAP_SYS_ADMIN.
pub(in crate::bpf) fn with_tracefs<T: Send>(work: impl FnOnce(&Path) -> T + Send) -> io::Result<T> {
    let mounted = fs::exists(format!("{MOUNT_POINT}/events"))?;
    let run = || {
        if !mounted {
            mount_for_this_thread()?;
        }
        Ok(work(Path::new(MOUNT_POINT)))
    };
    thread::scope(|scope| {
        let handle = thread::Builder::new().name("tracefs".into()).spawn_scoped(scope, run)?;
        handle.join().map_err(|_| io::Error::other("the thread that reads tracefs failed"))?
    })
}

fn mount_for_this_thread() -> io::Result<()> {
    // SAFETY: only this thread gets a mount namespace and file system attributes of its own; the table of file
    // descriptors stays shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount("tracefs", MOUNT_POINT, "tracefs", flags, None)?)
}
