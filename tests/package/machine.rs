//! A system like this one, with a service manager of its own, that lasts as long as its test.

use std::{
    process::{Command, Output, Stdio},
    time::Duration,
};

use tcptrace_tests::{Netns, Process, eventually, output};
use tempfile::TempDir;

use crate::control_group::ControlGroup;

const BOOT: &str = include_str!("boot.sh");

/// Maximum time for anything in it.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A booted system with a file system, processes, a host name, control groups and a network of its own.
pub(crate) struct Machine {
    pub(crate) netns: Netns,
    /// PID of its systemd on this system.
    init: String,
    // Dropped in this order: the processes, their namespaces and groups, their files.
    _parent: Process,
    _group: ControlGroup,
    _folder: TempDir,
}

impl Machine {
    /// Boots one with the package under test as `/package.deb`, not installed.
    #[track_caller]
    pub(crate) fn boot() -> Self {
        let package =
            std::env::var_os("TCPTRACE_DEB").expect("TCPTRACE_DEB names the package: run `cargo xtask dist --check`");
        let netns = Netns::new();
        let folder = TempDir::new().expect("a folder can be made");
        let group = ControlGroup::new(netns.name());

        // Everything ends with the thread that starts this, even if the test is interrupted: each program becomes the next,
        // and the first process of a namespace takes the others with it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "nsenter", &format!("--net=/run/netns/{}", netns.name())]);
        command.args(["sh", "-c", r#"echo $$ >"$0" && exec "$@""#]).arg(group.processes());
        command.args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup"]);
        command.args(["bash", "-c", BOOT, "boot"]).arg(folder.path()).arg(package).stdin(Stdio::null());
        let parent = Process::spawn(&mut command);
        let mut init = String::new();
        eventually("systemd runs", LIMIT, || {
            let mut find = Command::new("pgrep");
            let found = find.args(["--parent", &parent.id().to_string(), "--exact", "systemd"]).output();
            init = String::from_utf8_lossy(&found.expect("pgrep is installed").stdout).trim().to_owned();
            !init.is_empty()
        });
        let machine = Self { netns, init, _parent: parent, _group: group, _folder: folder };
        eventually("systemd is ready", LIMIT, || machine.try_run("systemctl is-active test.target").status.success());
        machine
    }

    /// Installs the package, or installs it again.
    #[track_caller]
    pub(crate) fn install(&self) {
        self.run("dpkg --install /package.deb");
    }

    /// Runs a shell command in it, with any result.
    #[track_caller]
    pub(crate) fn try_run(&self, line: &str) -> Output {
        self.command(line).output().expect("nsenter is installed")
    }

    /// Runs a shell command in it, which must succeed, and returns its stdout.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        output(&mut self.command(line))
    }

    /// Returns a shell command in it, as root.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init, "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--net"]);
        command.args(["sh", "-c", line]).stdin(Stdio::null());
        command
    }
}
