//! A control group that lasts as long as its test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tcptrace_tests::output;

/// Maximum time for the processes in it to end.
const LIMIT: Duration = Duration::from_secs(10);

/// Removed when dropped, once nothing is left in it.
pub(crate) struct ControlGroup(PathBuf);

impl ControlGroup {
    /// Creates one, of the version that systemd needs.
    #[track_caller]
    pub(crate) fn new(name: &str) -> Self {
        let mounted =
            output(Command::new("findmnt").args(["--noheadings", "--output", "TARGET", "--types", "cgroup2"]));
        let first = mounted.lines().next().expect("control groups of version 2 are mounted");
        let path = Path::new(first.trim()).join(name);
        fs::create_dir(&path).expect("root may make control groups");
        Self(path)
    }

    /// Returns the file to which process IDs are written.
    pub(crate) fn processes(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let deadline = Instant::now() + LIMIT;
        while self.0.exists() {
            // The inner ones first. This fails as long as a process is left.
            let mut find = Command::new("find");
            let _ = find.arg(&self.0).args(["-depth", "-type", "d", "-exec", "rmdir", "{}", "+"]).output();
            if Instant::now() > deadline {
                eprintln!("{} is not empty, and stays", self.0.display());
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
