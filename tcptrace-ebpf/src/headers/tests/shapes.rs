//! Link layers, IP headers and what is wrong with them.

use super::*;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const FRAGMENT: u8 = 44;

#[track_caller]
fn found(frame: &Bytes) -> (Ip, TcpHeader) {
    let (ip, tcp) = both(frame).expect("a segment");
    (ip, tcp.expect("TCP"))
}

#[test]
fn a_plain_ipv4_segment_behind_ethernet_is_found_both_ways() {
    let frame = Bytes::ethernet(IPV4, &ipv4(6, &[], 0x4000, &TCP));
    assert!(is_fast(&frame));
    let (ip, tcp) = found(&frame);
    let (src, dst) = v4_ends();
    assert_eq!(ip, Ip { family: FAMILY_V4, protocol: 6, src, dst, transport: 20, payload: 24 });
    assert_eq!(ports(&tcp), (40000, 443));
    assert_eq!((u32::from_be(tcp[1]), header_length(&tcp)), (0x1122_3344, 24));
}

#[test]
fn a_plain_ipv6_segment_behind_ethernet_is_found_both_ways() {
    let frame = Bytes::ethernet(IPV6, &ipv6(6, &TCP));
    assert!(is_fast(&frame));
    let (ip, tcp) = found(&frame);
    let (src, dst) = v6_ends();
    assert_eq!(ip, Ip { family: FAMILY_V6, protocol: 6, src, dst, transport: 40, payload: 24 });
    assert_eq!(ports(&tcp), (40000, 443));
}

#[test]
fn without_a_link_layer_the_slow_way_finds_it() {
    for (protocol, packet, transport) in [(IPV4, ipv4(6, &[], 0, &TCP), 20), (IPV6, ipv6(6, &TCP), 40)] {
        let frame = Bytes::bare(protocol, &packet);
        assert!(!is_fast(&frame));
        assert_eq!(found(&frame).0.transport, transport);
    }
}

#[test]
fn a_bare_datagram_that_looks_like_ethernet_is_not_taken_for_it() {
    // An IPv4 header whose source address ends in what would be the type field, and whose payload looks like IPv4.
    let mut packet = ipv4(6, &[], 0, &[TCP.as_slice(), &[0; 40]].concat());
    packet[12..14].copy_from_slice(&IPV4.to_be_bytes());
    packet[14] = 0x45;
    packet[23] = 6;
    let frame = Bytes::bare(IPV4, &packet);
    assert!(!is_fast(&frame));
    assert_eq!(found(&frame).0.transport, 20);
}

#[test]
fn segments_lie_behind_up_to_two_vlan_tags() {
    let tagged = |tags: &[u16], inner: u16, packet: &[u8]| {
        let mut bytes = Vec::new();
        for (i, _) in tags.iter().enumerate() {
            bytes.extend([0, 5]);
            bytes.extend(tags.get(i + 1).copied().unwrap_or(inner).to_be_bytes());
        }
        bytes.extend(packet);
        Bytes::ethernet(tags[0], &bytes)
    };
    let packet = ipv4(6, &[], 0, &TCP);
    let frame = tagged(&[0x8100], IPV4, &packet);
    assert!(!is_fast(&frame));
    assert_eq!(found(&frame).0.transport, 24);
    let frame = tagged(&[0x88a8, 0x8100], IPV6, &ipv6(6, &TCP));
    assert_eq!(found(&frame).0.transport, 48);
    assert_eq!(both(&tagged(&[0x88a8, 0x8100, 0x8100], IPV4, &packet)), Err(Skip::NotIp));
    assert_eq!(both(&tagged(&[0x8100], 0x8847, &packet)), Err(Skip::NotIp));
    assert_eq!(both(&tagged(&[0x8100], IPV4, &packet).cut(16)), Err(Skip::Truncated));
}

#[test]
fn what_is_neither_ipv4_nor_ipv6_is_told() {
    for protocol in [0x0806, 0x8864, 0x8847, 0x88cc] {
        assert_eq!(both(&Bytes::ethernet(protocol, &ipv4(6, &[], 0, &TCP))), Err(Skip::NotIp));
    }
}

#[test]
fn ipv4_options_are_skipped_by_the_headers_length() {
    for words in 1..=10 {
        let frame = Bytes::ethernet(IPV4, &ipv4(6, &vec![1; words * 4], 0, &TCP));
        assert!(!is_fast(&frame));
        let (ip, tcp) = found(&frame);
        assert_eq!((ip.transport as usize, ip.payload), (20 + words * 4, 24));
        assert_eq!(ports(&tcp), (40000, 443));
    }
}

