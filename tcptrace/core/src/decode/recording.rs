//! Decoder for recordings: JSON lines that tcptrace wrote, back to the events they were made from.
//!
//! ```text
//! IO       lines       bytes → lines of limited length
//! ─────────────────────────────────────────────────────────────────────
//! pure     fields      the fields of each type that are decoded
//!          decoder     a line → Record, in terms of `event`
//! ```
//!
//! A recording begins with a `start` record and is in order. Its `handshake`, `close`, `stalled` and `evicted` records
//! are skipped, since they follow from the events; so are record types unknown to this build.
//!
//! More `start` records may follow: a writer that got SIGHUP starts its new file with one, and files may have been
//! concatenated. Such a `start` continues the run before it if it has the same host and namespace, is not earlier, and
//! no `end` record came between; otherwise it begins another run.

mod cgroups;
pub(in crate::decode) mod decoder;
pub(in crate::decode) mod error;
mod fields;
mod lines;
#[cfg(test)]
mod tests;

use std::{io::Read, sync::Arc};

pub use self::error::RecordingError;
use self::{decoder::Decoder, lines::Lines};
use super::Input;
use crate::{
    event::{BootTime, Cgroup, CgroupKey, Event, Existing},
    filter::{SegmentChoice, StatesOf},
    text::WallTime,
};

/// A decoded line.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A recording begins or continues.
    Start(Start),
    /// Sockets existed when tracing began.
    Existing(Existing),
    /// The interfaces of a network namespace are traced from here on.
    Namespace(Namespace),
    /// An event happened.
    Event(Recorded),
    /// The recording ended.
    End(Moment),
}

/// A time by both clocks. From a capture, both are the wall clock, and [`Start::capture`] is true.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// Time that orders events.
    pub at: BootTime,
    /// Wall-clock time.
    pub wall: WallTime,
}

/// Origin of a recording. Its strings come from outside: escape them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Start {
    /// Time of the record.
    pub moment: Moment,
    /// True if it continues the run before it in another file.
    pub goes_on: bool,
    /// True if it was made from a capture: times are those of the wall clock, in nanoseconds since 1970.
    pub capture: bool,
    /// Name of the host.
    pub hostname: String,
    /// Kernel release of the host.
    pub kernel: Option<String>,
    /// Inode number of the network namespace whose segments were recorded.
    pub netns: Option<u32>,
    /// Names of the interfaces that were traced.
    pub interfaces: Vec<String>,
    /// Choice of segments that were recorded.
    pub segments: SegmentChoice,
    /// The filter in words; empty for none.
    pub filter: String,
    /// The sockets whose states were recorded; `None` for both ends of every connection.
    pub states_of: Option<StatesOf>,
    /// Start of the run, in nanoseconds of the recorded host's `CLOCK_BOOTTIME`.
    pub began_ns: Option<u64>,
    /// UUID of the run, if the recording has it.
    pub run: Option<Arc<str>>,
}

/// A network namespace whose interfaces were traced. Its strings come from outside: escape them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Namespace {
    /// Time from which they were traced.
    pub moment: Moment,
    /// Inode number of the namespace.
    pub netns: u32,
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// Names of its interfaces.
    pub interfaces: Vec<String>,
}

/// A recorded event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recorded {
    /// The event. Its interface number is an index of [`Recording::interfaces`] plus 1.
    pub event: Event,
    /// Wall-clock time of the event.
    pub wall: WallTime,
}

/// Counts of the lines of a recording.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Bytes up to the end of the last line read.
    pub bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Events decoded.
    pub events: u64,
    /// Verdicts skipped.
    pub verdicts: u64,
    /// Records of unknown types.
    pub unknown: u64,
    /// Records more than a second older than one before them.
    pub backwards: u64,
}

/// The records of a recording, in the order of the file.
///
/// An error is the last item: everything complete before it has been delivered.
#[derive(Debug)]
pub struct Recording<R> {
    lines: Lines<R>,
    decoder: Decoder,
    finished: bool,
}

impl<R> Recording<R> {
    /// Creates a reader that starts at the first byte of `input`.
    pub fn new(input: Input<R>) -> Self {
        Self { lines: Lines::new(input), decoder: Decoder::default(), finished: false }
    }

    /// Returns the layers of the encapsulations met so far: number 1 in
    /// [`Segment::encapsulation`](crate::event::Segment::encapsulation) is the first. None is ever removed.
    pub fn encapsulations(&self) -> &[Vec<String>] {
        self.decoder.encapsulations()
    }

    /// Returns the names of the interfaces met so far; none is ever removed.
    pub fn interfaces(&self) -> &[String] {
        self.decoder.interfaces()
    }

    /// Returns the control groups met so far, each with its key; none is ever removed.
    pub fn cgroups(&self) -> &[(CgroupKey, Arc<Cgroup>)] {
        self.decoder.cgroups()
    }

    /// Returns true if everything read so far is consumed, so that the next record may have to be waited for.
    pub fn is_dry(&self) -> bool {
        self.lines.is_dry()
    }

    /// Returns counts of the lines read so far and of those that could not be used.
    pub fn counters(&self) -> Counters {
        Counters { bytes: self.lines.taken(), lines: self.lines.number(), ..self.decoder.counters() }
    }
}

impl<R: Read> Recording<R> {
    fn next_record(&mut self) -> Result<Option<Record>, RecordingError> {
        let Self { lines, decoder, .. } = self;
        loop {
            let (number, taken) = (lines.number() + 1, lines.taken());
            let Some(line) = lines.next_line()? else { return Ok(None) };
            if line.bytes.trim_ascii().is_empty() {
                continue;
            }
            match decoder.decode(line.bytes) {
                Ok(Some(record)) => return Ok(Some(record)),
                Ok(None) => {}
                Err(fault) if fault.is_cut() && !line.whole => {
                    return Err(RecordingError::CutOff { line: number, bytes: taken });
                }
                Err(fault) => return Err(fault.on(number)),
            }
        }
    }
}

impl<R: Read> Iterator for Recording<R> {
    type Item = Result<Record, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let item = self.next_record().transpose();
        self.finished = !matches!(item, Some(Ok(_)));
        item
    }
}
