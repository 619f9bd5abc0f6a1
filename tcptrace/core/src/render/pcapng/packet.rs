//! The packet of a segment: its IP header and its TCP header.

use std::net::IpAddr;

use crate::output_record::SegmentOutput;

/// Protocol number of TCP (IPPROTO_TCP).
const TCP: u8 = 6;

/// Hop limit of packets: the recorded one is not known.
const HOP_LIMIT: u8 = 64;

/// Length of a TCP header without options, in bytes.
const TCP_HEADER: usize = 20;

/// Offset of the checksum in an IPv4 header, and its length.
const CHECKSUM: std::ops::Range<usize> = 10..12;

/// A packet that is cut after its TCP header.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) bytes: Vec<u8>,
    /// Length of the whole packet.
    pub(super) original: u32,
}

/// Creates the packet of a segment. Fields that were not recorded are 0: identification, type of service, and the TCP
/// checksum.
pub(super) fn of(segment: &SegmentOutput) -> Packet {
    let tcp = tcp(segment);
    let payload = tcp.len() as u64 + u64::from(segment.length);
    let mut bytes = match (segment.src.addr, segment.dst.addr) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            // 0 stands for a length that does not fit, of segments merged by offloading (BIG TCP).
            let length = u16::try_from(payload + 20).unwrap_or(0);
            let mut header = vec![0x45, 0];
            header.extend(length.to_be_bytes());
            // The fragment offset, with Don't Fragment set.
            header.extend([0, 0, 0x40, 0, HOP_LIMIT, TCP, 0, 0]);
            header.extend(from.octets());
            header.extend(to.octets());
            let sum = checksum(&header).to_be_bytes();
            header.splice(CHECKSUM, sum);
            header
        }
        (from, to) => {
            let large = u16::try_from(payload).is_err();
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(u16::try_from(payload).unwrap_or(0).to_be_bytes());
            header.extend([if large { 0 } else { TCP }, HOP_LIMIT]);
            header.extend(mapped(from));
            header.extend(mapped(to));
            if large {
                // The Jumbo Payload option (RFC 2675 §2): its length counts from the end of the IPv6 header.
                let length = u32::try_from(payload + 8).unwrap_or(u32::MAX);
                header.extend([TCP, 0, 0xc2, 4]);
                header.extend(length.to_be_bytes());
            }
            header
        }
    };
    let original = bytes.len() as u64 + payload;
    bytes.extend(tcp);
    Packet { bytes, original: u32::try_from(original).unwrap_or(u32::MAX) }
}

fn tcp(segment: &SegmentOutput) -> Vec<u8> {
    let options = segment.options.0;
    let options = options.as_slice();
    let length = (TCP_HEADER + options.len()).next_multiple_of(4);
    let flags = segment.flags.with_ace(segment.ace.unwrap_or(0)).0;
    let mut header = Vec::with_capacity(length);
    header.extend(segment.src.port.unwrap_or(0).to_be_bytes());
    header.extend(segment.dst.port.unwrap_or(0).to_be_bytes());
    header.extend(segment.seq.to_be_bytes());
    header.extend(segment.ack.unwrap_or(0).to_be_bytes());
    // The number of words, and AE, the lowest bit beside it (RFC 9768 §3.1).
    header.push(((length / 4) << 4) as u8 | (flags >> 8) as u8 & 1);
    header.push(flags as u8);
    header.extend(segment.window.to_be_bytes());
    header.extend([0, 0]);
    header.extend(segment.urgent.unwrap_or(0).to_be_bytes());
    header.extend(options);
    header.resize(length, 0);
    header
}

/// Returns the sixteen bytes of an address; those of an IPv4 address are IPv4-mapped.
fn mapped(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
        IpAddr::V6(addr) => addr.octets(),
    }
}

/// Returns the Internet checksum (RFC 1071) of a header of even length.
fn checksum(header: &[u8]) -> u16 {
    let (words, _) = header.as_chunks::<2>();
    let mut sum: u32 = words.iter().map(|&word| u32::from(u16::from_be_bytes(word))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
