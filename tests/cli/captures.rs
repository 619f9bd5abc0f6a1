//! Captures are read without privileges and without a kernel. The exchanges are those that five documents on the web show
//! as tcpdump printed them; where a document stops short, what is added is marked (+).

use std::{net::SocketAddr, path::Path, process::Command};

use serde_json::{Value, json};
use tcptrace_tests::{binary, tcp_packet};

const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
const ACK: u8 = 0x10;
const PUSH: u8 = 0x18;
const FIN: u8 = 0x11;
const RST: u8 = 0x04;

/// mss 1460, sackOK, timestamps, wscale 5
const OPTIONS: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 0, 102, 128, 7, 0, 0, 0, 0, 1, 3, 3, 5];

/// Who sends: the client or the server.
#[derive(Clone, Copy)]
pub(crate) enum Who {
    C,
    S,
}
use Who::{C, S};

/// One segment: microseconds since the first, sender, flags, sequence and acknowledgement number, payload.
pub(crate) type Line = (u64, Who, u8, u32, u32, usize);

/// A pcap file of raw IP frames.
pub(crate) fn pcap(client: &str, server: &str, lines: &[Line]) -> Vec<u8> {
    let [client, server]: [SocketAddr; 2] = [client, server].map(|end| end.parse().expect("an endpoint"));
    let mut file = [0xa1b2_c3d4_u32.to_le_bytes(), [2, 0, 4, 0]].concat();
    file.extend([0, 0, 65535, 101].map(u32::to_le_bytes).concat());
    for &(micros, from, flags, seq, ack, length) in lines {
        let (from, to) = if matches!(from, C) { (client, server) } else { (server, client) };
        let options = if flags & SYN != 0 { &OPTIONS[..] } else { &[] };
        let packet = tcp_packet(from, to, flags, (seq, ack), options, &vec![b'x'; length]);
        let size = u32::try_from(packet.len()).expect("a packet is short");
        let [seconds, rest] = [micros / 1_000_000, micros % 1_000_000].map(|part| u32::try_from(part).expect("small"));
        file.extend([1_700_000_000 + seconds, rest, size, size].map(u32::to_le_bytes).concat());
        file.extend(packet);
    }
    file
}

/// What a run said: the JSON lines, stderr and the exit status.
pub(crate) struct Read {
    pub(crate) records: Vec<Value>,
    pub(crate) log: String,
    pub(crate) status: Option<i32>,
}

fn read(file: &[u8], arguments: &[&str]) -> Read {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture.pcap");
    std::fs::write(&path, file).expect("a file can be written");
    run(&path, arguments)
}

pub(crate) fn run(path: &Path, arguments: &[&str]) -> Read {
    let output = Command::new(binary()).arg("-r").arg(path).arg("--json").args(arguments).output().expect("it runs");
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    Read {
        records: lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(),
        log: String::from_utf8(output.stderr).expect("UTF-8"),
        status: output.status.code(),
    }
}

impl Read {
    pub(crate) fn only(&self, kind: &str) -> &Value {
        let found: Vec<_> = self.records.iter().filter(|record| record["type"] == kind).collect();
        assert_eq!(found.len(), 1, "{kind}: {found:#?}");
        found[0]
    }
}

/// The fields of a record that a test compares as a whole.
fn fields(record: &Value, names: &[&str]) -> Value {
    names.iter().map(|&name| (name.to_owned(), record[name].clone())).collect::<serde_json::Map<_, _>>().into()
}

pub(crate) const CLIENT_54321: &str = "172.18.70.159:49538";
pub(crate) const SERVER_54321: &str = "172.18.70.149:54321";
const ISN_C: u32 = 2_303_324_334;
const ISN_S: u32 = 2_402_310_477;

pub(crate) fn exchange_54321() -> Vec<Line> {
    vec![
        (0, C, SYN, ISN_C, 0, 0),
        (455, S, SYN_ACK, ISN_S, ISN_C + 1, 0),
        (497, C, ACK, ISN_C + 1, ISN_S + 1, 0),
        (1205, C, PUSH, ISN_C + 1, ISN_S + 1, 33),
        (1635, S, ACK, ISN_S + 1, ISN_C + 34, 0),
        (1663, S, PUSH, ISN_S + 1, ISN_C + 34, 29),
        (1672, C, ACK, ISN_C + 34, ISN_S + 30, 0),
        (1737, S, FIN, ISN_S + 30, ISN_C + 34, 0),
        (2448, C, FIN, ISN_C + 34, ISN_S + 31, 0),
        (2787, S, ACK, ISN_S + 31, ISN_C + 35, 0),
    ]
}

const CLOSE: [&str; 5] = ["kind", "initiator", "bytes", "time_wait", "reset"];

