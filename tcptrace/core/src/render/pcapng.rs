//! Records as a pcapng file: the headers of segments as packets, everything else as entries of a journal between them, which
//! Wireshark shows in line.
//!
//! The format is that of draft-ietf-opsawg-pcapng. Packets are IP packets without a link layer; their payload was never
//! recorded, so each is cut after its TCP header.

mod packet;
mod processes;

use std::{borrow::Cow, sync::Arc};

use foldhash::{HashMap, HashMapExt as _};
use pcap_parser::{
    EnhancedPacketBlock, InterfaceDescriptionBlock, Linktype, OptionCode, PcapNGOption, SectionHeaderBlock,
    SystemdJournalExportBlock, ToVec,
};

use self::processes::Processes;
use super::{Events, Render};
use crate::{
    event::{Direction, LossSource},
    output_record::{OutputRecord, SegmentOutput, Stamp, StartOutput},
    text::WallTime,
};

/// Link type of packets that begin with their IP header, `LINKTYPE_RAW`.
const LINKTYPE_RAW: Linktype = Linktype(101);

/// Exponent of the resolution of times: 10^-9 s.
const NANOSECONDS: u8 = 9;

/// Options of an Enhanced Packet Block.
const EPB_FLAGS: OptionCode = OptionCode(2);
const EPB_PROCESS_AND_THREAD: OptionCode = OptionCode(8);

/// Renders records as pcapng blocks.
pub struct Pcapng {
    /// Renderer of all records that are not packets.
    words: Events,
    /// The `start` record of the section.
    start: Option<StartOutput>,
    /// Numbers of the interfaces described in the section, by network namespace and name.
    interfaces: HashMap<(Option<u32>, Arc<str>), u32>,
    processes: Processes,
    /// Memory for the text of a record.
    text: Vec<u8>,
}

impl Pcapng {
    /// Creates a renderer. `words` makes the text of records that are not packets; it must not use colours.
    pub fn new(words: Events) -> Self {
        let (interfaces, text) = (HashMap::new(), Vec::new());
        Self { words, start: None, interfaces, processes: Processes::default(), text }
    }

    /// Begins a section: descriptions before it do not apply to it.
    fn section(&mut self, out: &mut Vec<u8>) {
        self.interfaces.clear();
        let mut options = Vec::new();
        if let Some(start) = &self.start {
            let system = start.kernel.as_ref().map(|kernel| format!("Linux {kernel} on {}", start.hostname));
            options.extend(system.map(|system| text_option(OptionCode::ShbOs, system)));
            options.push(text_option(OptionCode::ShbUserAppl, format!("tcptrace {}", start.version)));
            if !start.filter.is_empty() {
                options.push(text_option(OptionCode::Comment, format!("filter: {}", start.filter)));
            }
        }
        let block = SectionHeaderBlock {
            block_type: 0,
            block_len1: 0,
            bom: 0,
            major_version: 1,
            minor_version: 0,
            section_len: -1,
            options,
            block_len2: 0,
        };
        write(block, out);
    }

    /// Returns the number of a segment's interface, which is described first if the section does not have it yet.
    fn interface(&mut self, segment: &SegmentOutput, out: &mut Vec<u8>) -> u32 {
        let next = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        let number = *self.interfaces.entry((segment.netns, Arc::clone(&segment.interface))).or_insert(next);
        if number == next {
            let mut options = vec![text_option(OptionCode::IfName, segment.interface.to_string())];
            let own = self.start.as_ref().and_then(|start| start.netns);
            if let Some(netns) = segment.netns.filter(|netns| Some(*netns) != own) {
                options.push(text_option(OptionCode::IfDescription, format!("in network namespace {netns}")));
            }
            options.push(option(OptionCode::IfTsresol, vec![NANOSECONDS]));
            let block = InterfaceDescriptionBlock {
                block_type: 0,
                block_len1: 0,
                linktype: LINKTYPE_RAW,
                reserved: 0,
                snaplen: 0,
                options,
                block_len2: 0,
                if_tsresol: NANOSECONDS,
                if_tsoffset: 0,
            };
            write(block, out);
        }
        number
    }

