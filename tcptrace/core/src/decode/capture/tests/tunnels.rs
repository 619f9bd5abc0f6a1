//! Carriers of IP packets other than the link layer, each with the same SYN inside.

use super::{build::*, links::reads, *};
use crate::decode::capture::bytes::Order;

/// An outer IPv4 header and UDP to this port.
fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 8) as u16;
    let header = [&[0xc0, 0][..], &port.to_be_bytes(), &length.to_be_bytes(), &[0, 0]].concat();
    ipv4(17, &[], &join(&[&header, payload]))
}

fn gre(flags: u16, protocol: u16, fields: &[u8], payload: &[u8]) -> Vec<u8> {
    ipv4(47, &[], &join(&[&flags.to_be_bytes(), &protocol.to_be_bytes(), fields, payload]))
}

fn inner4() -> Vec<u8> {
    ipv4(6, &[], &syn())
}

fn inner6() -> Vec<u8> {
    ipv6(6, &[], &syn())
}

/// Reads a frame of Ethernet that carries this IPv4 packet.
fn inside(packet: &[u8]) {
    reads(1, &ethernet(0x0800, packet));
}

#[test]
fn labels_sessions_and_switches() {
    let ethertypes: [(u16, &[&[u8]]); 8] = [
        (0x8847, &[&[0, 1, 0, 64], &[0, 2, 1, 64]]),
        (0x8848, &[&[0, 1, 1, 64]]),
        (0x8864, &[&[0x11, 0, 0, 9, 0, 99], &[0, 0x21]]),
        (0x8864, &[&[0x11, 0, 0, 9, 0, 99], &[0x21]]),
        (0x8909, &[&[1, 1, 0, 1, 0, 7], &[8, 0]]),
        (0x8926, &[&[0, 0, 0, 1], &[8, 0]]),
        (0x893f, &[&[0, 0, 0, 1, 0, 0], &[8, 0]]),
        (0x894f, &[&[0, 2, 1, 1, 0, 0, 0, 0]]),
    ];
    for (number, headers) in ethertypes {
        reads(1, &ethernet(number, &join(&[&headers.concat(), &inner4()])));
    }
    // A whole frame after labels, with and without a control word, and in a provider's backbone.
    for before in [&[][..], &[0, 0, 0, 1]] {
        reads(1, &ethernet(0x8847, &join(&[&[0, 1, 1, 64], before, &frame()])));
    }
    reads(1, &ethernet(0x88e7, &join(&[&[0, 0, 0, 5], &frame()])));
    // Discovery carries nothing, and neither do other protocols.
    for frame in [ethernet(0x8863, &[0x11, 9, 0, 0, 0, 0, 0, 0]), ethernet(0x8864, &[0x11, 0, 0, 9, 0, 4, 0xc0, 0x21])]
    {
        assert_eq!(read(one(1, &frame).as_slice()).counters.skipped.not_ip, 1);
    }
}

#[test]
fn lengths_instead_of_ethertypes() {
    let length = |header: &[u8]| ethernet((inner4().len() + header.len()) as u16, &join(&[header, &inner4()]));
    reads(1, &length(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0]));
    reads(1, &length(&[0xaa, 0xaa, 3, 0, 0, 0xf8, 8, 0]));
    reads(1, &length(&[6, 6, 3]));
    assert_eq!(read(one(1, &length(&[0x42, 0x42, 3])).as_slice()).counters.skipped.not_ip, 1);
}

#[test]
fn ip_in_ip() {
    inside(&ipv4(4, &[], &inner4()));
    inside(&ipv4(41, &[], &inner6()));
    reads(1, &ethernet(0x86dd, &ipv6(4, &[], &inner4())));
    reads(1, &ethernet(0x86dd, &ipv6(41, &[], &inner6())));
    inside(&ipv4(97, &[], &join(&[&[0x30, 0], &frame()])));
    inside(&ipv4(137, &[], &join(&[&[0, 1, 1, 64], &inner4()])));
    reads(1, &ethernet(0x86dd, &ipv6(143, &[], &frame())));
    // An authentication header.
    inside(&ipv4(51, &[], &join(&[&[6, 4, 0, 0], &[0; 20], &syn()])));
}

#[test]
fn generic_routing_encapsulation() {
    inside(&gre(0, 0x0800, &[], &inner4()));
    inside(&gre(0, 0x86dd, &[], &inner6()));
    inside(&gre(0x8000, 0x0800, &[1, 2, 0, 0], &inner4()));
    inside(&gre(0x2000, 0x0800, &[0, 0, 0, 9], &inner4()));
    inside(&gre(0xb000, 0x6558, &[0; 12], &frame()));
    inside(&gre(0, 0x88be, &[], &frame()));
    inside(&gre(0x1000, 0x88be, &[0; 12], &frame()));
    inside(&gre(0x1000, 0x22eb, &[0; 16], &frame()));
    inside(&gre(0x1000, 0x22eb, &[&[0; 15][..], &[1], &[0; 8]].concat(), &frame()));
    // PPTP: key, sequence number, acknowledgement.
    inside(&gre(0x3081, 0x880b, &[0; 12], &join(&[&[0xff, 3, 0, 0x21], &inner4()])));
    // An acknowledgement without payload; a source route.
    for packet in [gre(0x2081, 0x880b, &[0; 8], &[]), gre(0x4000, 0x0800, &[0; 8], &inner4())] {
        assert_eq!(read(one(101, &packet).as_slice()).counters.skipped.not_tcp, 1);
    }
}

