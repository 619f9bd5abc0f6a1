//! This program, executed again as a process that does a part of the work.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    os::fd::{AsFd as _, OwnedFd},
    process::{Command, Stdio},
};

use rustix::{
    process::{Resource, Signal, getrlimit, set_parent_process_death_signal, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use tcptrace_tests::Process;

/// Accepts on the listener that is its stdin, until it is killed.
pub(crate) const SERVE: &str = "serve";
/// Connects to an address for a number of seconds.
pub(crate) const CONNECT: &str = "connect";
/// Holds a number of connections with the listener that is its stdin.
pub(crate) const HOLD: &str = "hold-some";

/// Starts a worker; its output can be read from its stdout.
pub(crate) fn start(arguments: &[&str], stdin: Stdio) -> Process {
    let own_program = std::env::current_exe().expect("a program knows its own path");
    Process::spawn(Command::new(own_program).args(arguments).stdin(stdin).stdout(Stdio::piped()))
}

/// Returns a listener for a worker, on a free port.
pub(crate) fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports")
}

/// Returns the stdin of a worker.
pub(crate) fn stdin(listener: TcpListener) -> Stdio {
    Stdio::from(OwnedFd::from(listener))
}

/// Returns the listener that is the stdin of this worker, which ends with the process that started it.
pub(crate) fn listener() -> TcpListener {
    set_parent_process_death_signal(Some(Signal::KILL)).expect("a process may ask for that");
    io::stdin().as_fd().try_clone_to_owned().expect("stdin can be duplicated").into()
}

/// Raises the limit of open files to its maximum.
pub(crate) fn raise_file_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the soft limit may be as high as the hard one");
    limit.maximum.unwrap_or(u64::MAX)
}

/// Returns the processors that this process may run on.
pub(crate) fn processors() -> Vec<usize> {
    let allowed = sched_getaffinity(None).expect("a process may ask where it may run");
    (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor)).collect()
}

/// Binds this thread, and everything that it starts from now on, to one processor.
pub(crate) fn stay_on(processor: usize) {
    let mut one = CpuSet::new();
    one.set(processor);
    sched_setaffinity(None, &one).expect("a process may choose among the processors it may run on");
}
