//! Arbitrary bytes.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{build::*, *};
use crate::decode::capture::bytes::Order;

/// Reads a file of any content, and checks the properties that hold for every file.
fn survives(file: &[u8]) {
    let Ok(Capture::Frames(mut frames)) = open(file) else { return };
    let (mut events, mut failed) = (0, false);
    while let Some(item) = frames.next() {
        assert!(!failed, "nothing comes behind an error");
        match item {
            Ok(framed) => {
                events += 1;
                assert!((framed.interface as usize) < frames.interfaces().len());
            }
            Err(error) => {
                failed = true;
                assert!(!error.to_string().contains('\n'));
            }
        }
    }
    let Counters { bytes, frames: all, segments, icmp_errors, short, skipped, .. } = frames.counters();
    assert_eq!(events, segments + icmp_errors);
    assert_eq!(all, events + short + skipped.total());
    assert!(bytes <= file.len() as u64);
    assert!(failed || bytes == file.len() as u64, "what is not read is an error");
}

/// Files of all formats with frames of all kinds.
fn files() -> Vec<Vec<u8>> {
    let error = ipv4(1, &[], &join(&[&[3, 1, 0, 0, 0, 0, 0, 0], &ipv4(6, &[], &syn())]));
    let error6 = ipv6(58, &[], &join(&[&[1, 4, 0, 0, 0, 0, 0, 0], &ipv6(0, &[6, 0, 1, 4, 0, 0, 0, 0], &syn())]));
    let mut raw = Writer::pcap(Order::Big, NANOSECONDS, 101);
    raw.record((1, 0), &error, 0).record((2, 0), &error6, 0).record((3, 0), &ipv6(44, &[6; 8], &syn()), 5);
    vec![rich(Order::Little), rich(Order::Big), raw.bytes, one(1, &frame()), one(0, &[2; 64])]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_bytes_behind_a_magic_number(magic in 0..7usize, rest in vec(any::<u8>(), 0..600)) {
        let magics: [&[u8]; 7] = [
            &[],
            &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0],
            &[0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4],
            &[0x34, 0xcd, 0xb2, 0xa1, 2, 0, 4, 0],
            &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0],
            &[0, 0, 0, 0, 1, 0, 0, 0x50, 2, 4, 0, 16, 0, 0, 0, 64, 0, 0, 0, 0, 1, 0, 0, 0x50, 0x82, 4, 0],
            &[0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 0x1a, 0x2b, 0x3c, 0x4d, 0, 1],
        ];
        survives(&join(&[magics[magic], &rest]));
    }

    #[test]
    fn random_bytes_behind_every_ethertype_and_tunnel(
        number in prop::sample::select(vec![
            0x60, 0x8100, 0x8847, 0x8864, 0x88e7, 0x8909, 0x8926, 0x893f, 0x894f, 0x6558, 0x880b,
        ]),
        protocol in prop::sample::select(vec![4, 17, 41, 47, 51, 97, 137, 143]),
        port in prop::sample::select(vec![4789_u16, 4790, 6081, 2152, 1701, 3544, 5247, 6635, 4341]),
        bytes in vec(any::<u8>(), 0..120),
    ) {
        survives(&one(1, &ethernet(number, &bytes)));
        survives(&one(101, &ipv4(protocol, &[], &join(&[&[0; 2], &port.to_be_bytes(), &[0; 4], &bytes]))));
        survives(&one(101, &ipv6(protocol, &[], &bytes)));
    }

    #[test]
    fn random_frames_of_every_link_type(
        link_type in prop::sample::select((0..300).filter(|&number| LinkType(number).is_supported()).collect::<Vec<_>>()),
        frame in vec(any::<u8>(), 0..200),
        lost in 0..100u32,
    ) {
        let mut file = Writer::pcap(Order::Little, MICROSECONDS, link_type);
        let length = frame.len() as u32;
        file.u32(1).u32(0).u32(length).u32(length + lost).raw(&frame);
        survives(&file.bytes);
    }

    #[test]
    fn captures_with_bytes_changed(
        changes in vec((any::<Index>(), any::<u8>()), 1..12),
        cut in any::<Index>(),
        splice in any::<Index>(),
    ) {
        for mut file in files() {
            for (at, byte) in &changes {
                let at = at.index(file.len());
                file[at] = *byte;
            }
            survives(&file);
            survives(&file[..cut.index(file.len())]);
            file.drain(splice.index(file.len())..).take(3).for_each(drop);
            survives(&file);
        }
    }

    #[test]
    fn the_same_capture_in_pieces_of_any_size(pieces in vec(1..50usize, 1..20)) {
        struct Pieces<'a>(&'a [u8], iter::Cycle<std::slice::Iter<'a, usize>>);
        impl Read for Pieces<'_> {
            fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
                let most = self.1.next().copied().unwrap_or(1).min(to.len());
                self.0.read(&mut to[..most])
            }
        }
        for file in files() {
            let (whole, pieced) = (read(file.as_slice()), read(Pieces(&file, pieces.iter().cycle())));
            prop_assert_eq!(whole.framed, pieced.framed);
            prop_assert_eq!(whole.counters, pieced.counters);
        }
    }
}
