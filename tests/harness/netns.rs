//! Network namespaces that last as long as a test.

use std::{
    fs::File,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{
    empty_programs::keep_tracepoint_in_use,
    process::{Process, eventually, output, try_output},
    tracer::LIMIT,
};

/// The lock file that tests of all checkouts on this host share.
const TURN: &str = "/run/tcptrace-tests.lock";

/// A network namespace of its own with `lo` up, removed when dropped.
///
/// It also holds its test's turn: state changes are traced for the whole host, so a test that floods the host with them, or
/// counts the objects loaded in the kernel, must run while no other does ([`Netns::alone`]).
pub struct Netns {
    name: String,
    inode: u32,
    turn: Arc<File>,
}

impl Netns {
    /// Creates a namespace for a test that others may run beside.
    #[track_caller]
    pub fn new() -> Self {
        let turn = take_turn(File::lock_shared);
        keep_tracepoint_in_use();
        Self::make(turn)
    }

    /// Creates a namespace for a test that runs while no other does. Its further ones come from [`Netns::another`].
    #[track_caller]
    pub fn alone() -> Self {
        let turn = take_turn(File::lock);
        keep_tracepoint_in_use();
        Self::make(turn)
    }

    /// Creates a namespace for measurements: no test runs meanwhile, and no program is kept on the tracepoint, which would
    /// be measured, too.
    #[track_caller]
    pub fn to_measure_in() -> Self {
        Self::make(take_turn(File::lock))
    }

    /// Creates a further namespace for the test that has this one.
    #[track_caller]
    pub fn another(&self) -> Self {
        Self::make(Arc::clone(&self.turn))
    }

    #[track_caller]
    fn make(turn: Arc<File>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        assert!(rustix::process::geteuid().is_root(), "the end-to-end tests need root: run `cargo xtask test`");
        let name = format!("tt-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        output(Command::new("ip").args(["netns", "add", &name]));
        let inode = std::fs::metadata(path(&name)).expect("a namespace that was made has a file").ino();
        let inode = u32::try_from(inode).expect("inode numbers of namespaces have 32 bits");
        let netns = Self { name, inode, turn };
        netns.ip(&["link", "set", "lo", "up"]);
        netns
    }

    /// Returns its name in `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its inode number, as in the tracer's records.
    pub fn inode(&self) -> u32 {
        self.inode
    }

    /// Runs `ip` on the namespace.
    #[track_caller]
    pub fn ip(&self, arguments: &[&str]) -> String {
        output(Command::new("ip").args(["-n", &self.name]).args(arguments))
    }

    /// Runs `job` on a thread of its own inside the namespace and waits for it.
    pub fn run<R: Send>(&self, job: impl FnOnce() -> R + Send) -> R {
        let path = path(&self.name);
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                enter(&path);
                job()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs `job` on a thread with this name inside the namespace.
    pub fn spawn<R: Send + 'static>(&self, name: &str, job: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
        let path = path(&self.name);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            enter(&path);
            job()
        });
        thread.expect("a thread can be started")
    }

    /// Starts a command inside the namespace; children inherit the namespace of the thread that starts them.
    #[track_caller]
    pub fn start(&self, command: &mut Command) -> Process {
        self.run(|| Process::spawn(command))
    }

    /// Runs a command inside the namespace to its end and returns its stdout; it must succeed.
    #[track_caller]
    pub fn output(&self, command: &mut Command) -> String {
        self.run(|| output(command))
    }

    /// Sets a value under `/proc/sys/net` of the namespace.
    #[track_caller]
    pub fn sysctl(&self, key: &str, value: &str) {
        let path = Path::new("/proc/sys/net").join(key);
        let written = self.run(|| std::fs::write(&path, value));
        written.unwrap_or_else(|error| panic!("{key} cannot be set to {value}: {error}"));
    }

    /// Waits until no TCP socket of the namespace is about to change its state: all are listening or gone, or in TIME_WAIT.
    /// On a busy machine the last ACK may arrive after close() has returned.
    #[track_caller]
    pub fn settle(&self) {
        const SETTLED: [&str; 2] = ["06", "0A"];
        let settled = |table: String| {
            table
                .lines()
                .skip(1)
                .all(|line| line.split_whitespace().nth(3).is_some_and(|state| SETTLED.contains(&state)))
        };
        eventually("only listeners and TIME_WAIT", LIMIT, || {
            let tables = ["tcp", "tcp6"].map(|name| Path::new("/proc/thread-self/net").join(name));
            let read = |path| std::fs::read_to_string(path).expect("every namespace has these tables");
            self.run(|| tables.map(read)).into_iter().all(settled)
        });
    }

    /// Returns a counter of the namespace's own stack, by the names of `/proc/net/snmp`: a line of names, then a line of
    /// numbers.
    #[track_caller]
    pub fn counter(&self, protocol: &str, name: &str) -> u64 {
        let table = self.run(|| std::fs::read_to_string("/proc/thread-self/net/snmp"));
        let table = table.expect("every namespace has this table");
        let of_protocol = |line| str::strip_prefix(line, protocol).and_then(|line| line.strip_prefix(": "));
        let mut lines = table.lines().filter_map(of_protocol).map(str::split_whitespace);
        let (names, numbers) = lines.next().zip(lines.next()).expect("two lines about the protocol");
        let (_, number) = names.zip(numbers).find(|(known, _)| *known == name).expect("a counter of this name");
        number.parse().expect("a number")
    }

    /// Loads nftables rules into the namespace.
    #[track_caller]
    pub fn nft(&self, rules: &str) {
        self.output(Command::new("nft").arg(rules));
    }
}

impl Default for Netns {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // A test that has already failed must not panic again; a remaining namespace shows in `ip netns`.
        let _ = try_output(Command::new("ip").args(["netns", "del", &self.name]));
    }
}

/// Waits until it is this test's turn, which lasts as long as the file is open.
#[track_caller]
fn take_turn(lock: fn(&File) -> std::io::Result<()>) -> Arc<File> {
    let turn = File::create(TURN).unwrap_or_else(|error| panic!("{TURN} cannot be opened: {error}"));
    lock(&turn).expect("a file can be locked");
    Arc::new(turn)
}

fn path(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

fn enter(path: &Path) {
    let file = File::open(path).expect("the namespace of a running test is there");
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may enter a namespace");
}
