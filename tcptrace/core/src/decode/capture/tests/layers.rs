//! IP, TCP and ICMP in raw frames.

use super::{build::*, *};
use crate::decode::capture::bytes::Order;

/// Reads one datagram of which `cut` bytes were not captured.
fn snapped(datagram: &[u8], cut: usize) -> Reading {
    let mut file = Writer::pcap(Order::Little, MICROSECONDS, 101);
    file.record((1, 0), datagram, cut);
    read(file.bytes.as_slice())
}

fn whole(datagram: &[u8]) -> Reading {
    snapped(datagram, 0)
}

#[test]
fn payload_is_what_ip_says() {
    let data = tcp(0x18, &OPTIONS, 33);
    assert_eq!(whole(&ipv4(6, &[], &data)).segment().length, 33);
    assert_eq!(whole(&ipv4(6, &[1; 12], &data)).segment().length, 33);
    assert_eq!(whole(&ipv6(6, &[], &data)).segment().length, 33);
    // Bytes after the datagram do not count, bytes that were not captured do.
    assert_eq!(whole(&join(&[&ipv4(6, &[], &data), &[0; 6]])).segment().length, 33);
    assert_eq!(snapped(&ipv4(6, &[], &data), 30).segment().length, 33);
}

#[test]
fn an_option_with_a_wrong_length_is_not_taken_for_a_cut_one() {
    let options = [2, 4, 5, 180, 34, 10, 1, 2];
    let datagram = ipv4(6, &[], &tcp(0x02, &options, 20));
    // The data is cut, or a part of the header.
    let kept = |cut| snapped(&datagram, cut).segment().header.options.as_slice().len();
    assert_eq!([kept(20), kept(21)], [8, 4]);
}

#[test]
fn a_length_of_0_is_the_original_one() {
    let data = tcp(0x18, &OPTIONS, 70_000);
    for (mut datagram, at) in [(ipv4(6, &[], &data), 2), (ipv6(6, &[], &data), 4)] {
        datagram[at..at + 2].fill(0);
        assert_eq!(snapped(&datagram, 69_000).segment().length, 70_000);
    }
    // BIG TCP over IPv6 as Linux sends it: a jumbo payload option.
    let mut jumbo = ipv6(0, &[6, 0, 0xc2, 4, 0, 1, 0x11, 0x98], &data);
    jumbo[4..6].fill(0);
    assert_eq!(whole(&jumbo).segment().length, 70_000);
    // With a link layer in front.
    let mut frame = ethernet(0x0800, &ipv4(6, &[], &data));
    frame[16..18].fill(0);
    assert_eq!(read(one(1, &frame).as_slice()).segment().length, 70_000);
}

#[test]
fn extension_headers_are_skipped() {
    // Hop-by-hop, destination, routing with two words more, authentication of 24 bytes, then TCP.
    let hop = [60, 0, 1, 4, 0, 0, 0, 0];
    let destination = [43, 0, 1, 4, 0, 0, 0, 0];
    let routing = join(&[&[51, 2, 0, 0], &[0; 20]]);
    let authentication = join(&[&[6, 4, 0, 0], &[0; 20]]);
    let extensions = join(&[&hop, &destination, &routing, &authentication]);
    let segment = whole(&ipv6(0, &extensions, &tcp(0x10, &[], 7))).segment();
    assert_eq!((segment.length, segment.header.flags), (7, TcpFlags::ACK));

    let endless = [0, 0, 1, 4, 0, 0, 0, 0].repeat(9);
    assert_eq!(whole(&ipv6(0, &endless, &tcp(0x10, &[], 7))).counters.skipped.not_tcp, 1);
}

#[test]
fn only_first_fragments_are_read() {
    let first = [6, 0, 0, 1, 0, 0, 0, 9];
    assert_eq!(whole(&ipv6(44, &first, &tcp(0x10, &[], 8))).segment().length, 8);
    let later = [6, 0, 0, 9, 0, 0, 0, 9];
    assert_eq!(whole(&ipv6(44, &later, &[0; 30])).counters.skipped.fragment, 1);
    let mut datagram = ipv4(6, &[], &tcp(0x10, &[], 8));
    datagram[6] = 0x20;
    assert_eq!(whole(&datagram).segment().length, 8);
    datagram[7] = 1;
    assert_eq!(whole(&datagram).counters.skipped.fragment, 1);
    datagram[9] = 17;
    assert_eq!(whole(&datagram).counters.skipped.not_tcp, 1);
}

