//! A system like this one, with a service manager of its own, that lasts as long as its test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use tcptrace_tests::{Netns, Process, eventually, output};
use tempfile::TempDir;

const BOOT: &str = include_str!("boot.sh");

/// How long anything in it may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// What was made is this one's own: file system, processes, host name, control groups, network.
pub(crate) struct Machine {
    pub(crate) netns: Netns,
    /// systemd, as this system knows it.
    init: u32,
    parent: Option<Process>,
    cgroup: PathBuf,
    _folder: TempDir,
}

impl Machine {
    /// Boots one with the package that is under test in it as `/package.deb`, not installed.
    #[track_caller]
    pub(crate) fn boot() -> Self {
        let package =
            std::env::var_os("TCPTRACE_DEB").expect("TCPTRACE_DEB names the package: run `cargo xtask dist --check`");
        let netns = Netns::new();
        let folder = TempDir::new().expect("a folder can be made");
        let cgroup = cgroups().join(netns.name());
        fs::create_dir(&cgroup).expect("root may make control groups");

        let mut command = Command::new("sh");
        command.args(["-c", r#"echo $$ >"$0/cgroup.procs" && exec "$@""#]).arg(&cgroup);
        command.args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup"]);
        command.args(["bash", "-c", BOOT, "boot"]).arg(folder.path()).arg(package).stdin(Stdio::null());
        let parent = netns.start(&mut command);
        let init = || {
            let found =
                Command::new("pgrep").args(["--parent", &parent.id().to_string(), "--exact", "systemd"]).output();
            String::from_utf8_lossy(&found.expect("pgrep is installed").stdout).trim().parse().ok()
        };
        let mut found = None;
        eventually("systemd runs", LIMIT, || {
            found = init();
            found.is_some()
        });
        let init = found.expect("it was there just now");
        let machine = Self { netns, init, parent: Some(parent), cgroup, _folder: folder };
        eventually("systemd is ready", LIMIT, || machine.try_run("systemctl is-active test.target").status.success());
        machine
    }

    /// Installs the package, or installs it again.
    #[track_caller]
    pub(crate) fn install(&self) {
        self.run("dpkg --install /package.deb");
    }

    /// Runs a shell command in it, however that ends.
    #[track_caller]
    pub(crate) fn try_run(&self, line: &str) -> Output {
        self.command(line).output().expect("nsenter is installed")
    }

    /// Runs a shell command in it, which has to succeed, and returns its stdout.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        output(&mut self.command(line))
    }

    /// A shell command in it, as root.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--net"]);
        command.args(["sh", "-c", line]).stdin(Stdio::null());
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With its first process all of it ends, which takes the kernel a moment.
        self.parent = None;
        for _ in 0..1000 {
            let _ = Command::new("find")
                .arg(&self.cgroup)
                .args(["-depth", "-type", "d", "-exec", "rmdir", "{}", "+"])
                .output();
            if !self.cgroup.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Where this system has its control groups, of the version that systemd needs.
fn cgroups() -> PathBuf {
    let mounted = output(Command::new("findmnt").args(["--noheadings", "--output", "TARGET", "--types", "cgroup2"]));
    let first = mounted.lines().next().expect("control groups of version 2 are mounted");
    Path::new(first.trim()).to_owned()
}
