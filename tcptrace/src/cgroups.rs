//! Look-up of the paths of control groups by the IDs that the kernel programs report.
//!
//! The ID of a control group is the inode number of its folder in the unified hierarchy, from which the file handles of this
//! file system are made (fs/kernfs/mount.c). Opening one requires CAP_DAC_READ_SEARCH. A thread of its own keeps that
//! capability, so that the main thread, which decodes data from the network, need not. A group is looked up while the first
//! event that names it is handled; it may be gone a moment later, but its ID is never used again.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use log::debug;
use rustix::{
    fs::{Mode, OFlags, fstat, openat},
    mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen},
};

use crate::{
    command::mount_points,
    container_names,
    privileges::{Duty, reduce},
};
use tcptrace_core::event::{Cgroup, Container};

/// Maximum time to wait for an answer, which takes some 20 µs: a group without a name is better than a delay.
const PATIENCE: Duration = Duration::from_millis(20);

/// Maximum number of groups remembered that could not be found in time.
const MAX_UNKNOWN: usize = 4096;

/// Type of the file handles of kernfs (`FILEID_KERNFS`, include/linux/exportfs.h).
const FILEID_KERNFS: i32 = 0xFE;

/// Requests paths from the thread.
#[derive(Debug)]
pub struct CgroupNames {
    ids: SyncSender<u64>,
    answers: Receiver<(u64, Option<Cgroup>)>,
    /// Groups that are not requested again.
    unknown: HashSet<u64>,
    /// Answers that came after their time limit.
    late: HashMap<u64, Cgroup>,
}

impl CgroupNames {
    /// Starts the thread. Without a unified hierarchy it finds nothing, which is logged.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start() -> io::Result<Self> {
        Self::of(Hierarchy::open)
    }

    /// Mounting a hierarchy waits for a grace period of the kernel, and is left to the thread for that reason.
    fn of(open: impl FnOnce() -> io::Result<Hierarchy> + Send + 'static) -> io::Result<Self> {
        let (ids, asked) = sync_channel(1);
        // One more, for an answer that comes after its time limit.
        let (answer, answers) = sync_channel(2);
        thread::Builder::new().name("cgroups".to_owned()).spawn(move || {
            let opened = open().inspect_err(|error| debug!("containers and units are not named: {error}"));
            reduce(Duty::Cgroups);
            let Ok(hierarchy) = opened else { return };
            for id in asked {
                let path = hierarchy.path(id).inspect_err(|error| debug!("control group {id}: {error}")).ok();
                if answer.send((id, path.map(|path| with_names(&path)))).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { ids, answers, unknown: HashSet::new(), late: HashMap::new() })
    }

    /// Returns the control group with this ID; `None` if it cannot be found.
    pub fn find(&mut self, id: u64) -> Option<Cgroup> {
        if self.unknown.contains(&id) {
            return None;
        }
        while let Ok((answered, cgroup)) = self.answers.try_recv() {
            self.keep(answered, cgroup);
        }
        if let Some(cgroup) = self.late.remove(&id) {
            return Some(cgroup);
        }
        // If the thread is still busy with another one, this is requested again with the next event.
        self.ids.try_send(id).ok()?;
        let (answered, cgroup) = self.answers.recv_timeout(PATIENCE).ok()?;
        if answered == id && cgroup.is_some() {
            return cgroup;
        }
        self.keep(answered, cgroup);
        None
    }

    /// Keeps an answer for the next event that names the group.
    fn keep(&mut self, id: u64, cgroup: Option<Cgroup>) {
        if self.unknown.len() + self.late.len() >= MAX_UNKNOWN {
            self.unknown.clear();
            self.late.clear();
        }
        match cgroup {
            Some(cgroup) => drop(self.late.insert(id, cgroup)),
            None => drop(self.unknown.insert(id)),
        }
    }
}

/// Cache of control groups by their IDs: many sockets have the same.
#[derive(Debug)]
pub struct KnownGroups<'a> {
    /// `None` if they cannot be named.
    names: Option<&'a mut CgroupNames>,
    known: HashMap<u64, Option<Arc<Cgroup>>>,
}

impl<'a> KnownGroups<'a> {
    /// Creates a cache that finds each group once, by `names`.
    pub fn new(names: Option<&'a mut CgroupNames>) -> Self {
        Self { names, known: HashMap::new() }
    }

    /// Returns the control group with this ID.
    pub fn group(&mut self, id: u64) -> Option<Arc<Cgroup>> {
        let Self { names, known } = self;
        known.entry(id).or_insert_with(|| names.as_mut()?.find(id).map(Arc::new)).clone()
    }

    /// Returns the container of the control group with this ID.
    pub fn container(&mut self, id: u64) -> Option<Container> {
        self.group(id)?.container.clone()
    }
}

/// Returns the control group with this path, with the container's name from the runtimes' files.
fn with_names(path: &str) -> Cgroup {
    let mut cgroup = Cgroup::of_path(path);
    if let Some(container) = &mut cgroup.container {
        container_names::complete(container, Path::new("/"));
    }
    cgroup
}

/// Inode number of the root of the unified hierarchy (`cgroup_setup_root`, kernel/cgroup/cgroup.c).
const ROOT: u64 = 1;

