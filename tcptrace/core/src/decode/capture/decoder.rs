//! Decoder from the bytes of a capture to events, one record at a time and without IO.

use super::{
    Counters, Interface, LinkType,
    error::Fault,
    interfaces::Interfaces,
    ip::Reason,
    pcap::Pcap,
    pcapng::PcapNg,
    transport::{self, Place},
};
use crate::event::{BootTime, Direction, Event};

/// Maximum length of a record in bytes: twice the longest frame that Linux makes (BIG TCP), four times tcpdump's
/// maximum.
pub(super) const LONGEST: usize = 1 << 20;

/// An event with the details that only captures have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Framed {
    /// A segment or an ICMP error. Its `at` is the time since 1970, not since boot. Its `ifindex` is
    /// [`Framed::interface`] plus 1.
    pub event: Event,
    /// Direction at the interface, if the capture tells: pcapng may, Linux cooked headers do.
    pub direction: Option<Direction>,
    /// The interface, as an index into [`super::Frames::interfaces`].
    pub interface: u32,
}

/// A frame as the format decoders return it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// Nanoseconds since 1970.
    pub(super) at: Option<BootTime>,
    pub(super) interface: u32,
    pub(super) direction: Option<Direction>,
    /// The captured bytes …
    pub(super) bytes: &'a [u8],
    /// … of this original length.
    pub(super) original: u32,
}

/// Result of a format decoder: the first record of a window.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// A frame, or the reason why a record for a frame has none; `used` is the length of the record.
    Frame { used: usize, frame: Result<Frame<'a>, Reason> },
    /// A record without a frame, of this length.
    Skip(u64),
    /// Too few bytes: this many are needed.
    Need(usize),
}

/// Result of decoding the first record of a window.
#[derive(Debug)]
pub(super) enum Step {
    /// An event, and the length of its record.
    Framed { used: usize, framed: Framed },
    /// A record without an event, of this length, which may exceed the window.
    Skip(u64),
    /// Too few bytes: this many are needed.
    Need(usize),
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

/// State of decoding a capture.
#[derive(Debug)]
pub(super) struct Decoder {
    format: Format,
    interfaces: Interfaces,
    counters: Counters,
    /// Time of the last frame.
    last: BootTime,
}

impl Decoder {
    /// Creates a decoder for a pcap file whose header was read.
    pub(super) fn pcap(pcap: Pcap, link_type: LinkType) -> Result<Self, Fault> {
        if !link_type.is_supported() {
            return Err(Fault::LinkType(link_type));
        }
        let mut decoder = Self::new(Format::Pcap(pcap));
        decoder.interfaces.add(None, link_type)?;
        Ok(decoder)
    }

    /// Creates a decoder for a pcapng file, from its beginning.
    pub(super) fn pcapng(pcapng: PcapNg) -> Self {
        Self::new(Format::PcapNg(pcapng))
    }

    fn new(format: Format) -> Self {
        Self { format, interfaces: Interfaces::default(), counters: Counters::default(), last: BootTime::default() }
    }

    pub(super) fn interfaces(&self) -> &[Interface] {
        self.interfaces.all()
    }

    /// Returns all counts but [`Counters::bytes`].
    pub(super) fn counters(&self) -> Counters {
        let lost = match &self.format {
            Format::Pcap(_) => 0,
            Format::PcapNg(pcapng) => pcapng.lost(),
        };
        Counters { lost, ..self.counters }
    }

    /// Decodes the first record of `window`.
    pub(super) fn step(&mut self, window: &[u8]) -> Result<Step, Fault> {
        let part = match &mut self.format {
            Format::Pcap(pcap) => pcap.part(window)?,
            Format::PcapNg(pcapng) => pcapng.part(window, &mut self.interfaces)?,
        };
        let (used, frame) = match part {
            Part::Frame { used, frame } => (used, frame),
            Part::Skip(count) => return Ok(Step::Skip(count)),
            Part::Need(count) => return Ok(Step::Need(count)),
        };
        self.counters.frames += 1;
        Ok(match frame.map(|frame| self.read(&frame)) {
            Ok(Some(framed)) => Step::Framed { used, framed },
            Ok(None) => Step::Skip(used as u64),
            Err(reason) => {
                self.skipped(reason);
                Step::Skip(used as u64)
            }
        })
    }

    /// Checks the capture as a whole, at the end of the file.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        match self.interfaces.unsupported() {
            Some(link_type) if self.counters.skipped.link_type > 0 => Err(Fault::LinkType(link_type)),
            _ => Ok(()),
        }
    }

    fn read(&mut self, frame: &Frame<'_>) -> Option<Framed> {
        let at = frame.at.unwrap_or(self.last);
        self.counters.untimed += u64::from(frame.at.is_none());
        self.counters.backwards += u64::from(at < self.last);
        self.last = at;
        match self.event(frame, at) {
            Ok(framed) => {
                match framed.event {
                    Event::Icmp(_) => self.counters.icmp_errors += 1,
                    _ => self.counters.segments += 1,
                }
                Some(framed)
            }
            // Truncated by the snap length, or too short originally.
            Err(Reason::Ends) if frame.bytes.len() < frame.original as usize => {
                self.counters.short += 1;
                None
            }
            Err(reason) => {
                self.skipped(reason);
                None
            }
        }
    }

    fn event(&mut self, frame: &Frame<'_>, at: BootTime) -> Result<Framed, Reason> {
        let layout = self.interfaces.layout(frame.interface).ok_or(Reason::LinkType)?;
        let network = layout.read(frame.bytes)?;
        let interface = match network.device {
            Some(index) => self.interfaces.device(frame.interface, index),
            None => frame.interface,
        };
        let direction = frame.direction.or(network.direction);
        let datagram = frame.bytes.get(network.offset..).ok_or(Reason::Ends)?;
        let original = frame.original.saturating_sub(u32::try_from(network.offset).unwrap_or(u32::MAX));
        let place = Place { at, ifindex: interface + 1, direction };
        let event = transport::event(network.family, datagram, original, place)?;
        Ok(Framed { event, direction, interface })
    }

    fn skipped(&mut self, reason: Reason) {
        let skipped = &mut self.counters.skipped;
        *match reason {
            Reason::NotIp => &mut skipped.not_ip,
            Reason::NotTcp => &mut skipped.not_tcp,
            Reason::Fragment => &mut skipped.fragment,
            Reason::Ends | Reason::Malformed => &mut skipped.malformed,
            Reason::LinkType => &mut skipped.link_type,
            Reason::Interface => &mut skipped.interface,
        } += 1;
    }
}
