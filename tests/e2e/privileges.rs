//! The rights that the tracer keeps while it traces, which must suffice.

use std::{
    collections::BTreeMap,
    fs,
    io::{Write as _, pipe},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::{MetadataExt, chown},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use socket2::SockRef;
use tcptrace_tests::{
    Actor, Attached, Ends, LIMIT, Netns, PublicCopy, Tracer, Veth, binary, close, endpoint, eventually, is_type, port,
    receive, tcx_programs,
};
use tempfile::TempDir;

use crate::scenarios::shapes::listeners::worker;

/// ID of the user nobody.
pub(crate) const NOBODY: u32 = 65534;

/// Numbers of capabilities (include/uapi/linux/capability.h).
const DAC_OVERRIDE: u64 = 1 << 1;
const DAC_READ_SEARCH: u64 = 1 << 2;
const NET_ADMIN: u64 = 1 << 12;
const SYS_PTRACE: u64 = 1 << 19;
const BPF: u64 = 1 << 39;

/// The capabilities that tracing needs, in setpriv's notation.
pub(crate) const NEEDED: &str = "+bpf,+perfmon,+net_admin,+sys_ptrace,+dac_read_search";

/// No bytes up, one byte down as soon as the connection is accepted, and the client resets it.
const REQUEST: &[u8] = b"\0\0\0\0\0\0\0\x01r";

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The capabilities of a thread, as shown in `/proc`.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Rights {
    pub(crate) permitted: u64,
    effective: u64,
    inheritable: u64,
    ambient: u64,
    bounding: u64,
    no_new_privs: u64,
}

impl Rights {
    /// Returns these capabilities and no way to more.
    pub(crate) fn only(capabilities: u64) -> Self {
        Self {
            permitted: capabilities,
            effective: capabilities,
            inheritable: 0,
            ambient: 0,
            bounding: 0,
            no_new_privs: 1,
        }
    }

    fn read(status: &str) -> Self {
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
            u64::from_str_radix(value.expect("every thread has these fields"), 16).expect("a hexadecimal number")
        };
        Self {
            permitted: field("CapPrm"),
            effective: field("CapEff"),
            inheritable: field("CapInh"),
            ambient: field("CapAmb"),
            bounding: field("CapBnd"),
            no_new_privs: field("NoNewPrivs"),
        }
    }
}

/// Returns the rights of each thread of a process, by the threads' names.
pub(crate) fn rights(pid: u32) -> BTreeMap<String, Rights> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("a process has threads");
    let thread = |folder: std::path::PathBuf| {
        let name = fs::read_to_string(folder.join("comm")).expect("a thread has a name").trim_end().to_owned();
        (name, Rights::read(&fs::read_to_string(folder.join("status")).expect("a thread has a status")))
    };
    threads.map(|entry| thread(entry.expect("a folder for each thread").path())).collect()
}

#[track_caller]
fn assert_rights(tracer: &Tracer, expected: &[(&str, u64)]) {
    let expected = expected.iter().map(|&(name, capabilities)| (name.to_owned(), Rights::only(capabilities))).collect();
    // The main thread has only its own rights as soon as it announces the trace; the others reduce theirs when they start.
    assert_eq!(rights(tracer.id()).get("tcptrace"), BTreeMap::get(&expected, "tcptrace"));
    eventually(&format!("no more than {expected:#?}"), LIMIT, || rights(tracer.id()) == expected);
}

#[test]
fn of_roots_rights_each_thread_keeps_what_it_needs() {
    let netns = Netns::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let tracer = Tracer::start(&netns, &["-v", "-p", "4441", "-w", path.to_str().expect("UTF-8")]);
    let expected = [
        ("cgroups", DAC_READ_SEARCH),
        ("owners", SYS_PTRACE | DAC_READ_SEARCH),
        ("tcptrace", BPF | NET_ADMIN),
        ("write-file", DAC_OVERRIDE),
        ("write-stdout", 0),
    ];
    assert_rights(&tracer, &expected);
    // However old the kernel is, each thread reports the result.
    let confined = tracer.stop().log.into_iter().filter(|line| line.contains("Landlock")).count();
    assert_eq!(confined, 4, "the main thread, the one that finds control groups and the two that write");
    // Nothing happens that could be exported.
    let tracer = Tracer::start(&netns, &["-p", "4441", "--segments", "none", "--otlp", "http://127.0.0.1:9"]);
    assert_rights(
        &tracer,
        &[
            ("cgroups", DAC_READ_SEARCH),
            ("otlp", 0),
            ("owners", SYS_PTRACE | DAC_READ_SEARCH),
            ("tcptrace", BPF),
            ("write-stdout", 0),
        ],
    );
    tracer.stop();
}

/// The shortest capture: no frames, of Ethernet.
const CAPTURE: &[u8] = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0";

#[test]
fn a_capture_is_read_without_any_rights() {
    let netns = Netns::new();
    let read = |arguments: &[&str], first: &[u8], threads: &[&str]| {
        let (input, mut writer) = pipe().expect("a pipe");
        let mut command = Command::new(binary());
        command.args(["-r", "-"]).args(arguments);
        let mut process = netns.start(command.stdin(input).stdout(Stdio::null()));
        writer.write_all(first).expect("it reads");
        // The command's copy of the pipe would keep it open.
        drop(command);
        eventually("threads without any rights", LIMIT, || {
            let rights = rights(process.id());
            threads.iter().all(|&thread| rights.get(thread).is_some_and(|rights| *rights == Rights::only(0)))
        });
        writer.write_all(CAPTURE.get(first.len()..).expect("a part of it")).expect("it reads");
        close(writer);
        assert!(process.wait(LIMIT).success());
    };
    // Before the first byte is read; if a file is written, as soon as it is open.
    read(&[], &[], &["tcptrace"]);
    let folder = folder_of_nobody();
    read(
        &["-w", folder.path().join("trace.jsonl").to_str().expect("UTF-8")],
        CAPTURE,
        &["tcptrace", "decode", "render"],
    );
}

