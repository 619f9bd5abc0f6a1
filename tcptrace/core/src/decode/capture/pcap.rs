//! The pcap format: one header, followed by frames of one link type.

use pcap_parser::{
    LegacyPcapBlock, PcapError,
    nom::{self, IResult, Needed},
    parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified, parse_pcap_header,
};

use super::{
    LinkType,
    decoder::{Frame, LONGEST, Part},
    error::Fault,
};
use crate::event::BootTime;

/// Mask of the link type in its field; the upper bits describe checksums after frames.
const LINK_TYPE: u32 = 0x03ff_ffff;

const NANOSECONDS: u64 = 1_000_000_000;

/// Parser for records of one byte order and record header length.
type ParseRecord = fn(&[u8]) -> IResult<&[u8], LegacyPcapBlock<'_>, PcapError<&[u8]>>;

/// Contents of the file header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pcap {
    parse: ParseRecord,
    /// Unit of the fractions of seconds, in nanoseconds.
    unit: u64,
}

impl Pcap {
    /// Length of the file header in bytes.
    pub(super) const HEADER: usize = 24;

    /// Decodes the file header.
    pub(super) fn open(bytes: &[u8]) -> Result<(Self, LinkType), Fault> {
        let (_, header) = parse_pcap_header(bytes).map_err(|_| Fault::Damaged("its header cannot be read"))?;
        if header.version_major != 2 {
            let (major, minor) = (header.version_major, header.version_minor);
            return Err(Fault::Version { format: "pcap", major, minor });
        }
        let parse = match (header.is_modified_format(), header.is_bigendian()) {
            (true, _) => parse_pcap_frame_modified,
            (false, true) => parse_pcap_frame_be,
            (false, false) => parse_pcap_frame,
        };
        let unit = if header.is_nanosecond_precision() { 1 } else { 1_000 };
        Ok((Self { parse, unit }, LinkType(header.network.0.cast_unsigned() & LINK_TYPE)))
    }

    /// Decodes the first frame of `window`.
    pub(super) fn part<'a>(&self, window: &'a [u8]) -> Result<Part<'a>, Fault> {
        match (self.parse)(window) {
            Ok((rest, record)) => {
                let used = window.len() - rest.len();
                Self::check(used)?;
                let seconds = u64::from(record.ts_sec) * NANOSECONDS;
                let frame = Frame {
                    at: Some(BootTime(seconds + u64::from(record.ts_usec) * self.unit)),
                    interface: 0,
                    direction: None,
                    bytes: record.data,
                    original: record.origlen,
                };
                Ok(Part::Frame { used, frame: Ok(frame) })
            }
            Err(nom::Err::Incomplete(Needed::Size(missing))) => {
                let whole = window.len() + missing.get();
                Self::check(whole)?;
                Ok(Part::Need(whole))
            }
            Err(_) => Err(Fault::Damaged("a record cannot be read")),
        }
    }

    /// Checks that a record of this length is plausible.
    fn check(whole: usize) -> Result<(), Fault> {
        if whole > LONGEST { Err(Fault::TooLong(whole as u64)) } else { Ok(()) }
    }
}
