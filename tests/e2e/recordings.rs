//! Reading a live recording reproduces its output byte for byte.

mod binary_files;
mod filtered;

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::Signal;
use serde_json::Value;
use tcptrace_tests::{
    Connection, Ends, LIMIT, Netns, Trace, Tracer, Veth, binary, eventually, is_type, output, receive_end, send,
    set_option, text,
};
use tempfile::TempDir;

/// The output of reading a recording.
fn replay(path: &Path, arguments: &[&str]) -> String {
    output(Command::new(binary()).arg("-r").arg(path).arg("--json").args(arguments))
}

/// Asserts that every line is reproduced, except for the count of events in the last one: copies are not counted again.
#[track_caller]
fn same_again(recorded: &str, read: &str) {
    let mut lines: Vec<[&str; 2]> = recorded.lines().zip(read.lines()).map(<[&str; 2]>::from).collect();
    let [recorded_end, read_end] = lines.pop().expect("there are lines");
    for [recorded, read] in lines {
        assert_eq!(read, recorded);
    }
    assert_eq!(read.lines().count(), recorded.lines().count());
    let end = |line: &str| {
        let mut end: Value = serde_json::from_str(line).expect("JSON");
        end["events"] = Value::Null;
        end
    };
    assert_eq!(end(read_end), end(recorded_end));
}

fn loopback(netns: &Netns, port: u16) -> Ends {
    Ends::on(netns, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// Plays connections with every reproducible kind of end, on three ports from `port` on; the last one is left open by one of
/// its ends.
fn play(netns: &Netns, port: u16, tracer: &Tracer) -> (Ends, Connection) {
    let ends = loopback(netns, port);
    ends.close_in_four(ends.open());
    ends.close_in_three(ends.open());

    ends.close_half_first(ends.open());

    ends.abort(ends.open(), tracer);

    let connection = ends.open();
    send(&connection.client, 14);
    connection.server.peek(&mut [0; 14]).expect("data to come");
    ends.server.close(connection.server);
    ends.client.close(connection.client);

    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, port + 1));
    ends.client.connect_with(nobody, |_| {}).expect_err("nobody listens");

    let v6 = Ends::on(netns, SocketAddr::from((Ipv6Addr::LOCALHOST, port + 2)));
    v6.close_in_four(v6.open());

    let connection = ends.open();
    let (client, server) = (connection.client_address(), connection.server_address());
    let half = connection.client.try_clone().expect("a stream can be duplicated");
    half.shutdown(Shutdown::Write).expect("a shutdown");
    receive_end(&connection.server);
    tracer.wait_state("FIN_WAIT1", client, server);
    (ends, connection)
}

/// Traces [`play`], and writes it to a file of this name, too. Returns the folder of the file, its path, and the trace.
fn record_all_kinds(port: u16, more: &[&str], name: &str) -> (TempDir, PathBuf, Trace) {
    let mut recorded = record(port, more, name);
    // Without BTF there is only one program of state changes. The kernel skips it where an interrupt comes while it runs, and
    // says so.
    let skipped = |trace: &Trace| trace.of_type("lost").iter().any(|lost| lost["source"] == "recursion");
    for _ in 0..4 {
        if !more.contains(&"--no-btf") || !skipped(&recorded.2) {
            break;
        }
        recorded = record(port, more, name);
    }
    let (_, _, trace) = &recorded;
    trace.nothing_lost();
    assert_eq!(trace.of_type("handshake").len(), 8);
    recorded
}

fn record(port: u16, more: &[&str], name: &str) -> (TempDir, PathBuf, Trace) {
    let netns = Netns::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    let ports = format!("{port}-{}", port + 2);
    let arguments = [&["-p", &ports, "-w", path.to_str().expect("UTF-8")], more].concat();
    let tracer = Tracer::start(&netns, &arguments);
    let left_open = play(&netns, port, &tracer);
    let trace = tracer.stop();
    drop(left_open);
    (folder, path, trace)
}

