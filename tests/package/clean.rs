//! The package and the archive in a system that has nothing else: no systemd, no compiler, not even `ip`.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use tcptrace_tests::{Trace, number};

use crate::container::{Container, file};

/// A server that closes with data unread, and its client: two processes in Perl, which is essential on Debian. They print the
/// PIDs of server and client.
const TALK: &str = r#"perl -MIO::Socket::INET -MSocket=MSG_PEEK -e '
    my $listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => shift, Listen => 1) or die;
    my $client = fork // die;
    if ($client) {
        my $stream = $listener->accept or die;
        recv $stream, my $data, 1, MSG_PEEK;
        close $stream;
        waitpid $client, 0;
        print "$$ $client";
    } else {
        my $stream = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $listener->sockport) or die;
        $stream->syswrite("request");
        $stream->sysread(my $data, 1);
    }' "#;

/// Checks that the installed program finds nothing missing, and traces a connection of two processes in the container, up to
/// a verdict that takes both states and segments.
#[track_caller]
fn assert_traces(container: &Container, port: u16) {
    let doctor = container.try_run("tcptrace doctor");
    assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
    let tracer = container.trace(&format!("tcptrace --json -p {port} -c 1"));
    let pids = container.run(&format!("{TALK} {port}"));
    let trace = tracer.exited();
    assert!(trace.status.success(), "{:#?}", trace.log);
    let (handshake, close) = (only(&trace, "handshake"), only(&trace, "close"));
    assert_eq!((&handshake["outcome"], &handshake["missing"]), (&json!("established"), &json!([])), "{handshake}");
    assert_eq!((&close["reset"]["by"], &close["reset"]["cause"]), (&json!("server"), &json!("unread_data")), "{close}");
    assert_eq!(close["missing"], json!([]), "{close}");
    let ends = ["server", "client"].map(|end| &close[end]);
    assert_eq!(ends.map(|end| number(end, "pid").to_string()).join(" "), pids, "{close}");
    assert_eq!(ends.map(|end| &end["comm"]), [&json!("perl"); 2], "{close}");
    trace.nothing_lost();
}

/// Returns the only record of this type.
#[track_caller]
fn only<'a>(trace: &'a Trace, kind: &str) -> &'a Value {
    let records = trace.of_type(kind);
    let [record] = records[..] else { panic!("one {kind}: {records:#?}") };
    record
}

/// Returns the files of the system with their attributes: not those of running processes, nor the databases, caches and logs
/// of dpkg and apt.
fn files(container: &Container) -> BTreeSet<String> {
    const OTHERS: [&str; 6] =
        ["/run", "/var/lib/dpkg", "/var/lib/apt", "/var/cache", "/var/log/apt", "/var/log/dpkg.log"];
    let others = OTHERS.map(|path| format!("-path {path}")).join(" -o ");
    let listed = container.run(&format!(
        "find / -xdev \\( {others} \\) -prune -o -type f -printf '%p %M %u %g %s\\n' -o -printf '%p %M %u %g %l\\n'"
    ));
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn apt_installs_the_package_which_traces_and_leaves_nothing_but_its_user() {
    let container = Container::start();
    container.bring(&file("TCPTRACE_DEB"));
    let before = files(&container);
    container.follow("The package for Debian and Ubuntu");
    assert_traces(&container, 4988);
    // As in a container that was started without the capabilities in the file's attributes.
    let confined = container.try_run("setpriv --bounding-set -sys_ptrace -- tcptrace --version");
    assert!(String::from_utf8_lossy(&confined.stderr).contains("Operation not permitted"), "{confined:?}");

    container.run("apt purge tcptrace-ebpf && apt autoremove --purge");
    let after = files(&container);
    let changed = before.symmetric_difference(&after).filter_map(|line| line.split(' ').next());
    // Beside each is its copy from before, with a hyphen.
    let changed: BTreeSet<_> = changed.map(|path| path.trim_end_matches('-')).collect();
    assert_eq!(Vec::from_iter(changed), ["/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow"]);
    container.run("getent passwd tcptrace && getent group tcptrace");
}

#[test]
fn the_unpacked_archive_traces_and_reads_recordings_without_any_capability() {
    let container = Container::start();
    container.bring(&file("TCPTRACE_ARCHIVE"));
    container.follow("The archive");
    assert_traces(&container, 4989);
    let ladder = container.run("setpriv --bounding-set -all -- tcptrace -r tcptrace-*/docs/reset.jsonl");
    assert!(ladder.contains("reset by the server"), "{ladder}");
}

#[test]
fn a_filter_of_system_calls_that_forbids_bpf_is_named() {
    // Of the system calls that tcptrace makes, older runtimes' filters forbid this one.
    let filter = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["bpf"], "action": "SCMP_ACT_ERRNO" }],
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("filter.json");
    fs::write(&path, filter.to_string()).expect("a file can be written");
    let container = Container::start_under(&path);
    container.bring(&file("TCPTRACE_ARCHIVE"));
    container.follow("The archive");
    let doctor = container.try_run("tcptrace doctor");
    let text = String::from_utf8_lossy(&doctor.stdout);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(doctor.status.code(), Some(1), "{text}");
    assert!(words.contains("`--security-opt seccomp=unconfined`"), "{text}");
}
