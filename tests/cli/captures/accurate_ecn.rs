//! A connection with Accurate ECN, read from a capture and from its recording.

use std::{process::Command, time::Duration};

use tcptrace_tests::{accurate_ecn_packets, assert_accurate_ecn, binary, output, raw_pcap};

use super::run;

/// A pcap file of raw IP frames, a millisecond apart.
fn pcap_of(packets: &[Vec<u8>]) -> Vec<u8> {
    let begin = Duration::from_secs(1_700_000_000);
    let timed = (0..).zip(packets).map(|(millis, packet)| (begin + Duration::from_millis(millis), packet.clone()));
    raw_pcap(&timed.collect::<Vec<_>>())
}

#[test]
fn the_three_flags_are_a_number_after_the_handshake() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pcap, recording) = (folder.path().join("x.pcap"), folder.path().join("x.jsonl"));
    let (client, server) = ("10.0.0.1:40000".parse().expect("an end"), "10.0.0.2:80".parse().expect("an end"));
    std::fs::write(&pcap, pcap_of(&accurate_ecn_packets(client, server))).expect("a file can be written");
    let read = run(&pcap, &["--segments", "all", "-w", recording.to_str().expect("UTF-8")]);
    let segments: Vec<_> = read.records.iter().filter(|record| record["type"] == "segment").collect();
    assert_accurate_ecn(&segments);

    let text = |path, arguments: &[&str]| {
        output(Command::new(binary()).arg("-r").arg(path).args(["--segments", "all"]).args(arguments))
    };
    let events = text(&pcap, &["-o", "events"]);
    for words in [
        "Flags [SEWe], seq 100, win",
        "Flags [S.W], seq 500, ack 101, win 64240, options [mss 1460,sackOK,accecn1 ee1b 1,wscale 7,nop,nop]",
        "Flags [.], ace 3 (SYN,ACK ECT(1)), ack 1, win",
        "Flags [P.], ace 5, seq 1:11, ack 1, win 64240, options [accecn0 ee0b 1 eceb 0 ee1b 1,nop]",
        "Flags [.], ack 2, win",
    ] {
        assert!(events.contains(words), "{words}: {events}");
    }
    let ladder = text(&pcap, &[]);
    for words in ["SYN,ECE,CWR,AE", "SYN,ACK,CWR", "ace 3 (SYN,ACK ECT(1))", "ace 6"] {
        assert!(ladder.contains(words), "{words}: {ladder}");
    }
    for arguments in [&["--json"][..], &["-o", "events"], &[]] {
        assert_eq!(text(&recording, arguments), text(&pcap, arguments), "{arguments:?}");
    }
}
