//! Servers of the distribution, each with a folder and processes of its own.

use std::{
    fs,
    net::SocketAddr,
    process::{Command, Stdio},
};

use tcptrace_tests::{LIMIT, Netns, Process, Unpacked, eventually};
use tempfile::TempDir;

/// A running server. All its processes are killed on drop: they have a PID namespace of their own, which ends with its first
/// process, and that one ends with `unshare`.
pub(super) struct Server {
    unshare: Process,
    /// Its configuration and temporary files.
    _folder: TempDir,
}

impl Server {
    /// Starts nginx with this `server` block, and one worker beside its master.
    #[track_caller]
    pub(super) fn nginx(netns: &Netns, at: SocketAddr, block: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_str().expect("UTF-8");
        let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {path}/{name};\n"))
            .collect();
        let text = format!(
            "daemon off; user root; worker_processes 1; pid {path}/pid;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; root {path};\n{places} server {{ {block} }} }}\n"
        );
        fs::write(folder.path().join("nginx.conf"), text).expect("a file can be written");
        fs::write(folder.path().join("index.html"), "hello").expect("a file can be written");
        // More than the buffers of both ends.
        fs::write(folder.path().join("large"), vec![b'x'; 32 << 20]).expect("a file can be written");
        let mut command = command("usr/sbin/nginx");
        command.args(["-c", &format!("{path}/nginx.conf"), "-p", path, "-e", &format!("{path}/error.log")]);
        let server = Self::start(netns, &mut command, folder, at);
        eventually("a worker", LIMIT, || children(server.id()).len() == 1);
        server
    }

    /// Starts Redis, without persistence.
    #[track_caller]
    pub(super) fn redis(netns: &Netns, at: SocketAddr, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = command("usr/bin/redis-server");
        let (address, port) = (at.ip().to_string(), at.port().to_string());
        command.args(["--bind", &address, "--port", &port, "--save", "", "--protected-mode", "no", "--dir"]);
        command.arg(folder.path()).args(options);
        Self::start(netns, &mut command, folder, at)
    }

    /// Starts HAProxy, which forwards every connection to a server.
    #[track_caller]
    pub(super) fn haproxy(netns: &Netns, at: SocketAddr, to: SocketAddr) -> Self {
        Self::haproxy_with(netns, at, to, "mode tcp")
    }

    /// HAProxy, which passes every request on to a server, over one of the connections that it keeps open for that.
    #[track_caller]
    pub(super) fn haproxy_pool(netns: &Netns, at: SocketAddr, to: SocketAddr) -> Self {
        Self::haproxy_with(netns, at, to, "mode http\n http-reuse always")
    }

    #[track_caller]
    fn haproxy_with(netns: &Netns, at: SocketAddr, to: SocketAddr, mode: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("haproxy.cfg");
        let text = format!(
            "defaults\n {mode}\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
             listen all\n bind {at}\n server one {to}\n"
        );
        fs::write(&file, text).expect("a file can be written");
        let mut command = command("usr/sbin/haproxy");
        command.arg("-db").arg("-f").arg(&file);
        Self::start(netns, &mut command, folder, at)
    }

    #[track_caller]
    fn start(netns: &Netns, command: &mut Command, folder: TempDir, at: SocketAddr) -> Self {
        let unshare = netns.start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        let filter = format!("sport = :{}", at.port());
        eventually("the server listens", LIMIT, || {
            !netns.output(Command::new("ss").args(["-Hltn", &filter])).is_empty()
        });
        Self { unshare, _folder: folder }
    }

    /// Returns the PID of its first process.
    #[track_caller]
    pub(super) fn id(&self) -> u32 {
        let children = children(self.unshare.id());
        *children.first().expect("unshare has started it")
    }

    /// Returns the PID of its worker.
    #[track_caller]
    pub(super) fn worker(&self) -> u32 {
        *children(self.id()).first().expect("it has a worker")
    }
}

/// Returns a command for a program in the folder that `cargo xtask test` fills, with the libraries there.
#[track_caller]
fn command(program: &str) -> Command {
    let Unpacked { path, libraries } = Unpacked::find(program);
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--"]).arg(path).env("LD_LIBRARY_PATH", libraries);
    command
}

/// Returns the children of a process.
fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|pid| pid.parse().expect("a PID")).collect()
}