#[test]
fn port_54321_as_its_client_saw_it() {
    let read = read(&pcap(CLIENT_54321, SERVER_54321, &exchange_54321()), &[]);
    assert_eq!((read.status, read.log.as_str()), (Some(0), ""));
    let handshake = read.only("handshake");
    let names =
        ["kind", "outcome", "role_inferred", "syn_to_synack_ns", "synack_to_ack_ns", "missing", "netns", "boot_ns"];
    let expected = json!({
        "kind": "three_way", "outcome": "established", "role_inferred": false, "syn_to_synack_ns": 455_000,
        "synack_to_ack_ns": 42_000, "missing": [], "netns": null, "boot_ns": null,
    });
    assert_eq!(fields(handshake, &names), expected);
    for (end, address, isn) in [("client", "172.18.70.159", ISN_C), ("server", "172.18.70.149", ISN_S)] {
        let end = &handshake[end];
        assert_eq!((&end["addr"], &end["isn"], &end["pid"]), (&json!(address), &json!(isn), &Value::Null));
        let options = fields(&end["options"], &["mss", "sack_permitted", "window_scale"]);
        assert_eq!(options, json!({ "mss": 1460, "sack_permitted": true, "window_scale": 5 }));
    }
    let expected = json!({
        "kind": "three_segment", "initiator": "server", "time_wait": "server", "reset": null,
        "bytes": { "client_to_server": 33, "server_to_client": 29 },
    });
    assert_eq!(fields(read.only("close"), &CLOSE), expected);
    assert_eq!(read.only("close")["duration_ns"], 2_787_000);
}

#[test]
fn port_54321_as_its_server_saw_it_from_the_syn_ack_on() {
    let mut lines = exchange_54321();
    lines.remove(0);
    // There the ACK of the data came behind the FIN.
    lines.swap(5, 6);
    let read = read(&pcap(CLIENT_54321, SERVER_54321, &lines), &[]);
    let handshake = read.only("handshake");
    let expected = json!({ "outcome": "established", "incomplete": true, "missing": ["syn"] });
    assert_eq!(fields(handshake, &["outcome", "incomplete", "missing"]), expected);
    assert_eq!((&handshake["client"]["options"], &handshake["client"]["isn"]), (&Value::Null, &json!(ISN_C)));
    let close = read.only("close");
    assert_eq!((&close["kind"], &close["initiator"]), (&json!("three_segment"), &json!("server")));
    assert_eq!(close["bytes"], json!({ "client_to_server": 33, "server_to_client": 29 }));
}

#[test]
fn port_9502_with_a_pause_and_four_segments() {
    let (c, s) = (2_927_179_378, 1_721_825_043);
    let lines = [
        (0, C, SYN, c, 0, 0),
        (14, S, SYN_ACK, s, c + 1, 0),
        (24, C, ACK, c + 1, s + 1, 0),
        (16_310_720, C, PUSH, c + 1, s + 1, 7),
        (16_310_745, S, ACK, s + 1, c + 8, 0),
        (16_311_060, S, PUSH, s + 1, c + 8, 18),
        (16_311_070, C, ACK, c + 8, s + 19, 0),
        // (+) as the document's figure draws it
        (17_000_000, C, FIN, c + 8, s + 19, 0),
        (17_000_040, S, ACK, s + 19, c + 9, 0),
        (17_300_000, S, FIN, s + 19, c + 9, 0),
        (17_300_040, C, ACK, c + 9, s + 20, 0),
    ];
    let read = read(&pcap("127.0.0.1:39870", "127.0.0.1:9502", &lines), &[]);
    assert_eq!(read.only("handshake")["synack_to_ack_ns"], 10_000);
    let expected = json!({
        "kind": "four_segment", "initiator": "client", "time_wait": "client", "reset": null,
        "bytes": { "client_to_server": 7, "server_to_client": 18 },
    });
    assert_eq!(fields(read.only("close"), &CLOSE), expected);
    assert_eq!(read.only("close")["half_close_ns"], 300_000_000);
}

#[test]
fn port_9999_two_lines_of_a_connection_that_was_open_before() {
    let lines = [(0, C, PUSH, 700, 1_956_113_576, 14), (21, S, RST, 1_956_113_576, 0, 0)];
    let read = read(&pcap("127.0.0.1:47003", "127.0.0.1:9999", &lines), &[]);
    let handshake = read.only("handshake");
    let expected = json!({ "kind": "unseen", "outcome": null, "incomplete": true });
    assert_eq!(fields(handshake, &["kind", "outcome", "incomplete"]), expected);
    let close = read.only("close");
    let expected = json!({
        "kind": "reset", "initiator": "server", "time_wait": null, "reset": { "by": "server", "cause": "unknown" },
        "bytes": { "client_to_server": null, "server_to_client": null },
    });
    assert_eq!(fields(close, &CLOSE), expected);
    assert_eq!(close["incomplete"], true);
    let at = |kind| read.records.iter().position(|record| record["type"] == kind);
    assert_eq!(at("handshake").map(|at| at + 1), at("close"), "the one stands directly before the other");
}

