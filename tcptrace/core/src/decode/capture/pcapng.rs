//! The pcapng format: sections of blocks, each with its own byte order and interfaces.
//!
//! Sections, interfaces and statistics are parsed by `pcap-parser`. It collects the options of a block into a vector,
//! which costs too much per frame, and does not know the packet blocks of the first draft, so [`packet`] parses blocks
//! of frames. Option values are decoded from their bytes: the crate decodes some of them as little-endian always (its
//! issue 62).

mod packet;
mod process;

use pcap_parser::{
    InterfaceDescriptionBlock, InterfaceStatisticsBlock, OptionCode, PcapNGOption, parse_interfacedescriptionblock_be,
    parse_interfacedescriptionblock_le, parse_interfacestatisticsblock_be, parse_interfacestatisticsblock_le,
    parse_sectionheaderblock,
};

use super::{
    LinkType,
    bytes::Order,
    decoder::{MAX_RECORD_LEN, Part},
    error::Fault,
    interfaces::Interfaces,
    time::Timescale,
};
use crate::event::Process;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
/// Darwin's description of a process.
const PROCESS: u32 = 0x8000_0001;

/// Length of the shortest block: its type and two lengths.
const FRAMING: usize = 12;

/// State that later blocks depend on.
#[derive(Debug, Default)]
pub(super) struct PcapNg {
    section: Option<Section>,
    /// Frames reported lost by the interfaces of all sections.
    lost: u64,
}

/// A section.
#[derive(Debug)]
struct Section {
    order: Order,
    interfaces: Vec<Described>,
    /// The processes that Darwin describes, which its packets name by their positions in this list.
    processes: Vec<Option<Process>>,
}

/// An interface of a section.
#[derive(Clone, Copy, Debug)]
struct Described {
    /// Its number in the file, counted through all sections.
    number: u32,
    timescale: Timescale,
    /// Snap length in bytes; 0 for no limit.
    snap_length: u32,
    /// Losses according to its latest statistics.
    lost: u64,
}

impl PcapNg {
    /// Returns the number of frames lost during capture.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Decodes the first block of `window`.
    pub(super) fn part<'a>(&mut self, window: &'a [u8], interfaces: &mut Interfaces) -> Result<Part<'a>, Fault> {
        if window.len() < FRAMING {
            return Ok(Part::Need(FRAMING));
        }
        let begins_section = Order::Big.u32(window, 0) == Some(SECTION_HEADER);
        let order = if begins_section { byte_order(window)? } else { self.section()?.order };
        let (Some(kind), Some(length)) = (order.u32(window, 0), order.u32(window, 4)) else {
            return Ok(Part::Need(FRAMING));
        };
        let whole = length as usize;
        if whole < FRAMING || !whole.is_multiple_of(4) {
            return Err(Fault::Damaged("a block has a length that no block can have"));
        }
        let is_read = matches!(
            kind,
            SECTION_HEADER
                | INTERFACE_DESCRIPTION
                | PACKET
                | SIMPLE_PACKET
                | INTERFACE_STATISTICS
                | ENHANCED_PACKET
                | PROCESS
        );
        if kind == PROCESS && whole > MAX_RECORD_LEN {
            // Others keep their places.
            self.section_mut()?.describe_process(&[]);
            return Ok(Part::Skip(length.into()));
        }
        if !is_read {
            return Ok(Part::Skip(length.into()));
        }
        if whole > MAX_RECORD_LEN {
            return Err(Fault::TooLong(length.into()));
        }
        let Some(block) = window.get(..whole) else { return Ok(Part::Need(whole)) };
        if order.u32(block, whole - 4) != Some(length) {
            return Err(Fault::Damaged("the two lengths of a block differ"));
        }
        match kind {
            SECTION_HEADER => self.begin_section(block, order)?,
            INTERFACE_DESCRIPTION => self.section_mut()?.describe(block, interfaces)?,
            INTERFACE_STATISTICS => self.count_lost(block)?,
            PROCESS => self.section_mut()?.describe_process(block.get(8..whole - 4).unwrap_or_default()),
            _ => {
                let body = block.get(8..whole - 4).unwrap_or_default();
                return Ok(Part::Frame { used: whole, frame: self.section()?.frame(kind, body) });
            }
        }
        Ok(Part::Skip(length.into()))
    }

    fn section(&self) -> Result<&Section, Fault> {
        self.section.as_ref().ok_or(NO_SECTION)
    }

    fn section_mut(&mut self) -> Result<&mut Section, Fault> {
        self.section.as_mut().ok_or(NO_SECTION)
    }

    fn begin_section(&mut self, block: &[u8], order: Order) -> Result<(), Fault> {
        let (_, header) = parse_sectionheaderblock(block).map_err(|_| Fault::Damaged("a section cannot be read"))?;
        if header.major_version != 1 {
            let (major, minor) = (header.major_version, header.minor_version);
            return Err(Fault::Version { format: "pcapng", major, minor });
        }
        self.section = Some(Section { order, interfaces: Vec::new(), processes: Vec::new() });
        Ok(())
    }

    /// Counts losses. Statistics are cumulative, so the last ones of an interface are complete.
    fn count_lost(&mut self, block: &[u8]) -> Result<(), Fault> {
        let section = self.section_mut()?;
        let statistics = section.statistics(block).ok_or(Fault::Damaged("interface statistics cannot be read"))?;
        let lost = [OptionCode::IsbIfDrop, OptionCode::IsbOsDrop]
            .into_iter()
            .filter_map(|code| section.order.u64(value(&statistics.options, code)?, 0))
            .fold(0, u64::saturating_add);
        let Some(described) = section.interfaces.get_mut(statistics.if_id as usize) else { return Ok(()) };
        let before = std::mem::replace(&mut described.lost, lost);
        self.lost = self.lost.saturating_add(lost.saturating_sub(before));
        Ok(())
    }
}

