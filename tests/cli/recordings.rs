//! Reading of recordings, which needs neither privileges nor a kernel. These are written by hand, or made from a capture.

mod faults;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tcptrace_tests::binary;
use tempfile::TempDir;

use crate::captures::{Read, run, whole_connection, whole_connection_with};

const START: &str = r#"{"type":"start","time":"2026-11-20T10:00:00.000000000Z","boot_ns":1000000000,"schema":2,"version":"0.1.0","hostname":"web7","kernel":"6.18.5","netns":4026531840,"interfaces":["eth0","lo"],"segments":"control","filter":"port 80"}"#;

/// A listener, so that the first line after `start` is a state.
const LISTEN: &str = r#"{"type":"state","time":"2026-11-20T10:00:01.000000000Z","boot_ns":2000000000,"conn":null,"netns":4026531840,"socket":1,"old":"CLOSE","new":"LISTEN","local":{"addr":"0.0.0.0","port":80},"remote":null,"role":null,"error":null,"pid":12,"tid":12,"comm":"nginx","thread":null,"old_state_ns":null,"since_start_ns":null,"continues_as":null}"#;

/// A segment of a connection to port 80 at some nanosecond.
fn segment(boot_ns: u64, flags: &str, seq: u32, ack: Option<u32>) -> String {
    let record = json!({
        "type": "segment", "time": "2026-11-20T10:00:02.000000000Z", "boot_ns": boot_ns, "conn": 1, "interface": "eth0",
        "direction": "in", "src": { "addr": "10.0.0.1", "port": 40000 }, "dst": { "addr": "10.0.0.2", "port": 80 },
        "flags": flags, "seq": seq, "ack": ack, "rel_seq": 0, "rel_ack": null, "window": 1024, "length": 0,
        "options": { "mss": null, "window_scale": null, "sack_permitted": false, "timestamp": null },
    });
    // JSON objects have no order: tools may change that of the fields.
    record.to_string()
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, contents).expect("a file can be written");
        path
    }
}

fn read(lines: &[&str], arguments: &[&str]) -> Read {
    let folder = Folder::new();
    run(&folder.write("trace.jsonl", lines.iter().flat_map(|line| [line, "\n"]).collect::<String>()), arguments)
}

/// Returns stdout of a successful run.
fn text(path: &Path, arguments: &[&str]) -> String {
    let output = Command::new(binary()).arg("-r").arg(path).args(arguments).output().expect("it runs");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_recording_without_events_ends_when_it_began() {
    let folder = Folder::new();
    let file = folder.write("empty.jsonl", format!("{START}\n"));
    let output = Command::new(binary()).arg("-r").arg(file).arg("--json").output().expect("the program can be started");
    let lines: Vec<Value> =
        output.stdout.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let [start, end] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&end["type"], &end["time"], &end["boot_ns"]), (&json!("end"), &start["time"], &start["boot_ns"]));
}

#[test]
fn a_recording_of_a_capture_says_what_the_capture_says() {
    let folder = Folder::new();
    let capture = folder.write("x.pcap", whole_connection());
    let recording = folder.0.path().join("x.jsonl");
    let said = text(&capture, &["--json", "-w", recording.to_str().expect("UTF-8")]);
    assert_eq!(text(&recording, &["--json"]), said, "data segments are in the file, and hidden again");
    let all = text(&recording, &["--json", "--segments", "all"]);
    assert_eq!(all, text(&capture, &["--json", "--segments", "all"]));
    assert!(all.lines().count() > said.lines().count());
    assert_eq!(text(&recording, &[]), text(&capture, &[]), "in text too");
}

