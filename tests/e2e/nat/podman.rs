//! A container of Podman behind a published port: its connections name it, and say that it was killed.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tcptrace_tests::{LIMIT, Lines, Netns, Process, Tracer, binary, is_type, output, port, receive_end};
use tempfile::TempDir;

use super::node::{assert_tied, wait_closed};

/// The port in the container, and the one that is published on loopback.
const INSIDE: u16 = 80;
const PUBLISHED: u16 = 4924;

/// Name of the container.
const NAME: &str = "tt-web";

/// Podman on a host of its own: with a network namespace, and with mounts that hide its files from the machine's own Podman.
struct Podman {
    folder: TempDir,
    /// Keeps the mounts.
    mounts: Process,
    /// Under which its control groups are.
    parent: String,
}

impl Podman {
    #[track_caller]
    fn new(netns: &Netns) -> Self {
        const HIDE: &str =
            "mount -t tmpfs none /var/lib && mount -t tmpfs none /run && mkdir /run/netns && echo ready && exec cat";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", HIDE]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut mounts = netns.start(&mut command);
        let ready = Lines::read(mounts.stdout(), |line| line);
        ready.wait_until("mounts", LIMIT, |lines| lines.iter().any(|line| line == "ready"));
        let folder = tempfile::tempdir().expect("a folder");
        let podman = Self { folder, mounts, parent: format!("tt-podman-{}", std::process::id()) };
        podman.configure();
        // Names are read in folders that are there when tracing begins: it makes them.
        output(&mut podman.podman(&["ps"]));
        podman
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes its settings, and the container's root file system: one static program.
    #[track_caller]
    fn configure(&self) {
        let write = |name: &str, text: &str| fs::write(self.path(name), text).expect("a file can be written");
        // A limit that this test may not exceed itself would be refused.
        let settings = format!(
            "[containers]\ndefault_ulimits = [\"nofile=1024:4096\", \"nproc=1024:2048\"]\n\
             [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\nruntime = \"runc\"\n\
             conmon_path = [\"{conmon}\"]\nhelper_binaries_dir = [\"{helpers}\"]\n\
             [engine.runtimes]\nrunc = [\"{runc}\"]\n\
             [network]\nnetwork_backend = \"netavark\"\nnetwork_config_dir = \"{networks}\"\n",
            conmon = unpacked("usr/bin/conmon").display(),
            helpers = unpacked("usr/lib/podman").display(),
            runc = unpacked("usr/sbin/runc").display(),
            networks = self.path("networks").display(),
        );
        write("containers.conf", &settings);
        let storage = "/containers/storage";
        write(
            "storage.conf",
            &format!(
                "[storage]\ndriver = \"overlay\"\ngraphroot = \"/var/lib{storage}\"\nrunroot = \"/run{storage}\"\n"
            ),
        );
        for folder in ["bin", "root/bin", "root/dev", "root/etc", "root/proc", "root/run", "root/sys", "root/tmp"] {
            fs::create_dir_all(self.path(folder)).expect("a folder can be made");
        }
        for name in ["iptables", "ip6tables"] {
            symlink(unpacked("usr/sbin/xtables-nft-multi"), self.path("bin").join(name)).expect("a link can be made");
        }
        fs::copy(unpacked("bin/busybox"), self.path("root/bin/busybox")).expect("a copy can be made");
    }

    /// A command that sees the mounts, in the network namespace of the thread that starts it.
    fn inside(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--net", "--target", &self.mounts.id().to_string(), "--"]).arg(program);
        command
    }

    fn podman(&self, arguments: &[&str]) -> Command {
        let mut command = self.inside(&unpacked("usr/bin/podman"));
        let libraries = unpacked(&format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
        let paths = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").expect("a path"));
        command.env("XTABLES_LIBDIR", libraries.join("xtables")).env("LD_LIBRARY_PATH", libraries).env("PATH", paths);
        command.env("CONTAINERS_CONF", self.path("containers.conf"));
        command.env("CONTAINERS_STORAGE_CONF", self.path("storage.conf")).args(arguments);
        command
    }

    /// Runs a web server, and returns the container's ID.
    #[track_caller]
    fn run(&self) -> String {
        let published = format!("{}:{PUBLISHED}:{INSIDE}", Ipv4Addr::LOCALHOST);
        let (root, inside) = (self.path("root"), INSIDE.to_string());
        let mut command = self.podman(&["run", "--detach", "--name", NAME, "--security-opt", "seccomp=unconfined"]);
        command.args(["--cgroup-parent", &self.parent, "--publish", &published, "--rootfs"]).arg(root);
        command.args(["/bin/busybox", "httpd", "-f", "-p", &inside]);
        output(&mut command).trim().to_owned()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let removed = self.podman(&["rm", "--force", "--time", "0", NAME]).output();
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

/// A file of the packages that `cargo xtask test` has unpacked.
fn unpacked(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/servers").join(path)
}

#[test]
fn a_container_of_podman_is_named_and_says_that_it_was_killed() {
    let netns = Netns::new();
    let podman = Podman::new(&netns);
    let mut command = podman.inside(&binary());
    command.args(["--json", "-p", &format!("{INSIDE},{PUBLISHED}")]);
    let tracer = Tracer::start_command(&netns, &mut command);
    let id = podman.run();
    let listens = |record: &Value| record["new"] == "LISTEN" && port(record, "local") == Some(INSIDE);
    tracer.wait_for("a server", |record| is_type(record, "state") && listens(record));
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, PUBLISHED));
    let stream = netns.run(|| TcpStream::connect(at)).expect("the port is published");
    let established = |record: &&Value| is_type(record, "handshake") && record["outcome"] == "established";
    tracer.wait_until("both sides", |records| records.iter().filter(established).count() == 2);
    output(&mut podman.podman(&["kill", NAME]));
    receive_end(&stream);
    drop(stream);
    wait_closed(&tracer, 2);
    let trace = tracer.stop();

    let mut closes = trace.of_type("close");
    closes.sort_by_key(|close| close["conn"].as_u64());
    assert_tied(&closes, &trace);
    let [published, inside] = closes[..] else { panic!("two sides: {:#?}", trace.records) };
    assert_eq!((port(published, "server"), port(inside, "server")), (Some(PUBLISHED), Some(INSIDE)));
    let client = json!(std::process::id());
    assert_eq!((&published["client"]["pid"], &published["client"]["container"]), (&client, &Value::Null));
    let server = &inside["server"];
    let container = &server["container"];
    let named = [&container["id"], &container["name"], &container["runtime"], &server["comm"]];
    assert_eq!(named, [&json!(id), &json!(NAME), &json!("podman"), &json!("busybox")], "{inside}");
    assert_eq!((&inside["initiator"], &server["exit"]["signal"]), (&json!("server"), &json!(9)), "{inside}");
    trace.nothing_lost();
}
