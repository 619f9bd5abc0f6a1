//! Files that are cut off, damaged, or something else.

use std::io::{self, BufRead as _};

use super::{build::*, *};
use crate::decode::capture::bytes::Order;

#[test]
fn a_capture_cut_anywhere_gives_what_was_complete() {
    let mut pcap = Writer::pcap(Order::Big, NANOSECONDS, 1);
    for second in 0..3 {
        pcap.record((second, 0), &frame(), 0);
    }
    for file in [pcap.bytes, rich(Order::Little), rich(Order::Big)] {
        let all = read(file.as_slice());
        assert!(all.error.is_none());
        let mut ends = 0;
        for length in 0..file.len() {
            let reading = read(&file[..length]);
            assert_eq!(reading.framed, all.framed[..reading.framed.len()], "{length}");
            match reading.error {
                None => {
                    ends += 1;
                    assert_eq!(reading.counters.bytes, length as u64);
                }
                Some(CaptureError::Truncated { frames, bytes }) => {
                    assert_eq!((frames, bytes), (reading.counters.frames, reading.counters.bytes), "{length}");
                    assert!(bytes < length as u64);
                    let whole = read(&file[..bytes as usize]);
                    assert!(bytes == 0 || whole.error.is_none() && whole.framed == reading.framed, "{length}");
                }
                Some(CaptureError::NotACapture(_)) => assert!(length < 4),
                // Cut between the first block of a file and its first usable interface.
                Some(error) => panic!("{length}: {error}"),
            }
        }
        assert!(ends > 2);
    }
}

#[test]
fn a_cut_off_capture_says_how_far_it_was_read() {
    let mut file = Writer::pcap(Order::Little, MICROSECONDS, 1);
    file.record((1, 0), &frame(), 0).record((2, 0), &frame(), 0);
    let reading = read(&file.bytes[..file.bytes.len() - 1]);
    assert_eq!(reading.framed.len(), 1);
    assert_eq!(
        reading.message(),
        "the capture is cut off in the middle of a record (complete frames before it: 1, in 114 bytes)"
    );
}

#[test]
fn absurd_lengths_are_not_believed() {
    for length in [(1 << 20) - 15, 1 << 24, i32::MAX as u32, u32::MAX] {
        let mut file = Writer::pcap(Order::Little, MICROSECONDS, 1);
        file.record((1, 0), &frame(), 0).u32(2).u32(0).u32(length).u32(length).raw(&[0; 100]);
        let reading = read(file.bytes.as_slice());
        assert_eq!(reading.framed.len(), 1);
        assert!(matches!(reading.error, Some(CaptureError::TooLong { frames: 1, bytes: 114, .. })), "{reading:?}");
    }
    let mut file = Writer::pcapng(Order::Little);
    file.plain_interface(1).enhanced(0, 1, &frame(), None).u32(6).u32(u32::MAX - 3).raw(&[0; 100]);
    let reading = read(file.bytes.as_slice());
    assert_eq!(reading.framed.len(), 1);
    assert!(matches!(reading.error, Some(CaptureError::TooLong { length: 0xffff_fffc, .. })), "{reading:?}");
}

#[test]
fn the_longest_record_is_read_and_long_blocks_of_other_kinds_are_passed_over() {
    let long = ethernet(0x0800, &ipv4(6, &[], &tcp(16, &[], 500_000)));
    let mut file = Writer::pcapng(Order::Little);
    file.plain_interface(1).enhanced(0, 1, &long, None);
    file.block(0x8000_0001, |body| {
        body.raw(&vec![0; 3 << 20]);
    });
    file.enhanced(0, 2, &frame(), None);
    let reading = read(file.bytes.as_slice());
    assert!(reading.error.is_none());
    assert_eq!(reading.times(), [1_000, 2_000]);
    let cut = read(&file.bytes[..2 << 20]);
    assert!(matches!(cut.error, Some(CaptureError::Truncated { frames: 1, .. })), "{:?}", cut.error);
}

#[test]
fn a_frame_longer_than_its_block_is_malformed_and_the_next_is_read() {
    let mut file = Writer::pcapng(Order::Little);
    file.plain_interface(1);
    file.block(6, |body| {
        body.u32(0).u32(0).u32(0).u32(61).u32(61).raw(&[0; 60]);
    });
    file.block(6, |body| {
        body.u32(0);
    });
    file.enhanced(0, 1, &frame(), None);
    let reading = read(file.bytes.as_slice());
    assert_eq!((reading.counters.segments, reading.counters.skipped.malformed), (1, 2));
}