const NO_SECTION: Fault = Fault::Damaged("a block stands before the first section");

impl Section {
    fn describe(&mut self, block: &[u8], interfaces: &mut Interfaces) -> Result<(), Fault> {
        let description = self.description(block).ok_or(Fault::Damaged("an interface description cannot be read"))?;
        let options = &description.options;
        let resolution = value(options, OptionCode::IfTsresol).and_then(|bytes| bytes.first().copied());
        let offset = value(options, OptionCode::IfTsoffset).and_then(|bytes| self.order.u64(bytes, 0));
        let link_type = LinkType(description.linktype.0.cast_unsigned());
        let number = interfaces.add(value(options, OptionCode::IfName), link_type)?;
        self.interfaces.push(Described {
            number,
            timescale: Timescale::new(resolution, offset.map(u64::cast_signed)),
            snap_length: description.snaplen,
            lost: 0,
        });
        Ok(())
    }

    fn description<'a>(&self, block: &'a [u8]) -> Option<InterfaceDescriptionBlock<'a>> {
        let parsed = match self.order {
            Order::Little => parse_interfacedescriptionblock_le(block),
            Order::Big => parse_interfacedescriptionblock_be(block),
        };
        Some(parsed.ok()?.1)
    }

    fn statistics<'a>(&self, block: &'a [u8]) -> Option<InterfaceStatisticsBlock<'a>> {
        let parsed = match self.order {
            Order::Little => parse_interfacestatisticsblock_le(block),
            Order::Big => parse_interfacestatisticsblock_be(block),
        };
        Some(parsed.ok()?.1)
    }
}

/// Returns the value of an option without padding.
fn value<'a>(options: &'a [PcapNGOption<'_>], code: OptionCode) -> Option<&'a [u8]> {
    options.iter().find(|option| option.code == code)?.as_bytes().ok()
}

/// Returns the byte order of the section that begins here, by the magic number in its header.
fn byte_order(window: &[u8]) -> Result<Order, Fault> {
    const MARK: u32 = 0x1a2b_3c4d;
    [Order::Little, Order::Big]
        .into_iter()
        .find(|order| order.u32(window, 8) == Some(MARK))
        .ok_or(Fault::Damaged("a section has no byte order"))
}
