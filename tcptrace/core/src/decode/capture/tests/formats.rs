//! Containers: times, interfaces, directions and byte orders.

use super::{build::*, *};
use crate::decode::capture::bytes::Order;

const ORDERS: [Order; 2] = [Order::Little, Order::Big];

#[test]
fn pcap_of_both_orders_and_both_units() {
    for order in ORDERS {
        for (magic, time) in [(MICROSECONDS, 123_456_000), (NANOSECONDS, 123_456)] {
            let mut file = Writer::pcap(order, magic, 1);
            file.record((1_700_000_000, 123_456), &frame(), 0);
            let reading = read(file.bytes.as_slice());
            let segment = reading.segment();
            assert_eq!(segment.at.0, 1_700_000_000_000_000_000 + time, "{order:?} {magic:x}");
            assert_eq!((segment.src.port, segment.dst.port), (49152, 80));
            assert_eq!((segment.ifindex, reading.framed[0].interface), (1, 0));
            assert_eq!(reading.framed[0].direction, None);
            assert_eq!(reading.names(), ["ethernet"]);
            let bytes = file.bytes.len() as u64;
            assert_eq!(reading.counters, Counters { bytes, frames: 1, segments: 1, ..Counters::default() });
            assert!(reading.error.is_none());
        }
    }
}

#[test]
fn pcap_with_longer_records() {
    let mut file = Writer::pcap(Order::Little, MODIFIED, 1);
    let frame = frame();
    for second in 1..3 {
        file.u32(second).u32(0).u32(frame.len() as u32).u32(frame.len() as u32).u32(0).u32(0).raw(&frame);
    }
    assert_eq!(read(file.bytes.as_slice()).times(), [1_000_000_000, 2_000_000_000]);
}

#[test]
fn old_variants_of_pcap() {
    let frame = frame();
    let (length, cut) = (frame.len() as u32, frame.len() as u32 - 4);
    for order in ORDERS {
        // The original length first: before 2.3, always; in 2.3, where it is the longer one.
        for (major, minor, lengths) in
            [(2, 2, [length, cut]), (2, 3, [length, cut]), (2, 3, [cut, length]), (543, 0, [length, cut])]
        {
            let mut file = Writer::pcap(order, MICROSECONDS, 1);
            file.bytes.clear();
            file.u32(MICROSECONDS).u16(major).u16(minor).u32(0).u32(0).u32(65_535).u32(1);
            file.u32(1).u32(0).u32(lengths[0]).u32(lengths[1]).raw(&frame[..cut as usize]);
            let reading = read(file.bytes.as_slice());
            assert_eq!((reading.times(), reading.segment().length), (vec![1_000_000_000], 0), "{major}.{minor}");
        }
        let mut modified = Writer::pcap(order, MODIFIED, 1);
        modified.u32(1).u32(0).u32(length).u32(length).u32(0).u32(0).raw(&frame);
        assert_eq!(read(modified.bytes.as_slice()).times(), [1_000_000_000]);
        for magic in [0x1c00_01ab, 0x1c00_01ac] {
            let mut ixia = Writer::pcap(order, magic, 1);
            ixia.u32(16 + length).u32(1).u32(5).u32(length).u32(length).raw(&frame);
            assert_eq!(read(ixia.bytes.as_slice()).times(), [1_000_000_005]);
        }
    }
}

#[test]
fn snoop() {
    let frame = frame();
    let length = frame.len() as u32;
    let mut file = Writer::pcap(Order::Big, MICROSECONDS, 1);
    file.bytes = b"snoop\0\0\0".to_vec();
    file.u32(2).u32(4);
    for dropped in [0, 3] {
        file.u32(length).u32(length).u32(24 + length + 2).u32(dropped).u32(7).u32(9).raw(&frame).raw(&[0; 2]);
    }
    let reading = read(file.bytes.as_slice());
    assert_eq!((reading.times(), reading.counters.lost), (vec![7_000_009_000; 2], 3));
    assert!(reading.error.is_none());
    let cut = read(&file.bytes[..file.bytes.len() - 1]);
    assert!(matches!(cut.error, Some(CaptureError::Truncated { frames: 1, .. })), "{:?}", cut.error);
    file.bytes[15] = 9;
    assert!(read(file.bytes.as_slice()).message().contains("snoop link type 9"));
}