/// Returns the arguments of a trace that its replay must have, too, to select the same segments.
fn selection<'a>(more: &'a [&'a str]) -> &'a [&'a str] {
    if more.contains(&"all") { more } else { &[] }
}

fn check_all_kinds(port: u16, more: &[&str], kinds: &[&str]) {
    let closes = |trace: &Trace| -> Vec<String> {
        trace.of_type("close").into_iter().map(|close| text(close, "kind").to_owned()).collect()
    };
    let has_all = |closes: &[String]| kinds.iter().all(|kind| closes.iter().any(|close| close == kind));
    let mut recorded = record_all_kinds(port, more, "trace.jsonl");
    // The kernel delays the ACK of a FIN by 40 ms, within which an end on a busy machine may not close: four segments then.
    for _ in 0..4 {
        if has_all(&closes(&recorded.2)) {
            break;
        }
        recorded = record_all_kinds(port, more, "trace.jsonl");
    }
    let (folder, path, trace) = recorded;
    let closes = closes(&trace);
    assert!(has_all(&closes), "not all of {kinds:?} are among {closes:?}");
    let recorded = fs::read_to_string(&path).expect("the file is there");
    same_again(&recorded, &replay(&path, selection(more)));

    let again = folder.path().join("again.jsonl");
    let read = replay(&path, &["-w", again.to_str().expect("UTF-8"), "--emit", "close"]);
    assert_eq!(read.lines().count(), 2 + closes.len());
    same_again(&recorded, &fs::read_to_string(&again).expect("the file is there"));
}

#[test]
fn every_kind_of_close() {
    check_all_kinds(4901, &[], &["three_segment", "four_segment", "reset", "unfinished"]);
}

#[test]
fn every_kind_of_close_without_btf() {
    check_all_kinds(4904, &["--no-btf"], &["three_segment", "four_segment", "reset", "unfinished"]);
}

#[test]
fn every_segment() {
    check_all_kinds(4907, &["--segments", "all"], &["four_segment"]);
}

#[test]
fn states_alone() {
    check_all_kinds(4910, &["--segments", "none"], &["orderly"]);
}

#[test]
fn deadlines_run_by_the_times_of_the_records() {
    let (here, there) = (Netns::new(), Netns::new());
    let veth = Veth::between(&here, &there, 61);
    here.nft("table inet t { chain c { type filter hook input priority 0; tcp dport 4916 reject; }; }");
    let ends = Ends::between(&there, &here, veth.left_v4(4915));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let tracer = Tracer::start_confined(&here, &["-p", "4915-4916", "-w", path.to_str().expect("UTF-8")]);
    ends.client.connect_with(veth.left_v4(4916), |_| {}).expect_err("the packet filter refuses");
    for _ in 0..3 {
        ends.close_in_four(ends.open());
    }
    // One end is seen by its segments, the other by its states: these end a second later.
    tracer.wait_until("the closes", |records| records.iter().filter(|record| is_type(record, "close")).count() >= 6);
    ends.close_in_three(ends.open());
    let trace = tracer.stop();
    assert!(!trace.of_type("icmp").is_empty(), "{:#?}", trace.records);
    same_again(&fs::read_to_string(&path).expect("the file is there"), &replay(&path, &[]));
}

#[test]
fn the_files_of_a_rotation_are_read_as_one() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4917);
    let folder = tempfile::tempdir().expect("a folder");
    let (path, old) = (folder.path().join("trace.jsonl"), folder.path().join("old.jsonl"));
    let tracer = Tracer::start(&netns, &["-p", "4917", "-w", path.to_str().expect("UTF-8")]);
    let connection = ends.open();
    tracer.wait_for("the handshake", |record| is_type(record, "handshake"));
    fs::rename(&path, &old).expect("a file can be renamed");
    tracer.signal(Signal::HUP);
    eventually("a new file", LIMIT, || path.exists());
    ends.close_in_four(connection);
    let trace = tracer.stop();
    let both = folder.path().join("both.jsonl");
    let text = [old, path].map(|path| fs::read_to_string(path).expect("the file is there")).concat();
    fs::write(&both, text).expect("a file can be written");
    let read = replay(&both, &[]);
    let records: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for (read, live) in records.iter().zip(&trace.records) {
        assert_eq!(read, live, "as stdout has it");
    }
    assert_eq!(records.len(), trace.records.len());
}

/// Requires MD5 signatures (RFC 2385) on segments from and to any port of this address, with a key of one byte.
fn sign(socket: &impl AsFd, address: Ipv4Addr) {
    // struct tcp_md5sig (linux/tcp.h): a sockaddr_storage, then flags, the prefix, the key's length, an ifindex, the key.
    let mut option = [0; 216];
    option[..2].copy_from_slice(&2_u16.to_ne_bytes());
    option[4..8].copy_from_slice(&address.octets());
    option[130..132].copy_from_slice(&1_u16.to_ne_bytes());
    option[136] = b'k';
    set_option(socket, libc::IPPROTO_TCP, libc::TCP_MD5SIG, &option);
}

#[test]
fn signed_segments() {
    let netns = Netns::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let ends = loopback(&netns, 4931);
    sign(&ends.listener, Ipv4Addr::LOCALHOST);
    let tracer = Tracer::start(&netns, &["-p", "4931", "-w", path.to_str().expect("UTF-8")]);
    let client = ends.client.connect_with(ends.address, |socket| sign(socket, Ipv4Addr::LOCALHOST));
    let client = client.expect("both ends have the key");
    let server = ends.server.accept(&ends.listener);
    ends.close_in_four(Connection { client, server });
    let trace = tracer.stop();

    trace.nothing_lost();
    let segments = trace.of_type("segment");
    assert!(segments.len() >= 6, "{segments:#?}");
    for segment in segments {
        let order = segment["options"]["order"].as_array().expect("options");
        assert!(order.contains(&Value::from(19)), "{segment}");
        assert!(text(&segment["options"], "raw").contains("1312"), "kind and length: {segment}");
    }
    same_again(&fs::read_to_string(&path).expect("the file is there"), &replay(&path, &[]));
    let events = output(Command::new(binary()).arg("-r").arg(&path).args(["-o", "events"]));
    assert!(events.contains("md5 "), "{events}");
}
