//! A control group of its own for the command (Documentation/admin-guide/cgroup-v2.rst in the kernel source).

use std::{
    fs, io,
    os::unix::{ffi::OsStringExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

/// The name of a group begins so; the process ID of the tracer follows.
pub(super) const PREFIX: &str = "tcptrace-";

/// A control group below that of this process.
#[derive(Debug)]
pub(super) struct ControlGroup {
    path: PathBuf,
    /// Its ID in the kernel, which is the inode number of its folder.
    id: u64,
}

impl ControlGroup {
    /// Makes the group.
    ///
    /// # Errors
    /// When no file system of cgroup v2 is mounted, or the group may not be made.
    pub(super) fn new() -> io::Result<Self> {
        let mounted = mount_points(&fs::read("/proc/self/mountinfo")?).next().ok_or(io::ErrorKind::NotFound)?;
        let own = own_group(&fs::read("/proc/self/cgroup")?).ok_or(io::ErrorKind::NotFound)?;
        let path = mounted.join(own).join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&path)?;
        let id = fs::metadata(&path)?.ino();
        Ok(Self { path, id })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Returns the processes in the group, and in those below it that they have made.
    pub(super) fn processes(&self) -> Vec<u32> {
        processes(&self.path)
    }

    /// Removes the group, and those below it; processes that are still in it are moved to the group above first. Those below
    /// stay where they are, as do their groups: whoever has made these manages them.
    pub(super) fn remove(self) -> io::Result<()> {
        if let Some(above) = self.path.parent() {
            for pid in directly_in(&self.path) {
                // It may have ended since.
                let _ = fs::write(above.join("cgroup.procs"), pid.to_string());
            }
        }
        remove(&self.path)
    }
}

/// Returns the groups directly below the one at a path.
pub(super) fn below(path: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

fn directly_in(path: &Path) -> Vec<u32> {
    let text = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn processes(path: &Path) -> Vec<u32> {
    directly_in(path).into_iter().chain(below(path).flat_map(|path| processes(&path))).collect()
}

/// Removes the group at a path and those below it, unless a process is in one of them.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    // The kernel refuses those with processes, and then this one too.
    below(path).for_each(|path| drop(remove(&path)));
    fs::remove_dir(path)
}

/// Returns the mount points of cgroup v2 in the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
pub(crate) fn mount_points(mounts: &[u8]) -> impl Iterator<Item = PathBuf> {
    mounts.split(|&byte| byte == b'\n').filter_map(|line| {
        let fields: Vec<_> = line.split(|&byte| byte == b' ').collect();
        let separator = fields.iter().position(|field| *field == b"-")?;
        (*fields.get(separator + 1)? == b"cgroup2").then_some(())?;
        Some(PathBuf::from(std::ffi::OsString::from_vec(unescaped(fields.get(4)?))))
    })
}

/// Decodes a field in which spaces, tabs, newlines and backslashes are written as `\` and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, behind @ ..] = rest {
        let code = (*first == b'\\').then(|| behind.get(..3)).flatten();
        let code = code.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { behind.get(3..).unwrap_or_default() } else { behind };
    }
    bytes
}

/// Returns the path of this process's group below the mount point, from `/proc/self/cgroup` (cgroups(7)).
fn own_group(groups: &[u8]) -> Option<PathBuf> {
    let path = groups.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"0::/"))?;
    Some(PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_version_is_found_among_others() {
        let mounts =
            b"25 1 0:23 / /sys rw - sysfs sysfs rw\n30 25 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                       31 25 0:27 / /sys/fs/a\\040b rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_points(mounts).collect::<Vec<_>>(), [PathBuf::from("/sys/fs/a b")]);
        assert_eq!(mount_points(b"25 1 0:23 / /sys rw - sysfs sysfs rw\n").next(), None);
        let groups = b"2:cpu:/\n0::/user.slice/session-1.scope\n";
        assert_eq!(own_group(groups), Some("user.slice/session-1.scope".into()));
        assert_eq!(own_group(b"0::/\n"), Some("".into()));
        assert_eq!(own_group(b"1:name=systemd:/\n"), None);
    }
}
