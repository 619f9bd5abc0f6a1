//! `-w`: every record is also in a file.

use std::{
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
};

use rustix::process::Signal;
use serde_json::Value;
use tcptrace_tests::{Ends, LIMIT, Netns, Tracer, binary, eventually, is_type, number, start_unread, text};

fn loopback(netns: &Netns, port: u16) -> Ends {
    Ends::on(netns, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

fn records(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the file is there");
    assert!(text.ends_with('\n'), "the last line is whole");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}

#[test]
fn the_file_has_the_records_of_stdout_and_only_its_owner_may_read_it() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4311);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let tracer = Tracer::start(&netns, &["-p", "4311", "-w", path.to_str().expect("UTF-8")]);
    let connection = ends.open();
    ends.close_in_four(connection);
    let trace = tracer.stop();
    assert_eq!(records(&path), trace.records);
    let mode = std::fs::metadata(&path).expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

/// Returns the records of events and verdicts. Owners of sockets that existed before are found at any time, and the other
/// network namespaces depend on the host.
fn events_and_verdicts(records: &[Value]) -> Vec<&Value> {
    records.iter().filter(|record| !is_type(record, "owner") && !is_type(record, "namespace")).collect()
}

#[test]
fn a_file_is_written_beside_text_on_stdout() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4312);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let mut command = Command::new(binary());
    command.args(["-o", "events", "-p", "4312", "-c", "1", "-w"]).arg(&path);
    let (mut process, _log) = start_unread(&netns, &mut command);
    ends.repeat(1);
    assert!(process.wait(LIMIT).success());
    let records = records(&path);
    assert!(is_type(&records[0], "start") && is_type(&records[records.len() - 1], "end"), "{records:#?}");
    assert_eq!(events_and_verdicts(&records).len(), 2 + 10 + 7 + 2, "and a handshake and a close");
}

#[test]
fn emit_chooses_what_goes_to_stdout_and_changes_nothing_else() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4315);
    let folder = tempfile::tempdir().expect("a folder");
    for (emitted, count) in [("state", 10), ("segment", 7), ("handshake", 1), ("close", 1)] {
        let path = folder.path().join(emitted);
        let path_text = path.to_str().expect("UTF-8");
        let tracer = Tracer::start(&netns, &["-p", "4315", "--emit", emitted, "-w", path_text]);
        let connection = ends.open();
        ends.close_in_four(connection);
        let trace = tracer.stop();
        assert_eq!(trace.of_type(emitted).len(), count, "{:#?}", trace.records);
        assert_eq!(events_and_verdicts(&trace.records).len(), count + 2, "the start and the end go there always");
        assert_eq!(number(trace.end(), "events"), 17);
        let all = records(&path);
        assert_eq!(events_and_verdicts(&all).len(), 17 + 2 + 2, "{all:#?}");
        // Owners of sockets belong to the type `state`.
        let kept = |record: &&Value| {
            let with_states = emitted == "state" && is_type(record, "owner");
            with_states || ["start", emitted, "end"].iter().any(|&kind| is_type(record, kind))
        };
        assert_eq!(all.iter().filter(kept).collect::<Vec<_>>(), trace.records.iter().collect::<Vec<_>>());
    }
}

#[test]
fn sighup_begins_the_file_again_so_that_it_can_be_moved_away() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4313);
    let folder = tempfile::tempdir().expect("a folder");
    let (path, old) = (folder.path().join("trace.jsonl"), folder.path().join("old.jsonl"));
    let tracer = Tracer::start(&netns, &["-p", "4313", "-w", path.to_str().expect("UTF-8")]);
    let connection = ends.open();
    ends.close_in_four(connection);
    // Events that are still in the ring buffer would go to the new file.
    tracer.wait_for("the close", |record| is_type(record, "close"));
    std::fs::rename(&path, &old).expect("a file can be renamed");
    tracer.signal(Signal::HUP);
    eventually("a new file", LIMIT, || path.exists());
    ends.close_in_four(ends.open());
    let trace = tracer.stop();

    let (old, new) = (records(&old), records(&path));
    let numbers = |records: &[Value]| -> Vec<u64> {
        events_and_verdicts(records).iter().filter_map(|record| record["conn"].as_u64()).collect()
    };
    for (file, number) in [(&old, 1), (&new, 2)] {
        assert!(is_type(&file[0], "start"), "{file:#?}");
        assert_eq!(numbers(file), vec![number; 10 + 7 + 2], "states, segments, a handshake and a close");
    }
    assert_eq!(new.last(), trace.records.last());
    assert_eq!(trace.of_type("start").len(), 1, "stdout goes on as it was");
    let mode = std::fs::metadata(&path).expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

