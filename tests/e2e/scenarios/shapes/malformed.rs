//! Headers that no stack sends: they are reported as seen, and do not disturb anything else.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tcptrace_tests::{Ends, Netns, RawSender, SYN, Veth, assert_record, endpoint, number, port, tcp_packet};

use super::{Plain, exchange, start, wait_verdicts};

const PORT: u16 = 4838;
const FIN: u8 = 0x01;
const EVERYTHING: u8 = 0xff;

/// Returns a packet whose TCP header states a length of `words`.
fn with_data_offset(mut packet: Vec<u8>, words: u8) -> Vec<u8> {
    packet[20 + 12] = words << 4;
    packet
}

/// The source port, the packet, and the expected handshake record.
type Malformed = (u16, fn(SocketAddr, SocketAddr) -> Vec<u8>, fn() -> Value);

/// The kernel ignores it.
fn unanswered() -> Value {
    json!({ "kind": "three_way", "outcome": "unanswered", "waiting_for": "syn_ack", "reset": null, "missing": [] })
}

/// The listener answers, but the other end knows nothing of the connection.
fn answered() -> Value {
    let reset = json!({ "by": "client", "cause": "unknown" });
    json!({ "kind": "three_way", "outcome": "reset", "waiting_for": null, "reset": reset, "missing": [] })
}

const MALFORMED: [Malformed; 4] = [
    (5831, |from, to| tcp_packet(from, to, SYN | FIN, (7, 0), &[2, 4, 5, 180], b"abc"), unanswered),
    (5832, |from, to| with_data_offset(tcp_packet(from, to, SYN, (7, 0), &[], &[]), 15), unanswered),
    // A timestamp option of 10 bytes of which 4 are left.
    (5834, |from, to| tcp_packet(from, to, SYN, (7, 0), &[2, 4, 5, 180, 8, 10, 1, 1], &[]), answered),
    (0, |from, to| tcp_packet(from, to, SYN, (7, 0), &[], &[]), answered),
];

/// A data offset of less than the fixed header: not a segment, so nothing is reported.
const NO_SEGMENT: u16 = 5833;

/// SYN, FIN, RST and the others in one: reported in some way, but not as a connection.
const NONSENSE: u16 = 5835;

#[test]
fn malformed_segments_beside_a_connection() {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let address = veth.right_v4(PORT);
    let tracer = start(&right, &[PORT]);
    let (ends, sender) = (Ends::between(&left, &right, address), RawSender::new(&left));
    let connection = ends.open();
    let send = |packet: Vec<u8>| sender.send(&packet, address.ip());
    MALFORMED.iter().for_each(|(from, packet, _)| send(packet(veth.left_v4(*from), address)));
    send(with_data_offset(tcp_packet(veth.left_v4(NO_SEGMENT), address, SYN, (7, 0), &[], &[]), 1));
    send(tcp_packet(veth.left_v4(NONSENSE), address, EVERYTHING, (7, 9), &[], &[]));
    let client = exchange(&ends, connection);
    wait_verdicts(&tracer, &right, 1, 1);
    let trace = tracer.stop();

    trace.nothing_lost();
    let here = |kind| trace.of_type(kind).into_iter().filter(|record| record["netns"] == right.inode());
    let handshake_of = |from| {
        let by_port = |record: &&Value| ["client", "server"].iter().any(|&end| port(record, end) == Some(from));
        let found: Vec<_> = here("handshake").filter(by_port).collect();
        let [handshake] = found.as_slice() else { panic!("one handshake of port {from}: {found:#?}") };
        *handshake
    };
    for (from, _, expected) in MALFORMED {
        let handshake = handshake_of(from);
        for (field, expected) in expected().as_object().expect("fields") {
            assert_eq!(handshake[field], *expected, "{field} of {handshake}");
        }
    }
    assert_ne!(handshake_of(NONSENSE)["outcome"], "established");
    let ends = ["client", "server", "local", "remote", "src", "dst"];
    // The drop by the kernel is reported.
    let about =
        |record: &&Value| ends.iter().any(|end| port(record, end) == Some(NO_SEGMENT)) && record["type"] != "drop";
    assert_eq!(trace.records.iter().find(about), None, "it is not a segment");
    let closes: Vec<_> = here("close").collect();
    let [close] = closes.as_slice() else { panic!("only one was ever open: {closes:#?}") };
    let plain = Plain { here: (false, true), ..Plain::new(&right, client, address) };
    let handshake = handshake_of(client.port());
    assert_eq!(endpoint(handshake, "client"), Some(client));
    assert_record(handshake, &plain.handshake());
    assert_record(close, &plain.close());
    assert_eq!(number(trace.end(), "open"), 0);
}
