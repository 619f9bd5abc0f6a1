//! A destination of output records: its records, their form, and the chunk being filled for its sink.

use std::borrow::Cow;

use bytes::Bytes;
use tcptrace_core::{
    event::{LossCounts, LossSource},
    filter::Emit,
    output_record::OutputRecord,
    render::{Json, Render, Selection, Tally},
};

use crate::sink::{Held, Offer, Sink};

/// Bytes after which a chunk is handed to the sink, unless [`Output::flush`] comes first.
const CHUNK_BYTES: usize = 256 << 10;

/// Capacity of a chunk in bytes: the last record may exceed [`CHUNK_BYTES`].
const CHUNK_CAPACITY: usize = CHUNK_BYTES + (8 << 10);

/// The records that a destination gets, and their form.
pub struct Shown {
    /// Renders records.
    pub render: Box<dyn Render>,
    /// Types of records to show.
    pub emit: Emit,
    /// Chooses connections; `None` for all of them.
    pub selection: Option<Selection>,
    /// Counts verdicts for a summary.
    pub tally: Option<Tally>,
    /// True if nothing is ever written.
    pub discards: bool,
}

impl Shown {
    /// Returns everything in `emit` as JSON lines.
    pub(super) fn json(emit: Emit) -> Self {
        Self { render: Box::new(Json), emit, selection: None, tally: None, discards: false }
    }

    /// Returns the types of records that are needed, if only to choose or count.
    fn needs(&self) -> Emit {
        match (&self.selection, &self.tally) {
            (None, None) => self.emit,
            (Some(selection), _) if selection.is_scoped() => Emit::ALL,
            _ => self.emit.with(Emit::HANDSHAKE).with(Emit::CLOSE).with(Emit::STALLED),
        }
    }
}

/// A destination: its format, its sink and the chunk being filled.
pub(super) struct Destination {
    pub(super) shown: Shown,
    pub(super) needs: Emit,
    pub(super) sink: Sink,
    chunk: Vec<u8>,
    /// Number of records in `chunk`, apart from reports of losses.
    records: u64,
    /// Losses that have not been reported here yet: dropped records, and the losses in dropped reports.
    unreported: LossCounts,
    /// Losses that the reports in `chunk` count.
    reporting: LossCounts,
    /// True to wait for a slow reader instead of dropping records.
    pub(super) patient: bool,
}

impl Destination {
    pub(super) fn new(shown: Shown, sink: Sink) -> Self {
        Self {
            needs: shown.needs(),
            shown,
            sink,
            chunk: Vec::with_capacity(CHUNK_CAPACITY),
            records: 0,
            unreported: LossCounts::default(),
            reporting: LossCounts::default(),
            patient: false,
        }
    }

    /// Renders a record if `--emit` and `--only` include it. Returns the number of records dropped. `in_scope`: the record
    /// proves its connection to be the command's.
    pub(super) fn write(&mut self, record: Cow<'_, OutputRecord>, in_scope: bool) -> u64 {
        if !self.needs.contains(record.emit()) {
            return 0;
        }
        let Self { shown: Shown { render, emit, selection, tally, .. }, chunk, records, reporting, .. } = self;
        let mut show = |record: &OutputRecord| {
            if emit.contains(record.emit()) {
                render.render(record, chunk);
                match record {
                    OutputRecord::Lost(lost) => *reporting += LossCounts::of(lost.source, lost.count),
                    _ => *records += 1,
                }
            }
        };
        let in_scope_so_far = selection.as_ref().is_none_or(|selection| selection.is_in_scope(&record, in_scope));
        if let Some(tally) = tally.as_mut().filter(|_| in_scope_so_far) {
            tally.count(&record);
        }
        match selection {
            Some(selection) => selection.offer(record, in_scope, &mut show),
            None => show(&record),
        }
        if self.chunk.len() >= CHUNK_BYTES { self.flush() } else { 0 }
    }