#[test]
fn a_recording_keeps_every_option_with_its_bytes_and_order() {
    let folder = Folder::new();
    for (name, options) in [
        ("MD5", &[19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1, 1][..]),
        ("TCP-AO", &[29, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]),
        ("Accurate ECN", &[1, 174, 11, 0, 0, 1, 0, 0, 2, 0, 0, 3]),
        ("SMC", &[254, 6, 0xe2, 0xd4, 0xc3, 0xd9, 1, 1]),
        ("MP_JOIN", &[30, 12, 0x10, 9, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("experimental Fast Open", &[254, 8, 0xf9, 0x89, 1, 2, 3, 4]),
        ("twice, and the end before the last", &[253, 2, 253, 3, 7, 1, 0, 9]),
        ("cut off", &[1, 1, 8, 10]),
    ] {
        let capture = folder.write("x.pcap", whole_connection_with(options));
        let recording = folder.0.path().join("x.jsonl");
        let written = recording.to_str().expect("UTF-8");
        let json = text(&capture, &["--json", "--segments", "all", "-w", written]);
        let raw: String = options.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(json.contains(&format!("{raw}\"}}")), "{name}: {json}");
        assert_eq!(text(&recording, &["--json", "--segments", "all"]), json, "{name}");
        for output in ["events", "timeline"] {
            let arguments = ["-o", output, "--segments", "all"];
            assert_eq!(text(&recording, &arguments), text(&capture, &arguments), "{name}");
        }
    }
}

#[test]
fn where_it_comes_from_is_said_and_what_is_left_of_it() {
    let read = read(&[START, LISTEN], &["--host", "10.0.0.0/8,0.0.0.0", "--segments", "none"]);
    assert_eq!((read.status, read.log.as_str()), (Some(0), ""));
    let start = read.only("start");
    let expected = json!({
        "hostname": "web7", "kernel": "6.18.5", "netns": 4_026_531_840_u64, "interfaces": ["eth0", "lo"],
        "filter": "port 80 and host 10.0.0.0/8,0.0.0.0", "segments": "none", "boot_ns": 1_000_000_000,
        "time": "2026-11-20T10:00:00.000000000Z", "schema": 2,
    });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(start[field], *value, "{field}");
    }
    assert_eq!(read.only("state"), &serde_json::from_str::<Value>(LISTEN).expect("JSON"));
    assert_eq!(read.only("end")["events"], 1);
}

#[test]
fn a_recording_of_schema_1_says_what_one_of_schema_2_says() {
    let segments = [(1, "S", 1000, None), (2, "S.", 9000, Some(1001)), (3, ".", 1001, Some(9001))];
    let reset = [(4, "R", 1021, None)];
    let lines: Vec<_> = segments
        .iter()
        .chain(&reset)
        .map(|&(at, flags, seq, ack)| {
            let mut record: Value = serde_json::from_str(&segment(2_000_000_000 + at, flags, seq, ack)).expect("JSON");
            if flags == "S." {
                let (src, dst) = (record["src"].clone(), record["dst"].clone());
                (record["src"], record["dst"]) = (dst, src);
            }
            record
        })
        .collect();
    let named = |field: &str, schema: &str| {
        let start = START.replace("\"schema\":2", schema);
        let mut text = vec![start];
        text.extend(lines.iter().cloned().map(|mut record| {
            record[field] = json!(2);
            record.to_string()
        }));
        let lines: Vec<&str> = text.iter().map(String::as_str).collect();
        read(&lines, &[])
    };
    let (old, new) = (named("segments", "\"schema\":1"), named("gso_segments", "\"schema\":2"));
    assert_eq!((old.status, old.log.as_str(), &old.records), (Some(0), "", &new.records));
    assert_eq!(old.only("start")["schema"], 2, "it is written anew");
    assert_eq!(old.only("close")["kind"], "reset");
    let merged = old.records.iter().filter(|record| record["gso_segments"] == 2).count();
    assert_eq!(merged, 4);
}

#[test]
fn the_files_of_one_run_go_on_and_those_of_others_begin_anew() {
    let (syn, fin) = (segment(3_000_000_000, "S", 7, None), segment(4_000_000_000, "F.", 8, Some(1)));
    let again = START.replace("1000000000,\"schema", "3500000000,\"schema");
    let conns = |lines: &[&str]| {
        let read = read(lines, &[]);
        assert_eq!((read.status, read.log.as_str()), (Some(0), ""));
        let kinds = |kind: &str| read.records.iter().filter(|record| record["type"] == kind).count();
        assert_eq!(kinds("start"), kinds("end"), "{:#?}", read.records);
        (kinds("start"), kinds("handshake"))
    };
    assert_eq!(conns(&[START, &syn, &again, &fin]), (1, 1), "one connection");
    assert_eq!(conns(&[START, &syn, &again.replace("web7", "web8"), &fin]), (2, 2), "one of each host");
    let end = r#"{"type":"end","time":"2026-11-20T10:00:03.000000000Z","boot_ns":3200000000,"connections":1,"open":1,"evicted":0,"events":1,"lost":0}"#;
    assert_eq!(conns(&[START, &syn, end, &again, &fin]), (2, 2), "one of each run");
    let run = |start: &str, began: u64| start.replace("port 80\"", &format!("port 80\",\"began_ns\":{began}"));
    assert_eq!(conns(&[&run(START, 1), &syn, &run(&again, 1), &fin]), (1, 1), "one run");
    assert_eq!(conns(&[&run(START, 1), &syn, &run(&again, 2), &fin]), (2, 2), "the first was killed");
    assert_eq!(conns(&[&again, &fin, START, &syn]), (2, 2), "the wrong way round");
}

#[test]
fn filters_and_limits_apply_as_to_captures() {
    let (syn, fin) = (segment(3_000_000_000, "S", 7, None), segment(9_000_000_000, "F.", 8, Some(1)));
    let lines = [START, LISTEN, &syn, &fin];
    for (arguments, events) in [
        (&[][..], 3),
        (&["-p", "80"], 3),
        (&["-p", "40000"], 2),
        (&["--local-port", "80"], 3),
        (&["--remote-port", "80"], 0),
        (&["--remote-port", "40000"], 2),
        (&["--host", "10.0.0.1"], 2),
        (&["-6"], 0),
        (&["--segments", "none"], 1),
        (&["--duration", "2s"], 2),
    ] {
        let read = read(&lines, arguments);
        assert_eq!((read.status, &read.only("end")["events"]), (Some(0), &json!(events)), "{arguments:?}");
    }
    let read = read(&lines, &["-i", "lo"]);
    assert_eq!(read.only("end")["events"], 1, "the listener uses them all");
    assert!(read.log.contains("--interface applies to segments only"), "{}", read.log);
}

#[test]
fn what_comes_through_a_pipe_is_passed_on_at_once() {
    use std::io::{BufRead as _, BufReader, Write as _};

    let mut command = Command::new(binary());
    command.args(["-r", "-", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("it is piped");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    for line in [START, LISTEN] {
        writeln!(input, "{line}").expect("it is read");
        let said: Value = serde_json::from_str(&output.next().expect("a line").expect("UTF-8")).expect("JSON");
        assert_eq!(said["type"], serde_json::from_str::<Value>(line).expect("JSON")["type"]);
    }
    drop(input);
    assert_eq!(output.count(), 1, "the end");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_reader_that_has_seen_enough_ends_it() {
    let folder = Folder::new();
    let lines: String = [START.to_owned(), (LISTEN.to_owned() + "\n").repeat(100_000)].join("\n");
    let path = folder.write("long.jsonl", lines);
    let mut command = Command::new(binary());
    let mut child = command.arg("-r").arg(&path).arg("--json").stdout(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
