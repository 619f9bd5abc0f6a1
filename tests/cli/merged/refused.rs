//! Files that are not of several hosts.

use std::fs;

use super::Captures;

#[test]
fn files_that_do_not_match_are_told_and_parts_of_one_run_are_refused() {
    let captures = Captures::new();
    let bytes = fs::read(captures.path("a.pcap")).expect("a file");
    // The first connection alone: 6 frames of 16 + 40 bytes.
    fs::write(captures.path("first.pcap"), &bytes[..24 + 6 * 56]).expect("a file can be written");
    let (code, stdout, stderr) = captures.read(&["first.pcap", "b.pcap"], &["-o", "list"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("no connection is in both: is one of them from another time?"), "{stderr}");
    assert!(stdout.contains("closed by the client"), "{stdout}");

    let run = r#"{"type":"start","time":"2026-11-20T10:00:00.000000000Z","boot_ns":1000000000,"schema":2,"version":"0.1.0","hostname":"web7","kernel":"6.18.5","netns":1,"interfaces":["lo"],"segments":"control","filter":"","began_ns":5}"#;
    for name in ["old.jsonl", "new.jsonl"] {
        fs::write(captures.path(name), format!("{run}\n")).expect("a file can be written");
    }
    let (code, stdout, stderr) = captures.read(&["old.jsonl", "new.jsonl"], &[]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("old.jsonl and new.jsonl come from one run"), "{stderr}");
    let (code, _, stderr) = captures.read(&["a.pcap", "missing.pcap"], &[]);
    assert!(code == Some(1) && stderr.contains("missing.pcap"), "{stderr}");
}

#[test]
fn captures_with_one_direction_each_are_no_two_hosts() {
    const SOURCE_PORT: usize = 16 + 20;
    let captures = Captures::new();
    let bytes = fs::read(captures.path("a.pcap")).expect("a file");
    let (header, mut rest) = bytes.split_at(24);
    let mut halves = [header.to_vec(), header.to_vec()];
    while let Some(length) = rest.get(8..12) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
        let (frame, others) = rest.split_at(16 + usize::try_from(length).expect("a frame is short"));
        let from_server = frame[SOURCE_PORT..SOURCE_PORT + 2] == 80_u16.to_be_bytes();
        halves[usize::from(from_server)].extend(frame);
        rest = others;
    }
    for (name, half) in ["to.pcap", "from.pcap"].into_iter().zip(&halves) {
        fs::write(captures.path(name), half).expect("a file can be written");
    }
    let (code, stdout, stderr) = captures.read(&["to.pcap", "from.pcap"], &[]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let said = "to.pcap and from.pcap have one direction each of the same connections: join them with `mergecap -w both.pcapng";
    assert!(stderr.contains(said), "{stderr}");
    // Of the first connection only a SYN, and its answer: either may have been lost on the way to where the other was seen.
    let lengths = [24 + 56, 24 + 56];
    for ((name, half), length) in ["syn.pcap", "answer.pcap"].into_iter().zip(&halves).zip(lengths) {
        fs::write(captures.path(name), &half[..length]).expect("a file can be written");
    }
    let (code, _, stderr) = captures.read(&["syn.pcap", "answer.pcap"], &[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    // Each file with both directions is a view of its own.
    let (code, _, stderr) = captures.read(&["a.pcap", "to.pcap"], &[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}
