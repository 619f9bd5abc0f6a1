//! Confinement of a thread's access to files and connections by Landlock, on kernels that have it enabled (since Linux
//! 5.13).

use std::{env, os::fd::BorrowedFd, path::PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, RestrictionStatus, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};

/// The Landlock version whose access rights are all forbidden unless allowed here. An older kernel forbids those it
/// supports.
const VERSION: ABI = ABI::V6;

/// The proc file system.
const PROCESSES: &str = "/proc";

/// Files that define the system's time zone. They are read again from time to time.
const ZONES: [&str; 4] = ["/etc/localtime", "/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

/// Port of name servers, which are queried by TCP if an answer is long.
const DNS: u16 = 53;

/// Files that the C library reads to look up names (resolv.conf(5), nsswitch.conf(5), gai.conf(5)), with the folders to which
/// `/etc/resolv.conf` mostly leads, and those of the library's own modules.
const RESOLVER: [&str; 13] = [
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/services",
    "/lib",
    "/lib64",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/run/systemd/resolve",
    "/usr/lib",
];

/// Environment variables that name other time zone files.
const NAMED_ZONES: [&str; 2] = ["TZDIR", "TZ"];

/// Lets the calling thread read `/proc` and time zone files, and use open files.
pub(super) fn to_reading() -> Result<RestrictionStatus, RulesetError> {
    let paths = zones().chain([PathBuf::from(PROCESSES)]);
    everything_forbidden()?.add_rules(path_beneath_rules(paths, reading()))?.restrict_self()
}

/// Lets the calling thread read time zone files, and use open files.
pub(super) fn to_time_zones() -> Result<RestrictionStatus, RulesetError> {
    everything_forbidden()?.add_rules(path_beneath_rules(zones(), reading()))?.restrict_self()
}

/// Lets the calling thread read the contents of these folders, if they exist, and use open files.
pub(super) fn to_reading_in(folders: impl Iterator<Item = PathBuf>) -> Result<RestrictionStatus, RulesetError> {
    everything_forbidden()?.add_rules(path_beneath_rules(folders, reading()))?.restrict_self()
}

/// Lets the calling thread create files in and below this folder and write to existing ones there, with `rotates` also
/// rename and remove them, and use open files.
pub(super) fn to_writing_in(folder: BorrowedFd<'_>, rotates: bool) -> Result<RestrictionStatus, RulesetError> {
    let mut access = AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::Truncate;
    if rotates {
        access |= AccessFs::RemoveFile;
    }
    everything_forbidden()?.add_rule(PathBeneath::new(folder, access))?.restrict_self()
}

/// Lets the calling thread connect to TCP ports `port` and 53, read the files needed to look up names, and use open files.
pub(super) fn to_connecting(port: u16) -> Result<RestrictionStatus, RulesetError> {
    let connect = [port, DNS].map(|port| Ok::<_, RulesetError>(NetPort::new(port, AccessNet::ConnectTcp)));
    everything_forbidden()?
        .add_rules(path_beneath_rules(RESOLVER, reading()))?
        .add_rules(connect)?
        // For a port chosen by the kernel.
        .add_rule(NetPort::new(0, AccessNet::BindTcp))?
        .restrict_self()
}

/// Lets the calling thread use open files, and nothing else.
pub(super) fn to_nothing() -> Result<RestrictionStatus, RulesetError> {
    everything_forbidden()?.restrict_self()
}

fn zones() -> impl Iterator<Item = PathBuf> {
    let named = NAMED_ZONES.into_iter().filter_map(env::var_os).map(PathBuf::from).filter(|path| path.is_absolute());
    ZONES.into_iter().map(PathBuf::from).chain(named)
}

fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

fn everything_forbidden() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(VERSION))?
        .handle_access(AccessNet::from_all(VERSION))?
        .scope(Scope::from_all(VERSION))?
        .create()
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        io::{ErrorKind, Write as _},
        net::{Ipv4Addr, TcpListener, TcpStream},
        os::fd::AsFd as _,
        path::Path,
        thread,
    };

    use landlock::RulesetStatus;

    use super::*;

    /// Confines a thread, and returns which of these actions it can still perform; all, if the kernel has no Landlock.
    fn can<const N: usize>(
        confine: impl FnOnce() -> Result<RestrictionStatus, RulesetError> + Send + 'static,
        things: [fn(&Path) -> std::io::Result<()>; N],
        expected: [bool; N],
    ) {
        let folder = env::temp_dir().join(format!("tcptrace-{}-{:?}", std::process::id(), thread::current().id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("there"), "").expect("a file");
        let place = folder.clone();
        let confined = thread::spawn(move || {
            let status = confine().expect("a ruleset without contradictions");
            let can = things.map(|thing| match thing(&place) {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
                    false
                }
                Ok(()) => true,
            });
            (status.ruleset, can)
        });
        let (status, can) = confined.join().expect("it ends");
        fs::remove_dir_all(folder).expect("other threads are as before");
        assert_eq!(can, if status == RulesetStatus::NotEnforced { [true; N] } else { expected }, "{status:?}");
    }

    fn read_proc(_: &Path) -> std::io::Result<()> {
        fs::read("/proc/self/stat").map(drop)
    }

    fn read_etc(_: &Path) -> std::io::Result<()> {
        fs::read("/etc/passwd").map(drop)
    }

    fn write(folder: &Path) -> std::io::Result<()> {
        File::options().append(true).open(folder.join("there"))?.write_all(b"x")
    }

    fn make(folder: &Path) -> std::io::Result<()> {
        File::options().append(true).create_new(true).open(folder.join("new")).map(drop)
    }

    fn remove(folder: &Path) -> std::io::Result<()> {
        fs::remove_file(folder.join("there"))
    }

    #[test]
    fn the_tracing_thread_reads_processes_and_changes_nothing() {
        can(to_reading, [read_proc, read_etc, write, make, remove], [true, false, false, false, false]);
    }

    #[test]
    fn who_reads_a_capture_opens_nothing_but_time_zones() {
        can(to_time_zones, [read_proc, read_etc, write, make, remove], [false; 5]);
    }

    #[test]
    fn the_stream_writer_opens_nothing() {
        can(to_nothing, [read_proc, read_etc, write, make, remove], [false; 5]);
    }

    /// Connects to a port where nobody listens.
    fn connect(port: u16) -> std::io::Result<()> {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    fn bind_any(_: &Path) -> std::io::Result<()> {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).map(drop)
    }

    fn read_hosts(_: &Path) -> std::io::Result<()> {
        fs::read("/etc/hosts").map(drop)
    }

    #[test]
    fn the_exporter_connects_to_the_collector_and_looks_up_names() {
        can(|| to_connecting(9), [|_| connect(9), |_| connect(11), read_hosts, bind_any], [true, false, true, true]);
        can(|| to_connecting(9), [read_proc, read_etc, write, make, remove], [false; 5]);
    }

    #[test]
    fn the_file_writer_writes_in_its_folder_and_nowhere_else() {
        // `can` makes its folder inside this one.
        let folder = File::open(env::temp_dir()).expect("a folder");
        let rotating = folder.try_clone().expect("another descriptor");
        can(move || to_writing_in(rotating.as_fd(), true), [write, make, remove], [true; 3]);
        let confine = move || to_writing_in(folder.as_fd(), false);
        can(confine, [read_proc, read_etc, write, make, remove], [false, false, true, true, false]);
        let elsewhere = File::open("/proc").expect("a folder");
        can(move || to_writing_in(elsewhere.as_fd(), false), [write, make], [false, false]);
    }
}
