//! Podman on a host of its own, with containers of a single static program, of an image, or of a whole system.

use std::{
    fs::{self, Permissions, set_permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    lines::Lines,
    netns::Netns,
    process::{Process, output},
    tracer::LIMIT,
    unpacked::unpacked,
};

/// Podman on a host of its own: with a network namespace, and with mounts that hide its files from the machine's own Podman.
pub struct Podman {
    program: PathBuf,
    folder: TempDir,
    /// Keeps the mounts.
    mounts: Process,
    /// Parent of its control groups.
    parent: String,
}

impl Podman {
    /// Creates that host: `netns` is its network.
    #[track_caller]
    pub fn new(netns: &Netns) -> Self {
        const HIDE: &str =
            "mount -t tmpfs none /var/lib && mount -t tmpfs none /run && mkdir /run/netns && echo ready && exec cat";
        let program = unpacked("usr/bin/podman");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", HIDE]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut mounts = netns.start(&mut command);
        let ready = Lines::read(mounts.stdout(), |line| line);
        ready.wait_until("mounts", LIMIT, |lines| lines.iter().any(|line| line == "ready"));
        let folder = tempfile::tempdir().expect("a folder");
        let podman = Self { program, folder, mounts, parent: format!("tt-podman-{}", std::process::id()) };
        podman.configure();
        // Names are read from folders that exist when tracing begins; this creates them.
        output(&mut podman.podman(&["ps"]));
        podman
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes its settings, and the container's root file system: one static program.
    #[track_caller]
    fn configure(&self) {
        for folder in ["bin", "root/bin", "root/dev", "root/etc", "root/proc", "root/run", "root/sys", "root/tmp"] {
            fs::create_dir_all(self.path(folder)).expect("a folder can be made");
        }
        let write = |name: &str, text: &str| fs::write(self.path(name), text).expect("a file can be written");
        // A limit above this test's own would be refused. The networks are files in a folder that only Podman sees: when a
        // container has ended, conmon has it look at them once more, which may be after the test.
        let settings = format!(
            "[containers]\ndefault_ulimits = [\"nofile=1024:4096\", \"nproc=1024:2048\"]\n\
             [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\nruntime = \"runc\"\n\
             conmon_path = [\"{conmon}\"]\nhelper_binaries_dir = [\"{helpers}\"]\n\
             [engine.runtimes]\nrunc = [\"{runc}\"]\n\
             [network]\nnetwork_backend = \"netavark\"\nnetwork_config_dir = \"/run/networks\"\n",
            conmon = self.path("bin/conmon").display(),
            helpers = unpacked("usr/lib/podman").display(),
            runc = unpacked("usr/sbin/runc").display(),
        );
        write("containers.conf", &settings);
        let storage = "/containers/storage";
        write(
            "storage.conf",
            &format!(
                "[storage]\ndriver = \"overlay\"\ngraphroot = \"/var/lib{storage}\"\nrunroot = \"/run{storage}\"\n"
            ),
        );
        // conmon starts Podman again when a container has ended, and Podman gives it no environment.
        let conmon = format!(
            "#!/bin/sh\nexport LD_LIBRARY_PATH={} CONTAINERS_STORAGE_CONF={}\nexec {} \"$@\"\n",
            libraries().display(),
            self.path("storage.conf").display(),
            unpacked("usr/bin/conmon").display(),
        );
        write("bin/conmon", &conmon);
        set_permissions(self.path("bin/conmon"), Permissions::from_mode(0o755)).expect("an own file can be changed");
        for name in ["iptables", "ip6tables"] {
            symlink(unpacked("usr/sbin/xtables-nft-multi"), self.path("bin").join(name)).expect("a link can be made");
        }
        fs::copy(unpacked("bin/busybox"), self.path("root/bin/busybox")).expect("a copy can be made");
    }

    /// Returns a command that sees the mounts, in the network namespace of the thread that starts it.
    pub fn inside(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--net", "--target", &self.mounts.id().to_string(), "--"]).arg(program);
        command
    }

    /// Returns a command of Podman with these arguments.
    pub fn podman(&self, arguments: &[&str]) -> Command {
        let mut command = self.inside(&self.program);
        let libraries = libraries();
        let paths = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").expect("a path"));
        command.env("XTABLES_LIBDIR", libraries.join("xtables")).env("LD_LIBRARY_PATH", libraries).env("PATH", paths);
        command.env("CONTAINERS_CONF", self.path("containers.conf"));
        command.env("CONTAINERS_STORAGE_CONF", self.path("storage.conf")).args(arguments);
        command
    }

    /// Runs a web server on a port, and returns the container's ID. `options` are those of `podman run`.
    #[track_caller]
    pub fn serve(&self, port: u16, options: &[&str]) -> String {
        let mut command = self.run(&["--detach", "--security-opt", "seccomp=unconfined"]);
        command.args(options).arg("--rootfs").arg(self.path("root"));
        command.args(["/bin/busybox", "httpd", "-f", "-p", &port.to_string()]);
        output(&mut command).trim().to_owned()
    }

    /// Starts a container of this name from a root file system, which stays until it is removed. `options` are those of
    /// `podman run`.
    #[track_caller]
    pub fn start_system(&self, name: &str, root: &Path, options: &[&str]) {
        let mut command = self.run(&["--detach", "--name", name]);
        output(command.args(options).arg("--rootfs").arg(root).args(["sleep", "infinity"]));
    }

    /// Builds an image of this name by the instructions in a file, from the files in a folder.
    #[track_caller]
    pub fn build(&self, name: &str, instructions: &Path, folder: &Path) {
        // Debian keeps it in /etc, where nothing is installed.
        let mut command = self.podman(&["build", "--signature-policy"]);
        command.arg(unpacked("etc/containers/policy.json")).args(["--tag", name, "--file"]).arg(instructions);
        output(command.arg(folder));
    }

    /// Returns a command that runs a container of this name; further options, an image that was built before, and the
    /// arguments of its program are to be appended.
    pub fn run_image(&self, name: &str) -> Command {
        self.run(&["--rm", "--name", name, "--pull", "never"])
    }

    /// Returns `podman run` with these options, to which others are to be appended.
    fn run(&self, options: &[&str]) -> Command {
        let mut command = self.podman(&["run", "--cgroup-parent", &self.parent]);
        command.args(options);
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let removed = self.podman(&["rm", "--all", "--force", "--time", "0"]).output();
        assert!(std::thread::panicking() || removed.is_ok_and(|removed| removed.status.success()), "a container stays");
        let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
        for hierarchy in hierarchies.chain(["/sys/fs/cgroup".into()]) {
            remove_groups(&hierarchy.join(&self.parent));
        }
    }
}

/// Removes a control group and those in it, if it is there and no process is left.
fn remove_groups(group: &Path) {
    let inside = fs::read_dir(group).into_iter().flatten().flatten().map(|entry| entry.path());
    inside.filter(|path| path.is_dir()).for_each(|path| remove_groups(&path));
    let _there_or_not = fs::remove_dir(group);
}

/// The folder of the libraries in those packages.
fn libraries() -> PathBuf {
    unpacked(&format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH))
}
