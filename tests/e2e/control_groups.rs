//! The control group of a socket, and the container that its path names.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    path::PathBuf,
    process::{Command, Stdio},
};

use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use serde_json::json;
use tcptrace_tests::{Netns, Tracer, is_type};

/// A control group of the unified hierarchy, which need not be mounted; removed on drop.
struct Group {
    path: PathBuf,
    _mount: OwnedFd,
}

impl Group {
    #[track_caller]
    fn new(name: &str) -> Self {
        let context = fsopen("cgroup2", FsOpenFlags::FSOPEN_CLOEXEC).expect("the kernel has the unified hierarchy");
        fsconfig_create(context.as_fd()).expect("the test is root");
        let mount = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty());
        let mount = mount.expect("the test is root");
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", mount.as_raw_fd()));
        fs::create_dir(&path).expect("a new control group");
        Self { path, _mount: mount }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

#[test]
fn both_ends_tell_their_control_group_and_the_client_its_container() {
    const PORT: u16 = 4911;
    let netns = Netns::new();
    let id = format!("{:064x}", std::process::id());
    let name = format!("docker-{id}.scope");
    let group = Group::new(&name);
    let listener = netns.run(|| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))).expect("a free port"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "-w", path.to_str().expect("UTF-8")]);

    let script = format!("read -r go && exec 3<>/dev/tcp/127.0.0.1/{PORT} && read -r answer <&3");
    let mut client = Command::new("ip")
        .args(["netns", "exec", netns.name(), "bash", "-c", &script])
        .stdin(Stdio::piped())
        .spawn()
        .expect("ip can be run");
    fs::write(group.path.join("cgroup.procs"), client.id().to_string()).expect("the test is root");
    client.stdin.take().expect("a pipe").write_all(b"go\n").expect("it reads");
    let (mut accepted, _) = listener.accept().expect("it connects");
    accepted.write_all(b"answer\n").expect("it is open");
    drop(accepted);
    client.wait().expect("it ends");
    tracer.wait_for("a close", |record| is_type(record, "close"));
    let trace = tracer.stop();

    for kind in ["handshake", "close"] {
        let records = trace.of_type(kind);
        let [record] = records[..] else { panic!("{records:#?}") };
        let container = json!({ "id": id, "name": null, "runtime": "docker", "pod": null, "pod_uid": null });
        assert_eq!(record["client"]["container"], container, "{record}");
        let cgroup = record["client"]["cgroup"].as_str().expect("it is known");
        assert!(cgroup.ends_with(&format!("/{name}")), "{record}");
        let server = record["server"]["cgroup"].as_str().expect("it is known");
        assert!(server.starts_with('/') && !server.contains(&id), "{record}");
    }
    let first = trace.of_type("state").into_iter().filter(|state| state["new"] == "SYN_SENT");
    assert!(first.into_iter().all(|state| state["container"]["id"] == json!(id)), "{:#?}", trace.records);

    // A recording gives the same result.
    let mut replay = Command::new(tcptrace_tests::binary());
    let replayed = replay.arg("-r").arg(&path).output().expect("it can be run");
    let text = String::from_utf8(replayed.stdout).expect("UTF-8");
    assert!(text.contains(&format!("(docker {})", &id[..12])), "{text}");
}