/// Returns a command that starts the tracer on a disk of 4 KiB, its current folder, which only the tracer sees: every step
/// becomes the next, so the process ID stays the same.
fn on_a_small_disk(folder: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.arg("mount -t tmpfs -o size=4096 tmpfs \"$0\" && cd \"$0\" && exec \"$@\"").arg(folder).arg(binary());
    command
}

#[test]
fn a_full_disk_is_said_once_while_stdout_goes_on_and_the_exit_status_is_1() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4314);
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = on_a_small_disk(folder.path());
    command.arg("--json").args(["-p", "4314", "-w", "trace.jsonl"]);
    let tracer = Tracer::start_command(&netns, &mut command);
    ends.repeat(20);
    tracer.wait_until("all of twenty connections", |records| {
        records.iter().filter(|record| record["new"] == "CLOSE").count() == 40
    });
    tracer.signal(Signal::INT);
    let trace = tracer.exited();
    assert_eq!(trace.status.code(), Some(1));
    assert_eq!(trace.about(&netns, 4314).len(), 20 * 17);
    assert!(trace.of_type("lost").is_empty(), "stdout lost nothing");
    assert!(number(trace.end(), "lost") > 0, "what the file lost is counted");
    let said = trace.log.iter().filter(|line| line.contains("trace.jsonl")).count();
    let why = trace.log.iter().filter(|line| line.to_lowercase().contains("no space")).count();
    assert_eq!((said, why), (1, 1), "{:#?}", trace.log);
}

/// Changes the size of a process's own disk.
fn resize(pid: u32, bytes: u32) {
    let size = format!("remount,size={bytes}");
    let mut command = Command::new("nsenter");
    command.args(["-t", &pid.to_string(), "--mount", "--wd", "mount", "-o", &size, "."]);
    assert!(command.status().expect("nsenter runs").success());
}

/// Returns the number of losses in records, from the sources that match.
fn lost(records: &[Value], matches: impl Fn(&str) -> bool) -> u64 {
    let losses = records.iter().filter(|record| is_type(record, "lost") && matches(text(record, "source")));
    losses.map(|record| number(record, "count")).sum()
}

#[test]
fn after_a_full_disk_the_file_goes_on_when_there_is_room_and_says_what_it_lacks() {
    for (name, port) in [("trace.jsonl", 4316), ("trace.ttr", 4317)] {
        let netns = Netns::new();
        let ends = loopback(&netns, port);
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = on_a_small_disk(folder.path());
        command.args(["--json", "-p", &port.to_string(), "-w", name]);
        let tracer = Tracer::start_command(&netns, &mut command);
        for _ in 0..10 {
            ends.repeat(20);
        }
        tracer.wait_log("a full disk", |line| line.contains("there is no room for trace."));
        resize(tracer.id(), 256 << 20);
        eventually("room", LIMIT, || {
            ends.repeat(1);
            tracer.has_logged(|line| line.contains("there is room for trace."))
        });
        let last = ends.open();
        let client = last.client_address().port();
        ends.close_in_four(last);
        tracer.wait_for("the last close", |record| is_type(record, "close") && record["client"]["port"] == client);
        // The disk is gone with the process, unless a file on it is open elsewhere.
        let seen = format!("/proc/{}/root{}/{name}", tracer.id(), folder.path().display());
        let file = std::fs::File::open(seen).expect("the file is there");
        tracer.signal(Signal::INT);
        let trace = tracer.exited();
        assert_eq!(trace.status.code(), Some(0), "{:#?}", trace.log);
        let read = Command::new(binary()).args(["--json", "-r", "-"]).stdin(file).output().expect("it runs");
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        let lines = String::from_utf8(read.stdout).expect("UTF-8");
        let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let is_last = |record: &&Value| is_type(record, "close") && record["client"]["port"] == client;
        assert!(records.iter().any(|record| is_last(&record)), "the last close is in the file");
        let left_out = lost(&records, |source| source == "output");
        assert!(left_out > 0, "{lines}");
        // On a busy host, events may be missing everywhere.
        let missed = lost(&trace.records, |source| source != "output");
        assert_eq!(number(trace.end(), "lost"), left_out + missed, "all of it is said");
    }
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.ttr");
    std::fs::write(&path, "precious").expect("a file can be written");
    std::os::unix::fs::chown(&path, Some(12345), None).expect("root may do that");
    let refused = Command::new(binary()).args(["-o", "none", "-w"]).arg(&path).output().expect("it runs");
    let log = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{log}");
    assert!(log.contains("belongs to another user"), "{log}");
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "precious");
}
