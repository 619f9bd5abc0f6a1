//! Binary recordings: they reproduce the output, too, and remain readable when the recorder is killed.

use std::{fs, path::Path, process::Command, thread};

use rustix::process::Signal;
use serde_json::Value;
use tcptrace_tests::{LIMIT, Lines, Netns, Process, binary, eventually, output, start_unread};

use super::{loopback, record_all_kinds, replay, selection};

/// A binary recording reproduces the live output: as JSON, and as every kind of text.
fn check_binary(port: u16, more: &[&str]) {
    let segments = selection(more);
    let (folder, path, trace) = record_all_kinds(port, more, "trace.ttr");
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

/// Starts a tracer that only records.
fn record(netns: &Netns, port: u16, path: &Path, more: &[&str]) -> (Process, Lines<String>) {
    let mut command = Command::new(binary());
    command.args(["--netns", "own", "-o", "none", "-p", &port.to_string(), "-w"]).arg(path).args(more);
    start_unread(netns, &mut command)
}

/// Returns the number of closes in a recording, and the exit status and messages of reading it.
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
        // Of a file that is cut off in its first block, nothing is readable.
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
    // The one without a number sorts last, as it is the newest.
    files.sort();
    assert_eq!(files.last(), Some(&path), "{files:?}");
    let mut all = Vec::new();
    for file in &files {
        let (closes, status, log) = closes(file);
        // The newest may have begun after the last connection.
        assert!((closes > 0 || *file == path) && status == Some(0), "{closes} {status:?} {log} {files:?}");
        all.extend(fs::read(file).expect("the file is there"));
    }
    let joined = folder.path().join("joined.ttr");
    fs::write(&joined, all).expect("a file can be written");
    assert_eq!(closes(&joined), (connections, Some(0), String::new()));
}