#[test]
fn a_file_in_a_folder_of_somebody_else_is_opened_again() {
    let netns = Netns::new();
    let ends = Ends::on(&netns, loopback(4442));
    let folder = folder_of_nobody();
    let path = folder.path().join("trace.jsonl");
    let tracer = Tracer::start(&netns, &["-p", "4442", "-w", path.to_str().expect("UTF-8")]);
    fs::rename(&path, folder.path().join("old.jsonl")).expect("a file can be renamed");
    tracer.signal(Signal::HUP);
    eventually("a new file", LIMIT, || path.exists());
    ends.close_in_four(ends.open());
    let trace = tracer.stop();
    let text = fs::read_to_string(&path).expect("the file is there");
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
    assert!(is_type(&records[0], "start"), "{}", records[0]);
    assert_eq!(records.last(), trace.records.last());
}

/// Returns the beginning of a command line that another user runs; setpriv's other options are to be appended.
pub(crate) fn as_nobody() -> Command {
    let mut command = Command::new("bash");
    // Before Linux 5.11, maps count against this limit, and raising it takes root; later it does not matter. Not by sh:
    // BusyBox's has a setpriv of its own, with fewer options.
    command.args(["-c", "ulimit -l unlimited 2> /dev/null || true; exec \"$@\"", "bash", "setpriv"]);
    command.args(["--reuid", &NOBODY.to_string(), "--regid", &NOBODY.to_string(), "--clear-groups"]);
    command
}

/// Creates a folder of that user.
#[track_caller]
pub(crate) fn folder_of_nobody() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may give it away");
    folder
}

/// Checks everything that comes after the start, without root but with the capabilities needed.
fn check_nobody(port_number: u16, way: &str) {
    let (netns, other) = (Netns::new(), Netns::new());
    let before = Attached::to(&netns, "lo");
    let copy = PublicCopy::new();
    let folder = folder_of_nobody();
    let path = folder.path().join("trace.jsonl");

    let listener = netns.run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port_number))).expect("a free port");
    let workers: Vec<_> = (0..2).map(|_| worker(&netns, &listener)).collect();
    let mut command = as_nobody();
    command.args(["--inh-caps", &format!("-all,{NEEDED}"), "--ambient-caps", NEEDED, "--"]).arg(copy.path());
    command.args(["--json", "-p", &port_number.to_string(), "--attach", way, "-w"]).arg(&path);
    let tracer = Tracer::start_command(&netns, &mut command);
    // The other threads reduce their rights when they start, which may not have happened yet.
    eventually("no thread with more than it needs", LIMIT, || {
        let kept = BPF | NET_ADMIN | SYS_PTRACE | DAC_READ_SEARCH;
        rights(tracer.id()).values().all(|rights| rights.permitted & !kept == 0)
    });

    // An interface that appears later.
    let veth = Veth::between(&netns, &other, 0);
    eventually("a tracer on both sides of it", LIMIT, || {
        let filters = Attached::to(&netns, &veth.left);
        tcx_programs(&netns, &veth.left) == (1, 1) || !filters.ingress.is_empty() && !filters.egress.is_empty()
    });
    // A process of another user, which is looked up later.
    let client = Actor::new(&other, "tt-client");
    let stream = client.connect(veth.left_v4(port_number));
    (&stream).write_all(REQUEST).expect("a request can be sent");
    receive(&stream, 1);
    tracer.wait_for("who has accepted", |record| {
        is_type(record, "owner")
            && record["conn"].is_number()
            && record["source"] == json!("sock_diag")
            && port(record, "local") == Some(port_number)
            && workers.iter().any(|worker| record["pid"] == worker.id())
    });
    tracer.wait_for("a segment on the new interface", |record| {
        is_type(record, "segment")
            && record["interface"] == json!(veth.left)
            && endpoint(record, "dst") == Some(veth.left_v4(port_number))
    });

    fs::rename(&path, folder.path().join("old.jsonl")).expect("a file can be renamed");
    tracer.signal(Signal::HUP);
    eventually("a new file", LIMIT, || path.exists());
    let metadata = fs::metadata(&path).expect("the file is there");
    assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o600, NOBODY));
    let trace = tracer.stop();
    // Workers expect a reset.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket can linger");
    client.close(stream);
    close(listener);

    trace.nothing_lost();
    let last = fs::read_to_string(&path).expect("the file is there").lines().last().map(str::to_owned);
    let last: Value = serde_json::from_str(&last.expect("an end")).expect("JSON lines");
    assert_eq!(&last, trace.end());
    assert_eq!((Attached::to(&netns, "lo"), tcx_programs(&netns, "lo")), (before, (0, 0)));
    let left = Attached::to(&netns, &veth.left);
    assert!(
        !left.qdiscs.contains(&"clsact".to_owned()) && left.ingress.is_empty() && left.egress.is_empty(),
        "{left:?}"
    );
    assert_eq!(tcx_programs(&netns, &veth.left), (0, 0));
}

#[test]
fn five_capabilities_are_enough_with_tcx() {
    check_nobody(4443, "tcx");
}

#[test]
fn five_capabilities_are_enough_with_clsact() {
    check_nobody(4444, "clsact");
}
