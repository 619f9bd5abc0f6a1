//! Link types, each followed by the same SYN.

use super::{build::*, *};
use crate::decode::capture::bytes::Order;

/// Linux cooked, version 1.
pub(super) fn cooked1(protocol: u16, packet_type: u16, payload: &[u8]) -> Vec<u8> {
    let [t0, t1] = packet_type.to_be_bytes();
    join(&[&[t0, t1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], &protocol.to_be_bytes(), payload])
}

/// Linux cooked, version 2.
pub(super) fn cooked2(protocol: u16, device: u32, packet_type: u8, payload: &[u8]) -> Vec<u8> {
    let rest = [0, 1, packet_type, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    join(&[&protocol.to_be_bytes(), &[0, 0], &device.to_be_bytes(), &rest, payload])
}

pub(super) fn reads(link_type: u32, frame: &[u8]) -> Reading {
    let reading = read(one(link_type, frame).as_slice());
    let segment = reading.segment();
    assert_eq!(segment.at.0, 1_700_000_000_250_000_000);
    assert_eq!((segment.src.port, segment.dst.port), (49152, 80));
    assert_eq!((segment.header.seq, segment.header.ack), (SeqNumber(4097), SeqNumber(8194)));
    assert_eq!((segment.header.flags, segment.header.window), (TcpFlags::SYN, 64240));
    assert_eq!(segment.header.options.as_slice(), OPTIONS);
    assert_eq!((segment.length, segment.segments, segment.socket), (0, 1, None));
    let addresses = (segment.src.addr.to_string(), segment.dst.addr.to_string());
    match segment.src.addr.is_ipv4() {
        true => assert_eq!(addresses, ("192.0.2.1".into(), "198.51.100.7".into())),
        false => assert_eq!(addresses, ("2001:db8::1".into(), "2001:db8::2".into())),
    }
    reading
}

/// Both families, by `frame` from an EtherType and a datagram.
fn both(link_type: u32, frame: impl Fn(u16, &[u8]) -> Vec<u8>) -> [Reading; 2] {
    let (v4, v6) = (ipv4(6, &[], &syn()), ipv6(6, &[], &syn()));
    let readings = [reads(link_type, &frame(0x0800, &v4)), reads(link_type, &frame(0x86dd, &v6))];
    assert!(readings[0].segment().src.addr.is_ipv4() && readings[1].segment().src.addr.is_ipv6());
    readings
}

#[test]
fn ethernet_with_tags() {
    both(1, ethernet);
    // The frame is padded to 60 bytes; the length is that of the IP header.
    both(1, |protocol, payload| join(&[&ethernet(protocol, payload), &[0xee; 20]]));
    for outer in [0x8100, 0x88a8] {
        both(1, |protocol, payload| ethernet(outer, &join(&[&[0, 5], &protocol.to_be_bytes(), payload])));
        both(1, |protocol, payload| {
            ethernet(outer, &join(&[&[0, 5, 0x81, 0, 0, 6], &protocol.to_be_bytes(), payload]))
        });
    }
    let three = ethernet(0x88a8, &join(&[&[0, 5, 0x81, 0, 0, 6, 0x91, 0, 0, 7, 8, 0], &ipv4(6, &[], &syn())]));
    reads(1, &three);
}

#[test]
fn raw_ip() {
    for link_type in [12, 14, 101] {
        let readings = both(link_type, |_, payload| payload.to_vec());
        assert_eq!(readings[0].names(), ["raw-ip"]);
        assert_eq!(read(one(link_type, &[0x50; 60]).as_slice()).counters.skipped.not_ip, 1);
    }
    let (v4, v6) = (ipv4(6, &[], &syn()), ipv6(6, &[], &syn()));
    assert_eq!(reads(228, &v4).names(), ["ipv4"]);
    assert_eq!(reads(229, &v6).names(), ["ipv6"]);
    assert_eq!(read(one(228, &v6).as_slice()).counters.skipped.malformed, 1);
    assert_eq!(read(one(229, &v4).as_slice()).counters.skipped.malformed, 1);
}

#[test]
fn loopback_of_all_systems() {
    let (v4, v6) = (ipv4(6, &[], &syn()), ipv6(6, &[], &syn()));
    for link_type in [0, 108] {
        for order in [u32::to_be_bytes, u32::to_le_bytes] {
            assert!(reads(link_type, &join(&[&order(2), &v4])).segment().src.addr.is_ipv4());
            for family in [10, 24, 28, 30] {
                assert!(reads(link_type, &join(&[&order(family), &v6])).segment().src.addr.is_ipv6());
            }
            let other = read(one(link_type, &join(&[&order(7), &v4])).as_slice());
            assert_eq!(other.counters.skipped.not_ip, 1);
        }
    }
}

#[test]
fn linux_cooked() {
    for (packet_type, direction) in
        [(0, Direction::In), (1, Direction::In), (2, Direction::In), (3, Direction::In), (4, Direction::Out)]
    {
        for reading in both(113, |protocol, payload| cooked1(protocol, packet_type, payload)) {
            assert_eq!(reading.framed[0].direction, Some(direction));
            assert_eq!((reading.segment().direction, reading.names()), (Some(direction), vec!["linux-cooked"]));
        }
        for reading in both(276, |protocol, payload| cooked2(protocol, 9, packet_type as u8, payload)) {
            assert_eq!(reading.framed[0].direction, Some(direction));
            assert_eq!((reading.framed[0].interface, reading.segment().ifindex), (1, 2));
            assert_eq!(reading.names(), ["linux-cooked", "ifindex 9"]);
        }
    }
    // A tag that the device left in the bytes.
    both(113, |protocol, payload| cooked1(0x8100, 0, &join(&[&[0, 5], &protocol.to_be_bytes(), payload])));
    // 802.3 frames, which have no EtherType.
    assert_eq!(read(one(113, &cooked1(4, 0, &[0; 60])).as_slice()).counters.skipped.not_ip, 1);
}

#[test]
fn each_device_is_an_interface() {
    let mut file = Writer::pcap(Order::Little, MICROSECONDS, 276);
    for device in [2, 5, 2, 5, 5, 7] {
        file.record((1, 0), &cooked2(0x0800, device, 0, &ipv4(6, &[], &syn())), 0);
    }
    let reading = read(file.bytes.as_slice());
    let interfaces: Vec<_> = reading.framed.iter().map(|framed| framed.interface).collect();
    assert_eq!(interfaces, [1, 2, 1, 2, 2, 3]);
    assert_eq!(reading.names(), ["linux-cooked", "ifindex 2", "ifindex 5", "ifindex 7"]);
    assert!(reading.interfaces.iter().all(|interface| interface.link_type == LinkType(276)));
}

#[test]
fn devices_without_end_share_their_interface() {
    let mut file = Writer::pcap(Order::Little, MICROSECONDS, 276);
    for device in 0..70_000 {
        file.record((1, 0), &cooked2(0x0800, device, 0, &ipv4(6, &[], &syn())), 0);
    }
    let reading = read(file.bytes.as_slice());
    assert_eq!((reading.framed.len(), reading.interfaces.len()), (70_000, 65_536));
    assert_eq!(reading.framed.last().map(|framed| framed.interface), Some(0));
}

#[test]
fn other_link_types_are_named_by_their_number() {
    let reading = read(one(147, &frame()).as_slice());
    assert!(matches!(reading.error, Some(CaptureError::LinkType(LinkType(147)))));
    assert!(reading.message().contains("link type 147"), "{}", reading.message());
    assert!(!LinkType(147).is_supported() && LinkType(1).is_supported());
}