/// The mounted unified hierarchy, from its root or, in a control group namespace, from the root of that namespace.
struct Hierarchy {
    root: OwnedFd,
    mount_point: PathBuf,
    /// A detached mount, which is unmounted when this is dropped.
    _mount: Option<OwnedFd>,
}

impl Hierarchy {
    fn open() -> io::Result<Self> {
        let mounts = fs::read("/proc/self/mountinfo")?;
        let mounted = mount_points(&mounts).filter_map(|mount_point| {
            Some(Self { root: File::open(&mount_point).ok()?.into(), mount_point, _mount: None })
        });
        // A container sees its own group in place of the root, and perhaps a mount of the host's hierarchy.
        let (whole, partial): (Vec<_>, Vec<_>) = mounted.partition(Self::is_whole);
        // The unified hierarchy exists even where only those of version 1 are mounted.
        whole.into_iter().chain(partial).next().map_or_else(Self::mounted_nowhere, Ok)
    }

    fn is_whole(&self) -> bool {
        fstat(&self.root).is_ok_and(|root| root.st_ino == ROOT)
    }

    /// Mounts the hierarchy without attaching it to the file tree. Needs CAP_SYS_ADMIN.
    fn mounted_nowhere() -> io::Result<Self> {
        let context = fsopen("cgroup2", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(context.as_fd())?;
        let attributes =
            MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let mount = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        // The descriptor of a mount is O_PATH, by which no file handle can be opened.
        let root = openat(&mount, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { root, mount_point: PathBuf::from("/"), _mount: Some(mount) })
    }

    /// Returns the path of the group with this ID, from the visible root.
    ///
    /// # Errors
    /// When there is no such group, or it lies outside the visible part.
    fn path(&self, id: u64) -> io::Result<String> {
        /// `struct file_handle` with the eight bytes of kernfs.
        #[repr(C)]
        struct Handle {
            bytes: u32,
            kind: i32,
            id: [u8; 8],
        }
        let mut handle = Handle { bytes: 8, kind: FILEID_KERNFS, id: id.to_ne_bytes() };
        let pointer = std::ptr::from_mut(&mut handle).cast();
        // SAFETY: the handle is as long as it says, and lives until the call returns; O_PATH opens nothing in the file itself.
        let fd = unsafe { libc::open_by_handle_at(self.root.as_raw_fd(), pointer, libc::O_PATH | libc::O_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just returned it, and nobody else has it.
        let folder = unsafe { OwnedFd::from_raw_fd(fd) };
        let link = fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd()))?;
        let path = within(&link, &self.mount_point);
        // The kernel reports every group outside the mounted part as the root.
        let outside = path == "/" && !fstat(&self.root).is_ok_and(|root| root.st_ino == id);
        if outside { Err(io::Error::other("it is outside of what is mounted here")) } else { Ok(path) }
    }
}

/// Returns a path in the hierarchy without its mount point. A path in a detached mount starts at its root.
fn within(link: &Path, mount_point: &Path) -> String {
    let text = link.to_string_lossy();
    let outside = text.strip_prefix("(unreachable)").unwrap_or(&text);
    let path = link.strip_prefix(mount_point).map_or(outside.to_owned(), |path| format!("/{}", path.to_string_lossy()));
    path.strip_suffix(" (deleted)").map_or(path.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn paths_begin_at_the_root_of_the_hierarchy() {
        let mount = Path::new("/sys/fs/cgroup");
        let path = |link: &str| within(Path::new(link), mount);
        assert_eq!(path("/sys/fs/cgroup/system.slice/nginx.service"), "/system.slice/nginx.service");
        assert_eq!(path("/sys/fs/cgroup"), "/");
        assert_eq!(path("/sys/fs/cgroup/a (deleted)"), "/a");
        assert_eq!(path("(unreachable)/docker/web"), "/docker/web");
    }

    #[test]
    fn the_groups_of_this_host_are_found_by_their_ids() {
        check(CgroupNames::start(), Hierarchy::open());
    }

    #[test]
    fn they_are_found_where_the_hierarchy_is_mounted_nowhere() {
        check(CgroupNames::of(Hierarchy::mounted_nowhere), Hierarchy::mounted_nowhere());
    }

    #[track_caller]
    fn check(names: io::Result<CgroupNames>, hierarchy: io::Result<Hierarchy>) {
        // Without root's rights there is no hierarchy, or nothing in it can be opened.
        let (Ok(mut names), Ok(hierarchy)) = (names, hierarchy) else {
            assert!(!rustix::process::geteuid().is_root(), "root has a hierarchy");
            return;
        };
        let root = fstat(&hierarchy.root).expect("it is open").st_ino;
        if hierarchy.path(root).is_err() {
            assert!(!rustix::process::geteuid().is_root(), "root may open it");
            assert_eq!((names.find(root), names.unknown.len()), (None, 1));
            return;
        }
        assert_eq!(names.find(root), Some(Cgroup::of_path("/")));
        let folder = PathBuf::from(format!("/proc/self/fd/{}", hierarchy.root.as_raw_fd()));
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let metadata = entry.metadata().expect("it is there");
            if metadata.is_dir() {
                let path = format!("/{}", entry.file_name().to_string_lossy());
                assert_eq!(names.find(metadata.ino()), Some(Cgroup::of_path(&path)));
            }
        }
        assert_eq!(names.find(u64::MAX), None);
    }
}
