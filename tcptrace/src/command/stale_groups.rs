//! Control groups that killed tracers have left: a tracer makes one for its command, and removes it at its end.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use super::group::{PREFIX, below, mount_points, remove};
use crate::host_clock;

/// A younger group without a process may wait for its command: its tracer is not seen here if its process is in a PID
/// namespace of its own.
const YOUNG: Duration = Duration::from_secs(60);

/// Maximum depth of groups that is searched.
const MAX_DEPTH: usize = 32;

/// Control groups that were left.
#[derive(Debug, Default)]
pub struct StaleGroups {
    /// Number of groups that were removed.
    pub removed: usize,
    /// Groups that could not be removed, and why.
    pub failed: Vec<(PathBuf, io::Error)>,
}

/// Removes the groups of killed tracers in which nothing runs any more, all over the unified hierarchy. Those in which a
/// command still runs are left to it.
///
/// # Errors
/// When the mounted file systems cannot be read.
pub fn remove_stale_groups() -> io::Result<StaleGroups> {
    let mut found = StaleGroups::default();
    if let Some(root) = mount_points(&fs::read("/proc/self/mountinfo")?).next() {
        found.remove_below(&root, MAX_DEPTH);
    }
    Ok(found)
}

impl StaleGroups {
    fn remove_below(&mut self, path: &Path, depth: usize) {
        for group in below(path) {
            let Some(tracer) = group.file_name().and_then(pid_of) else {
                if depth > 0 {
                    self.remove_below(&group, depth - 1);
                }
                continue;
            };
            if is_in_use(&group, tracer) {
                continue;
            }
            match remove(&group) {
                Ok(()) => self.removed += 1,
                // Its tracer may have removed it, or something may have been started in it, in the meantime.
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ResourceBusy) => {}
                Err(error) => self.failed.push((group, error)),
            }
        }
    }
}

/// Returns the process ID of the tracer in the name of a group that one has made.
fn pid_of(name: &OsStr) -> Option<u32> {
    name.to_str()?.strip_prefix(PREFIX)?.parse().ok()
}

/// Whether the tracer with this process ID, or its command, may still need the group.
fn is_in_use(group: &Path, tracer: u32) -> bool {
    let runs = Path::new(&format!("/proc/{tracer}")).exists();
    let made = fs::metadata(group).and_then(|found| found.modified());
    let made = made.ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    let age = made.and_then(|made| host_clock::since_epoch().checked_sub(made));
    runs || age.is_none_or(|age| age < YOUNG)
}
