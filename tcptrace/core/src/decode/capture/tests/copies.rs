//! Packets that a mirror port delivers twice.

use super::{build::*, *};
use crate::decode::capture::bytes::Order;

/// A packet with this identification, flags and payload; `ttl` counts the routers it has yet to pass.
fn packet(id: u16, ttl: u8, flags: u8, payload: usize) -> Vec<u8> {
    let mut packet = ipv4(6, &[], &tcp(flags, &[], payload));
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    packet[8] = ttl;
    packet
}

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PSH_ACK: u8 = 0x18;
const FIN_ACK: u8 = 0x11;
const RST: u8 = 0x04;

/// Returns for each frame, with its time in microseconds, whether it is a copy.
fn copies(frames: &[(u32, Vec<u8>)]) -> Vec<bool> {
    let mut file = Writer::pcap(Order::Little, MICROSECONDS, 1);
    for (at, frame) in frames {
        file.record((1_700_000_000, *at), frame, 0);
    }
    let reading = read(file.bytes.as_slice());
    let copies: Vec<bool> = reading.framed.iter().map(|framed| framed.copy).collect();
    assert_eq!(reading.counters.copies, copies.iter().filter(|&&copy| copy).count() as u64);
    assert_eq!(reading.counters.segments, frames.len() as u64, "copies are segments that were read");
    copies
}

fn plain(packet: &[u8]) -> Vec<u8> {
    ethernet(0x0800, packet)
}

fn tagged(vlan: u8, packet: &[u8]) -> Vec<u8> {
    ethernet(0x8100, &join(&[&[0, vlan, 8, 0], packet]))
}

#[test]
fn the_same_packet_again_is_a_copy() {
    for flags in [SYN, ACK, PSH_ACK, FIN_ACK, RST] {
        let frame = plain(&packet(7, 64, flags, 0));
        assert_eq!(copies(&[(0, frame.clone()), (50, frame)]), [false, true], "{flags:x}");
    }
    let other = plain(&packet(8, 64, PSH_ACK, 10));
    let data = plain(&packet(7, 64, PSH_ACK, 10));
    assert_eq!(copies(&[(0, data.clone()), (1, other.clone()), (2, data), (3, other)]), [false, false, true, true]);
}

#[test]
fn a_router_on_a_trunk_changes_tag_and_ttl_of_its_copy() {
    let (before, after) = (tagged(5, &packet(7, 64, SYN, 0)), tagged(6, &packet(7, 63, SYN, 0)));
    assert_eq!(
        copies(&[(0, before.clone()), (20_000, after.clone()), (20_010, plain(&packet(7, 62, SYN, 0)))]),
        [false, true, true]
    );
}

#[test]
fn what_a_router_records_in_options_makes_no_packet_of_its_own() {
    // An option that records a route (RFC 791 §3.1): two free entries, of which the router fills one.
    let recorded = |pointer: u8, hop: [u8; 4]| {
        let option = join(&[&[7, 11, pointer], &hop, &[0; 5]]);
        let mut packet = ipv4(6, &option, &tcp(PSH_ACK, &[], 10));
        packet[4..6].copy_from_slice(&[0, 7]);
        plain(&packet)
    };
    assert_eq!(copies(&[(0, recorded(4, [0; 4])), (20, recorded(8, [10, 0, 0, 1]))]), [false, true]);
    // A counter in a hop-by-hop option (RFC 9486).
    let counted = |hops| ethernet(0x86dd, &ipv6(0, &[6, 0, 0x31, 4, 0, 0, 0, hops], &tcp(SYN, &[], 0)));
    assert_eq!(copies(&[(0, counted(0)), (20, counted(1))]), [false, true]);
}

#[test]
fn a_retransmission_is_a_packet_of_its_own() {
    for flags in [SYN, PSH_ACK, FIN_ACK] {
        let again = |id| plain(&packet(id, 64, flags, 10));
        assert_eq!(copies(&[(0, again(7)), (300, again(8))]), [false, false], "{flags:x}");
        // Packets that may not be fragmented have no identification.
        assert_eq!(copies(&[(0, again(0)), (200_000, again(0))]), [false, false], "{flags:x}");
    }
    // Some stacks always use the same one.
    let constant = plain(&packet(7, 64, SYN, 0));
    assert_eq!(copies(&[(0, constant.clone()), (500_000, constant)]), [false, false]);
}

