//! Decoder from the bytes of a capture to events, one record at a time and without IO.

use super::{
    Counters, Interface, LinkType,
    copies::Copies,
    erf::Erf,
    error::Fault,
    frame::{Frame, Framed},
    interfaces::Interfaces,
    ip::Reason,
    layer::Layers,
    pcap::Pcap,
    pcapng::PcapNg,
    snoop::Snoop,
    transport::{self, Place},
    unread::{Tally, Unread},
    walk::Walk,
};
use crate::{
    decode::encapsulations::Encapsulations,
    event::{BootTime, Event},
};

/// Maximum length of a record in bytes: twice the longest frame that Linux makes (BIG TCP), four times tcpdump's
/// maximum.
pub(super) const MAX_RECORD_LEN: usize = 1 << 20;

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
#[expect(
    clippy::large_enum_variant,
    reason = "one lives on the stack per frame, and a box would be allocated for each"
)]
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
    Snoop(Snoop),
    Erf(Erf),
}

/// State of decoding a capture.
#[derive(Debug)]
pub(super) struct Decoder {
    format: Format,
    interfaces: Interfaces,
    counters: Counters,
    copies: Copies,
    encapsulations: Encapsulations<Layers>,
    /// Frames that were not decoded, by kind.
    unread: Tally,
    /// The first record that should hold a frame but does not.
    damaged: Option<Record>,
    damaged_records: u64,
    /// Time of the last frame.
    last: BootTime,
}

/// A record that should hold a frame but does not.
#[derive(Clone, Copy, Debug)]
struct Record {
    /// Its number among the records of frames, from 1.
    number: u64,
    reason: Reason,
}

impl Decoder {
    /// Creates a decoder for a pcap file whose header was read.
    pub(super) fn pcap(pcap: Pcap, link_type: LinkType) -> Result<Self, Fault> {
        Self::of_one_interface(Format::Pcap(pcap), link_type)
    }

    /// Creates a decoder for a snoop file whose header was read.
    pub(super) fn snoop(snoop: Snoop, link_type: LinkType) -> Result<Self, Fault> {
        Self::of_one_interface(Format::Snoop(snoop), link_type)
    }

    /// Creates a decoder for Endace's records, from the first one.
    pub(super) fn erf(erf: Erf) -> Result<Self, Fault> {
        Self::of_one_interface(Format::Erf(erf), Erf::link_type())
    }

    fn of_one_interface(format: Format, link_type: LinkType) -> Result<Self, Fault> {
        if !link_type.is_supported() {
            return Err(Fault::LinkType(link_type));
        }
        let mut decoder = Self::new(format);
        decoder.interfaces.add(None, link_type)?;
        Ok(decoder)
    }

    /// Creates a decoder for a pcapng file, from its beginning.
    pub(super) fn pcapng(pcapng: PcapNg) -> Self {
        Self::new(Format::PcapNg(pcapng))
    }

    fn new(format: Format) -> Self {
        Self {
            format,
            interfaces: Interfaces::default(),
            counters: Counters::default(),
            copies: Copies::default(),
            encapsulations: Encapsulations::default(),
            unread: Tally::default(),
            damaged: None,
            damaged_records: 0,
            last: BootTime::default(),
        }
    }

    /// Returns true if all frames come from one interface and are seen there once.
    pub(super) fn is_of_one_place(&self) -> bool {
        let one = |only: &Interface| only.link_type.is_of_one_place();
        !matches!(self.format, Format::PcapNg(_)) && self.interfaces().iter().all(one)
    }

    /// Returns true if the file describes several interfaces, whose frames its writer may have got one after the other.
    pub(super) fn has_several_writers(&self) -> bool {
        matches!(self.format, Format::PcapNg(_)) && self.interfaces().len() > 1
    }

    pub(super) fn interfaces(&self) -> &[Interface] {
        self.interfaces.all()
    }

    pub(super) fn encapsulations(&self) -> &[Layers] {
        self.encapsulations.all()
    }

    /// Returns the kinds of frames that were not decoded, the most frequent first.
    pub(super) fn unread(&self) -> Vec<(Unread, u64)> {
        self.unread.sorted()
    }

    /// Returns all counts but [`Counters::bytes`].
    pub(super) fn counters(&self) -> Counters {
        let lost = match &self.format {
            Format::Pcap(_) => 0,
            Format::PcapNg(pcapng) => pcapng.lost(),
            Format::Snoop(snoop) => snoop.lost(),
            Format::Erf(erf) => erf.lost(),
        };
        Counters { lost, ..self.counters }
    }

