//! The program under test, as a running process.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::{
    process::Signal,
    thread::{UnshareFlags, unshare_unsafe},
};
use serde_json::Value;

use crate::{
    lines::Lines,
    netns::Netns,
    process::Process,
    records::{endpoint, is_type, text},
    target_folder::target_folder,
    trace::Trace,
};

/// Maximum time for a tracer to start tracing or to exit, or for a record to appear, before a test fails. No test measures
/// this: the benchmarks measure start and exit. The tracer looks up the owners of sockets at the lowest priority, for which a
/// busy machine has little time.
pub const LIMIT: Duration = Duration::from_secs(120);

/// A running tracer, killed on drop.
pub struct Tracer {
    process: Process,
    records: Lines<Value>,
    log: Lines<String>,
}

/// Returns the path of the program under test: `TCPTRACE_BIN`, or the release binary in the target folder that the tests
/// were built in.
#[track_caller]
pub fn binary() -> PathBuf {
    let built = || target_folder().join("release/tcptrace");
    let path = std::env::var_os("TCPTRACE_BIN").map_or_else(built, PathBuf::from);
    assert!(path.is_file(), "{} is not there: run `cargo xtask test`, or set TCPTRACE_BIN", path.display());
    path
}

/// Waits until a tracer with this stderr announces that it traces.
#[track_caller]
pub fn wait_tracing(log: &Lines<String>) {
    let tracing = |lines: &[String]| lines.iter().any(|line| line.starts_with("tcptrace: tracing"));
    log.wait_until("a line that begins with `tcptrace: tracing`", LIMIT, tracing);
}

/// Starts a command line that becomes a tracer whose stdout is /dev/null; returns it with its stderr as soon as it traces.
#[track_caller]
pub fn start_unread(netns: &Netns, command: &mut Command) -> (Process, Lines<String>) {
    let mut process = netns.start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
    let log = Lines::read(process.stderr(), |line| line);
    wait_tracing(&log);
    (process, log)
}

impl Tracer {
    /// Starts `tcptrace --json` with these arguments inside `netns`; returns as soon as everything is attached. It traces only
    /// that namespace, unless the arguments choose others, or interfaces.
    #[track_caller]
    pub fn start(netns: &Netns, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command.arg("--json").args(arguments);
        if !arguments.iter().any(|argument| ["--netns", "-i", "--interface"].contains(argument)) {
            command.args(["--netns", "own"]);
        }
        Self::start_command(netns, &mut command)
    }

    /// Starts a tracer without the right to enter other namespaces, of which it then traces only the states.
    #[track_caller]
    pub fn start_confined(netns: &Netns, arguments: &[&str]) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", "-sys_admin", "--"]).arg(binary()).arg("--json").args(arguments);
        Self::start_command(netns, &mut command)
    }

    /// Starts `tcptrace --json` with these arguments as the first process of a PID namespace with a `/proc` of its own, as in a
    /// container.
    #[track_caller]
    pub fn start_in_pid_namespace(netns: &Netns, arguments: &[&str]) -> Self {
        let mut command = Command::new("unshare");
        command.arg("--mount-proc").arg(binary()).arg("--json").args(arguments);
        let process = netns.run(|| {
            // SAFETY: this affects only the children of this thread, which ends with this closure.
            unsafe { unshare_unsafe(UnshareFlags::NEWPID) }.expect("root may have a PID namespace");
            Self::spawn(&mut command)
        });
        let tracer = Self::read(process);
        tracer.wait_ready();
        tracer
    }

    /// Starts a command line that becomes `tcptrace --json`, as soon as everything is attached.
    #[track_caller]
    pub fn start_command(netns: &Netns, command: &mut Command) -> Self {
        let tracer = Self::launch(netns, command);
        tracer.wait_ready();
        tracer
    }

    /// Starts it without waiting for anything.
    #[track_caller]
    pub fn launch(netns: &Netns, command: &mut Command) -> Self {
        Self::read(netns.run(|| Self::spawn(command)))
    }

    #[track_caller]
    fn spawn(command: &mut Command) -> Process {
        Process::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    #[track_caller]
    fn read(mut process: Process) -> Self {
        let records = Lines::read(process.stdout(), |line| match serde_json::from_str(&line) {
            Ok(record @ Value::Object(_)) => record,
            _ => Value::String(format!("not a JSON object: {line}")),
        });
        let log = Lines::read(process.stderr(), |line| line);
        Self { process, records, log }
    }

    /// Waits until it announces that it traces.
    #[track_caller]
    pub fn wait_ready(&self) {
        wait_tracing(&self.log);
    }

    /// Waits for a line on stderr.
    #[track_caller]
    pub fn wait_log(&self, what: &str, matches: impl Fn(&str) -> bool) {
        self.log.wait_until(what, LIMIT, |lines| lines.iter().any(|line| matches(line)));
    }

    /// Returns true if there is such a line on stderr by now.
    pub fn has_logged(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.logged(matches) > 0
    }

    /// Returns the number of such lines on stderr so far.
    pub fn logged(&self, matches: impl Fn(&str) -> bool) -> usize {
        let mut logged = 0;
        self.log.look(|lines| logged = lines.iter().filter(|line| matches(line)).count());
        logged
    }

    /// Waits until `done` returns true for all records written so far.
    #[track_caller]
    pub fn wait_until(&self, what: &str, done: impl FnMut(&[Value]) -> bool) {
        self.records.wait_until(what, LIMIT, done);
    }

    /// Passes all records written so far to `look`, without waiting.
    pub fn look(&self, look: impl FnOnce(&[Value])) {
        self.records.look(look);
    }

    /// Waits for a record.
    #[track_caller]
    pub fn wait_for(&self, what: &str, matches: impl Fn(&Value) -> bool) {
        self.wait_until(what, |records| records.iter().any(&matches));
    }

    /// Waits until the socket with these two ends has entered `state`.
    #[track_caller]
    pub fn wait_state(&self, state: &str, local: SocketAddr, remote: SocketAddr) {
        self.wait_for(&format!("{local} (remote {remote}) in {state}"), |record| {
            is_type(record, "state")
                && text(record, "new") == state
                && endpoint(record, "local") == Some(local)
                && endpoint(record, "remote") == Some(remote)
        });
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Stops it with SIGINT; it must exit with 0 within [`LIMIT`].
    #[track_caller]
    pub fn stop(self) -> Trace {
        self.stop_with(Signal::INT)
    }

    /// Stops it with this signal; it must exit with 0 within [`LIMIT`].
    #[track_caller]
    pub fn stop_with(mut self, signal: Signal) -> Trace {
        self.signal(signal);
        let status = self.process.wait(LIMIT);
        let trace = self.finish(status);
        assert!(trace.status.success(), "{:?} ended it with {}: {:#?}", signal, trace.status, trace.log);
        trace
    }

    /// Waits until it ends on its own, with any exit status.
    #[track_caller]
    pub fn exited(mut self) -> Trace {
        let status = self.process.wait(LIMIT);
        self.finish(status)
    }

    #[track_caller]
    fn finish(self, status: ExitStatus) -> Trace {
        let trace = Trace { records: self.records.finish(), log: self.log.finish(), status };
        trace.check();
        trace
    }
}
