//! From the bytes of a capture to events, a record at a time and without any IO.

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

/// The longest record in bytes. The longest frames that Linux makes have half of it (BIG TCP), tcpdump takes a quarter.
pub(super) const LONGEST: usize = 1 << 20;

/// An event, and what a capture knows beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Framed {
    /// A segment or an ICMP error. Its `at` is the time since 1970, not since the boot. Its `ifindex` is
    /// [`Framed::interface`] plus 1.
    pub event: Event,
    /// Which way it passed, where the capture tells: pcapng may, Linux cooked headers do.
    pub direction: Option<Direction>,
    /// The interface, an index of [`super::Frames::interfaces`].
    pub interface: u32,
}

/// A frame as the formats hand it over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// Nanoseconds since 1970.
    pub(super) at: Option<BootTime>,
    pub(super) interface: u32,
    pub(super) direction: Option<Direction>,
    /// What was captured …
    pub(super) bytes: &'a [u8],
    /// … of this many.
    pub(super) original: u32,
}

/// What a window begins with, for the formats.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// A frame, or why there is none in a record that should have one.
    Frame { used: usize, frame: Result<Frame<'a>, Reason> },
    /// A record without a frame, of this length.
    Skip(u64),
    /// Too little: it should have so many bytes.
    Need(usize),
}

/// What a window begins with.
#[derive(Debug)]
pub(super) enum Step {
    /// An event, and the length of its record.
    Framed { used: usize, framed: Framed },
    /// Nothing of use, of this length. It may be longer than the window.
    Skip(u64),
    /// Too little: it should have so many bytes.
    Need(usize),
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

/// Everything that is known of a capture.
#[derive(Debug)]
pub(super) struct Decoder {
    format: Format,
    interfaces: Interfaces,
    counters: Counters,
    /// Of the last frame.
    last: BootTime,
}

impl Decoder {
    /// For a pcap file whose header was read.
    pub(super) fn pcap(pcap: Pcap, link_type: LinkType) -> Result<Self, Fault> {
        if !link_type.is_supported() {
            return Err(Fault::LinkType(link_type));
        }
        let mut decoder = Self::new(Format::Pcap(pcap));
        decoder.interfaces.add(None, link_type)?;
        Ok(decoder)
    }

    /// For a pcapng file from its beginning.
    pub(super) fn pcapng(pcapng: PcapNg) -> Self {
        Self::new(Format::PcapNg(pcapng))
    }

    fn new(format: Format) -> Self {
        Self { format, interfaces: Interfaces::default(), counters: Counters::default(), last: BootTime::default() }
    }

    pub(super) fn interfaces(&self) -> &[Interface] {
        self.interfaces.all()
    }

    /// All but [`Counters::bytes`].
    pub(super) fn counters(&self) -> Counters {
        let lost = match &self.format {
            Format::Pcap(_) => 0,
            Format::PcapNg(pcapng) => pcapng.lost(),
        };
        Counters { lost, ..self.counters }
    }

    /// Reads the record that `window` begins with.
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

    /// The file is at its end.
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
            // Cut off by the snap length, or it never had more.
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