#[test]
fn blocks_that_contradict_themselves_end_the_reading() {
    let good = {
        let mut file = Writer::pcapng(Order::Little);
        file.plain_interface(1).enhanced(0, 1, &frame(), None);
        file.bytes
    };
    let damaged = |bytes: &[u8], what: &str| {
        let reading = read(join(&[&good, bytes]).as_slice());
        assert_eq!(reading.framed.len(), 1);
        assert!(matches!(reading.error, Some(CaptureError::Damaged { frames: 1, .. })), "{:?}", reading.error);
        assert!(reading.message().contains(what), "{}", reading.message());
    };
    damaged(&[6, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0], "a length that no block can have");
    damaged(&[6, 0, 0, 0, 13, 0, 0, 0, 13, 0, 0, 0, 0], "a length that no block can have");
    damaged(&[6, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0], "the two lengths of a block differ");
    damaged(&[1, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0], "an interface description cannot be read");
    damaged(&[5, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0], "interface statistics cannot be read");
    damaged(&[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 1, 2, 3, 4], "a section has no byte order");
}

#[test]
fn versions_of_other_times() {
    let mut pcap = one(1, &frame());
    pcap[4] = 3;
    assert!(read(pcap.as_slice()).message().starts_with("this is pcap version 3.4,"));
    let mut pcapng = rich(Order::Little);
    pcapng[12] = 2;
    assert!(read(pcapng.as_slice()).message().starts_with("this is pcapng version 2.0,"));
}

#[test]
fn time_may_run_backwards() {
    let mut file = Writer::pcap(Order::Little, MICROSECONDS, 1);
    for second in [5, 4, 6, 6, 1] {
        file.record((second, 0), &frame(), 0);
    }
    let reading = read(file.bytes.as_slice());
    assert_eq!(reading.counters.backwards, 2);
    assert_eq!(reading.times(), [5, 4, 6, 6, 1].map(|second| second * 1_000_000_000));
}

#[test]
fn what_is_no_capture_is_recognised() {
    let looks = |bytes: &[u8]| match open(bytes) {
        Err(CaptureError::NotACapture(what)) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(looks(b""), LooksLike::Empty);
    assert_eq!(looks(b"\xd4\xc3\xb2"), LooksLike::Short(3));
    assert_eq!(looks(b"\x1f\x8b\x08\x00\x00\x00"), LooksLike::Compressed("zcat"));
    assert_eq!(looks(b"\x28\xb5\x2f\xfd\x00"), LooksLike::Compressed("zstdcat"));
    assert_eq!(looks(b"\xfd7zXZ\0"), LooksLike::Compressed("xzcat"));
    assert_eq!(looks(b"BZh91AY"), LooksLike::Compressed("bzcat"));
    let zip = LooksLike::Archive { kind: "zip", extract: "unzip -p FILE NAME" };
    assert_eq!(looks(b"PK\x03\x04\x14"), zip);
    assert_eq!(looks(b"\x7fELF\x02\x01"), LooksLike::Elf);
    assert_eq!(looks(b"XCP\0\0\0"), LooksLike::Foreign("NetXRay or Windows Sniffer"));
    assert_eq!(looks(b"12:00:00.000000 IP localhost.http"), LooksLike::Text);
    assert_eq!(looks(b"[{\"type\":\"state\"}]"), LooksLike::Text);
    assert_eq!(looks("é".repeat(2_048).as_bytes().split_at(4_095).0), LooksLike::Text);
    assert_eq!(looks(&[b'\n'; 10_000]), LooksLike::Text);
    assert_eq!(looks(b"\0\0\0\0\0\0\0\0"), LooksLike::Unknown([0; 4]));
    assert_eq!(
        read(&b"\x00\x01\xfe\xff\x00"[..]).message(),
        "this is not a capture: it begins with 00 01 fe ff, as no format does that tcptrace reads; if it is a capture, \
         `editcap FILE converted.pcapng` may convert it"
    );
}

#[test]
fn json_lines_are_recognised_and_left_whole() {
    for text in ["{}", "{\"type\":\"start\"}\n{}\n", " \n\n\t{", "\n\n\n\n\n\n{}", "\n{", "{"] {
        let Ok(Capture::Json(mut input)) = open(OneByOne(text.as_bytes())) else { panic!("{text:?}") };
        let mut read = String::new();
        while input.read_line(&mut read).unwrap() > 0 {}
        assert_eq!(read, text);
    }
}

/// A pipe whose writer provides one byte at a time.
struct OneByOne<'a>(&'a [u8]);

impl Read for OneByOne<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let one = to.len().min(1);
        self.0.read(&mut to[..one])
    }
}

#[test]
fn a_slow_pipe_gives_the_same_as_a_file() {
    for file in [one(1, &frame()), rich(Order::Little), rich(Order::Big)] {
        let (fast, slow) = (read(file.as_slice()), read(OneByOne(&file)));
        assert_eq!((fast.framed, fast.counters), (slow.framed, slow.counters));
    }
}

#[test]
fn an_error_of_the_system_is_the_last_item() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let file = one(1, &frame());
    let reading = read(file.as_slice().chain(Broken));
    assert_eq!(reading.framed.len(), 1);
    assert_eq!(reading.message(), "the capture cannot be read: the disk is gone");
    assert_eq!(read(Broken).message(), "the capture cannot be read: the disk is gone");
}
