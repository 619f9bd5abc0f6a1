//! Reading recordings: JSON lines that tcptrace wrote, back to the events they were made from.
//!
//! ```text
//! IO       lines       bytes → lines, of a length that no record exceeds
//! ─────────────────────────────────────────────────────────────────────
//! pure     fields      the fields of each type that are read
//!          decoder     a line → Record: what it says, in the words of `event`
//! ```
//!
//! A recording begins with a `start` record and is in order. `handshake`, `close`, `stalled` and `evicted` records in it are
//! passed over, since the events say it all; so is every type that this build does not know.
//!
//! More `start` records may follow: a file whose writer got SIGHUP has one where it was opened again, and files may have
//! been put together. Such a `start` goes on with the run before it where it is of the same host and namespace, not
//! earlier, and no `end` came between; otherwise it begins another.

mod decoder;
mod error;
mod fields;
mod lines;
#[cfg(test)]
mod tests;

use std::io::Read;

pub use self::error::RecordingError;
use self::{decoder::Decoder, lines::Lines};
use super::Input;
use crate::{
    event::{BootTime, Event},
    filter::SegmentChoice,
    text::WallTime,
};

/// A line, decoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A recording begins, or goes on.
    Start(Start),
    /// Something happened.
    Event(Recorded),
    /// The recording ended.
    End(Moment),
}

/// A time by both clocks. From a capture both are the wall clock, and [`Start::capture`] is set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// Time by which events are ordered.
    pub at: BootTime,
    /// The time of day.
    pub wall: WallTime,
}

/// Origin of a recording. Its text is foreign: escape it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Start {
    /// Time of the record.
    pub moment: Moment,
    /// True if it is one more file of the run before it.
    pub goes_on: bool,
    /// True if it was made from a capture: times are those of the wall clock, in nanoseconds since 1970.
    pub capture: bool,
    /// The host.
    pub hostname: String,
    /// Its kernel.
    pub kernel: Option<String>,
    /// The network namespace whose segments were seen.
    pub netns: Option<u32>,
    /// The interfaces.
    pub interfaces: Vec<String>,
    /// Which segments were chosen.
    pub segments: SegmentChoice,
    /// The filter, in words; empty for none.
    pub filter: String,
    /// Start of the run, in nanoseconds of the recorded host's `CLOCK_BOOTTIME`.
    pub began_ns: Option<u64>,
}

/// An event that was recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recorded {
    /// The event. The number of an interface is 1 more than its index in [`Recording::interfaces`].
    pub event: Event,
    /// The time of day when it happened.
    pub wall: WallTime,
}

/// Counts of the lines of a recording.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Bytes, up to the end of the last line that was read.
    pub bytes: u64,
    /// Lines.
    pub lines: u64,
    /// Events.
    pub events: u64,
    /// Verdicts, which are passed over.
    pub verdicts: u64,
    /// Records of types that are not known here.
    pub unknown: u64,
    /// Records that are more than a second older than one before them.
    pub backwards: u64,
}

/// The records of a recording, in the order of the file.
///
/// An error is the last item: all that was complete before it has been delivered.
#[derive(Debug)]
pub struct Recording<R> {
    lines: Lines<R>,
    decoder: Decoder,
    finished: bool,
}

impl<R> Recording<R> {
    /// Reads from the first byte on.
    pub fn new(input: Input<R>) -> Self {
        Self { lines: Lines::new(input), decoder: Decoder::default(), finished: false }
    }

    /// The names of the interfaces met so far; none is ever taken away.
    pub fn interfaces(&self) -> &[String] {
        self.decoder.interfaces()
    }

    /// Returns true if the next record has to be waited for, as far as is known.
    pub fn is_dry(&self) -> bool {
        self.lines.is_dry()
    }

    /// Counts of what was read so far and of what could not be used.
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
