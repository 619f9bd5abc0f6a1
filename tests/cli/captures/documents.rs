//! The exchanges of five documents on the web, as printed there by tcpdump; segments added where a document stops short are
//! marked (+).

mod port_9999;

use serde_json::{Value, json};
use tcptrace_tests::{assert_record, but};

use super::{ACK, C, Capture, End, FIN, Line, PUSH, Read, S, SYN, read};

const SYN_ACK: u8 = SYN | ACK;
const DATA: u8 = PUSH | ACK;
const FIN_ACK: u8 = FIN | ACK;

/// A document: its two ends, and the segments captured.
pub(super) struct Document {
    client: End,
    server: End,
    lines: &'static [Line],
}

impl Document {
    pub(super) fn capture(&self) -> Capture {
        Capture { client: self.client, server: self.server, lines: self.lines.to_vec() }
    }

    fn ends(&self) -> [&End; 2] {
        [&self.client, &self.server]
    }

    /// Returns its handshake, with these microseconds from the SYN to the SYN,ACK and from there to the ACK.
    fn opened(&self, there: u64, back: u64) -> Value {
        let [client, server] = self.ends().map(|end| {
            let (addr, port) = (end.address().ip(), end.address().port());
            let echo = if end.at == self.client.at { 0 } else { self.client.clock };
            let raw: String = end.options(echo).iter().map(|byte| format!("{byte:02x}")).collect();
            let options = json!({
                "order": [2, 4, 8, 1, 3], "raw": raw, "mss": end.mss, "sack_permitted": true, "timestamp": { "value": end.clock, "echo": echo },
                "window_scale": end.window_scale,
            });
            json!({ "addr": addr, "port": port, "isn": end.isn, "netns": null, "pid": null, "comm": null, "thread": null, "options": options })
        });
        json!({
            "netns": null, "kind": "three_way", "outcome": "established", "by_icmp": false, "passed_over": null, "accept_queue": null, "syn_queue": null, "waiting_for": null,
            "client": client, "server": server, "role_inferred": false,
            "syn_to_synack_ns": 1000 * there, "synack_to_ack_ns": 1000 * back, "connect_ns": null,
            "retransmissions": { "syn": 0, "synack": 0 }, "incomplete": false, "missing": [], "reset": null,
            "summary": ["three-way handshake, established in "],
        })
    }

    /// Returns a close by the server in three segments, with this much payload from the client and from the server.
    fn closed(&self, [sent, answered]: [u64; 2]) -> Value {
        let [client, server] = self
            .ends()
            .map(|end| json!({ "addr": end.address().ip(), "port": end.address().port(), "netns": null, "pid": null, "comm": null, "thread": null }));
        let words = format!("closed by the server, three segments; {sent} B →, {answered} B ←; lasted ");
        json!({
            "netns": null, "kind": "three_segment", "initiator": "server", "client": client, "server": server,
            "half_closed_bytes": 0, "bytes": { "client_to_server": sent, "server_to_client": answered },
            "time_wait": "server", "reset": null, "retransmissions": { "client": 0, "server": 0 },
            "incomplete": false, "missing": [], "summary": [words, "; the server holds TIME_WAIT for 60 s"],
        })
    }
}

/// States with the microseconds spent in them, and the last one.
fn states_with_times(passed: &[(&str, u64)], last: &str) -> Value {
    let passed = passed.iter().map(|(state, micros)| json!({ "state": state, "ns": 1000 * micros, "inferred": true }));
    passed.chain([json!({ "state": last, "ns": null, "inferred": true })]).collect()
}

/// Compares the two records of the only connection of a capture.
#[track_caller]
fn check(read: &Read, handshake: &Value, close: &Value) {
    assert_eq!((read.status, read.log.as_str()), (Some(0), ""));
    assert_record(read.only("handshake"), handshake);
    assert_record(read.only("close"), close);
    let at = |kind| read.records.iter().position(|record| record["type"] == kind);
    let stands_before = if handshake["kind"] == "unseen" { at("handshake").map(|at| at + 1) } else { at("close") };
    assert_eq!(stands_before, at("close"), "what was not seen stands directly before its close");
    assert!(read.records.iter().all(|record| record["boot_ns"].is_null() && record["type"] != "state"));
    let counts = ["connections", "open", "evicted", "lost"].map(|field| read.only("end")[field].clone());
    assert_eq!(counts, [1, 0, 0, 0].map(Value::from));
}

/// Port 54321, on the client's host.
pub(super) const FIRST: Document = Document {
    client: End { at: "172.18.70.159:49538", isn: 2_303_324_334, mss: 1460, window_scale: 5, clock: 6_717_463 },
    server: End { at: "172.18.70.149:54321", isn: 2_402_310_477, mss: 1460, window_scale: 6, clock: 3_494_999_994 },
    lines: &[
        (0, C, SYN, 0, 0, 0),
        (455, S, SYN_ACK, 0, 1, 0),
        (497, C, ACK, 1, 1, 0),
        (1205, C, DATA, 1, 1, 33),
        (1635, S, ACK, 1, 34, 0),
        (1663, S, DATA, 1, 34, 29),
        (1672, C, ACK, 34, 30, 0),
        (1737, S, FIN_ACK, 30, 34, 0),
        (2448, C, FIN_ACK, 34, 31, 0),
        (2787, S, ACK, 31, 35, 0),
    ],
};

