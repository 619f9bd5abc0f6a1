//! Frames as delivered by Ethernet devices: with VLAN tags, and in fragments.

use std::net::SocketAddr;

use serde_json::Value;
use tcptrace_tests::{Netns, Tap, Tracer, accurate_ecn_packets, assert_accurate_ecn, endpoint, number, tcp_packet};

const SYN: u8 = 0x02;
const CUSTOMER_TAG: u16 = 0x8100;
const SERVICE_TAG: u16 = 0x88a8;

/// `mss 1460,sackOK,nop,wscale 7`
const OPTIONS: [u8; 12] = [2, 4, 5, 180, 4, 2, 1, 3, 3, 7, 1, 1];

fn ends(v6: bool, port: u16) -> (SocketAddr, SocketAddr) {
    let (from, to) = if v6 { ("fd09::2", "fd09::1") } else { ("10.9.0.2", "10.9.0.1") };
    let at = |ip: &str, port| SocketAddr::new(ip.parse().expect("an address"), port);
    (at(from, 5000), at(to, port))
}

/// Returns the records of one SYN that arrives on a tap device.
fn seen(v6: bool, port: u16, fragments: bool, send: impl Fn(&Tap, Vec<u8>)) -> Value {
    let netns = Netns::new();
    let tap = if fragments { Tap::with_fragments(&netns, "tap0") } else { Tap::new(&netns, "tap0") };
    let tracer = Tracer::start(&netns, &["-p", &port.to_string()]);
    let (from, to) = ends(v6, port);
    send(&tap, tcp_packet(from, to, SYN, (7_000, 0), &OPTIONS, &[]));
    tracer.wait_for("the segment", |record| endpoint(record, "src") == Some(from));
    let trace = tracer.stop();
    let segments = trace.of_type("segment");
    assert_eq!(segments.len(), 1, "{segments:#?}");
    assert_eq!((&segments[0]["interface"], &segments[0]["direction"]), (&"tap0".into(), &"in".into()));
    assert_eq!(endpoint(segments[0], "dst"), Some(to));
    segments[0].clone()
}

fn check(segment: &Value) {
    assert_eq!((&segment["flags"], number(segment, "seq"), number(segment, "length")), (&"S".into(), 7_000, 0));
    assert_eq!(
        (&segment["options"]["mss"], &segment["options"]["window_scale"]),
        (&1460.into(), &7.into()),
        "{segment}"
    );
}

#[test]
fn segments_behind_vlan_tags_are_seen() {
    let tags: [&[(u16, u16)]; 4] =
        [&[], &[(CUSTOMER_TAG, 5)], &[(SERVICE_TAG, 6)], &[(SERVICE_TAG, 6), (CUSTOMER_TAG, 5)]];
    for v6 in [false, true] {
        for tags in tags {
            check(&seen(v6, 4421, false, |tap, packet| tap.send(tags, &packet, usize::MAX)));
        }
    }
}

/// No kernel before Linux 7.2 negotiates Accurate ECN, so these segments merely pass by.
#[test]
fn flags_are_a_number_after_an_accurate_ecn_handshake() {
    for v6 in [false, true] {
        let netns = Netns::new();
        let tap = Tap::new(&netns, "tap0");
        let tracer = Tracer::start(&netns, &["-p", "4423", "--segments", "all"]);
        let (client, server) = ends(v6, 4423);
        for packet in accurate_ecn_packets(client, server) {
            tap.send(&[], &packet, usize::MAX);
        }
        tracer.wait_for("the last ACK", |record| record["type"] == "segment" && record["rel_ack"] == 2);
        let trace = tracer.stop();
        assert_accurate_ecn(&trace.of_type("segment"));
    }
}

#[test]
fn headers_in_fragments_of_the_buffer_are_seen() {
    // With this option the kernel's receive offload skips the packets, so that it does not gather the headers first.
    let with_option = |packet: Vec<u8>| {
        let (header, rest) = packet.split_at(20);
        let mut packet = [header, &[1, 1, 1, 0], rest].concat();
        packet[0] = 0x46;
        packet[3] += 4;
        packet
    };
    // The first slice ends after the Ethernet header, within the IP header, within the TCP header, or within its options.
    for linear in [14, 24, 44, 60] {
        check(&seen(false, 4422, true, |tap, packet| tap.send(&[], &with_option(packet), linear)));
    }
}
