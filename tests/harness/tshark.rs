//! Wireshark's dissection of a capture.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, process::Command};

use crate::process::try_output;

/// The kinds of segments that Wireshark has seen of a connection, a bit for each (its field `tcp.completeness`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Completeness(pub u8);

impl Completeness {
    /// SYN.
    pub const SYN: u8 = 1;
    /// SYN,ACK.
    pub const SYN_ACK: u8 = 2;
    /// The ACK of a handshake.
    pub const ACK: u8 = 4;
    /// Payload.
    pub const DATA: u8 = 8;
    /// FIN.
    pub const FIN: u8 = 16;
    /// RST.
    pub const RST: u8 = 32;
}

/// A connection in a capture, as identified by Wireshark.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// The sender of its first segment, and the other end.
    pub ends: Option<(SocketAddr, SocketAddr)>,
    /// Payload bytes of that sender and of the other end, without retransmissions.
    pub bytes: (u64, u64),
    /// Number of retransmitted FINs of both ends.
    pub fins_again: (u64, u64),
    /// The kinds of segments seen.
    pub completeness: Completeness,
}

/// Reads a capture of IPv4 with `tshark`; returns all connections, in the order of their first segments.
#[track_caller]
pub fn tshark(file: &Path) -> Vec<Stream> {
    const FIELDS: [&str; 9] = [
        "tcp.stream",
        "ip.src",
        "tcp.srcport",
        "ip.dst",
        "tcp.dstport",
        "tcp.len",
        "tcp.flags.fin",
        "tcp.analysis.retransmission",
        "tcp.completeness",
    ];
    let mut command = Command::new("tshark");
    // In two passes, since otherwise a segment shows only what was known before it.
    command.args(["-n", "-2"]).arg("-r").arg(file).args(["-T", "fields", "-E", "separator=,"]);
    command.args(FIELDS.iter().flat_map(|field| ["-e", field]));
    let output = try_output(&mut command).unwrap_or_else(|error| {
        panic!("tshark cannot be started: {error}; install the package tshark, as `cargo xtask test` does")
    });
    assert!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("tshark writes UTF-8");
    let mut streams: BTreeMap<u64, Stream> = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(',').collect();
        let [stream, from, from_port, to, to_port, length, fin, again, completeness] = fields.as_slice() else {
            panic!("a line with {} fields: {line}", FIELDS.len())
        };
        let at = |ip: &str, port: &str| SocketAddr::new(ip.parse().expect("an address"), number(port));
        let (from, to) = (at(from, from_port), at(to, to_port));
        let stream = streams.entry(number(stream)).or_default();
        let (first, _) = *stream.ends.get_or_insert((from, to));
        let (bytes, fins_again) = if first == from {
            (&mut stream.bytes.0, &mut stream.fins_again.0)
        } else {
            (&mut stream.bytes.1, &mut stream.fins_again.1)
        };
        if again.is_empty() {
            *bytes += number::<u64>(length);
        } else {
            *fins_again += u64::from(matches!(*fin, "1" | "True"));
        }
        // Equal in every segment.
        stream.completeness = Completeness(number(completeness));
    }
    streams.into_values().collect()
}

#[track_caller]
fn number<N: std::str::FromStr>(text: &str) -> N {
    text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}