#[test]
fn erf() {
    let (frame, losses) = (frame(), [0, 3]);
    let record = |lost: u8, extensions: &[u8]| {
        let kind = if extensions.is_empty() { 2 } else { 0x82 };
        let length = u16::try_from(16 + extensions.len() + 2 + frame.len()).expect("short").to_be_bytes();
        let wire = u16::try_from(frame.len()).expect("short").to_be_bytes();
        // 1,600,000,000.5 s, little-endian.
        let time = [0, 0, 0, 0x80, 0x00, 0x10, 0x5e, 0x5f];
        join(&[&time, &[kind, 4], &length, &[0, lost], &wire, extensions, &[0; 2], &frame])
    };
    let [first, second] = [record(losses[0], &[]), record(losses[1], &[[0x83; 8], [3; 8]].concat())];
    let padding = join(&[&[0; 8], &[48, 0, 0, 16], &[0; 4]]);
    let file = join(&[&first, &padding, &second]);
    let reading = read(file.as_slice());
    assert!(reading.error.is_none(), "{:?}", reading.error);
    assert_eq!((reading.times(), reading.counters.lost), (vec![1_600_000_000_500_000_000; 2], 3));
    assert_eq!(read(first.as_slice()).framed.len(), 1);
    let cut = read(&file[..file.len() - 1]);
    assert!(matches!(cut.error, Some(CaptureError::Truncated { frames: 1, .. })), "{:?}", cut.error);
    // The time begins with any byte.
    let mut like_json = file.clone();
    like_json[0] = b'{';
    assert_eq!(read(like_json.as_slice()).framed.len(), 2);
    let mut damaged = file.clone();
    damaged[first.len() + 16 + 10..][..2].fill(0);
    assert!(read(damaged.as_slice()).message().contains("a length that no record can have"));
}

#[test]
fn pcap_whose_link_type_tells_of_checksums() {
    assert_eq!(read(one(0x2400_0001, &frame()).as_slice()).framed.len(), 1);
}

#[test]
fn pcap_without_frames_is_a_capture() {
    let file = Writer::pcap(Order::Little, MICROSECONDS, 1);
    let reading = read(file.bytes.as_slice());
    assert!(reading.error.is_none() && reading.framed.is_empty());
    assert_eq!(reading.counters.bytes, 24);
}

#[test]
fn pcapng_with_sections_of_both_orders() {
    for order in ORDERS {
        let file = rich(order);
        let reading = read(file.as_slice());
        assert!(reading.error.is_none(), "{:?}", reading.error);
        let directions: Vec<_> = reading.framed.iter().map(|framed| framed.direction).collect();
        assert_eq!(directions, [Some(Direction::In), Some(Direction::Out), None, Some(Direction::Out)]);
        assert_eq!(reading.times(), [1_000_000_000_005, 7_000, 7_000, 9_000]);
        let interfaces: Vec<_> = reading.framed.iter().map(|framed| framed.interface).collect();
        assert_eq!(interfaces, [0, 3, 0, 4]);
        assert_eq!(reading.names(), ["eth0", "link type 147", "linux-cooked", "ifindex 3", "raw-ip"]);
        let skipped = Skipped { not_ip: 1, link_type: 1, ..Skipped::default() };
        assert_eq!(
            reading.counters,
            Counters {
                bytes: file.len() as u64,
                frames: 6,
                segments: 4,
                // The simple packet block has no room for all of it, and no field to say so.
                shortened: 1,
                skipped,
                backwards: 2,
                untimed: 1,
                lost: 3,
                ..Counters::default()
            }
        );
        for framed in &reading.framed {
            let Event::Segment(segment) = framed.event else { panic!("{framed:?}") };
            assert_eq!(segment.ifindex, framed.interface + 1);
            assert_eq!(segment.direction, framed.direction);
        }
    }
}

#[test]
fn pcapng_directions() {
    for order in ORDERS {
        let mut file = Writer::pcapng(order);
        file.plain_interface(1);
        for flags in [None, Some(0), Some(1), Some(2), Some(3), Some(0xfff0_0001)] {
            file.enhanced(0, 1, &frame(), flags).old(0, 1, &frame(), flags);
        }
        let reading = read(file.bytes.as_slice());
        let (inbound, outbound) = (Some(Direction::In), Some(Direction::Out));
        let expected = [None, None, inbound, outbound, None, inbound].into_iter().flat_map(|each| [each, each]);
        assert!(reading.framed.iter().map(|framed| framed.direction).eq(expected), "{:?}", reading.framed);
    }
}

