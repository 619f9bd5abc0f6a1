//! Recordings written as pcapng files, and programs that read these.

use std::{path::Path, process::Command};

use serde_json::Value;
use tcptrace_tests::binary;

use crate::run;

/// Returns the path of a recording of an HTTP request: six segments, and other events.
fn recording(name: &str) -> String {
    format!("{}/../docs/{name}.jsonl", env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command that must succeed, and returns its stdout.
#[track_caller]
fn lines(command: &mut Command) -> Vec<String> {
    let (code, stdout, stderr) = run(command);
    assert_eq!(code, Some(0), "{command:?}: {stderr}");
    stdout.lines().map(str::to_owned).collect()
}

fn tcptrace(arguments: &[&str]) -> Vec<String> {
    lines(Command::new(binary()).args(arguments).envs([("TZ", "UTC"), ("LC_ALL", "C.UTF-8")]))
}

/// Returns the fields that tshark shows of each packet and of each entry of the journal.
fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(file).args(["-Y", filter, "-T", "fields"]);
    lines(command.args(fields.iter().flat_map(|field| ["-e", field])))
}

/// Writes a recording as a pcapng file.
fn convert(name: &str, folder: &Path) -> std::path::PathBuf {
    let file = folder.join("trace.pcapng");
    let written = tcptrace(&["-r", &recording(name), "-o", "none", "-w", file.to_str().expect("UTF-8")]);
    assert_eq!(written, Vec::<String>::new());
    file
}

#[test]
fn wireshark_shows_segments_as_packets_and_everything_else_between_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = convert("ladder", folder.path());
    let events = tcptrace(&["-r", &recording("ladder"), "-o", "events"]);
    // Segments are in tcpdump's notation.
    let (packets, others): (Vec<_>, Vec<_>) = events.iter().partition(|line| line.contains(": Flags ["));
    let others: Vec<_> = others.iter().map(|line| line.split_once(' ').expect("a time").1).collect();
    let shown = tshark(&file, "systemd_journal", &["systemd_journal.message"]);
    assert_eq!(shown, others);
    let shown = tshark(&file, "tcp", &["tcp.flags", "frame.comment"]);
    assert_eq!(shown.len(), packets.len());
    let expected = ["0x0002", "0x0012", "0x0010", "0x0011", "0x0011", "0x0010"].map(|flags| format!("{flags}\t#1"));
    assert_eq!(shown, expected);
}

#[test]
fn tcpdump_reads_the_packets() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = convert("reset", folder.path());
    let shown = lines(Command::new("tcpdump").args(["-n", "-v", "-r"]).arg(&file));
    for flags in ["Flags [S],", "Flags [S.],", "Flags [.],", "Flags [R.],"] {
        assert_eq!(shown.iter().filter(|line| line.contains(flags)).count(), 1, "{flags} {shown:#?}");
    }
    assert!(!shown.iter().any(|line| line.contains("bad cksum") && line.contains("IP")), "{shown:#?}");
}

#[test]
fn reading_it_gives_the_same_verdicts() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["ladder", "reset", "unfinished"] {
        let file = convert(name, folder.path());
        let verdicts = |file: &str| -> Vec<Value> {
            let lines = tcptrace(&["-r", file, "--json", "--emit", "handshake,close"]);
            let records = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            let verdicts = records.filter(|record| record["type"] == "handshake" || record["type"] == "close");
            verdicts.collect()
        };
        let (recorded, captured) = (verdicts(&recording(name)), verdicts(file.to_str().expect("UTF-8")));
        assert_eq!(recorded.len(), captured.len(), "{name}");
        for (recorded, captured) in recorded.iter().zip(&captured) {
            for field in
                ["type", "kind", "outcome", "initiator", "bytes", "syn_to_synack_ns", "half_close_ns", "time_wait"]
            {
                assert_eq!(recorded[field], captured[field], "{name} {field}");
            }
            assert_eq!(recorded["reset"]["by"], captured["reset"]["by"], "{name}");
            for role in ["client", "server"] {
                assert_eq!(recorded[role]["options"], captured[role]["options"], "{name} {role}");
            }
        }
    }
}
