//! Four connections: one that closes in order after a retransmission, one that is reset, one refused, and one without an
//! answer.

use std::net::{IpAddr, SocketAddr};

use tcptrace_tests::{ACK, Completeness, FIN, RST, SYN, tcp_packet};

use super::Ends;

const PUSH: u8 = 0x08;

/// mss, sackOK, timestamps, nop, wscale
const OPTIONS: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7];

/// An IP packet of the exchange.
pub(super) struct Packet {
    /// Time since the first one, in microseconds.
    pub(super) micros: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) v6: bool,
    /// True if the client sent it.
    pub(super) by_client: bool,
    /// Its connection.
    pub(super) ends: Ends,
    /// The expected totals of the connection; `segments` is 0, to be counted by the caller.
    pub(super) seen: Seen,
}

/// Totals of a connection that both tcptrace and tshark report.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Seen {
    /// Payload of the client and of the server.
    pub(super) bytes: (u64, u64),
    /// The bits of [`Completeness`].
    pub(super) completeness: u8,
    pub(super) segments: u64,
}

/// A segment: true if it is the client's, flags, numbers relative to the ISNs, payload.
type Line = (bool, u8, u32, u32, usize);

const C: bool = true;
const S: bool = false;

/// The second segment of data is sent again.
const ORDERLY: &[Line] = &[
    (C, SYN, 0, 0, 0),
    (S, SYN | ACK, 0, 1, 0),
    (C, ACK, 1, 1, 0),
    (C, PUSH | ACK, 1, 1, 100),
    (S, ACK, 1, 101, 0),
    (S, PUSH | ACK, 1, 101, 501),
    (S, PUSH | ACK, 1, 101, 501),
    (C, ACK, 101, 502, 0),
    (C, FIN | ACK, 101, 502, 0),
    (S, FIN | ACK, 502, 102, 0),
    (C, ACK, 102, 503, 0),
];
const RESET: &[Line] =
    &[(C, SYN, 0, 0, 0), (S, SYN | ACK, 0, 1, 0), (C, ACK, 1, 1, 0), (C, PUSH | ACK, 1, 1, 7), (S, RST | ACK, 1, 8, 0)];
const REFUSED: &[Line] = &[(C, SYN, 0, 0, 0), (S, RST | ACK, 0, 1, 0)];
const UNANSWERED: &[Line] = &[(C, SYN, 0, 0, 0), (C, SYN, 0, 0, 0)];

/// Returns the exchange between the hosts `number`.1 and `number`.2 of a network, by IPv4 and by IPv6.
pub(super) fn exchange(number: u8) -> Vec<Packet> {
    const OPENED: u8 = Completeness::SYN | Completeness::SYN_ACK | Completeness::ACK | Completeness::DATA;
    let connections = [
        (ORDERLY, (100, 501), OPENED | Completeness::FIN),
        (RESET, (7, 0), OPENED | Completeness::RST),
        (REFUSED, (0, 0), Completeness::SYN | Completeness::RST),
        (UNANSWERED, (0, 0), Completeness::SYN),
    ];
    let mut packets = Vec::new();
    let mut micros = 0;
    for v6 in [false, true] {
        let host = |host: u8| match v6 {
            false => IpAddr::from([10, 77, number, host]),
            true => IpAddr::from([0xfd00, 0, 0, 0x77, 0, 0, number.into(), host.into()]),
        };
        for ((lines, bytes, completeness), port) in connections.into_iter().zip(50_001..) {
            let ends = (SocketAddr::new(host(1), port), SocketAddr::new(host(2), 80));
            for &(by_client, flags, seq, ack, length) in lines {
                let (from, to, own, other) = if by_client {
                    (ends.0, ends.1, 5_000_000, 3_000_000_000_u32)
                } else {
                    (ends.1, ends.0, 3_000_000_000, 5_000_000)
                };
                // A reset of a SYN has no number of its own.
                let seq = if flags & RST != 0 && seq == 0 { 0 } else { own + seq };
                let ack = if flags & ACK == 0 { 0 } else { other + ack };
                let options = if flags & SYN == 0 { &[][..] } else { &OPTIONS };
                let bytes_sent = tcp_packet(from, to, flags, (seq, ack), options, &vec![b'x'; length]);
                let seen = Seen { bytes, completeness, segments: 0 };
                packets.push(Packet { micros, bytes: bytes_sent, v6, by_client, ends, seen });
                // Longer than any retransmission timeout, so that no packet is taken for a copy or a fast retransmission.
                micros += 250_000;
            }
        }
    }
    packets
}