#[test]
fn tunnels_in_udp() {
    inside(&udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 42, 0], &frame()])));
    inside(&udp(8472, &join(&[&[8, 0, 0, 0, 0, 0, 42, 0], &frame()])));
    inside(&udp(4790, &join(&[&[0x0c, 0, 0, 1, 0, 0, 42, 0], &inner4()])));
    inside(&udp(6081, &join(&[&[1, 0, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 3, 0], &frame()])));
    inside(&udp(6081, &join(&[&[0, 0, 0x86, 0xdd, 0, 0, 42, 0], &inner6()])));
    inside(&udp(2152, &join(&[&[0x30, 255, 0, 0, 0, 0, 0, 1], &inner4()])));
    inside(&udp(2152, &join(&[&[0x34, 255, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 9, 0], &inner4()])));
    inside(&udp(1701, &join(&[&[0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0x21], &inner4()])));
    inside(&udp(1701, &join(&[&[0x4a, 2, 0, 80, 0, 1, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0x21], &inner4()])));
    inside(&udp(3544, &inner6()));
    inside(&udp(5247, &join(&[&[0, 0x10, 0, 0, 0, 0, 0, 0], &frame()])));
    inside(&udp(6635, &join(&[&[0, 1, 1, 64], &inner4()])));
    inside(&udp(4341, &join(&[&[0; 8], &inner4()])));
    // Headers that lack a required field, and other ports.
    for packet in [udp(4789, &[0; 60]), udp(2152, &[0x32, 1, 0, 4, 0, 0, 0, 0]), udp(53, &frame())] {
        assert_eq!(read(one(101, &packet).as_slice()).counters.skipped.not_tcp, 1);
    }
}

#[test]
fn layers_are_told_outermost_first() {
    let vxlan = udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 42, 0], &frame()]));
    let reading = reads(1, &ethernet(0x8100, &join(&[&[0x20, 5, 8, 0], &ipv4(4, &[], &vxlan)])));
    let words: Vec<_> = reading.framed[0].layers.iter().map(|layer| layer.to_string()).collect();
    assert_eq!(words, ["vlan 5", "ipip", "vxlan 42"]);
    assert!(reads(1, &frame()).framed[0].layers.is_empty());
}

#[test]
fn depth_is_limited() {
    let nested = |depth| (0..depth).fold(inner4(), |packet, _| ipv4(4, &[], &packet));
    inside(&nested(8));
    assert_eq!(read(one(101, &nested(9)).as_slice()).counters.skipped.nested, 1);
    let mut tags = Vec::new();
    for _ in 0..2_000 {
        tags.extend_from_slice(&[0, 5, 0x81, 0]);
    }
    assert_eq!(read(one(1, &ethernet(0x8100, &tags)).as_slice()).counters.skipped.nested, 1);
    // Labels without a bottom.
    assert_eq!(read(one(1, &ethernet(0x8847, &[0; 4_000])).as_slice()).counters.skipped.nested, 1);
}

#[test]
fn kinds_are_told() {
    let mut file = Writer::pcap(Order::Little, MICROSECONDS, 1);
    for frame in [ethernet(0x0806, &[0; 28]), ethernet(0x0806, &[0; 28]), ethernet(0x0800, &udp(53, &[0; 9]))] {
        file.record((1, 0), &frame, 0);
    }
    let Ok(Capture::Frames(mut frames)) = open(file.bytes.as_slice()) else { panic!("it is a capture") };
    assert!(frames.next().is_none());
    assert_eq!(frames.unread(), [(Unread::EtherType(0x0806), 2), (Unread::Protocol(17), 1)]);
}

#[test]
fn what_carries_packets_that_are_not_read_has_a_name() {
    let named = |packet: &[u8]| {
        let file = one(101, packet);
        let Ok(Capture::Frames(mut frames)) = open(file.as_slice()) else { panic!("it is a capture") };
        assert!(frames.next().is_none());
        frames.unread().first().map(|(kind, _)| kind.to_string()).unwrap_or_default()
    };
    for (packet, name) in [
        (udp(6343, &[0, 0, 0, 5, 0, 0, 0, 1]), "sFlow"),
        (udp(4500, &[0, 0, 0, 9, 0, 0, 0, 1]), "ESP in UDP"),
        // Key exchange, a keep-alive, and other contents.
        (udp(4500, &[0, 0, 0, 0, 1, 2, 3, 4]), "UDP"),
        (udp(4500, &[0xff]), "UDP"),
        (udp(51820, &[4, 0, 0, 0, 1, 2, 3, 4]), "WireGuard"),
        (udp(51820, &[0x45, 0, 0, 0]), "UDP"),
        (udp(6343, b"text"), "UDP"),
        (ipv4(108, &[], &[6, 0, 0, 2]), "IPComp"),
    ] {
        assert_eq!(named(&packet), name, "{packet:02x?}");
    }
}
