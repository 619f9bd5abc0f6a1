//! A trace, as watched by a user.

use std::process::{Command, Stdio};

use rustix::process::Signal;
use tcptrace_tests::{LIMIT, Lines, Netns, Process, binary, output, wait_tracing};
use tempfile::TempDir;

/// A trace with `-o list`, which also keeps a recording.
pub(super) struct Watch {
    process: Process,
    lines: Lines<String>,
    folder: TempDir,
}

/// Its output.
pub(super) struct Seen {
    /// The list.
    pub(super) list: Vec<String>,
    /// The lines of the ladders that begin with `look at:`.
    pub(super) advice: Vec<String>,
    /// All ladders, printed when a test fails.
    text: String,
}

impl Watch {
    /// Watches a port on one host.
    #[track_caller]
    pub(super) fn start(netns: &Netns, port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(binary());
        command.args(["--netns", "own", "-o", "list", "-p", &port.to_string(), "-w"]).arg(path(&folder));
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = netns.start(&mut command);
        let (lines, log) = (Lines::read(process.stdout(), |line| line), Lines::read(process.stderr(), |line| line));
        wait_tracing(&log);
        Self { process, lines, folder }
    }

    /// Waits until a line of the list has all of these parts.
    #[track_caller]
    pub(super) fn wait_line(&self, parts: &[&str]) {
        self.lines.wait_until(&format!("a line with {parts:?}"), LIMIT, |lines| {
            lines.iter().any(|line| parts.iter().all(|part| line.contains(part)))
        });
    }

    /// Stops it, and reads its recording.
    #[track_caller]
    pub(super) fn stop(mut self) -> Seen {
        self.process.signal(Signal::INT);
        assert!(self.process.wait(LIMIT).success());
        let mut command = Command::new(binary());
        command.arg("-r").arg(path(&self.folder)).env("LC_ALL", "C.UTF-8").env("COLUMNS", "600");
        let text = output(&mut command);
        let advice = text.lines().filter_map(|line| line.trim_start().strip_prefix("look at: "));
        Seen { list: self.lines.finish(), advice: advice.map(str::to_owned).collect(), text }
    }
}

impl Seen {
    /// Asserts that there is this advice.
    #[track_caller]
    pub(super) fn assert_advice(&self, advice: &str) {
        assert!(self.advice.iter().any(|line| line == advice), "{:#?}\n{}", self.list, self.text);
    }

    /// Asserts that there is advice with this beginning and this end.
    #[track_caller]
    pub(super) fn assert_advice_between(&self, beginning: &str, end: &str) {
        let right = |line: &String| line.strip_prefix(beginning).is_some_and(|rest| rest.ends_with(end));
        assert!(self.advice.iter().any(right), "{:#?}\n{}", self.list, self.text);
    }
}

fn path(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("trace.jsonl")
}