    fn segment(&mut self, segment: &SegmentOutput, out: &mut Vec<u8>) {
        let if_id = self.interface(segment, out);
        let packet = packet::of(segment);
        let time = since_1970(segment.stamp.time);
        let mut options = Vec::new();
        // The two lowest bits are the direction.
        let direction = match segment.direction {
            Some(Direction::In) => Some(1_u32),
            Some(Direction::Out) => Some(2),
            None => None,
        };
        options.extend(direction.map(|flags| option(EPB_FLAGS, flags.to_le_bytes().to_vec())));
        if let Some((pid, tid)) = self.processes.of(segment) {
            options.push(option(EPB_PROCESS_AND_THREAD, [pid.to_le_bytes(), tid.to_le_bytes()].concat()));
        }
        let late = if segment.late { " (late)" } else { "" };
        let again = if segment.retransmission { " (again)" } else { "" };
        options.push(text_option(OptionCode::Comment, format!("#{}{again}{late}", segment.conn)));
        let block = EnhancedPacketBlock {
            block_type: 0,
            block_len1: 0,
            if_id,
            ts_high: (time >> 32) as u32,
            ts_low: time as u32,
            caplen: packet.bytes.len() as u32,
            origlen: packet.original,
            data: &packet.bytes,
            options,
            block_len2: 0,
        };
        write(block, out);
    }

    /// Writes a record as an entry of a journal.
    fn entry(&mut self, stamp: &Stamp, record: &OutputRecord, out: &mut Vec<u8>) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        self.words.render(record, &mut text);
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            // The time at the beginning of each line is left out.
            let words = line.iter().position(|&byte| byte == b' ').and_then(|at| line.get(at + 1..)).unwrap_or(line);
            let mut entry = format!("__REALTIME_TIMESTAMP={}\n", since_1970(stamp.time) / 1_000).into_bytes();
            if let Some(host) = self.start.as_ref().map(|start| &start.hostname) {
                // Neither a field's name nor its text may hold a newline.
                entry.extend(format!("_HOSTNAME={}\n", host.escape_debug()).as_bytes());
            }
            entry.extend(b"SYSLOG_IDENTIFIER=tcptrace\nMESSAGE=");
            entry.extend(words);
            entry.extend(b"\n\n");
            write(SystemdJournalExportBlock { block_type: 0, block_len1: 0, data: &entry, block_len2: 0 }, out);
        }
        self.text = text;
    }
}

impl Render for Pcapng {
    fn render(&mut self, record: &OutputRecord, out: &mut Vec<u8>) {
        self.processes.note(record);
        match record {
            OutputRecord::Start(start) => {
                self.start = Some(start.clone());
                self.section(out);
                self.entry(&start.stamp, record, out);
            }
            OutputRecord::Segment(segment) => self.segment(segment, out),
            OutputRecord::Lost(lost) => {
                // The descriptions of interfaces may be among the records that were not written.
                if lost.source == LossSource::Output {
                    self.section(out);
                }
                self.entry(&lost.stamp, record, out);
            }
            _ => self.entry(&record.stamp(), record, out),
        }
    }
}

/// Returns an option with a text, truncated to the maximum length.
fn text_option<'a>(code: OptionCode, mut text: String) -> PcapNGOption<'a> {
    text.truncate(text.floor_char_boundary(usize::from(u16::MAX)));
    option(code, text.into_bytes())
}

/// Returns an option of at most 65,535 bytes.
fn option<'a>(code: OptionCode, value: Vec<u8>) -> PcapNGOption<'a> {
    PcapNGOption { code, len: u16::try_from(value.len()).unwrap_or(u16::MAX), value: Cow::Owned(value) }
}

/// Appends a block.
fn write(mut block: impl ToVec, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    if let Ok(bytes) = block.to_vec() {
        out.extend_from_slice(&bytes);
    }
}

/// Nanoseconds since 1970; 0 for earlier times.
fn since_1970(time: WallTime) -> u64 {
    u64::try_from(time.0).unwrap_or(0)
}

#[cfg(test)]
mod tests;