#[test]
fn ipv4_mapped_is_ipv4() {
    let mut datagram = ipv6(6, &[], &syn());
    datagram[8..40].fill(0);
    for (at, address) in [(8, CLIENT4), (24, SERVER4)] {
        datagram[at + 10..at + 12].fill(0xff);
        datagram[at + 12..at + 16].copy_from_slice(&address);
    }
    let segment = whole(&datagram).segment();
    assert_eq!(segment.src.addr.to_string(), "192.0.2.1");
    assert_eq!(segment.dst.addr.to_string(), "198.51.100.7");
}

#[test]
fn what_is_not_tcp_is_counted() {
    assert_eq!(whole(&ipv4(17, &[], &[0; 8])).counters.skipped.not_tcp, 1);
    assert_eq!(whole(&ipv4(132, &[], &[0; 12])).counters.skipped.not_tcp, 1);
    assert_eq!(whole(&ipv6(17, &[], &[0; 8])).counters.skipped.not_tcp, 1);
    // ICMP of the other family.
    assert_eq!(whole(&ipv4(58, &[], &[1; 60])).counters.skipped.not_tcp, 1);
}

#[test]
fn nonsense_is_shown_as_it_is() {
    let mut datagram = ipv4(6, &[], &tcp(3, &[], 0));
    datagram[20..24].fill(0);
    let segment = whole(&datagram).segment();
    assert_eq!((segment.src.port, segment.dst.port), (0, 0));
    assert_eq!(segment.header.flags, TcpFlags::SYN | TcpFlags::FIN);
    // A data offset beyond the segment, and one inside the fixed part, with which it is not a segment.
    datagram[32] = 0xf0;
    let segment = whole(&datagram).segment();
    assert_eq!((segment.header.data_offset, segment.length), (60, 0));
    datagram[32] = 0x10;
    assert_eq!(whole(&datagram).counters.skipped.malformed, 1);
    // An IP header shorter than the minimum.
    datagram[0] = 0x44;
    assert_eq!(whole(&datagram).counters.skipped.malformed, 1);
}

#[test]
fn a_short_snap_length_is_counted() {
    let (v4, v6) = (ipv4(6, &[], &syn()), ipv6(6, &[], &syn()));
    for (datagram, header) in [(&v4, 20), (&v6, 40)] {
        for captured in 0..datagram.len() {
            let reading = snapped(datagram, datagram.len() - captured);
            // Ports, numbers, flags and window are enough.
            if captured < header + 16 {
                assert_eq!((reading.counters.short, reading.counters.segments), (1, 0), "{captured}");
            } else {
                // Options that were captured whole are kept.
                let captured = captured.saturating_sub(header + 20);
                let ends = [0, 4, 6, 16, 17, 20];
                let end = ends.into_iter().filter(|&end| end <= captured).max().unwrap_or(0);
                assert_eq!(reading.segment().header.options.as_slice(), &OPTIONS[..end]);
                assert_eq!(reading.segment().length, 0);
            }
        }
    }
    // Nothing was cut here: the datagram was never longer.
    assert_eq!(whole(&v4[..30]).counters.skipped.malformed, 1);
    // A datagram known not to be TCP is not short.
    assert_eq!(snapped(&ipv4(17, &[], &[0; 60]), 50).counters.skipped.not_tcp, 1);
    assert_eq!(snapped(&ipv4(17, &[1; 40], &[0; 60]), 80).counters.skipped.not_tcp, 1);
}

#[test]
fn icmp_errors_that_quote_tcp() {
    for icmp_type in [3, 4, 11, 12] {
        let quoted = ipv4(6, &[1; 4], &syn());
        // RFC 792: the IP header and eight bytes.
        let error = whole(&ipv4(1, &[], &join(&[&[icmp_type, 1, 0, 0, 0, 0, 0, 0], &quoted[..32]]))).icmp();
        assert_eq!((error.icmp_type, error.icmp_code), (icmp_type, 1));
        assert_eq!((error.src.port, error.dst.port, error.seq), (49152, 80, 4097));
        assert_eq!((error.from.to_string(), error.dst.addr.to_string()), ("192.0.2.1".into(), "198.51.100.7".into()));
        assert_eq!(error.ifindex, 1);
    }
    for icmp_type in [1, 2, 3, 4, 127] {
        let quoted = ipv6(60, &[6, 0, 1, 4, 0, 0, 0, 0], &syn());
        let error = whole(&ipv6(58, &[], &join(&[&[icmp_type, 4, 0, 0, 0, 0, 0, 0], &quoted]))).icmp();
        assert_eq!((error.icmp_type, error.icmp_code, error.seq), (icmp_type, 4, 4097));
        assert_eq!((error.from.to_string(), error.src.addr.to_string()), ("2001:db8::1".into(), "2001:db8::1".into()));
    }
}

