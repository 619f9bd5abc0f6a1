//! Reading a live recording reproduces its output byte for byte.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr},
    os::fd::AsFd,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use rustix::process::Signal;
use serde_json::Value;
use tcptrace_tests::{
    Connection, Ends, LIMIT, Lines, Netns, Process, Tracer, Veth, binary, eventually, is_type, output, receive,
    receive_end, send, set_option, start_unread, text,
};

/// The output of reading a recording.
fn replay(path: &Path, arguments: &[&str]) -> String {
    output(Command::new(binary()).arg("-r").arg(path).arg("--json").args(arguments))
}

/// Asserts that every line comes again, but for the count of events in the last one: copies are not counted again.
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

/// Connections that end in every way that can be had at will, on three ports from `port` on; the last one is left open by
/// one of its ends.
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

fn check_all_kinds(port: u16, more: &[&str], kinds: &[&str]) {
    // A replay must select the segments that the trace had selected.
    let segments = if more.contains(&"all") { more } else { &[] };
    let netns = Netns::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let ports = format!("{port}-{}", port + 2);
    let arguments = [&["-p", &ports, "-w", path.to_str().expect("UTF-8")], more].concat();
    let tracer = Tracer::start(&netns, &arguments);
    let left_open = play(&netns, port, &tracer);
    let trace = tracer.stop();
    drop(left_open);
    let closes: Vec<_> = trace.of_type("close").iter().map(|close| text(close, "kind")).collect();
    for kind in kinds {
        assert!(closes.contains(kind), "no {kind} among {closes:?}");
    }
    assert_eq!(trace.of_type("handshake").len(), 8);
    trace.nothing_lost();
    let recorded = fs::read_to_string(&path).expect("the file is there");
    same_again(&recorded, &replay(&path, segments));

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
fn of_every_segment_those_that_matter_can_be_chosen_later() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4913);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let tracer = Tracer::start(&netns, &["-p", "4913", "--segments", "all", "-w", path.to_str().expect("UTF-8")]);
    let connection = ends.open();
    for _ in 0..20 {
        send(&connection.client, 100);
        receive(&connection.server, 100);
    }
    ends.close_in_four(connection);
    let trace = tracer.stop();
    let count = |text: &str, kind: &str| text.lines().filter(|line| line.contains(kind)).count();
    let (all, control) = (replay(&path, &["--segments", "all"]), replay(&path, &[]));
    assert_eq!(count(&all, r#""type":"segment""#), trace.of_type("segment").len());
    assert_eq!(count(&control, r#""type":"segment""#), 7);
    let verdicts = |text: &str| -> Vec<String> {
        let is_verdict = |line: &&str| line.contains(r#""type":"handshake""#) || line.contains(r#""type":"close""#);
        text.lines().filter(is_verdict).map(str::to_owned).collect()
    };
    assert_eq!(verdicts(&all), verdicts(&control));
    assert_eq!(verdicts(&all), verdicts(&fs::read_to_string(&path).expect("the file is there")));
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
    // One end is seen with its segments, the other with its states: these end a second later.
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
    for (read, told) in records.iter().zip(&trace.records) {
        assert_eq!(read, told, "as stdout has it");
    }
    assert_eq!(records.len(), trace.records.len());
}

#[test]
fn what_was_printed_is_read_from_a_pipe_and_filtered() {
    let netns = Netns::new();
    let tracer = Tracer::start(&netns, &["-p", "4920-4922"]);
    let left_open = play(&netns, 4920, &tracer);
    let trace = tracer.stop();
    drop(left_open);
    let printed: String = trace.records.iter().map(|record| format!("{record}\n")).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("printed.jsonl");
    fs::write(&path, printed).expect("a file can be written");
    for (arguments, connections) in [
        (&[][..], 8),
        (&["-6"], 1),
        (&["-p", "4921"], 1),
        (&["--remote-port", "4920"], 6),
        (&["--local-port", "4922"], 1),
        (&["--host", "::1"], 1),
        (&["-i", "lo"], 8),
        (&["-c", "2"], 2),
    ] {
        let mut command = Command::new(binary());
        let file = fs::File::open(&path).expect("the file is there");
        let run = command.args(["-r", "-", "--json"]).args(arguments).stdin(file).stderr(Stdio::null()).output();
        let text = String::from_utf8(run.expect("it runs").stdout).expect("UTF-8");
        let end: Value = serde_json::from_str(text.lines().last().expect("lines")).expect("JSON");
        assert_eq!(end["connections"], connections, "{arguments:?}: {text}");
    }
}

/// Asks for MD5 signatures (RFC 2385) on what comes from and goes to any port of this address, with a key of one byte.
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

/// Everything that is printed live comes again from a binary recording: as JSON, and as every kind of text.
fn check_binary(port: u16, more: &[&str]) {
    let segments = if more.contains(&"all") { more } else { &[] };
    let netns = Netns::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.ttr");
    let ports = format!("{port}-{}", port + 2);
    let arguments = [&["-p", &ports, "-w", path.to_str().expect("UTF-8")], more].concat();
    let tracer = Tracer::start(&netns, &arguments);
    let left_open = play(&netns, port, &tracer);
    let trace = tracer.stop();
    drop(left_open);
    assert_eq!(trace.of_type("handshake").len(), 8);
    trace.nothing_lost();
    let printed: Vec<Value> = trace.records.clone();
    let read = replay(&path, segments);
    let read: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for (read, printed) in read.iter().zip(&printed) {
        assert_eq!(read, printed);
    }
    assert_eq!(read.len(), printed.len());

    // Converted to JSON lines, it is a recording like any other, and reads the same in every form.
    let converted = folder.path().join("converted.jsonl");
    replay(&path, &[segments, &["-w", converted.to_str().expect("UTF-8")]].concat());
    for form in ["timeline", "events", "list"] {
        let text = |path: &Path| output(Command::new(binary()).arg("-r").arg(path).args(["-o", form]).args(segments));
        assert_eq!(text(&path), text(&converted), "{form}");
    }
}

#[test]
fn a_binary_recording_says_what_was_printed() {
    check_binary(4940, &[]);
}

#[test]
fn a_compressed_binary_recording_says_what_was_printed() {
    check_binary(4943, &["--compress", "zstd"]);
}

#[test]
fn a_binary_recording_without_btf_says_what_was_printed() {
    check_binary(4946, &["--no-btf"]);
}

#[test]
fn a_binary_recording_of_every_segment_says_what_was_printed() {
    check_binary(4949, &["--segments", "all"]);
}

/// Starts a tracer that does nothing but record.
fn record(netns: &Netns, port: u16, path: &Path, more: &[&str]) -> (Process, Lines<String>) {
    let mut command = Command::new(binary());
    command.args(["--netns", "own", "-o", "none", "-p", &port.to_string(), "-w"]).arg(path).args(more);
    start_unread(netns, &mut command)
}

/// The closes that a recording tells of, and the exit status and messages of reading it.
fn closes(path: &Path) -> (usize, Option<i32>, String) {
    let read =
        Command::new(binary()).arg("-r").arg(path).args(["--json", "--emit", "close"]).output().expect("it runs");
    let text = String::from_utf8(read.stdout).expect("UTF-8");
    let log = String::from_utf8(read.stderr).expect("UTF-8");
    (text.lines().filter(|line| line.contains(r#""type":"close""#)).count(), read.status.code(), log)
}

#[test]
fn a_recorder_that_does_nothing_else_records_all() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4952);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.ttr");
    let (mut recorder, log) = record(&netns, 4952, &path, &[]);
    ends.repeat(50);
    recorder.signal(Signal::INT);
    assert!(recorder.wait(LIMIT).success());
    let log = log.finish();
    assert!(log.iter().any(|line| line.contains("events recorded, 0 lost")), "{log:#?}");
    assert_eq!(closes(&path), (50, Some(0), String::new()));
    for (arguments, connections) in
        [(&["-p", "4952"][..], 50), (&["-p", "1"], 0), (&["-i", "lo"], 50), (&["-6"], 0), (&["-c", "2"], 2)]
    {
        let text = replay(&path, arguments);
        let end: Value = serde_json::from_str(text.lines().last().expect("lines")).expect("JSON");
        assert_eq!(end["connections"], connections, "{arguments:?}");
    }
}

#[test]
fn a_recorder_that_is_killed_leaves_a_file_that_is_read() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4953);
    let folder = tempfile::tempdir().expect("a folder");
    for (number, compress) in [&[][..], &["--compress", "zstd"], &[]].into_iter().enumerate() {
        let path = folder.path().join(format!("trace-{number}.ttr"));
        let (mut recorder, _log) = record(&netns, 4953, &path, compress);
        ends.repeat(20);
        eventually("blocks in the file", LIMIT, || {
            ends.repeat(20);
            fs::metadata(&path).is_ok_and(|status| status.len() > 20_000)
        });
        recorder.signal(Signal::KILL);
        recorder.wait(LIMIT);
        let (closes, status, log) = closes(&path);
        assert!(closes >= 20, "{closes} {log}");
        assert!(status == Some(0) || log.contains("is cut off in the middle of a block"), "{log}");
    }
}

#[test]
#[ignore = "takes minutes: `cargo xtask test -- -- --ignored a_hundred_recorders`"]
fn a_hundred_recorders_that_are_killed_under_load_leave_files_that_are_read() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4958);
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..100 {
        let path = folder.path().join(format!("trace-{number}.ttr"));
        let compress: &[_] = if number % 2 == 0 { &[] } else { &["--compress", "zstd"] };
        let (mut recorder, _log) = record(&netns, 4958, &path, compress);
        thread::scope(|scope| {
            let killer = scope.spawn(|| {
                let least = 10_000 + number * 1_000;
                eventually("blocks in the file", LIMIT, || {
                    fs::metadata(&path).is_ok_and(|status| status.len() > least)
                });
                recorder.signal(Signal::KILL);
                recorder.wait(LIMIT);
            });
            while !killer.is_finished() {
                ends.churn(20);
            }
        });
        let (closes, status, log) = closes(&path);
        // Of a file that is cut off in its first block nothing is left to read.
        let cut = log.contains("is cut off in the middle of a block");
        assert!(if cut { status == Some(1) } else { status == Some(0) && closes > 0 }, "{closes} {status:?} {log}");
    }
}

#[test]
fn rotated_files_are_read_alone_and_as_one() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4954);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.ttr");
    let (mut recorder, _log) = record(&netns, 4954, &path, &["--rotate", "64KiB"]);
    let mut connections = 0;
    let second = folder.path().join("trace.000002.ttr");
    eventually("two rotations", LIMIT, || {
        ends.repeat(50);
        connections += 50;
        second.exists()
    });
    recorder.signal(Signal::INT);
    assert!(recorder.wait(LIMIT).success());
    let mut files: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    // The one without a number sorts last, as it is the youngest.
    files.sort();
    assert_eq!(files.last(), Some(&path), "{files:?}");
    let mut all = Vec::new();
    for file in &files {
        let (closes, status, log) = closes(file);
        // The youngest may have begun behind the last connection.
        assert!((closes > 0 || *file == path) && status == Some(0), "{closes} {status:?} {log} {files:?}");
        all.extend(fs::read(file).expect("the file is there"));
    }
    let joined = folder.path().join("joined.ttr");
    fs::write(&joined, all).expect("a file can be written");
    assert_eq!(closes(&joined), (connections, Some(0), String::new()));
}
