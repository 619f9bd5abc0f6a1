//! Reader of blocks and their entries.

use std::{io::Read, sync::Arc};

use super::{
    Entry, Interface, Setup,
    block::{HEADER, Header},
    cursor::Cursor,
    error::TtrError,
    packing::{MAX_RECORD, Packing, TAG_RECORD, TAG_UNPACKED},
};
use crate::{
    decode::{
        Input,
        recording::{Moment, Namespace, Record, Start, decoder::Decoder},
        ring::{self, Decoded},
    },
    event::{BootTime, Cgroup, CgroupKey, Event, Existing, KernelReasons, LossSource},
    text::WallTime,
};

/// A decoded part of a binary recording. They come in the order in which they were recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Start of a run, or its continuation in another file.
    Start(Start),
    /// Settings of the trace.
    Setup(Setup),
    /// Sockets existed when tracing began.
    Existing(Existing),
    /// The interfaces of a network namespace are traced from here on. It is repeated in every file.
    Namespace(Namespace),
    /// The run ended.
    End(Moment),
    /// The name of an interface.
    Interface(Interface),
    /// The name of a control group, before the first record that has its key.
    Cgroup(CgroupKey, Arc<Cgroup>),
    /// The wall clock corresponds to the clock of events like this from its time on.
    Clock(Moment),
    /// No record that follows is older than this.
    Time(BootTime),
    /// A record of the ring.
    Record(Decoded),
    /// A record of the ring that this build cannot decode.
    Undecodable,
    /// The kernel's count of lost records, as of the given time.
    Total(BootTime, LossSource, u64),
    /// Number of records that were left out here.
    LeftOut(BootTime, u64),
    /// An event that was looked up, not observed.
    LookedUp(Event),
}

/// Counts of what was read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Bytes up to the end of the last block read.
    pub bytes: u64,
    /// Blocks read.
    pub blocks: u64,
    /// Records of the ring decoded.
    pub records: u64,
}

/// The items of a binary recording.
///
/// An error is the last item: everything complete before it has been delivered.
#[derive(Debug)]
pub struct Reader<R> {
    input: Input<R>,
    content: Vec<u8>,
    /// Number of bytes of `content` decoded so far.
    used: usize,
    /// Offset of the block in the input, in bytes.
    begin: u64,
    packing: Packing,
    lines: Decoder,
    reasons: KernelReasons,
    kernel_thread: bool,
    counters: Counters,
    finished: bool,
}

impl<R> Reader<R> {
    /// Creates a reader that starts at the first byte of `input`.
    pub fn new(input: Input<R>) -> Self {
        Self {
            input,
            content: Vec::new(),
            used: 0,
            begin: 0,
            packing: Packing::default(),
            lines: Decoder::default(),
            reasons: KernelReasons::default(),
            kernel_thread: false,
            counters: Counters::default(),
            finished: false,
        }
    }

    /// Returns true if everything read so far is consumed, so that the next item may have to be waited for.
    pub fn is_dry(&self) -> bool {
        self.used >= self.content.len() && self.input.window().is_empty()
    }

    /// Returns counts of what was read so far.
    pub fn counters(&self) -> Counters {
        Counters { bytes: self.input.taken(), ..self.counters }
    }

