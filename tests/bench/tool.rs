//! The tools that are measured: tcptrace and others, as one would type them.

use std::{
    env,
    fs::File,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tcptrace_tests::{LIMIT, Lines, Netns, Process, binary, eventually, held_objects};

use crate::{
    lost::{Lost, count_lines},
    usage,
};

/// In a command line, the beginning of the name of the file that is written.
const FILE: &str = "FILE";

/// How to mount what libbpf looks for, for one program alone, and become that program.
const WITH_TRACEFS: &str = r#"mount -t tracefs tracefs /sys/kernel/tracing; exec "$0" "$@""#;

/// Segments of a connection, state changes of both its sockets, and sockets.
const SEGMENTS: u64 = 7;
const CHANGES: u64 = 10;
const SOCKETS: u64 = 2;

/// A tool with its arguments.
pub(crate) struct Tool {
    name: &'static str,
    arguments: Vec<&'static str>,
    kind: Kind,
}

/// How one knows that a tool is ready, and what it has lost.
#[derive(Clone, Copy)]
enum Kind {
    /// It says both on stderr.
    Tcptrace,
    /// It says both on stderr.
    Tcpdump,
    /// It prints a line for each segment.
    TcpdumpText,
    /// A tool of libbpf-tools: attached when the kernel says so. It prints a heading, and so many lines for a connection.
    Libbpf(u64),
}

impl Tool {
    /// tcptrace; what it writes to stdout goes to a file.
    pub(crate) fn tcptrace(arguments: &[&'static str]) -> Self {
        Self { name: "tcptrace", arguments: arguments.to_vec(), kind: Kind::Tcptrace }
    }

    /// tcpdump that writes a capture of what matches.
    pub(crate) fn tcpdump(options: &[&'static str], filter: &'static str) -> Self {
        Self { name: "tcpdump", arguments: [options, &["-w", FILE, filter]].concat(), kind: Kind::Tcpdump }
    }

    /// tcpdump that prints every segment.
    pub(crate) fn tcpdump_text() -> Self {
        Self { name: "tcpdump", arguments: vec!["-n", "tcp"], kind: Kind::TcpdumpText }
    }

    /// A line for each change of a socket's state.
    pub(crate) fn tcpstates() -> Self {
        Self { name: "tcpstates", arguments: Vec::new(), kind: Kind::Libbpf(CHANGES) }
    }

    /// A line for each socket that has closed.
    pub(crate) fn tcplife() -> Self {
        Self { name: "tcplife", arguments: Vec::new(), kind: Kind::Libbpf(SOCKETS) }
    }

    /// As one would type it.
    pub(crate) fn command_line(&self) -> String {
        let quoted = |word: &&str| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() };
        let words: Vec<String> = std::iter::once(&self.name).chain(&self.arguments).map(quoted).collect();
        let output = match self.file_argument() {
            Some(_) if self.name == "tcpdump" || self.arguments.ends_with(&["-o", "none"]) => "",
            Some(_) => " > /dev/null",
            None => " > FILE",
        };
        words.join(" ") + output
    }

    /// The name of the file that it writes by itself.
    fn file_argument(&self) -> Option<&'static str> {
        self.arguments.iter().copied().find(|argument| argument.starts_with(FILE))
    }

    /// Starts it inside `netns`, or says that it is not installed; returns as soon as it sees what happens.
    pub(crate) fn start(&self, netns: &Netns, scratch: &Path) -> Option<Running> {
        let program = if let Kind::Tcptrace = self.kind { binary() } else { find(self.name)? };
        let named = self.file_argument();
        let file = scratch.join(named.unwrap_or(FILE));
        let in_place = |argument: &&str| if Some(*argument) == named { file.clone() } else { PathBuf::from(argument) };
        let mut command = match self.kind {
            Kind::Libbpf(_) => Command::new("unshare"),
            _ => Command::new(&program),
        };
        match self.kind {
            Kind::Libbpf(_) => {
                command.args(["--mount", "sh", "-c", WITH_TRACEFS]).arg(&program);
            }
            // As root, or it gives up the right to write where it likes.
            Kind::Tcpdump | Kind::TcpdumpText => {
                command.args(["-i", "lo", "-Z", "root"]);
            }
            Kind::Tcptrace => {}
        }
        command.args(self.arguments.iter().map(in_place));
        let stdout = if named.is_some() {
            Stdio::null()
        } else {
            File::create(&file).unwrap_or_else(|error| panic!("{} cannot be made: {error}", file.display())).into()
        };
        let mut process = netns.start(command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()));
        let log = Lines::read(process.stderr(), |line| line);
        let wait_for = |what: &str| log.wait_until(what, LIMIT, |lines| lines.iter().any(|line| line.contains(what)));
        match self.kind {
            Kind::Tcptrace => wait_for("tcptrace: tracing"),
            Kind::Tcpdump | Kind::TcpdumpText => wait_for("listening on"),
            Kind::Libbpf(_) => {
                eventually("an attached program", LIMIT, || !held_objects(process.id(), "link").is_empty());
            }
        }
        let ticks_before = usage::ticks(process.id());
        Some(Running { process, log, kind: self.kind, file, ticks_before })
    }
}