#[test]
fn pcapng_times() {
    for order in ORDERS {
        let mut file = Writer::pcapng(order);
        for (resolution, offset) in [(3, 0), (9, -5), (0x80 | 10, 7), (6, 0)] {
            file.interface(1, |options| {
                options.option(9, &[resolution]).option_u64(14, i64::cast_unsigned(offset)).u32(0);
            });
        }
        file.enhanced(0, 1_500, &frame(), None).enhanced(1, 6_000_000_001, &frame(), None);
        file.enhanced(2, 2_048, &frame(), None).enhanced(3, 1 << 33, &frame(), None);
        let reading = read(file.bytes.as_slice());
        // In order, whichever interface was written first.
        assert_eq!(reading.times(), [1_000_000_001, 1_500_000_000, 9_000_000_000, (1 << 33) * 1_000]);
        assert_eq!(reading.counters.backwards, 1);
    }
}

#[test]
fn pcapng_simple_blocks_end_at_the_snap_length() {
    let mut file = Writer::pcapng(Order::Little);
    file.block(1, |body| {
        body.u16(1).u16(0).u32(54);
    });
    let frame = frame();
    // The third byte of padding would make a different option of the last one.
    file.simple(frame.len() as u32, &frame[..54]);
    let reading = read(file.bytes.as_slice());
    assert_eq!(reading.segment().header.options.as_slice(), &[] as &[u8]);
    assert_eq!(reading.segment().length, 0);
    assert_eq!((reading.counters.untimed, reading.times()[0]), (1, 0));
}

#[test]
fn pcapng_statistics_count_once() {
    let mut file = Writer::pcapng(Order::Big);
    file.plain_interface(1);
    for lost in [3, 8, 8] {
        file.block(5, |body| {
            body.u32(0).u32(0).u32(0).option_u64(5, lost).u32(0);
        });
    }
    file.block(5, |body| {
        body.u32(9).u32(0).u32(0).option_u64(5, 1_000).u32(0);
    });
    assert_eq!(read(file.bytes.as_slice()).counters.lost, 8);
}

#[test]
fn frames_of_nowhere_are_counted() {
    let mut file = Writer::pcapng(Order::Little);
    file.plain_interface(1).enhanced(1, 1, &frame(), None).enhanced(0, 1, &frame(), None);
    file.section(Order::Little).enhanced(0, 1, &frame(), None).simple(60, &frame());
    let reading = read(file.bytes.as_slice());
    assert_eq!((reading.counters.segments, reading.counters.skipped.interface), (1, 3));
    let expected =
        "record 1 belongs to an interface that the file does not describe (records skipped: 3; all others were read)";
    assert!(reading.message().ends_with(expected), "{}", reading.message());
}

#[test]
fn a_file_without_a_usable_interface_is_an_error_at_its_end() {
    let mut file = Writer::pcapng(Order::Little);
    file.plain_interface(147).plain_interface(220).enhanced(1, 1, &frame(), None);
    let reading = read(file.bytes.as_slice());
    assert!(matches!(reading.error, Some(CaptureError::LinkType(LinkType(147)))), "{reading:?}");
    assert!(reading.message().starts_with("the capture has link type 147, which is not supported"));
    assert_eq!(reading.counters.skipped.link_type, 1);

    // Either nothing of it was missed, or something else could be read.
    let file = &mut Writer::pcapng(Order::Little);
    assert!(read(file.plain_interface(147).bytes.as_slice()).error.is_none());
    file.enhanced(0, 1, &frame(), None).plain_interface(1);
    assert!(read(file.bytes.as_slice()).error.is_none());
}

#[test]
fn names_are_bounded() {
    let mut file = Writer::pcapng(Order::Little);
    for name in [&[b'x'; 1_000][..], b"", b"caf\xc3\xa9", b"\xff\n"] {
        file.interface(1, |options| {
            options.option(2, name).u32(0);
        });
    }
    let reading = read(file.bytes.as_slice());
    assert_eq!(reading.names()[0].len(), 256);
    assert_eq!(reading.names()[1..], ["ethernet", "café", "\u{fffd}\n"]);
}
