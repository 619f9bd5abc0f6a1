//! A connection with Accurate ECN, from a capture and from its recording.

use serde_json::{Value, json};
use tcptrace_tests::{ACK, FIN, SYN, binary, output, tcp_packet};

use super::{PUSH, run};

/// The lowest of the three bits; CWR is the next, and AE is in the byte before.
const ECE: u8 = 0x40;

/// AccECN1 with one counter before the window scale, as Linux sends it in a SYN,ACK, and as a client sends it.
const SYNACK_OPTIONS: [u8; 16] = [2, 4, 5, 180, 4, 2, 174, 5, 0, 0, 1, 3, 3, 7, 1, 1];
const COUNTERS: [u8; 12] = [172, 11, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1];

/// Who sends, flags, the three bits, sequence and acknowledgement number relative to the ISNs, options, payload.
type Line = (bool, u8, u8, u32, u32, &'static [u8], usize);

const LINES: [Line; 8] = [
    (true, SYN, 7, 0, 0, &[2, 4, 5, 180], 0),
    (false, SYN | ACK, 2, 0, 1, &SYNACK_OPTIONS, 0),
    (true, ACK, 3, 1, 1, &[], 0),
    (true, PUSH | ACK, 5, 1, 1, &COUNTERS, 10),
    (false, ACK, 6, 1, 11, &[], 0),
    (true, FIN | ACK, 0, 11, 1, &[], 0),
    (false, FIN | ACK, 6, 1, 12, &[], 0),
    // Out of TIME_WAIT.
    (true, ACK, 0, 12, 2, &[], 0),
];

/// A pcap file of raw IP frames, a millisecond apart.
fn capture() -> Vec<u8> {
    let (client, server) = ("10.0.0.1:40000".parse().expect("an end"), "10.0.0.2:80".parse().expect("an end"));
    let mut file = [0xa1b2_c3d4_u32.to_le_bytes(), [2, 0, 4, 0]].concat();
    file.extend([0, 0, 65535, 101].map(u32::to_le_bytes).concat());
    for (millis, (from_client, flags, bits, seq, ack, options, length)) in (0..).zip(LINES) {
        let (from, to, isns) = if from_client { (client, server, [100, 500]) } else { (server, client, [500, 100]) };
        let numbers = (isns[0] + seq, if flags & ACK == 0 { 0 } else { isns[1] + ack });
        let flags = flags | ((bits & 3) * ECE);
        let mut packet = tcp_packet(from, to, flags, numbers, options, &vec![b'x'; length]);
        packet[20 + 12] |= bits >> 2;
        let size = u32::try_from(packet.len()).expect("a packet is short");
        file.extend([1_700_000_000, millis * 1_000, size, size].map(u32::to_le_bytes).concat());
        file.extend(packet);
    }
    file
}

#[test]
fn the_three_flags_are_a_number_after_the_handshake() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pcap, recording) = (folder.path().join("x.pcap"), folder.path().join("x.jsonl"));
    std::fs::write(&pcap, capture()).expect("a file can be written");
    let read = run(&pcap, &["--segments", "all", "-w", recording.to_str().expect("UTF-8")]);
    let segments: Vec<_> = read.records.iter().filter(|record| record["type"] == "segment").collect();
    let fields = |segment: &&Value| ["flags", "ace", "synack_ecn"].map(|field| segment[field].clone());
    let expected = [
        [json!("SEWe"), Value::Null, Value::Null],
        [json!("S.W"), Value::Null, Value::Null],
        [json!("."), json!(3), json!("ect1")],
        [json!("P."), json!(5), Value::Null],
        [json!("."), json!(6), Value::Null],
        [json!("F."), json!(0), Value::Null],
        [json!("F."), json!(6), Value::Null],
        [json!("."), Value::Null, Value::Null],
    ];
    assert_eq!(segments.iter().map(fields).collect::<Vec<_>>(), expected);
    let counters = |segment: &Value| segment["options"]["accurate_ecn"].clone();
    assert_eq!(counters(segments[1]), json!({ "order": 1, "ee1b": 1, "eceb": null, "ee0b": null }));
    assert_eq!(counters(segments[3]), json!({ "order": 0, "ee0b": 1, "eceb": 0, "ee1b": 1 }));
    assert_eq!(segments[1]["options"]["order"], json!([2, 4, 174, 3, 1, 1]));

    let text = |path, arguments: &[&str]| {
        output(std::process::Command::new(binary()).arg("-r").arg(path).args(["--segments", "all"]).args(arguments))
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
