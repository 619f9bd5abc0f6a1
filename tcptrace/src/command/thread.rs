//! The thread that starts the command, passes signals on to it, and removes its control group.

use std::{
    ffi::OsString,
    fs, io,
    process::{Child, ExitStatus},
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

use log::{debug, warn};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};
use thiserror::Error;
use tokio::sync::oneshot;

use super::{caller::Caller, group::ControlGroup, launch, sockets::Sockets};
use crate::privileges::{Duty, reduce};

/// Interval at which adopted processes that have ended are waited for.
const REAP_INTERVAL: Duration = Duration::from_secs(1);

/// A failure to start the command.
#[derive(Debug, Error)]
pub enum StartError {
    /// The kernel refused a thread or a process.
    #[error("cannot start the command; raise the limit on processes (ulimit -u)")]
    Start(#[source] io::Error),
    /// The thread that was to start it has ended.
    #[error("cannot start the command: its thread has ended")]
    Ended,
}

/// A command that is about to run, or runs.
#[derive(Debug)]
pub struct Running {
    tasks: Option<mpsc::Sender<Task>>,
    thread: Option<JoinHandle<Vec<u32>>>,
    /// ID of the command's control group; `None` if it has none.
    group: Option<u64>,
    exit: Option<oneshot::Receiver<io::Result<ExitStatus>>>,
}

#[derive(Debug)]
enum Task {
    /// Start the command, with or without its control group, and answer with its process.
    Start {
        in_group: bool,
        started: mpsc::Sender<Result<Started, StartError>>,
    },
    Signal(Signal),
}

#[derive(Debug)]
struct Started {
    pid: u32,
    exit: oneshot::Receiver<io::Result<ExitStatus>>,
}

impl Running {
    /// Creates a control group for the command, and starts the thread that will run it. Must be called before rights are
    /// given up.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn prepare(command: Vec<OsString>) -> Result<Self, StartError> {
        let group = ControlGroup::new()
            .inspect_err(|error| debug!("no control group for the command, its process tree is followed: {error}"))
            .ok();
        let id = group.as_ref().map(ControlGroup::id);
        let (tasks, inbox) = mpsc::channel();
        let run = move || work(&command, group, &inbox);
        let thread = thread::Builder::new().name("command".to_owned()).spawn(run).map_err(StartError::Start)?;
        Ok(Self { tasks: Some(tasks), thread: Some(thread), group: id, exit: None })
    }

    /// Returns the ID of the command's control group; `None` if it has none.
    pub fn group(&self) -> Option<u64> {
        self.group
    }

    /// Starts the command. `marked`: the kernel programs mark the sockets of its control group. Returns the means of
    /// recognising the command's sockets.
    ///
    /// # Errors
    /// When the kernel refuses a process. A command that does not exist shows in its exit status.
    pub fn start(&mut self, marked: bool) -> Result<Sockets, StartError> {
        if !marked && let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
            debug!("orphans of the command are not adopted: {error}");
        }
        let (answer, started) = mpsc::channel();
        let tasks = self.tasks.as_ref().ok_or(StartError::Ended)?;
        tasks.send(Task::Start { in_group: marked, started: answer }).map_err(|_| StartError::Ended)?;
        let Started { pid, exit } = started.recv().map_err(|_| StartError::Ended)??;
        self.exit = Some(exit);
        Ok(match self.group.filter(|_| marked) {
            Some(group) => Sockets::of_group(group),
            None => Sockets::of_tree(pid),
        })
    }

    /// Passes a signal on to the command.
    pub fn signal(&self, signal: Signal) {
        if let Some(tasks) = &self.tasks {
            // If its thread has ended, so has the command.
            let _ = tasks.send(Task::Signal(signal));
        }
    }

    /// Waits until the command has ended; forever if it does not run.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        match &mut self.exit {
            Some(exit) => {
                let status = exit.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()));
                self.exit = None;
                status
            }
            None => std::future::pending().await,
        }
    }

    /// Removes the control group. Returns the processes that the command has left behind.
    pub fn finish(mut self) -> Vec<u32> {
        self.close()
    }

    fn close(&mut self) -> Vec<u32> {
        self.tasks = None;
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.close();
    }
}

/// Performs tasks until there can be no more. Returns the remaining processes of the command.
fn work(command: &[OsString], group: Option<ControlGroup>, inbox: &mpsc::Receiver<Task>) -> Vec<u32> {
    let (mut process, mut orphans): (_, Option<Orphans>) = (None, None);
    loop {
        let task = match inbox.recv_timeout(REAP_INTERVAL) {
            Ok(task) => task,
            Err(RecvTimeoutError::Timeout) => {
                if let Some(orphans) = &orphans {
                    let _reaped_others = orphans.running();
                }
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        match task {
            Task::Start { in_group, started } => {
                let caller = Caller::of_sudo();
                let path = group.as_ref().filter(|_| in_group).map(ControlGroup::path);
                let child = launch::command(command, path, caller.as_ref()).spawn();
                reduce(Duty::Command);
                let outcome = child.map_err(StartError::Start).and_then(|child| {
                    orphans = (!in_group).then(|| Orphans { command: child.id() });
                    process = Pid::from_raw(child.id().cast_signed())
                        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
                    watch(child)
                });
                // The receiver may no longer wait for it.
                let _ = started.send(outcome);
            }
            Task::Signal(signal) => {
                if let Some(process) = &process
                    && let Err(error) = pidfd_send_signal(process, signal)
                {
                    debug!("{signal:?} cannot be passed on to the command: {error}");
                }
            }
        }
    }
    let left = match (&orphans, &group) {
        (Some(orphans), _) => orphans.running(),
        (None, Some(group)) => group.processes(),
        (None, None) => Vec::new(),
    };
    if let Some(group) = group
        && let Err(error) = group.remove()
    {
        warn!(
            "the control group of the command stays, for those of its processes that are in groups below it: {error}"
        );
    }
    left
}

/// Waits for a process in a thread of its own.
fn watch(mut child: Child) -> Result<Started, StartError> {
    let pid = child.id();
    let (ended, exit) = oneshot::channel();
    let wait = move || {
        // The receiver is gone if the trace has ended first.
        let _ = ended.send(child.wait());
    };
    thread::Builder::new().name("command-wait".to_owned()).spawn(wait).map_err(StartError::Start)?;
    Ok(Started { pid, exit })
}

/// The processes of the command whose parents have ended, which this process has adopted in place of init.
struct Orphans {
    /// The command, which is waited for elsewhere.
    command: u32,
}

impl Orphans {
    /// Returns those that run. Those that have ended are waited for: nobody else does, and each would keep its PID.
    fn running(&self) -> Vec<u32> {
        let own = std::process::id();
        let text = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let children = text.split_whitespace().filter_map(|pid| pid.parse().ok());
        children.filter(|&pid| pid != self.command && !has_ended(pid)).collect()
    }
}

/// Returns true if a child of this process has ended, whose exit status is then forgotten.
fn has_ended(pid: u32) -> bool {
    let Some(pid) = Pid::from_raw(pid.cast_signed()) else { return true };
    matches!(waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG), Ok(Some(_)))
}
