//! Child processes that never outlive their test.

use std::{
    io::{self, Read as _},
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};

/// A child process, killed on drop if it still runs.
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts `command`, in the network namespace of the calling thread.
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        match start(command) {
            Ok(child) => Self { child, name },
            Err(error) => panic!("{name} cannot be started: {error}"),
        }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Takes its stdout, which must be piped; once.
    #[track_caller]
    pub fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("stdout is piped and has not been taken before")
    }

    /// Takes its stderr, which must be piped; once.
    #[track_caller]
    pub fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("stderr is piped and has not been taken before")
    }

    /// Closes its stdin, which must be piped.
    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = kill_process(self.pid(), signal) {
            panic!("{} could not be sent {signal:?}: {error}", self.name);
        }
    }

    /// Waits until it has ended, for at most `limit`.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        let pidfd = pidfd_open(self.pid(), PidfdFlags::empty()).expect("a child that was not waited for has a pidfd");
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).expect("a few seconds are a valid time");
            match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
                Err(Errno::INTR) => {}
                Err(error) => panic!("the end of {} cannot be waited for: {error}", self.name),
                Ok(0) => panic!("{} has not ended within {limit:?}", self.name),
                Ok(_) => return self.child.wait().expect("a child that has ended has a status"),
            }
        }
    }

    fn pid(&self) -> Pid {
        let raw = i32::try_from(self.child.id()).expect("Linux process ids are positive i32");
        Pid::from_raw(raw).expect("a child's process id is not 0")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // It may end on its own at this moment; either way it is gone after the wait.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Runs `command` to its end and returns its stdout; it must succeed.
#[track_caller]
pub fn output(command: &mut Command) -> String {
    let name = format!("{command:?}");
    let output = try_output(command).unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
    let (status, stderr) = (output.status, String::from_utf8_lossy(&output.stderr));
    assert!(status.success(), "{name} failed, {status}: {stderr}");
    String::from_utf8(output.stdout).unwrap_or_else(|error| panic!("{name} wrote no UTF-8: {error}"))
}

/// Runs `command` to its end, with any result.
pub(crate) fn try_output(command: &mut Command) -> io::Result<Output> {
    start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?.wait_with_output()
}

/// Until it executes its program, a new process has copies of all descriptors of this one, including those of other tests: a
/// socket closed meanwhile would live on for a moment, and finally be closed by that process.
static STARTING: RwLock<()> = RwLock::new(());

fn start(command: &mut Command) -> io::Result<Child> {
    let _nothing_is_closed = STARTING.write().unwrap_or_else(PoisonError::into_inner);
    // The kernel resumes the parent before it closes the copies (fs/exec.c, begin_new_exec). The last copy of this pipe's
    // end is closed when the new program begins, and by then all others are closed.
    let (mut copies_closed, copy) = io::pipe()?;
    let child = command.spawn()?;
    drop(copy);
    copies_closed.read_to_end(&mut Vec::new())?;
    Ok(child)
}

/// Closes a socket, or a file that something depends on, for good: not while a process is being started.
pub fn close<S>(socket: S) {
    let _nothing_is_started = STARTING.read().unwrap_or_else(PoisonError::into_inner);
    drop(socket);
}

/// Polls until `done`, for at most `limit`. Only for conditions of the kernel without a notification; everything else is
/// waited for by its notification.
#[track_caller]
pub fn eventually(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the name of this process, which is that of its first thread.
pub fn process_name() -> &'static str {
    static NAME: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let name = std::fs::read_to_string("/proc/self/comm").expect("a process has a name");
        name.trim_end().to_owned()
    });
    &NAME
}