/// A tool that runs.
pub(crate) struct Running {
    process: Process,
    log: Lines<String>,
    kind: Kind,
    file: PathBuf,
    /// The resources it had used when it was ready.
    ticks_before: u64,
}

/// The results of a tool that has run.
pub(crate) struct Ran {
    /// Number of losses, if it reports them.
    pub(crate) lost: Option<Lost>,
    /// The processors' time of its own process since it was ready, in seconds.
    pub(crate) seconds: f64,
    /// Bytes of the file that it has written.
    pub(crate) bytes: u64,
}

impl Running {
    /// Process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Lets it finish with what has happened, which were so many connections, and stops it.
    pub(crate) fn stop(mut self, connections: u64) -> Ran {
        self.wait_idle();
        // Counts stay far below 2^52.
        let seconds = (usage::ticks(self.id()) - self.ticks_before) as f64 / usage::TICKS_PER_SECOND;
        self.process.signal(Signal::INT);
        self.process.wait(LIMIT);
        let log = self.log.finish();
        let printed = || count_lines(&self.file).expect("what it has written can be read");
        let lost = match self.kind {
            Kind::Tcptrace => Lost::told_by_tcptrace(&log),
            Kind::Tcpdump => Lost::told_by_tcpdump(&log),
            Kind::TcpdumpText => Some(Lost::of_lines(printed(), connections * SEGMENTS)),
            Kind::Libbpf(lines) => Some(Lost::of_lines(printed().saturating_sub(1), connections * lines)),
        };
        let bytes = self.file.metadata().expect("it has written a file").len();
        // The file lies in memory (tmpfs), and the next tool may use another name and leave it there.
        std::fs::remove_file(&self.file).expect("its file can be removed");
        Ran { lost, seconds, bytes }
    }

    /// Waits until it has hardly anything to do any more; for a few seconds at most.
    fn wait_idle(&self) {
        const LOOK: Duration = Duration::from_millis(100);
        let give_up = Instant::now() + Duration::from_secs(5);
        let (mut looked, mut ticks) = (Instant::now(), usage::ticks(self.id()));
        eventually("idleness", LIMIT, || {
            if looked.elapsed() < LOOK {
                return false;
            }
            let before = std::mem::replace(&mut ticks, usage::ticks(self.process.id()));
            looked = Instant::now();
            ticks <= before + 1 || looked > give_up
        });
    }
}

/// Where a program is, if it is installed.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Not in every PATH, yet there is what is for root alone.
    let administration = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let is_program = |file: &PathBuf| {
        file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    env::split_paths(&path).chain(administration).map(|folder| folder.join(program)).find(is_program)
}