#[test]
fn the_first_document_as_the_client_s_host_saw_it() {
    let read = read(&FIRST.capture().pcap(), &[]);
    let close = json!({
        "half_close_ns": 711_000, "duration_ns": 2_787_000,
        "states": {
            "client": states_with_times(&[("SYN_SENT", 455), ("ESTABLISHED", 1282), ("CLOSE_WAIT", 711), ("LAST_ACK", 339)], "CLOSE"),
            "server": states_with_times(&[("SYN_RECV", 497), ("ESTABLISHED", 1240), ("FIN_WAIT1", 711), ("FIN_WAIT2", 0)], "TIME_WAIT"),
        },
    });
    check(&read, &FIRST.opened(455, 42), &but(FIRST.closed([33, 29]), close));
    let times = ["handshake", "close"].map(|kind| read.only(kind)["time"].clone());
    assert_eq!(times, ["2023-11-14T22:13:20.000497000Z", "2023-11-14T22:13:20.002787000Z"].map(Value::from));
}

#[test]
fn the_first_document_as_the_server_s_host_saw_it_from_the_syn_ack_on() {
    const SERVERS: Document = Document {
        lines: &[
            (0, S, SYN_ACK, 0, 1, 0),
            (397, C, ACK, 1, 1, 0),
            (1117, C, DATA, 1, 1, 33),
            (1146, S, ACK, 1, 34, 0),
            (1215, S, DATA, 1, 34, 29),
            (1257, S, FIN_ACK, 30, 34, 0),
            (1584, C, ACK, 34, 30, 0),
            (2344, C, FIN_ACK, 34, 31, 0),
            (2368, S, ACK, 31, 35, 0),
        ],
        ..FIRST
    };
    let handshake = json!({
        "client": { "options": null }, "syn_to_synack_ns": null, "retransmissions": { "syn": null },
        "incomplete": true, "missing": ["syn"],
        "summary": ["three-way handshake, established", "(incomplete, not seen: SYN)"],
    });
    let close = json!({
        "half_close_ns": 1_087_000, "duration_ns": null,
        "states": {
            "client": states_with_times(&[("ESTABLISHED", 1257), ("CLOSE_WAIT", 1087), ("LAST_ACK", 24)], "CLOSE"),
            "server": states_with_times(&[("SYN_RECV", 397), ("ESTABLISHED", 860), ("FIN_WAIT1", 1087), ("FIN_WAIT2", 0)], "TIME_WAIT"),
        },
        "summary": ["closed by the server, three segments; 33 B →, 29 B ←; the server holds TIME_WAIT for 60 s"],
    });
    let read = read(&SERVERS.capture().pcap(), &[]);
    check(&read, &but(FIRST.opened(0, 397), handshake), &but(FIRST.closed([33, 29]), close));
}

#[test]
fn the_second_document_with_a_pause_and_four_segments() {
    const DOCUMENT: Document = Document {
        client: End { at: "127.0.0.1:39870", isn: 2_927_179_378, mss: 16396, window_scale: 3, clock: 255_474_104 },
        server: End { at: "127.0.0.1:9502", isn: 1_721_825_043, mss: 16396, window_scale: 3, clock: 255_474_104 },
        lines: &[
            (0, C, SYN, 0, 0, 0),
            (14, S, SYN_ACK, 0, 1, 0),
            (24, C, ACK, 1, 1, 0),
            (16_310_720, C, DATA, 1, 1, 7),
            (16_310_745, S, ACK, 1, 8, 0),
            (16_311_060, S, DATA, 1, 8, 18),
            (16_311_070, C, ACK, 8, 19, 0),
            // (+) as the document's figure draws it
            (17_000_000, C, FIN_ACK, 8, 19, 0),
            (17_000_040, S, ACK, 19, 9, 0),
            (17_300_000, S, FIN_ACK, 19, 9, 0),
            (17_300_040, C, ACK, 9, 20, 0),
        ],
    };
    let close = json!({
        "kind": "four_segment", "initiator": "client", "time_wait": "client",
        "half_close_ns": 300_000_000, "duration_ns": 17_300_040_000_u64,
        // The pause is spent in ESTABLISHED; the handshake took 24 microseconds.
        "states": {
            "client": states_with_times(
                &[("SYN_SENT", 14), ("ESTABLISHED", 16_999_986), ("FIN_WAIT1", 40), ("FIN_WAIT2", 299_960)],
                "TIME_WAIT",
            ),
            "server": states_with_times(
                &[("SYN_RECV", 24), ("ESTABLISHED", 16_999_976), ("CLOSE_WAIT", 300_000), ("LAST_ACK", 40)],
                "CLOSE",
            ),
        },
        "summary": ["closed by the client, four segments; 7 B →, 18 B ←; lasted ", "; the client holds TIME_WAIT for 60 s"],
    });
    let handshake =
        but(DOCUMENT.opened(14, 10), json!({ "summary": ["three-way handshake, established in 0.024 ms"] }));
    check(&read(&DOCUMENT.capture().pcap(), &[]), &handshake, &but(DOCUMENT.closed([7, 18]), close));
}

