//! A synthetic connection with Accurate ECN (RFC 9768), which Linux supports since 7.2.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{
    peer::{ACK, FIN, SYN},
    raw::tcp_packet,
};

const PUSH: u8 = 0x08;

/// The lowest of the three bits; CWR is the next, and AE is in the byte before.
const ECE: u8 = 0x40;

/// AccECN1 with one counter before the window scale, as Linux sends it in a SYN,ACK, and as a client sends it.
const SYNACK_OPTIONS: [u8; 16] = [2, 4, 5, 180, 4, 2, 174, 5, 0, 0, 1, 3, 3, 7, 1, 1];
const COUNTERS: [u8; 12] = [172, 11, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1];

/// Sender (true for the client), flags, the three bits, sequence and acknowledgement number relative to the ISNs, options,
/// payload.
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

/// Returns its packets, from the IP header on.
#[track_caller]
pub fn accurate_ecn_packets(client: SocketAddr, server: SocketAddr) -> Vec<Vec<u8>> {
    let packet = |(from_client, flags, bits, seq, ack, options, length): Line| {
        let (from, to, isns) = if from_client { (client, server, [100, 500]) } else { (server, client, [500, 100]) };
        let numbers = (isns[0] + seq, if flags & ACK == 0 { 0 } else { isns[1] + ack });
        let flags = flags | ((bits & 3) * ECE);
        let mut packet = tcp_packet(from, to, flags, numbers, options, &vec![b'x'; length]);
        let header = if client.is_ipv4() { 20 } else { 40 };
        packet[header + 12] |= bits >> 2;
        packet
    };
    LINES.map(packet).to_vec()
}

/// Asserts that these are the records of all its segments.
#[track_caller]
pub fn assert_accurate_ecn(segments: &[&Value]) {
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
    assert_eq!(segments.iter().map(fields).collect::<Vec<_>>(), expected, "{segments:#?}");
    let counters = |segment: &Value| segment["options"]["accurate_ecn"].clone();
    assert_eq!(counters(segments[1]), json!({ "order": 1, "ee1b": 1, "eceb": null, "ee0b": null }));
    assert_eq!(counters(segments[3]), json!({ "order": 0, "ee0b": 1, "eceb": 0, "ee1b": 1 }));
    assert_eq!(segments[1]["options"]["order"], json!([2, 4, 174, 3, 1, 1]));
}
