//! ftrace, which counts events independently of any tracing program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::output;

/// Counts runs of the tracepoint `sock:inet_sock_set_state`, in an ftrace instance of its own.
#[derive(Debug)]
pub struct CountedStateChanges(&'static str);

/// Its mount point, in a mount namespace for each access: the host may not have it mounted.
const TRACEFS: &str = "/sys/kernel/tracing";

impl CountedStateChanges {
    /// Begins to count the events that match a filter of ftrace. `name` is that of the instance.
    #[track_caller]
    pub fn begin(name: &'static str, filter: &str) -> Self {
        let script = format!(
            "[ ! -d instances/{name} ] || rmdir instances/{name}; mkdir instances/{name} && cd instances/{name} &&
             echo 64 > buffer_size_kb && echo '{filter}' > events/sock/inet_sock_set_state/filter &&
             echo 1 > events/sock/inet_sock_set_state/enable"
        );
        in_tracefs(&script);
        Self(name)
    }

    /// Returns the number of events so far.
    #[track_caller]
    pub fn count(&self) -> u64 {
        let stats = in_tracefs(&format!("cat instances/{}/per_cpu/cpu*/stats", self.0));
        let sum = |name: &str| -> u64 {
            let numbers = stats.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            numbers.map(|number| number.trim().parse::<u64>().expect("a number")).sum()
        };
        assert_eq!(sum("commit overrun") + sum("dropped events"), 0, "ftrace has seen all: {stats}");
        // The entries in the buffer, and those overwritten by later ones.
        sum("entries") + sum("overrun")
    }
}

impl Drop for CountedStateChanges {
    fn drop(&mut self) {
        let script = format!("echo 0 > instances/{0}/events/enable; rmdir instances/{0}", self.0);
        let _gone = in_tracefs_command(&script).status();
    }
}

#[track_caller]
fn in_tracefs(script: &str) -> String {
    output(&mut in_tracefs_command(script))
}

fn in_tracefs_command(script: &str) -> Command {
    let mounted =
        format!("[ -d {TRACEFS}/instances ] || mount -t tracefs tracefs {TRACEFS}; cd {TRACEFS} || exit; {script}");
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &mounted]);
    command
}

/// Returns a filter of ftrace for events outside the tasks of process 1. Some hosts keep tracing programs from running
/// wherever an interrupt hits these: the tracepoint passes, and no program runs.
pub fn outside_of_process_1() -> String {
    let tasks = fs::read_dir(Path::new("/proc/1/task")).expect("process 1 has tasks");
    let names = tasks.flatten().map(|task| PathBuf::from(task.file_name()));
    names.map(|task| format!("common_pid != {}", task.display())).collect::<Vec<_>>().join(" && ")
}