    /// Hands the chunk to the sink. Returns the number of records dropped.
    pub(super) fn flush(&mut self) -> u64 {
        let no_room = self.sink.take_lost();
        self.owe(no_room);
        no_room.records + self.hand_over()
    }

    fn hand_over(&mut self) -> u64 {
        if self.chunk.is_empty() {
            return 0;
        }
        let bytes = if self.chunk.len() < CHUNK_BYTES / 2 {
            // The sink counts bytes, not capacity, against its budget.
            let bytes = Bytes::copy_from_slice(&self.chunk);
            self.chunk.clear();
            bytes
        } else {
            let empty = self.sink.spare().unwrap_or_else(|| Vec::with_capacity(CHUNK_CAPACITY));
            Bytes::from(std::mem::replace(&mut self.chunk, empty))
        };
        let records = std::mem::take(&mut self.records);
        let reporting = std::mem::take(&mut self.reporting);
        let held = Held { records, reported: reporting };
        match if self.patient { self.sink.write(bytes, held) } else { self.sink.try_write(bytes, held) } {
            Offer::Full => {
                self.owe(held);
                records
            }
            // An ended sink loses nothing: its reader has gone, or its error has been reported.
            Offer::Accepted | Offer::Ended => 0,
        }
    }

    /// Notes that a chunk was dropped.
    fn owe(&mut self, dropped: Held) {
        self.unreported += dropped.reported;
        self.unreported += LossCounts::of(LossSource::Output, dropped.records);
    }

    /// Returns true if losses have not been reported here yet.
    pub(super) fn has_unreported_losses(&self) -> bool {
        self.unreported.sum() > 0
    }

    /// Writes the records that `report` makes of the losses not reported yet. They do not count as records themselves: if they
    /// are dropped, the next reports include the same numbers.
    pub(super) fn report_losses(&mut self, mut report: impl FnMut(LossSource, u64) -> OutputRecord) {
        let losses = std::mem::take(&mut self.unreported);
        for (source, count) in losses.present() {
            self.shown.render.render(&report(source, count), &mut self.chunk);
        }
        self.reporting += losses;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, pipe},
        time::Duration,
    };

    use serde_json::Value;
    use tcptrace_core::{
        correlate::Correlated,
        describe::Describer,
        event::{BootTime, Loss},
        output_record::EndOutput,
    };

    use super::*;

    fn lost(source: LossSource, count: u64) -> OutputRecord {
        let loss = Loss { at: BootTime(1), source, count, total: count, placed: false };
        Describer::default().entry(Correlated::Loss(loss))
    }

    fn other() -> OutputRecord {
        let stamp = Describer::default().stamp(BootTime(1));
        OutputRecord::End(EndOutput { stamp, connections: 0, open: 0, evicted: 0, events: 0, lost: 0, left_out: None })
    }

    #[test]
    fn the_losses_that_a_dropped_chunk_told_of_are_told_again() {
        let (mut reader, writer) = pipe().unwrap();
        let mut to = Destination::new(Shown::json(Emit::ALL), Sink::stream(writer.into(), CHUNK_BYTES).unwrap());
        let (mut told, mut written, mut dropped) = (0, 0, 0);
        // Nobody reads meanwhile.
        while dropped < 100 {
            told += 3;
            written += 1;
            dropped += to.write(Cow::Owned(lost(LossSource::State, 3)), false);
            dropped += to.write(Cow::Owned(other()), false) + to.flush();
            to.report_losses(lost);
        }
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        to.patient = true;
        to.report_losses(lost);
        dropped += to.flush();
        assert!(!to.has_unreported_losses());
        to.sink.finish(Duration::from_secs(20));
        let records: Vec<Value> =
            reading.join().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let sum = |source: &str| {
            let of_source = records.iter().filter(|record| record["source"] == source);
            of_source.map(|record| record["count"].as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!((sum("state"), sum("output")), (told, dropped));
        assert_eq!(records.iter().filter(|record| record["type"] == "end").count() as u64, written - dropped);
    }
}