#[test]
fn an_ip_header_that_contradicts_itself_is_malformed() {
    let with_first_byte = |protocol: u16, first: u8, mut packet: Vec<u8>| {
        packet[0] = first;
        both(&Bytes::ethernet(protocol, &packet))
    };
    for first in [0x44, 0x40, 0x65, 0x05] {
        assert_eq!(with_first_byte(IPV4, first, ipv4(6, &[], 0, &TCP)), Err(Skip::Malformed), "{first:#x}");
    }
    for first in [0x45, 0x00, 0x50] {
        assert_eq!(with_first_byte(IPV6, first, ipv6(6, &TCP)), Err(Skip::Malformed), "{first:#x}");
    }
}

#[test]
fn of_ipv4_fragments_only_the_first_has_ports() {
    let first = Bytes::ethernet(IPV4, &ipv4(6, &[], 0x2000, &TCP));
    assert_eq!(ports(&found(&first).1), (40000, 443));
    for fragment in [0x2003, 0x0001, 0x1fff] {
        assert_eq!(both(&Bytes::ethernet(IPV4, &ipv4(6, &[], fragment, &TCP))), Err(Skip::Fragment), "{fragment:#x}");
    }
}

#[test]
fn of_ipv6_fragments_only_the_first_has_ports() {
    let fragment = |field: u16| {
        let [high, low] = field.to_be_bytes();
        Bytes::ethernet(IPV6, &ipv6(FRAGMENT, &[[6, 0, high, low, 0, 0, 0, 7].as_slice(), &TCP].concat()))
    };
    let (ip, tcp) = found(&fragment(1));
    assert_eq!((ip.transport, ip.payload, ports(&tcp)), (48, 24, (40000, 443)));
    assert_eq!(both(&fragment(8)), Err(Skip::Fragment));
    assert_eq!(both(&fragment(0xfff9)), Err(Skip::Fragment));
}

#[test]
fn ipv6_extension_headers_are_walked_by_their_own_lengths() {
    // Hop-by-hop of 8 bytes, routing of 24, destination options of 16, authentication of 12.
    let mut chain = Vec::new();
    chain.extend([43, 0, 1, 4, 0, 0, 0, 0]);
    chain.extend([60, 2]);
    chain.extend([0; 22]);
    chain.extend([51, 1]);
    chain.extend([0; 14]);
    chain.extend([6, 1]);
    chain.extend([0; 10]);
    let frame = Bytes::ethernet(IPV6, &ipv6(0, &[chain.as_slice(), &TCP].concat()));
    assert!(!is_fast(&frame));
    let (ip, tcp) = found(&frame);
    assert_eq!((ip.transport, ip.payload, ip.protocol), (40 + 60, 24, 6));
    assert_eq!(ports(&tcp), (40000, 443));
    for protocol in [135, 139, 140] {
        let frame = Bytes::ethernet(IPV6, &ipv6(protocol, &[[6, 0, 0, 0, 0, 0, 0, 0].as_slice(), &TCP].concat()));
        assert_eq!(found(&frame).0.transport, 48);
    }
}

#[test]
fn more_extension_headers_than_are_walked_are_told() {
    let chain = |headers: usize| {
        let mut payload = Vec::new();
        for left in (0..headers).rev() {
            payload.extend([if left == 0 { 6 } else { 60 }, 0, 1, 4, 0, 0, 0, 0]);
        }
        payload.extend(TCP);
        both(&Bytes::ethernet(IPV6, &ipv6(60, &payload)))
    };
    assert_eq!(chain(8).expect("a segment").0.transport, 40 + 8 * 8);
    assert_eq!(chain(9), Err(Skip::ExtensionHeaders));
}

#[test]
fn what_follows_no_known_extension_header_is_no_tcp() {
    for protocol in [17, 50, 59, 132, 255] {
        assert_eq!(both(&Bytes::ethernet(IPV6, &ipv6(protocol, &TCP))), Err(Skip::NotTcp));
        let (ip, tcp) = both(&Bytes::ethernet(IPV4, &ipv4(protocol, &[], 0, &TCP))).expect("IPv4 names it");
        assert_eq!((ip.protocol, tcp), (protocol, None));
    }
}

#[test]
fn a_frame_cut_anywhere_before_the_end_of_the_fixed_header_is_truncated() {
    let extended = ipv6(60, &[[6, 1].as_slice(), &[0; 14], &TCP].concat());
    for (protocol, packet, needed) in [
        (IPV4, ipv4(6, &[], 0, &TCP), 20 + 20),
        (IPV4, ipv4(6, &[1; 8], 0, &TCP), 28 + 20),
        (IPV6, ipv6(6, &TCP), 40 + 20),
        (IPV6, extended, 56 + 20),
    ] {
        for len in 0..needed {
            assert_eq!(both(&Bytes::ethernet(protocol, &packet).cut(14 + len)), Err(Skip::Truncated), "{len}");
            assert_eq!(both(&Bytes::bare(protocol, &packet).cut(len)), Err(Skip::Truncated), "{len} bare");
        }
        assert!(both(&Bytes::ethernet(protocol, &packet).cut(14 + needed)).is_ok());
    }
}