#[test]
fn an_identification_that_all_packets_have_tells_none_apart() {
    let [syn, data, fin] = [(SYN, 0), (PSH_ACK, 10), (FIN_ACK, 0)].map(|(f, n)| plain(&packet(1, 64, f, n)));
    let again =
        [(0, syn), (10, data.clone()), (20_000, data), (30_000, fin.clone()), (60_000, fin.clone()), (60_900, fin)];
    assert_eq!(copies(&again), [false, false, false, false, false, true]);
}

#[test]
fn every_packet_of_a_mirror_port_is_recognised_whatever_its_identification() {
    let flags = [(SYN, 0), (ACK, 0), (PSH_ACK, 10), (FIN_ACK, 0), (RST, 0)];
    let frames = (0..).step_by(2_000).zip(flags).flat_map(|(at, (flags, payload))| {
        let frame = plain(&packet(1, 64, flags, payload));
        [(at, frame.clone()), (at + 1_000, frame)]
    });
    assert_eq!(copies(&Vec::from_iter(frames)), [false, true].repeat(flags.len()));
}

#[test]
fn without_identification_only_what_nobody_repeats_so_soon_is_a_copy() {
    let frames = |flags, payload, later| {
        let frame = plain(&packet(0, 64, flags, payload));
        copies(&[(0, frame.clone()), (later, frame)])
    };
    assert_eq!(frames(SYN, 0, 20_000), [false, true]);
    assert_eq!(frames(PSH_ACK, 10, 900), [false, true]);
    assert_eq!(frames(PSH_ACK, 10, 5_000), [false, false], "sent again after duplicate acknowledgements");
    assert_eq!(frames(FIN_ACK, 0, 900), [false, true]);
    assert_eq!(frames(ACK, 0, 1), [false, false], "duplicate acknowledgements");
    assert_eq!(frames(RST, 0, 1), [false, false], "a reset for each segment that arrives");
    let six = |flags| ethernet(0x86dd, &ipv6(6, &[], &tcp(flags, &[], 0)));
    assert_eq!(copies(&[(0, six(SYN)), (10_000, six(SYN))]), [false, true]);
    assert_eq!(copies(&[(0, six(ACK)), (1, six(ACK))]), [false, false]);
}

#[test]
fn without_identification_another_tag_or_ttl_shows_a_copy() {
    for (flags, payload) in [(ACK, 0), (PSH_ACK, 10), (FIN_ACK, 0), (RST, 0)] {
        let packet = |ttl| packet(0, ttl, flags, payload);
        let routed = [plain(&packet(64)), plain(&packet(63)), tagged(5, &packet(64))];
        let [first, lower, tag] = &routed;
        assert_eq!(copies(&[(0, first.clone()), (3_000, lower.clone()), (6_000, tag.clone())]), [false, true, true]);
        // Sent again, it takes the same way.
        let twice =
            [(0, first), (3_000, lower), (50_000, first), (53_000, lower)].map(|(at, frame)| (at, frame.clone()));
        assert_eq!(copies(&twice), [false, true, false, true], "{flags:x}");
    }
}

#[test]
fn a_capture_appended_to_itself_is_read_once() {
    let packets = [SYN, ACK, PSH_ACK, FIN_ACK, RST].map(|flags| plain(&packet(0, 64, flags, 0)));
    let once: Vec<_> = (0..).step_by(150_000).zip(packets).collect();
    let mut all = once.clone();
    all.extend(once);
    assert_eq!(copies(&all), [[false; 5], [true; 5]].concat());
}

#[test]
fn other_contents_make_another_packet() {
    let data = packet(7, 64, PSH_ACK, 10);
    let mut checksum = data.clone();
    // 20 bytes of IP before the TCP header.
    checksum[20 + 16] ^= 1;
    assert_eq!(copies(&[(0, plain(&data)), (1, plain(&checksum))]), [false, false]);
}

#[test]
fn copies_on_other_interfaces_or_in_the_other_direction_are_left_to_the_correlator() {
    let frame = plain(&packet(7, 64, SYN, 0));
    let mut file = Writer::pcapng(Order::Little);
    file.plain_interface(1).plain_interface(1);
    file.enhanced(0, 5, &frame, None).enhanced(1, 6, &frame, None).enhanced(1, 7, &frame, Some(1));
    assert!(read(file.bytes.as_slice()).framed.iter().all(|framed| !framed.copy));
}

#[test]
fn without_times_nothing_is_a_copy() {
    let frame = plain(&packet(7, 64, SYN, 0));
    let mut file = Writer::pcapng(Order::Little);
    file.plain_interface(1).simple(frame.len() as u32, &frame).simple(frame.len() as u32, &frame);
    assert!(read(file.bytes.as_slice()).framed.iter().all(|framed| !framed.copy));
}