#[test]
fn port_20000_data_and_fin_back_to_back() {
    let (c, s) = (3_563_066_036, 3_565_563_744);
    let lines = [
        (0, C, SYN, c, 0, 0),
        (460, S, SYN_ACK, s, c + 1, 0),
        (636, C, ACK, c + 1, s + 1, 0),
        (1829, S, PUSH, s + 1, c + 1, 255),
        (1903, S, FIN, s + 256, c + 1, 0),
        (2558, C, ACK, c + 1, s + 256, 0),
        (3925, C, FIN, c + 1, s + 257, 0),
        (4018, S, ACK, s + 257, c + 2, 0),
    ];
    let file = pcap("127.0.0.1:34585", "127.0.0.1:20000", &lines);
    let expected = json!({
        "kind": "three_segment", "initiator": "server", "time_wait": "server", "reset": null,
        "bytes": { "client_to_server": 0, "server_to_client": 255 },
    });
    assert_eq!(fields(read(&file, &[]).only("close"), &CLOSE), expected);
    let count = |arguments: &[&str]| read(&file, arguments).records.iter().filter(|r| r["type"] == "segment").count();
    assert_eq!((count(&["--segments", "all"]), count(&[]), count(&["--segments", "none"])), (8, 7, 0));
}

#[test]
fn port_10000_from_two_hosts() {
    let (c, s) = (1_925_249_825, 821_610_649);
    let lines = [
        (0, C, SYN, c, 0, 0),
        (22, S, SYN_ACK, s, c + 1, 0),
        (583, C, ACK, c + 1, s + 1, 0),
        (20_000_761, S, PUSH, s + 1, c + 1, 26),
        (20_001_535, C, ACK, c + 1, s + 27, 0),
        // (+) three segments, as the text says
        (40_001_000, S, FIN, s + 27, c + 1, 0),
        (40_002_000, C, FIN, c + 1, s + 28, 0),
        (40_002_020, S, ACK, s + 28, c + 2, 0),
    ];
    let read = read(&pcap("192.168.11.223:55081", "192.168.11.220:10000", &lines), &[]);
    let expected = json!({
        "kind": "three_segment", "initiator": "server", "time_wait": "server", "reset": null,
        "bytes": { "client_to_server": 0, "server_to_client": 26 },
    });
    assert_eq!(fields(read.only("close"), &CLOSE), expected);
}

#[test]
fn filters_choose_among_the_connections_of_a_capture() {
    let file = pcap(CLIENT_54321, SERVER_54321, &exchange_54321());
    for (arguments, connections) in [
        (&["-p", "54321"][..], 1),
        (&["-p", "49538"], 1),
        (&["-p", "80"], 0),
        (&["--host", "172.18.0.0/16"], 1),
        (&["--host", "10.0.0.0/8"], 0),
        (&["-4"], 1),
        (&["-6"], 0),
        (&["-i", "eth0"], 0),
    ] {
        let read = read(&file, arguments);
        assert_eq!(read.only("end")["connections"], connections, "{arguments:?}");
        assert_eq!(read.status, Some(0), "{arguments:?}");
    }
}

#[test]
fn a_capture_that_is_cut_off_is_read_as_far_as_it_goes() {
    let file = pcap(CLIENT_54321, SERVER_54321, &exchange_54321());
    let read = read(&file[..file.len() - 7], &[]);
    assert_eq!(read.status, Some(1));
    assert!(read.log.contains("cut off") && read.log.contains("complete frames before it: 9"), "{}", read.log);
    assert_eq!(read.only("close")["kind"], "unfinished");
}

#[test]
fn what_is_no_capture_is_said_in_one_sentence() {
    for (bytes, says) in
        [(&b"hello world\n"[..], "text"), (b"", "empty"), (b"\x1f\x8b\x08\0\0\0\0\0\0\0", "compressed")]
    {
        let read = read(bytes, &[]);
        assert_eq!((read.status, read.records.len(), read.log.lines().count()), (Some(1), 0, 1), "{}", read.log);
        assert!(read.log.contains(says), "{}", read.log);
    }
    let read = run(Path::new("/nonexistent/capture.pcap"), &[]);
    assert_eq!((read.status, read.log.lines().count()), (Some(1), 1), "{}", read.log);
}
