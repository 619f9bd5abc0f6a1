//! The memory that reading a capture takes does not grow with the capture.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::Duration,
};

use tcptrace_tests::{ACK, FIN, SYN, binary, raw_pcap, tcp_packet, usage};

/// More connections than are kept after their end (40,960), and twice as many.
const NUMBERS: [u32; 2] = [50_000, 100_000];

/// Maximum numbers of MiB for JSON lines and for ladders, which are drawn at a connection's end: some 39 and 55 are needed.
const JSON_MIB: u64 = 44;
const LADDERS_MIB: u64 = 60;

/// The segments of each connection: true if it is the client's, flags, and numbers relative to the ISNs.
const SEGMENTS: [(bool, u8, u32, u32); 7] = [
    (true, SYN, 0, 0),
    (false, SYN | ACK, 0, 1),
    (true, ACK, 1, 1),
    (true, FIN | ACK, 1, 1),
    (false, ACK, 1, 2),
    (false, FIN | ACK, 1, 2),
    (true, ACK, 2, 2),
];

/// Writes a capture of so many connections, one after the other, without holding it: a child starts with the peak memory of its
/// parent.
fn write_capture(path: &Path, connections: u32) {
    let header = raw_pcap(&[]);
    let mut file = BufWriter::new(File::create(path).expect("a file can be created"));
    file.write_all(&header).expect("a file can be written");
    let server = SocketAddr::from(([10, 0, 0, 2], 80));
    for number in 0..connections {
        let client = SocketAddr::from((Ipv4Addr::from_bits(0x0a01_0000 | number), 40_000));
        let began = Duration::from_secs(1_700_000_000) + Duration::from_micros(100) * number;
        let packets = SEGMENTS.into_iter().zip(0..).map(|((by_client, flags, seq, ack), at)| {
            let (from, to) = if by_client { (client, server) } else { (server, client) };
            let ack = if flags & ACK == 0 { 0 } else { number + ack };
            (began + Duration::from_micros(10) * at, tcp_packet(from, to, flags, (number + seq, ack), &[], &[]))
        });
        let packets = raw_pcap(&Vec::from_iter(packets));
        file.write_all(&packets[header.len()..]).expect("a file can be written");
    }
    file.flush().expect("a file can be written");
}

#[test]
fn memory_for_reading_is_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    for connections in NUMBERS {
        let path = folder.path().join("many.pcap");
        write_capture(&path, connections);
        for (options, most) in [(&["--json"][..], JSON_MIB), (&[], LADDERS_MIB)] {
            let used = usage::run(Command::new(binary()).arg("-r").arg(&path).args(options));
            let mebibytes = used.most_memory >> 10;
            assert!(mebibytes <= most, "{mebibytes} MiB for {connections} connections, {options:?}");
        }
    }
}
