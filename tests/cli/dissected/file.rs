//! The files: one pcapng file of all encapsulations, or a pcap file of one.

use super::Wrap;

/// Time of the first frame, in microseconds since 1970.
const BEGINNING: u64 = 1_700_000_000_000_000;

type Frames = [(u64, Vec<u8>)];

/// A pcap file of one link type.
pub(super) fn pcap(link_type: u16, frames: &Frames) -> Vec<u8> {
    pcap_of(link_type, frames.iter().map(|(micros, frame)| (*micros, &frame[..], frame.len())))
}

/// A pcap file of truncated frames: each with its time in microseconds, the captured bytes and the original length.
pub(super) fn pcap_of<'a>(link_type: u16, frames: impl IntoIterator<Item = (u64, &'a [u8], usize)>) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4_u32.to_le_bytes(), [2, 0, 4, 0]].concat();
    file.extend([0, 0, 65535, link_type.into()].map(u32::to_le_bytes).concat());
    for (micros, frame, original) in frames {
        let at = BEGINNING + micros;
        let words = [at / 1_000_000, at % 1_000_000, frame.len() as u64, original as u64];
        file.extend(words.map(|word| u32::try_from(word).expect("32 bits").to_le_bytes()).concat());
        file.extend(frame);
    }
    file
}

/// A section of one byte order.
struct Section {
    big: bool,
    bytes: Vec<u8>,
}

impl Section {
    fn u16(&self, number: u16) -> Vec<u8> {
        if self.big { number.to_be_bytes().into() } else { number.to_le_bytes().into() }
    }

    fn u32(&self, number: u32) -> Vec<u8> {
        if self.big { number.to_be_bytes().into() } else { number.to_le_bytes().into() }
    }

    fn block(&mut self, kind: u32, parts: &[&[u8]]) {
        let mut body = parts.concat();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = u32::try_from(body.len()).expect("a block is short") + 12;
        let whole = [self.u32(kind), self.u32(length), body, self.u32(length)].concat();
        self.bytes.extend(whole);
    }
}

/// Returns a pcapng file: the first half of the encapsulations in a section with numbers in network order and times in
/// nanoseconds, the second half in one with little-endian numbers and times in microseconds.
pub(super) fn pcapng(wraps: &[Wrap], frames: &[Vec<(u64, Vec<u8>)>]) -> Vec<u8> {
    let half = wraps.len() / 2;
    let mut file = Vec::new();
    let mut before = 0;
    for (wraps, frames, big) in [(&wraps[..half], &frames[..half], true), (&wraps[half..], &frames[half..], false)] {
        let mut section = Section { big, bytes: Vec::new() };
        let version = [section.u32(0x1a2b_3c4d), section.u16(1), section.u16(0), vec![0xff; 8]].concat();
        section.block(0x0a0d_0d0a, &[&version]);
        let (resolution, unit) = if big { (9, 1_000) } else { (6, 1) };
        for wrap in wraps {
            let options = [section.u16(9), section.u16(1), vec![resolution, 0, 0, 0], section.u32(0)].concat();
            let fixed = [section.u16(wrap.link_type), section.u16(0), section.u32(0)].concat();
            section.block(1, &[&fixed, &options]);
        }
        for (frames, interface) in frames.iter().zip(0..) {
            for (micros, frame) in frames {
                let at = (BEGINNING + before + micros) * unit;
                let length = u32::try_from(frame.len()).expect("a frame is short");
                let (high, low) = ((at >> 32) as u32, at as u32);
                let fixed = [interface, high, low, length, length].map(|number| section.u32(number)).concat();
                section.block(6, &[&fixed, frame]);
            }
            before += 20_000_000;
        }
        file.extend(section.bytes);
    }
    file
}
