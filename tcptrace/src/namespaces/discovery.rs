//! Discovery of network namespaces: by the names that `ip netns` and docker give them, and by the processes in them.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use log::debug;
use thiserror::Error;

use tcptrace_core::text::Escaped;

/// Folders whose files are named namespaces: that of ip-netns(8), also reached as `/var/run/netns`, and Docker's.
pub(super) const FOLDERS: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// The namespaces whose connections are traced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selection {
    /// All namespaces, including future ones.
    All,
    /// Only these, by inode number; they existed when tracing began.
    Only(Vec<u32>),
}

impl Selection {
    /// Returns the namespaces given by a list of `own`, `all`, names, PIDs and paths. `own` is the inode number of the
    /// tracer's.
    ///
    /// # Errors
    /// When there is no such namespace, or it cannot be accessed.
    pub fn of(list: &[String], own: u32) -> Result<Self, UnknownNamespace> {
        if list.iter().any(|one| one == "all") {
            return Ok(Self::All);
        }
        let inode = |one: &String| if one == "own" { Ok(own) } else { inode_of(one) };
        Ok(Self::Only(list.iter().map(inode).collect::<Result<_, _>>()?))
    }

    /// Returns true if no namespace but the tracer's, with this inode number, is one of them.
    pub fn is_only(&self, own: u32) -> bool {
        matches!(self, Self::Only(inodes) if inodes.iter().all(|&inode| inode == own))
    }

    /// Returns true if the namespace is one of them.
    pub fn contains(&self, inode: u32) -> bool {
        match self {
            Self::All => true,
            Self::Only(inodes) => inodes.contains(&inode),
        }
    }
}

/// A namespace that `--netns` names cannot be found.
#[derive(Debug, Error)]
pub enum UnknownNamespace {
    /// There is no namespace of this name.
    #[error("there is no network namespace {}; there are: {there}", Escaped(.name.as_bytes()))]
    Name {
        /// The name as given.
        name: String,
        /// The existing names.
        there: String,
    },
    /// A process or a path that is not a namespace, or may not be accessed.
    #[error("cannot look at the network namespace {}", Escaped(.name.as_bytes()))]
    Unreadable {
        /// The name as given.
        name: String,
        /// Error of the system call.
        #[source]
        cause: io::Error,
    },
}

fn inode_of(name: &str) -> Result<u32, UnknownNamespace> {
    let path = match name {
        path if path.contains('/') => PathBuf::from(path),
        pid if pid.bytes().all(|byte| byte.is_ascii_digit()) => PathBuf::from(format!("/proc/{pid}/ns/net")),
        name => {
            let named = FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find_map(|path| inode(&path).ok());
            return named.ok_or_else(|| UnknownNamespace::Name { name: name.to_owned(), there: names() });
        }
    };
    inode(&path).map_err(|cause| UnknownNamespace::Unreadable { name: name.to_owned(), cause })
}

/// Returns the names of all named namespaces, escaped.
fn names() -> String {
    let names: Vec<String> =
        named().into_values().filter_map(|found| Some(Escaped(found.name?.as_bytes()).to_string())).collect();
    if names.is_empty() { "none with a name".to_owned() } else { names.join(", ") }
}

/// A network namespace, and a way into it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Found {
    /// Its file.
    pub(super) path: PathBuf,
    /// Its name in `ip netns` or docker.
    pub(super) name: Option<String>,
    /// The process in it by which it was found, where it has no name.
    pub(super) pid: Option<u32>,
}

/// Returns the inode number of the namespace that a file stands for.
pub(super) fn inode(path: &Path) -> io::Result<u32> {
    let (file, own) = (fs::metadata(path)?, fs::metadata("/proc/self/ns/net")?);
    // The file of a namespace that is not yet or no longer mounted is an ordinary one.
    if file.dev() != own.dev() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a network namespace"));
    }
    u32::try_from(file.ino()).map_err(io::Error::other)
}

/// Returns the named namespaces, by inode number.
fn named() -> BTreeMap<u32, Found> {
    let mut found = BTreeMap::new();
    for entry in FOLDERS.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        let path = entry.path();
        if let Ok(inode) = inode(&path) {
            let name = String::from_utf8_lossy(entry.file_name().as_bytes()).into_owned();
            found.entry(inode).or_insert(Found { path, name: Some(name), pid: None });
        }
    }
    found
}

/// Returns all namespaces that can be found, by inode number.
pub(super) fn all() -> BTreeMap<u32, Found> {
    let mut found = of_processes();
    // A name takes precedence over a process.
    found.extend(named());
    found
}

/// Returns the namespaces that processes are in, by inode number, each with the first of its processes.
fn of_processes() -> BTreeMap<u32, Found> {
    let mut found = BTreeMap::new();
    let Ok(processes) = fs::read_dir("/proc").inspect_err(|error| debug!("cannot read /proc: {error}")) else {
        return found;
    };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids {
        let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
        let Ok(link) = fs::read_link(&path) else { continue };
        if let Some(inode) = link.to_str().and_then(inode_in_link) {
            found.entry(inode).or_insert(Found { path, name: None, pid: Some(pid) });
        }
    }
    found
}

/// Returns the inode number in `net:[4026531840]`.
fn inode_in_link(link: &str) -> Option<u32> {
    link.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_of_processes_are_read() {
        assert_eq!(inode_in_link("net:[4026531840]"), Some(4_026_531_840));
        for other in ["", "net:[]", "mnt:[4026531840]", "net:[-1]", "net:[4294967296]", "net:[1"] {
            assert_eq!(inode_in_link(other), None, "{other}");
        }
        let own = inode(Path::new("/proc/self/ns/net")).expect("a process has one");
        assert!(of_processes().contains_key(&own));
    }

    #[test]
    fn a_namespace_is_selected_by_process_and_path() {
        let own = inode(Path::new("/proc/self/ns/net")).expect("a process has one");
        let list = |list: &[&str]| Selection::of(&list.iter().map(|&one| one.to_owned()).collect::<Vec<_>>(), own);
        let by_pid = std::process::id().to_string();
        assert_eq!(
            list(&[&by_pid, "/proc/self/ns/net", "own"]).expect("they are there"),
            Selection::Only(vec![own; 3])
        );
        assert_eq!(list(&["own", "all"]).expect("they are there"), Selection::All);
        assert!(Selection::All.contains(7) && !Selection::Only(vec![own]).contains(7));
        // However often and by whatever name it is given.
        assert!(list(&[&by_pid, "own"]).expect("they are there").is_only(own));
        assert!(!Selection::All.is_only(own) && !Selection::Only(vec![own, 7]).is_only(own));
    }

    #[test]
    fn what_is_no_namespace_is_said() {
        let error = |one: &str| inode_of(one).expect_err("there is none").to_string();
        assert!(error("tt-nobody").starts_with("there is no network namespace tt-nobody; there are: "));
        assert_eq!(error("/etc/passwd"), "cannot look at the network namespace /etc/passwd");
        assert_eq!(error("4294967295"), "cannot look at the network namespace 4294967295");
    }
}