    /// Decodes the first record of `window`.
    pub(super) fn step(&mut self, window: &[u8]) -> Result<Step, Fault> {
        let part = match &mut self.format {
            Format::Pcap(pcap) => pcap.part(window)?,
            Format::PcapNg(pcapng) => pcapng.part(window, &mut self.interfaces)?,
            Format::Snoop(snoop) => snoop.part(window)?,
            Format::Erf(erf) => erf.part(window)?,
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
                self.damaged_records += 1;
                self.damaged.get_or_insert(Record { number: self.counters.frames, reason });
                self.skipped(reason, None);
                Step::Skip(used as u64)
            }
        })
    }

    /// Checks the capture as a whole, at the end of the file.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        if let Some(Record { number, reason }) = self.damaged {
            let what = match reason {
                Reason::Interface => "belongs to an interface that the file does not describe",
                _ => "has lengths that contradict each other",
            };
            let count = self.damaged_records;
            return Err(Fault::Passed { number, what, count });
        }
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
                self.counters.copies += u64::from(framed.copy);
                Some(framed)
            }
            // Truncated by the snap length, or too short originally.
            Err(Reason::Ends) if frame.bytes.len() < frame.original() as usize => {
                self.counters.short += 1;
                self.unread.add(Unread::Cut);
                None
            }
            Err(reason) => {
                self.skipped(reason, Some(frame));
                None
            }
        }
    }

    fn event(&mut self, frame: &Frame<'_>, at: BootTime) -> Result<Framed, Reason> {
        let layout = self.interfaces.layout(frame.interface).ok_or(Reason::LinkType)?;
        let mut walk = Walk::through(frame.original());
        let next = walk.link(frame.bytes, layout)?;
        let direction = frame.direction.or(walk.direction);
        let interface = match walk.device {
            Some(index) => self.interfaces.device(frame.interface, index),
            None => frame.interface,
        };
        let encapsulations = &mut self.encapsulations;
        let place = |walk: &Walk| {
            let encapsulation = (!walk.layers.is_empty()).then(|| encapsulations.number(&walk.layers)).flatten();
            Place { at, ifindex: interface + 1, direction, encapsulation }
        };
        let event = transport::event(&mut walk, frame.bytes, frame.original(), next, place)?;
        self.counters.shortened += u64::from(walk.shortened);
        let copy = match &event {
            // Without times, the age of the first copy is unknown.
            Event::Segment(segment) if frame.at.is_some() => self.copies.is_copy(segment, walk.identity),
            _ => false,
        };
        let process = frame.process.or(walk.process);
        Ok(Framed { event, timed: frame.at.is_some(), direction, interface, process, layers: walk.layers, copy })
    }

    fn skipped(&mut self, reason: Reason, frame: Option<&Frame<'_>>) {
        let link_type = || frame.and_then(|frame| self.interfaces.all().get(frame.interface as usize));
        let kind = match reason {
            Reason::NotIp(kind) | Reason::NotTcp(kind) => kind,
            Reason::Fragment => Unread::Fragment,
            Reason::FirstFragment => Unread::FirstFragment,
            Reason::CutTcp => Unread::CutTcp,
            Reason::Shortened => Unread::Shortened,
            Reason::Ends | Reason::Malformed | Reason::Interface => Unread::Malformed,
            Reason::Nested => Unread::Nested,
            Reason::LinkType => Unread::LinkType(link_type().map_or(u32::MAX, |known| known.link_type.0)),
        };
        // Damaged records are reported by an error.
        if frame.is_some() {
            self.unread.add(kind);
        }
        let skipped = &mut self.counters.skipped;
        *match reason {
            Reason::NotIp(_) => &mut skipped.not_ip,
            Reason::NotTcp(_) => &mut skipped.not_tcp,
            Reason::Fragment | Reason::FirstFragment => &mut skipped.fragment,
            Reason::CutTcp => &mut self.counters.short,
            Reason::Ends | Reason::Malformed | Reason::Shortened => &mut skipped.malformed,
            Reason::Nested => &mut skipped.nested,
            Reason::LinkType => &mut skipped.link_type,
            Reason::Interface => &mut skipped.interface,
        } += 1;
    }
}
