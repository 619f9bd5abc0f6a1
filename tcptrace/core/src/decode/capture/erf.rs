//! The extensible record format of Endace: records without a header of the file.
//!
//! The times are little-endian, all other numbers are in network order (ERF types reference guide, EDM11-01).

use super::{LinkType, decoder::Part, error::Fault, frame::Frame};
use crate::event::BootTime;

/// Length of a record header in bytes: time, type, flags, length of the record, losses or a colour, length of the frame.
const HEADER_LEN: usize = 16;

/// Highest type of a record, but for [`PADDING`].
const LAST_TYPE: u8 = 31;

/// Type of a record that describes the capture. Wireshark begins its files with one, whose time is 0.
const META: u8 = 27;

/// Type of a record that fills a buffer.
const PADDING: u8 = 48;

/// 1980 and the end of 2105, in seconds since 1970: no card is older, and 32 bits do not reach further.
const YEARS: std::ops::Range<u64> = 315_532_800..4_291_747_200;

/// Maximum time between the first two records of a file, in seconds.
const APART: u64 = 7 * 86_400;

/// A file of records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Erf {
    /// Number of frames lost during capture.
    lost: u64,
}

/// The header of a record.
#[derive(Clone, Copy, Debug)]
struct Header {
    /// Seconds since 1970, with 32 bits after the binary point.
    time: u64,
    kind: u8,
    /// True if further headers follow.
    extended: bool,
    /// Length of the record in bytes, with this header.
    length: usize,
    /// Frames lost since the record before, for types that do not hold a colour there.
    lost: u16,
    /// Length of the frame on the wire in bytes.
    wire: u16,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (time, rest) = bytes.split_first_chunk::<8>()?;
        let &[kind, _, r0, r1, l0, l1, w0, w1] = rest.first_chunk()?;
        let plain = kind & 0x7f;
        Some(Self {
            time: u64::from_le_bytes(*time),
            kind: plain,
            extended: kind & 0x80 != 0,
            length: u16::from_be_bytes([r0, r1]).into(),
            lost: if plain <= 9 { u16::from_be_bytes([l0, l1]) } else { 0 },
            wire: u16::from_be_bytes([w0, w1]),
        })
    }

    fn seconds(self) -> u64 {
        self.time >> 32
    }

    fn is_plausible(self) -> bool {
        let known = (1..=LAST_TYPE).contains(&self.kind) || self.kind == PADDING;
        known && self.length >= HEADER_LEN && (YEARS.contains(&self.seconds()) || !self.has_time())
    }

    fn has_time(self) -> bool {
        !(self.kind == PADDING || self.kind == META && self.time == 0)
    }
}

impl Erf {
    /// Returns true if `bytes`, the first of a file, are two records, or one that is the whole file; `None` if more are
    /// needed. With `ended` there are no more.
    pub(super) fn begins(bytes: &[u8], ended: bool) -> Option<bool> {
        let Some(first) = Header::read(bytes) else { return if ended { Some(false) } else { None } };
        if !first.is_plausible() {
            return Some(false);
        }
        let is_near = |second: Header| {
            let apart = second.seconds().abs_diff(first.seconds());
            second.is_plausible() && (apart <= APART || !second.has_time() || !first.has_time())
        };
        match bytes.get(first.length..).map(|rest| (rest.len(), Header::read(rest))) {
            Some((_, Some(second))) => Some(is_near(second)),
            Some((0, None)) if ended => Some(true),
            _ if ended => Some(false),
            _ => None,
        }
    }

    /// Returns the link type of whole records, as pcap files have it too.
    pub(super) fn link_type() -> LinkType {
        LinkType(197)
    }

    /// Returns the number of frames lost during capture.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Decodes the first record of `window`. Its frame begins with the headers of the record.
    pub(super) fn part<'a>(&mut self, window: &'a [u8]) -> Result<Part<'a>, Fault> {
        let Some(header) = Header::read(window) else {
            return Ok(Part::Need(if window.is_empty() { 1 } else { HEADER_LEN }));
        };
        if header.length < HEADER_LEN {
            return Err(Fault::Damaged("a record has a length that no record can have"));
        }
        let Some(bytes) = window.get(..header.length) else { return Ok(Part::Need(header.length)) };
        if !header.has_time() {
            return Ok(Part::Skip(header.length as u64));
        }
        self.lost += u64::from(header.lost);
        let extensions = if header.extended { extensions(bytes) } else { 0 };
        // To the nearest nanosecond, from which it was made.
        let nanoseconds = ((header.time & 0xffff_ffff) * 1_000_000_000 + (1 << 31)) >> 32;
        let frame = Frame {
            at: Some(BootTime(header.seconds() * 1_000_000_000 + nanoseconds)),
            interface: 0,
            direction: None,
            bytes,
            original: (HEADER_LEN + extensions) as u32 + u32::from(header.wire),
            process: None,
        };
        Ok(Part::Frame { used: header.length, frame: Ok(frame) })
    }
}

/// Returns the length of the extension headers in bytes: 8 each, the highest bit says that another one follows.
fn extensions(record: &[u8]) -> usize {
    let (headers, _) = record.get(HEADER_LEN..).unwrap_or_default().as_chunks::<8>();
    (headers.iter().take_while(|[first, ..]| first & 0x80 != 0).count() + 1) * 8
}
