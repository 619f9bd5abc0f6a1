//! Port 9999 on loopback: the subject of the document's seven questions, as far as segments show it.

use serde_json::json;
use tcptrace_tests::but;

use super::{super::RST, ACK, C, DATA, Document, End, FIN_ACK, S, SYN, SYN_ACK, check, read, states_with_times};

/// Port 9999, up to the server's close().
const THIRD: Document = Document {
    client: End { at: "127.0.0.1:54927", isn: 2_973_985_528, mss: 65495, window_scale: 7, clock: 6_113_144 },
    server: End { at: "127.0.0.1:9999", isn: 2_517_756_569, mss: 65495, window_scale: 7, clock: 6_113_144 },
    lines: &[
        (0, C, SYN, 0, 0, 0),
        (16, S, SYN_ACK, 0, 1, 0),
        (32, C, ACK, 1, 1, 0),
        // (+) 14 bytes each way, which the numbers of the FIN show
        (76_000_000, C, DATA, 1, 1, 14),
        (76_000_020, S, DATA, 1, 15, 14),
        (76_000_040, C, ACK, 15, 15, 0),
        (92_438_217, S, FIN_ACK, 15, 15, 0),
        (92_475_296, C, ACK, 15, 16, 0),
    ],
};

#[test]
fn the_server_has_closed_its_side_and_its_client_has_not() {
    let close = json!({
        "kind": "unfinished", "time_wait": null, "half_close_ns": null, "half_closed_bytes": null,
        "retransmissions": { "client": null }, "duration_ns": 92_475_296_000_u64,
        "states": {
            "client": states_with_times(&[("SYN_SENT", 16), ("ESTABLISHED", 92_438_201)], "CLOSE_WAIT"),
            "server": states_with_times(&[("SYN_RECV", 32), ("ESTABLISHED", 92_438_185), ("FIN_WAIT1", 37_079)], "FIN_WAIT2"),
        },
        "summary": ["unfinished: the server has closed its side", "; 14 B →, 14 B ←; lasted "],
    });
    check(&read(&THIRD.capture().pcap(), &[]), &THIRD.opened(16, 16), &but(THIRD.closed([14, 14]), close));
}

#[test]
fn the_client_writes_all_the_same_and_is_reset() {
    let mut capture = THIRD.capture();
    // These two lines in the document are from another connection.
    capture.lines.extend([(93_000_000, C, DATA, 15, 16, 14), (93_000_021, S, RST, 16, 0, 0)]);
    let close = json!({
        "kind": "reset", "time_wait": null, "half_close_ns": null, "half_closed_bytes": null,
        // The reset has no ACK: it answers data that came after the server's FIN.
        "reset": { "by": "server", "cause": "data_after_close" },
        "retransmissions": { "client": null }, "duration_ns": 93_000_021_000_u64,
        "states": {
            "client": states_with_times(&[("SYN_SENT", 16), ("ESTABLISHED", 92_438_201), ("CLOSE_WAIT", 561_804)], "CLOSE"),
            "server": states_with_times(
                &[("SYN_RECV", 32), ("ESTABLISHED", 92_438_185), ("FIN_WAIT1", 37_079), ("FIN_WAIT2", 524_725)],
                "CLOSE",
            ),
        },
        "summary": ["reset by the server: the other end wrote to a socket that was closed already", "; 28 B →, 14 B ←; lasted "],
    });
    check(&read(&capture.pcap(), &[]), &THIRD.opened(16, 16), &but(THIRD.closed([28, 14]), close));
}

#[test]
fn the_two_lines_of_a_connection_that_was_open_before() {
    const DOCUMENT: Document = Document {
        client: End { at: "127.0.0.1:47003", isn: 700, ..THIRD.client },
        server: End { isn: 1_956_113_560, ..THIRD.server },
        lines: &[(0, C, DATA, 15, 16, 14), (21, S, RST, 16, 0, 0)],
    };
    let not_seen = ["syn", "synack", "ack"];
    let handshake = json!({
        "kind": "unseen", "outcome": null, "client": { "isn": null, "options": null },
        "server": { "isn": null, "options": null }, "role_inferred": true,
        "syn_to_synack_ns": null, "synack_to_ack_ns": null, "retransmissions": { "syn": null, "synack": null },
        "incomplete": true, "missing": not_seen,
        "summary": ["handshake not seen (incomplete, not seen: SYN, SYN,ACK, ACK)"],
    });
    let established = json!([
        { "state": "ESTABLISHED", "ns": null, "inferred": true },
        { "state": "CLOSE", "ns": null, "inferred": true },
    ]);
    let close = json!({
        "kind": "reset", "time_wait": null, "half_close_ns": null, "half_closed_bytes": null,
        "reset": { "by": "server", "cause": "unknown" }, "bytes": { "client_to_server": null, "server_to_client": null },
        "retransmissions": { "client": null, "server": null }, "duration_ns": null,
        "states": { "client": established, "server": established }, "incomplete": true, "missing": not_seen,
        "summary": ["reset by the server (incomplete, not seen: SYN, SYN,ACK, ACK)"],
    });
    let read = read(&DOCUMENT.capture().pcap(), &[]);
    check(&read, &but(DOCUMENT.opened(0, 0), handshake), &but(DOCUMENT.closed([0, 0]), close));
}
