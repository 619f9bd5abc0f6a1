//! Simple packet blocks of pcapng have no times: none are reported.

use std::{fs, process::Command};

use serde_json::{Value, json};
use tcptrace_tests::binary;
use tempfile::TempDir;

use super::{FIRST, records, run};

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = u32::try_from(12 + padded).expect("short").to_le_bytes();
    [&kind.to_le_bytes()[..], &length, body, &vec![0; padded - body.len()], &length].concat()
}

/// Returns a pcapng file of raw IP packets. The first `timed` have times, a millisecond apart.
fn pcapng(timed: usize) -> Vec<u8> {
    let mut file = block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
    file.extend(block(1, &[101, 0, 0, 0, 0, 0, 0, 0]));
    let connection = FIRST.capture().pcap();
    for (index, (_, packet)) in records(&connection).into_iter().enumerate() {
        let length = u32::try_from(packet.len()).expect("short").to_le_bytes();
        if index < timed {
            let micros = 1_700_000_000_000_000_u64 + 1_000 * index as u64;
            let [high, low] = [micros >> 32, micros & 0xffff_ffff].map(|half| u32::try_from(half).expect("a half"));
            let time = [high.to_le_bytes(), low.to_le_bytes()].concat();
            file.extend(block(6, &[&[0; 4][..], &time, &length, &length, packet].concat()));
        } else {
            file.extend(block(3, &[&length[..], packet].concat()));
        }
    }
    file
}

/// Collects the names of all fields that contain a time or a duration.
fn times(record: &Value, found: &mut Vec<String>) {
    match record {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_time = name.ends_with("_ns") || matches!(&**name, "ns" | "time" | "started" | "since");
                if is_time && !value.is_null() {
                    found.push(format!("{name}: {value}"));
                }
                times(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| times(value, found)),
        _ => {}
    }
}

fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a file can be written");
    path
}

#[test]
fn times_and_durations_are_null_and_all_else_is_told() {
    let folder = TempDir::new().expect("a folder");
    let read = run(&file(&folder, "untimed.pcapng", &pcapng(0)), &[]);
    assert_eq!(read.status, Some(0));
    let mut found = Vec::new();
    read.records.iter().for_each(|record| times(record, &mut found));
    assert_eq!(found, [""; 0]);
    assert_eq!(read.only("handshake")["summary"], "three-way handshake, established");
    let summary = read.only("close")["summary"].as_str().expect("a sentence");
    assert!(summary.starts_with("closed by the server, three segments;") && !summary.contains("lasted"), "{summary}");
    assert!(
        read.log.contains("10 of 10 frames have no time: from the first of them on, times and durations are unknown")
    );

    // A recording of the capture gives the same result.
    let recording = folder.path().join("untimed.jsonl");
    let again = run(&file(&folder, "untimed.pcapng", &pcapng(0)), &["-w", recording.to_str().expect("UTF-8")]);
    let reread = run(&recording, &[]);
    assert_eq!((reread.status, reread.only("close")), (Some(0), again.only("close")));
}

#[test]
fn times_that_were_recorded_are_told_until_one_was_not() {
    let folder = TempDir::new().expect("a folder");
    let read = run(&file(&folder, "mixed.pcapng", &pcapng(3)), &[]);
    let segments: Vec<_> = read.records.iter().filter(|record| record["type"] == "segment").collect();
    assert!(segments[..3].iter().all(|segment| segment["time"].is_string()), "{segments:#?}");
    assert!(segments[3..].iter().all(|segment| segment["time"].is_null()), "{segments:#?}");
    assert_eq!(read.only("handshake")["syn_to_synack_ns"], json!(1_000_000));
    let close = read.only("close");
    assert_eq!((&close["duration_ns"], &close["rtt"]["handshake_ns"]), (&Value::Null, &Value::Null));
}

#[test]
fn text_shows_no_times() {
    let folder = TempDir::new().expect("a folder");
    let path = file(&folder, "untimed.pcapng", &pcapng(0));
    for format in ["timeline", "events", "list", "mermaid", "html", "svg"] {
        let output = Command::new(binary()).arg("-r").arg(&path).args(["-o", format]).output().expect("it runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status.success() && text.contains("closed by the server"), "{format}: {text}");
        for time in ["1970", "00:00:00", "0.000 ms", "lasted"] {
            assert!(!text.contains(time), "{format} says {time}: {text}");
        }
    }
}

#[test]
fn without_times_nothing_is_merged() {
    let folder = TempDir::new().expect("a folder");
    let timed = file(&folder, "timed.pcapng", &pcapng(usize::MAX));
    for (name, timed_frames) in [("untimed.pcapng", 0), ("mixed.pcapng", 5)] {
        let other = file(&folder, name, &pcapng(timed_frames));
        let output = Command::new(binary()).arg("-r").args([&timed, &other]).output().expect("it runs");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("{name}: it has frames without times")), "{said}");
    }
}
