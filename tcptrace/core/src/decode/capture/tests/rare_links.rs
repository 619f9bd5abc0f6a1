//! Link types that few captures have, each followed by the same SYN.

use super::{build::*, links::reads, *};

const SNAP: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];

fn packet() -> Vec<u8> {
    ipv4(6, &[], &syn())
}

/// Reads frames that begin with these bytes, followed by the IPv4 packet.
fn each(frames: &[(u32, &[u8])]) {
    for (link_type, header) in frames {
        reads(*link_type, &join(&[header, &packet()]));
    }
}

#[test]
fn point_to_point() {
    each(&[
        (9, &[0xff, 3, 0, 0x21]),
        (9, &[0, 0x21]),
        (9, &[0x21]),
        (50, &[0xff, 3, 0, 0x21]),
        (50, &[0x0f, 0, 8, 0]),
        (51, &[0x11, 0, 0, 1, 0, 99, 0, 0x21]),
        (104, &[0x0f, 0, 8, 0]),
        (205, &[0, 0x0f, 0, 8, 0]),
        (107, &[0x18, 0x41, 3, 0xcc]),
        (107, &[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0]),
        (107, &[0x18, 0x41, 8, 0]),
        (206, &[1, 0x18, 0x41, 3, 0xcc]),
    ]);
    for (direction, expected) in [(0, Direction::In), (1, Direction::Out)] {
        for (link_type, header) in [(166, &[direction, 3, 0, 0x21][..]), (204, &[direction, 0xff, 3, 0, 0x21])] {
            assert_eq!(reads(link_type, &join(&[header, &packet()])).framed[0].direction, Some(expected));
        }
        let slip = join(&[&[direction], &[0; 15], &packet()]);
        assert_eq!(reads(8, &slip).framed[0].direction, Some(expected));
    }
}

#[test]
fn local_networks() {
    reads(6, &join(&[&[0x10, 0x40], &[2; 12], &SNAP, &packet()]));
    // A route of six bytes.
    reads(6, &join(&[&[0x10, 0x40], &[2; 6], &[0x82], &[2; 5], &[6, 0, 1, 2, 3, 4], &SNAP, &packet()]));
    reads(10, &join(&[&[0x57], &[2; 12], &SNAP, &packet()]));
    each(&[(100, &SNAP), (106, &SNAP), (106, &[]), (123, &[&[2, 0, 0, 5][..], &SNAP].concat())]);
    each(&[(122, &[&[0; 16][..], &SNAP].concat()), (129, &[1, 2, 0, 0, 212, 0, 0, 1]), (129, &[1, 2, 0, 0, 240])]);
    each(&[(138, &[&[0; 16][..], &[8, 0]].concat()), (242, &[&[0; 40][..], &[8, 0, 0, 0]].concat())]);
}

#[test]
fn tags_of_switches() {
    let tagged = |tag: &[u8]| join(&[&[2; 12], tag, &[8, 0], &packet()]);
    for link_type in [281, 284] {
        reads(link_type, &tagged(&[0, 0, 0, 1]));
    }
    reads(285, &tagged(&[0xda, 0xda, 0, 0, 0, 0, 0, 1]));
    reads(282, &join(&[&[0, 0, 0, 1], &frame()]));
    reads(259, &join(&[&[0x55; 8], &frame()]));
}

#[test]
fn wireless() {
    let data =
        |control: u8, flags: u8, rest: &[u8]| join(&[&[control, flags], &[0; 20], &[0x10, 0], rest, &SNAP, &packet()]);
    reads(105, &data(0x08, 1, &[]));
    reads(105, &data(0x88, 2, &[0, 0]));
    reads(105, &data(0x88, 3, &[0; 8]));
    reads(105, &data(0x88, 0x81, &[0, 0, 0, 0, 0, 0]));
    // Radiotap with a time and flags, one of which announces padding after the header of 26 bytes.
    let radiotap = |flags| join(&[&[0, 0, 24, 0, 3, 0, 0, 0], &[0; 8], &[flags], &[0; 7]]);
    reads(127, &join(&[&radiotap(0), &data(0x88, 1, &[0, 0])]));
    reads(127, &join(&[&radiotap(0x20), &data(0x88, 1, &[0, 0, 0, 0])]));
    let prism = |length: [u8; 4]| join(&[&[0x44, 0, 0, 0], &length, &[0; 136], &data(8, 1, &[])]);
    reads(119, &prism([144, 0, 0, 0]));
    reads(119, &prism([0, 0, 0, 144]));
    for link_type in [119, 163] {
        reads(link_type, &join(&[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64], &[0; 56], &data(8, 1, &[])]));
    }
    reads(192, &join(&[&[0, 0, 8, 0, 105, 0, 0, 0], &data(8, 1, &[])]));
    // Encrypted, without data, a beacon, aggregated, a fragment.
    let mut fragment = data(8, 1, &[]);
    fragment[22] = 0x11;
    for frame in [data(8, 0x41, &[]), data(0x48, 1, &[]), data(0x80, 0, &[]), data(0x88, 1, &[0x80, 0]), fragment] {
        assert_eq!(read(one(105, &frame).as_slice()).counters.skipped.not_ip, 1);
    }
}

#[test]
fn logs_of_firewalls() {
    each(&[(109, &[2, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]), (109, &[0, 0, 0, 2, 1, 2, 3, 4, 0, 0, 0, 0])]);
    let mut pflog = vec![61, 2];
    pflog.resize(64, 0);
    pflog[60] = 2;
    assert_eq!(reads(117, &join(&[&pflog, &packet()])).framed[0].direction, Some(Direction::Out));
    let length = (packet().len() + 4) as u16;
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        let attribute = |length, kind| [order(length), order(kind)].concat();
        let frame =
            join(&[&[2, 0, 0, 1], &attribute(8, 1), &[8, 0, 1, 0], &attribute(5, 10), &[0; 4], &attribute(length, 9)]);
        reads(239, &join(&[&frame, &packet()]));
    }
}

#[test]
fn records_with_a_process() {
    let mut header = vec![0; 108];
    for (at, number) in [(0, 108_u32), (4, 1), (8, 1), (36, 2), (52, 4242), (84, u32::MAX)] {
        header[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    header[56..60].copy_from_slice(b"curl");
    let reading = reads(258, &join(&[&header, &frame()]));
    let process = reading.framed[0].process.expect("it is named");
    assert_eq!(
        (process.pid, process.comm.to_string(), reading.framed[0].direction),
        (4242, "curl".into(), Some(Direction::Out))
    );
    // A record of metadata, and an unknown link type.
    for (at, value) in [(4, 2), (8, 147)] {
        let mut other = header.clone();
        other[at] = value;
        assert_eq!(read(one(258, &join(&[&other, &frame()])).as_slice()).counters.skipped.not_ip, 1);
    }
}

#[test]
fn endace() {
    let header = |kind: u8, more: &[u8]| join(&[&[0; 8], &[kind], &[0; 7], more]);
    reads(197, &join(&[&header(2, &[0, 0]), &frame()]));
    reads(197, &join(&[&header(0x82, &[&[0x80; 8][..], &[0; 8], &[0, 0]].concat()), &frame()]));
    reads(197, &join(&[&header(1, &[0xff, 3, 0, 0x21]), &packet()]));
    reads(197, &join(&[&header(22, &[]), &packet()]));
}

#[test]
fn two_tags_in_linux_cooked_frames() {
    let frame = join(&[&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0], &[0, 6, 8, 0], &packet()]);
    reads(113, &frame);
}
