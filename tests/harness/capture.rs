//! tcpdump, writing a file.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::Signal;

use crate::{
    lines::Lines,
    netns::Netns,
    process::{Process, eventually, output},
    tracer::LIMIT,
};

/// A running tcpdump that writes a capture.
pub struct Capture {
    process: Process,
    log: Lines<String>,
    file: PathBuf,
}

impl Capture {
    /// Starts it on an interface of `netns`; returns as soon as it listens.
    #[track_caller]
    pub fn start(netns: &Netns, interface: &str, filter: &str, file: &Path) -> Self {
        let mut command = Command::new("tcpdump");
        // Every segment at once, so that none is left in a buffer. Each takes the room of the snap length there: with whole
        // segments a handful would fill it. As root, since it otherwise drops the right to write anywhere.
        let options = ["-n", "-U", "--immediate-mode", "-s", "128", "-Z", "root"];
        command.args(["-i", interface]).args(options).arg("-w").arg(file).arg(filter);
        let mut process = netns.start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()));
        let log = Lines::read(process.stderr(), |line| line);
        log.wait_until("listening", LIMIT, |lines| lines.iter().any(|line| line.contains("listening on")));
        Self { process, log, file: file.to_owned() }
    }

    /// Waits until the file contains `count` segments, and stops.
    #[track_caller]
    pub fn finish(self, count: usize) {
        self.finish_when(&format!("{count} segments"), |segments| segments.len() >= count);
    }

    /// Waits until `done` returns true for the segments in the file, as printed by tcpdump, and stops.
    #[track_caller]
    pub fn finish_when(mut self, what: &str, done: impl Fn(&[&str]) -> bool) {
        eventually(&format!("{what} in the capture"), LIMIT, || {
            // The last segment may just be being written.
            let text = output(Command::new("sh").args(["-c", "tcpdump -n -r \"$0\" || true"]).arg(&self.file));
            done(&text.lines().filter(|line| line.contains(": Flags [")).collect::<Vec<_>>())
        });
        self.process.signal(Signal::INT);
        self.process.wait(LIMIT);
        self.log.finish();
    }
}