#[test]
fn other_icmp_is_counted() {
    let header = |icmp_type| [icmp_type, 0, 0, 0, 0, 0, 0, 0];
    let quote = |icmp_type, quoted: &[u8]| whole(&ipv4(1, &[], &join(&[&header(icmp_type), quoted])));
    let syn = ipv4(6, &[], &syn());
    assert_eq!(quote(8, &syn).counters.skipped.not_tcp, 1);
    assert_eq!(quote(3, &ipv4(17, &[], &[0; 8])).counters.skipped.not_tcp, 1);
    assert_eq!(quote(3, &[0; 28]).counters.skipped.not_tcp, 1);
    assert_eq!(quote(3, &syn[..27]).counters.skipped.malformed, 1);
    let reading = snapped(&ipv4(1, &[], &join(&[&header(3), &syn])), 33);
    assert_eq!((reading.counters.short, reading.counters.icmp_errors), (1, 0));
    assert_eq!(whole(&ipv6(58, &[], &join(&[&header(128), &syn]))).counters.skipped.not_tcp, 1);
}

#[test]
fn without_a_length_in_ip_a_segment_ends_where_the_headers_before_it_say() {
    let (mut v4, mut v6) = (ipv4(6, &[], &tcp(0x18, &[], 3)), ipv6(6, &[], &tcp(0x18, &[], 3)));
    v4[2..4].fill(0);
    v6[4..6].fill(0);
    for packet in [v4, v6] {
        let first = packet[0];
        let bytes = |more: usize| ((packet.len() + more) as u16).to_be_bytes();
        let ([p0, p1], ppp) = (bytes(2), [0, if first >> 4 == 4 { 0x21 } else { 0x57 }]);
        let [e0, e1] = if first >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] };
        let udp = |port: u16, header: &[u8]| {
            let [l0, l1] = bytes(8 + header.len());
            let [d0, d1] = port.to_be_bytes();
            // Beyond it, the outer packet goes on.
            let datagram = join(&[&[0xc0, 0, d0, d1, l0, l1, 0, 0], header, &packet, &[0; 6]]);
            ethernet(0x0800, &ipv4(17, &[], &datagram))
        };
        let ([g0, g1], [t0, t1]) = (bytes(0), bytes(10));
        let frames = [
            ethernet(0x8864, &join(&[&[0x11, 0, 0, 9, p0, p1], &ppp, &packet, &[0; 6]])),
            ethernet(u16::from_be_bytes(bytes(8)), &join(&[&[0xaa, 0xaa, 3, 0, 0, 0, e0, e1], &packet, &[0; 6]])),
            ethernet(0x0800, &join(&[&ipv4(if first >> 4 == 4 { 4 } else { 41 }, &[], &packet), &[0; 6]])),
            udp(4_341, &[0; 8]),
            ethernet(
                0x0800,
                &ipv4(
                    17,
                    &[],
                    &join(&[&[0xc0, 0, 8, 0x68, 0, 0, 0, 0, 0x30, 255, g0, g1, 0, 0, 0, 1], &packet, &[0; 6]]),
                ),
            ),
            ethernet(
                0x0800,
                &ipv4(
                    17,
                    &[],
                    &join(&[&[0xc0, 0, 6, 0xa5, 0, 0, 0, 0, 0x40, 2, t0, t1, 0, 1, 0, 2], &ppp, &packet, &[0; 6]]),
                ),
            ),
            ethernet(
                0x0800,
                &ipv4(47, &[], &join(&[&[0x30, 1, 0x88, 0x0b, p0, p1, 0, 1, 0, 0, 0, 1], &ppp, &packet, &[0; 6]])),
            ),
        ];
        for (place, frame) in frames.iter().enumerate() {
            let reading = read(one(1, frame).as_slice());
            assert_eq!((reading.segment().length, reading.counters.shortened), (3, 0), "frame {place}");
        }
    }
    // A length of 16 bits cannot say how long a segment is that the device is to split.
    let mut big = ipv4(6, &[], &tcp(0x18, &[], 70_000));
    big[2..4].fill(0);
    let mut outer = ipv4(17, &[], &join(&[&[0xc0, 0, 0x10, 0xf5, 0x11, 0x98, 0, 0], &[0; 8], &big]));
    outer[2..4].fill(0);
    assert_eq!(whole(&outer).segment().length, 70_000);
}