    /// Decodes the next entry of the block; `None` if it only modifies the entry after it.
    fn next_entry(&mut self) -> Result<Option<Item>, String> {
        let mut cursor = Cursor(self.content.get(self.used..).unwrap_or_default());
        let before = cursor.0.len();
        let Some(tag) = cursor.u8() else { return Ok(None) };
        let cut = || format!("an entry of kind {tag} is not one that tcptrace writes");
        let item = if tag & TAG_RECORD != 0 || tag == TAG_UNPACKED {
            let mut buffer = [0; MAX_RECORD];
            let record = if tag == TAG_UNPACKED {
                cursor.u16().and_then(|length| cursor.take(length.into())).ok_or_else(cut)?
            } else {
                self.packing.unpack(tag, &mut cursor, &mut buffer).ok_or_else(cut)?
            };
            let kernel_thread = std::mem::take(&mut self.kernel_thread);
            match ring::decode(record, &self.reasons) {
                Ok(mut decoded) => {
                    if let Event::State(change) = &mut decoded.event
                        && kernel_thread
                    {
                        change.task = None;
                    }
                    self.counters.records += 1;
                    Some(Item::Record(decoded))
                }
                Err(_) => Some(Item::Undecodable),
            }
        } else {
            match Entry::read(tag, &mut cursor).ok_or_else(cut)? {
                Entry::Line(line) => match self.lines.decode(&line).map_err(|fault| fault.on(1).to_string())? {
                    Some(Record::Start(start)) => Some(Item::Start(start)),
                    Some(Record::Existing(existing)) => Some(Item::Existing(existing)),
                    Some(Record::Namespace(namespace)) => Some(Item::Namespace(namespace)),
                    Some(Record::End(moment)) => Some(Item::End(moment)),
                    Some(Record::Event(_)) | None => None,
                },
                Entry::Setup(setup) => {
                    self.reasons = setup.reasons.clone();
                    Some(Item::Setup(setup))
                }
                Entry::Interface(interface) => Some(Item::Interface(interface)),
                Entry::Cgroup(key, cgroup) => Some(Item::Cgroup(key, cgroup)),
                Entry::Clock(at, ahead) => {
                    let wall = i64::try_from(at.0).unwrap_or(i64::MAX).saturating_add(ahead);
                    Some(Item::Clock(Moment { at, wall: WallTime(wall) }))
                }
                Entry::Time(at) => Some(Item::Time(at)),
                Entry::Total(at, source, total) => Some(Item::Total(at, source, total)),
                Entry::LeftOut(at, count) => Some(Item::LeftOut(at, count)),
                Entry::KernelThread => {
                    self.kernel_thread = true;
                    None
                }
                Entry::LookedUp(event) => Some(Item::LookedUp(event)),
            }
        };
        self.used += before - cursor.0.len();
        Ok(item)
    }
}

impl<R: Read> Reader<R> {
    fn next_item(&mut self) -> Result<Option<Item>, TtrError> {
        loop {
            while self.used < self.content.len() {
                match self.next_entry() {
                    Ok(Some(item)) => return Ok(Some(item)),
                    Ok(None) => {}
                    Err(what) => return Err(TtrError::Malformed { bytes: self.begin, what }),
                }
            }
            if !self.next_block()? {
                return Ok(None);
            }
        }
    }

    /// Reads the next block; false at the end of the input.
    fn next_block(&mut self) -> Result<bool, TtrError> {
        (self.begin, self.used) = (self.input.taken(), 0);
        self.content.clear();
        self.packing = Packing::default();
        let blocks = self.counters.blocks;
        let cut_off = TtrError::CutOff { blocks, bytes: self.begin };
        if !self.input.fill(HEADER).map_err(TtrError::Io)? {
            return if self.input.window().is_empty() { Ok(false) } else { Err(cut_off) };
        }
        let Some(header) = self.input.window().first_chunk() else { return Err(cut_off) };
        let header = match Header::read(header) {
            Ok(header) => header,
            // After a crash of the host, a file system may have extended a file without writing its content.
            Err(_) if header == &[0; HEADER] => return Err(cut_off),
            Err(fault) => return Err(fault.at(blocks, self.begin)),
        };
        let length = HEADER + header.stored;
        if !self.input.fill(length).map_err(TtrError::Io)? {
            return Err(cut_off);
        }
        let block = self.input.window().get(..length).unwrap_or_default();
        header.open(block, &mut self.content).map_err(|fault| fault.at(blocks, self.begin))?;
        self.input.advance(length);
        self.counters.blocks += 1;
        Ok(true)
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Item, TtrError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let item = self.next_item().transpose();
        self.finished = !matches!(item, Some(Ok(_)));
        item
    }
}
