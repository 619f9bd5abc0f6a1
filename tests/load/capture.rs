//! A synthetic capture in tcpdump's format, the same every time.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use tcptrace_tests::{ACK, FIN, SYN, tcp_packet};

const PUSH: u8 = 0x08;

/// Number of connections open at the same time: their segments are interleaved.
const AT_ONCE: u64 = 64;

/// Microseconds between two segments of the file.
const STEP_MICROSECONDS: u64 = 10;

/// Two stations, and IPv4 (IEEE 802.3, RFC 894).
const ETHERNET: [u8; 14] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];

const REQUEST: &[u8] = &[b'x'; 64];
const RESPONSE: &[u8] = &[b'y'; 128];

/// Number of segments of a connection.
const SEGMENTS: usize = 10;

/// A segment: true if the client sends it, its flags, its sequence and acknowledgement number relative to the ISNs, and its
/// payload.
type Segment = (bool, u8, u32, u32, &'static [u8]);

/// A request, a response, and a close by the server in three segments (RFC 9293 §3.5 and §3.6).
const CONNECTION: [Segment; SEGMENTS] = {
    let (asked, answered) = (1 + REQUEST.len() as u32, 1 + RESPONSE.len() as u32);
    [
        (true, SYN, 0, 0, &[]),
        (false, SYN | ACK, 0, 1, &[]),
        (true, ACK, 1, 1, &[]),
        (true, PUSH | ACK, 1, 1, REQUEST),
        (false, ACK, 1, asked, &[]),
        (false, PUSH | ACK, 1, asked, RESPONSE),
        (true, ACK, asked, answered, &[]),
        (false, FIN | ACK, answered, asked, &[]),
        (true, FIN | ACK, asked, answered + 1, &[]),
        (false, ACK, answered + 1, asked + 1, &[]),
    ]
};

/// Writes a capture of `count` connections; returns the number of its segments.
pub(crate) fn write(count: u64, path: &Path) -> u64 {
    let file = File::create(path).unwrap_or_else(|error| panic!("{} cannot be made: {error}", path.display()));
    let mut file = BufWriter::with_capacity(1 << 20, file);
    write_to(count, &mut file).and_then(|()| file.flush()).expect("there is room for the capture");
    count * SEGMENTS as u64
}

fn write_to(count: u64, to: &mut impl Write) -> io::Result<()> {
    // Microseconds, version 2.4, Ethernet (draft-ietf-opsawg-pcap).
    let header = [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 262_144, 1_u32];
    to.write_all(header.map(u32::to_le_bytes).as_flattened())?;
    let mut clock = 1_700_000_000 * 1_000_000;
    for first in (0..count).step_by(AT_ONCE as usize) {
        for (step, segment) in CONNECTION.iter().enumerate() {
            for number in first..count.min(first + AT_ONCE) {
                let packet = packet(number, step as u32, segment);
                let length = (ETHERNET.len() + packet.len()) as u32;
                let record = [(clock / 1_000_000) as u32, (clock % 1_000_000) as u32, length, length];
                to.write_all(record.map(u32::to_le_bytes).as_flattened())?;
                to.write_all(&ETHERNET)?;
                to.write_all(&packet)?;
                clock += STEP_MICROSECONDS;
            }
        }
    }
    Ok(())
}

/// Returns the packet with this segment of this connection.
fn packet(number: u64, step: u32, &(by_client, flags, seq, ack, payload): &Segment) -> Vec<u8> {
    const PORTS: u64 = 50_000;
    // Each connection has a client's address and port of its own, and ISNs that look random.
    let client =
        SocketAddr::new(Ipv4Addr::from(0x0a00_0001 + (number / PORTS) as u32).into(), 10_000 + (number % PORTS) as u16);
    let server = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 80);
    let client_isn = (number as u32).wrapping_mul(0x9e37_79b1);
    let (from, to, isns) = if by_client {
        (client, server, (client_isn, !client_isn))
    } else {
        (server, client, (!client_isn, client_isn))
    };
    let ack = if flags & ACK == 0 { 0 } else { isns.1.wrapping_add(ack) };
    tcp_packet(from, to, flags, (isns.0.wrapping_add(seq), ack), &options(flags, step), payload)
}

/// Returns the options that Linux sends: all of them in a SYN, only timestamps afterwards.
fn options(flags: u8, clock: u32) -> Vec<u8> {
    let [value, echo] = [1000 + clock, 1000 + clock.saturating_sub(1)].map(u32::to_be_bytes);
    let timestamp = [value, echo].concat();
    if flags & SYN != 0 {
        [&[2, 4, 0x05, 0xb4, 4, 2, 8, 10], timestamp.as_slice(), &[1, 3, 3, 7]].concat()
    } else {
        [&[1, 1, 8, 10], timestamp.as_slice()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_every_segment_of_every_connection() {
        const COUNT: usize = AT_ONCE as usize + 1;
        let mut file = Vec::new();
        write_to(COUNT as u64, &mut file).expect("a vector takes everything");
        let options = 2 * 20 + (SEGMENTS - 2) * 12;
        let segments = SEGMENTS * (16 + ETHERNET.len() + 20 + 20) + options + REQUEST.len() + RESPONSE.len();
        assert_eq!(file.len(), 24 + COUNT * segments);
    }
}