#[test]
fn the_fourth_document_with_data_and_fin_back_to_back() {
    const DOCUMENT: Document = Document {
        client: End { at: "127.0.0.1:34585", isn: 3_563_066_036, mss: 16396, window_scale: 6, clock: 153_765_034 },
        server: End { at: "127.0.0.1:20000", isn: 3_565_563_744, mss: 16396, window_scale: 6, clock: 153_765_034 },
        lines: &[
            (0, C, SYN, 0, 0, 0),
            (460, S, SYN_ACK, 0, 1, 0),
            (636, C, ACK, 1, 1, 0),
            (1829, S, DATA, 1, 1, 255),
            (1903, S, FIN_ACK, 256, 1, 0),
            (2558, C, ACK, 1, 256, 0),
            (3925, C, FIN_ACK, 1, 257, 0),
            (4018, S, ACK, 257, 2, 0),
        ],
    };
    let close = json!({
        "half_close_ns": 2_022_000, "duration_ns": 4_018_000,
        "states": {
            "client": states_with_times(&[("SYN_SENT", 460), ("ESTABLISHED", 1443), ("CLOSE_WAIT", 2022), ("LAST_ACK", 93)], "CLOSE"),
            "server": states_with_times(&[("SYN_RECV", 636), ("ESTABLISHED", 1267), ("FIN_WAIT1", 2022), ("FIN_WAIT2", 0)], "TIME_WAIT"),
        },
    });
    let file = DOCUMENT.capture().pcap();
    for (arguments, segments) in [(&["--segments", "all"][..], 8), (&[], 7)] {
        let read = read(&file, arguments);
        check(&read, &DOCUMENT.opened(460, 176), &but(DOCUMENT.closed([0, 255]), close.clone()));
        let shown: Vec<_> = read.records.iter().filter(|record| record["type"] == "segment").collect();
        assert_eq!(shown.len(), segments, "{arguments:?}");
        if segments == 8 {
            let absolute = shown.iter().map(|segment| (segment["seq"].clone(), segment["ack"].clone()));
            // As printed in the document.
            let printed = [
                (3_563_066_036_u64, None),
                (3_565_563_744, Some(3_563_066_037_u64)),
                (3_563_066_037, Some(3_565_563_745)),
                (3_565_563_745, Some(3_563_066_037)),
                (3_565_564_000, Some(3_563_066_037)),
                (3_563_066_037, Some(3_565_564_000)),
                (3_563_066_037, Some(3_565_564_001)),
                (3_565_564_001, Some(3_563_066_038)),
            ];
            assert!(absolute.eq(printed.map(|(seq, ack)| (json!(seq), json!(ack)))), "{shown:#?}");
        }
    }
    let nothing = read(&file, &["--segments", "none"]).records;
    let types: Vec<_> = nothing.iter().map(|record| &record["type"]).collect();
    assert_eq!(types, ["start", "end"], "a capture has no states: {nothing:#?}");
}

#[test]
fn the_fifth_document_from_two_hosts() {
    const DOCUMENT: Document = Document {
        client: End { at: "192.168.11.223:55081", isn: 1_925_249_825, mss: 1460, window_scale: 6, clock: 11_741_993 },
        server: End { at: "192.168.11.220:10000", isn: 821_610_649, mss: 1460, window_scale: 7, clock: 20_292_985 },
        lines: &[
            (0, C, SYN, 0, 0, 0),
            (22, S, SYN_ACK, 0, 1, 0),
            (583, C, ACK, 1, 1, 0),
            (20_000_761, S, DATA, 1, 1, 26),
            (20_001_535, C, ACK, 1, 27, 0),
            // (+) three segments, as the text says
            (40_001_000, S, FIN_ACK, 27, 1, 0),
            (40_002_000, C, FIN_ACK, 1, 28, 0),
            (40_002_020, S, ACK, 28, 2, 0),
        ],
    };
    let close = json!({
        "half_close_ns": 1_000_000, "duration_ns": 40_002_020_000_u64,
        "states": {
            "client": states_with_times(
                &[("SYN_SENT", 22), ("ESTABLISHED", 40_000_978), ("CLOSE_WAIT", 1000), ("LAST_ACK", 20)],
                "CLOSE",
            ),
            "server": states_with_times(
                &[("SYN_RECV", 583), ("ESTABLISHED", 40_000_417), ("FIN_WAIT1", 1000), ("FIN_WAIT2", 0)],
                "TIME_WAIT",
            ),
        },
    });
    check(&read(&DOCUMENT.capture().pcap(), &[]), &DOCUMENT.opened(22, 561), &but(DOCUMENT.closed([0, 26]), close));
}