#[test]
fn headers_outside_the_linear_part_are_found_too() {
    for (protocol, packet) in [(IPV4, ipv4(6, &[], 0, &TCP)), (IPV6, ipv6(6, &TCP))] {
        for linear in 14..14 + packet.len() {
            let frame = Bytes::ethernet(protocol, &packet).with_linear(linear);
            assert_eq!(ports(&found(&frame).1), (40000, 443), "{linear}");
        }
        let frame = Bytes::bare(protocol, &packet).with_linear(0);
        assert_eq!(ports(&found(&frame).1), (40000, 443));
    }
}

#[test]
fn a_length_of_0_is_that_of_the_buffer() {
    let mut packet = ipv4(6, &[], 0, &[TCP.as_slice(), &[0; 100]].concat());
    packet[2..4].fill(0);
    let frame = Bytes::ethernet(IPV4, &packet);
    assert!(!is_fast(&frame));
    assert_eq!(found(&frame).0.payload, 124);
    let mut packet = ipv6(6, &[TCP.as_slice(), &[0; 100]].concat());
    packet[4..6].fill(0);
    let frame = Bytes::ethernet(IPV6, &packet);
    assert!(!is_fast(&frame));
    assert_eq!(found(&frame).0.payload, 124);
}

#[test]
fn a_length_shorter_than_the_headers_is_no_payload() {
    let mut packet = ipv4(6, &[], 0, &TCP);
    packet[2..4].copy_from_slice(&[0, 10]);
    assert_eq!(found(&Bytes::ethernet(IPV4, &packet)).0.payload, 0);
    let mut packet = ipv6(60, &[[6, 1].as_slice(), &[0; 14], &TCP].concat());
    packet[4..6].copy_from_slice(&[0, 4]);
    assert_eq!(found(&Bytes::ethernet(IPV6, &packet)).0.payload, 0);
}

#[test]
fn the_header_length_is_what_the_data_offset_says() {
    for words in 0..16_u8 {
        let mut tcp = TCP;
        tcp[12] = words << 4 | 0x0f;
        let (_, header) = found(&Bytes::ethernet(IPV4, &ipv4(6, &[], 0, &tcp)));
        assert_eq!(header_length(&header), u32::from(words) * 4);
        assert_eq!(header_length(&header) < TCP_FIXED, words < 5, "below 5 words there is no header");
    }
}

#[test]
fn options_are_loaded_as_far_as_they_are_there() {
    let frame = Bytes::ethernet(IPV4, &ipv4(6, &[], 0, &TCP));
    let load = |offset, len| {
        let mut to = [0; 40];
        // SAFETY: an array of this function's own.
        unsafe { load_some(&frame, offset, &mut to, len) }.then_some(to)
    };
    assert_eq!(load(40, 4).map(|to| to[..5].to_vec()), Some(vec![2, 4, 5, 0xb4, 0]));
    assert_eq!(load(40, 0), None, "nothing is not asked for");
    assert_eq!(load(40, 41), None, "more than there is room for");
    assert_eq!(load(40, 40), None, "more than there is");
}

#[test]
fn no_bytes_whatever_are_read_beyond_what_is_there() {
    // A linear congruential generator (Knuth): what matters is that lengths, versions and chains come in all mixtures.
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let chain = [0, 6, 17, 43, 44, 50, 51, 58, 59, 60, 135];
    for _ in 0..50_000 {
        let len = next() % 120;
        let mut packet: Vec<u8> = (0..len).map(|_| next() as u8).collect();
        let (protocol, at) = if next() % 2 == 0 { (IPV4, 9) } else { (IPV6, 6) };
        for (place, byte) in [(0, if protocol == IPV4 { 0x45 } else { 0x60 }), (at, chain[next() % chain.len()])] {
            if let Some(found) = packet.get_mut(place) {
                *found = byte;
            }
        }
        if let Some(first) = packet.get_mut(40) {
            *first = chain[next() % chain.len()];
        }
        let frame = if next() % 3 == 0 { Bytes::bare(protocol, &packet) } else { Bytes::ethernet(protocol, &packet) };
        let linear = next() % (frame.bytes.len() + 1);
        let _any_answer = both(&frame.with_linear(linear));
    }
}
