//! A destination of output records: what it gets, in which form, and the chunk that is being filled for its sink.

use bytes::Bytes;
use tcptrace_core::{
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
    /// Makes text of records.
    pub render: Box<dyn Render>,
    /// Types of records to show.
    pub emit: Emit,
    /// Chooses connections; none for all of them.
    pub selection: Option<Selection>,
    /// Counts verdicts for a summary.
    pub tally: Option<Tally>,
    /// Nothing is ever written.
    pub discards: bool,
}

impl Shown {
    /// Everything in `emit` as JSON lines.
    pub(super) fn json(emit: Emit) -> Self {
        Self { render: Box::new(Json), emit, selection: None, tally: None, discards: false }
    }

    /// Types of records that are needed, if only to choose or count.
    fn needs(&self) -> Emit {
        match (&self.selection, &self.tally) {
            (None, None) => self.emit,
            (Some(selection), _) if selection.is_scoped() => Emit::ALL,
            _ => self.emit.with(Emit::HANDSHAKE).with(Emit::CLOSE).with(Emit::STALLED),
        }
    }
}

/// A destination: its format, its sink and the chunk that is being filled.
pub(super) struct Destination {
    pub(super) shown: Shown,
    pub(super) needs: Emit,
    pub(super) sink: Sink,
    chunk: Vec<u8>,
    /// Records in `chunk`, apart from reports of losses.
    records: u64,
    /// Dropped records that have not been reported here yet.
    pub(super) unreported: u64,
    /// Dropped records that a report in `chunk` counts.
    reporting: u64,
    /// Waits for a slow reader instead of dropping records.
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
            unreported: 0,
            reporting: 0,
            patient: false,
        }
    }

    /// Renders a record if `--emit` and `--only` include it. Returns the number of records dropped.
    /// `in_scope` says that the record proves its connection to be the command's.
    pub(super) fn write(&mut self, record: &OutputRecord, in_scope: bool) -> u64 {
        if !self.needs.contains(record.emit()) {
            return 0;
        }
        let Self { shown: Shown { render, emit, selection, tally, .. }, chunk, records, .. } = self;
        let mut show = |record: &OutputRecord| {
            if emit.contains(record.emit()) {
                render.render(record, chunk);
                *records += 1;
            }
        };
        let known = match selection {
            Some(selection) => selection.offer(record, in_scope, &mut show),
            None => {
                show(record);
                true
            }
        };
        if let Some(tally) = tally.as_mut().filter(|_| known) {
            tally.count(record);
        }
        if self.chunk.len() >= CHUNK_BYTES { self.flush() } else { 0 }
    }

    /// Hands the chunk to the sink. Returns the number of records dropped.
    pub(super) fn flush(&mut self) -> u64 {
        let no_room = self.sink.take_lost();
        self.unreported += no_room.records + no_room.reported;
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
                self.unreported += records + reporting;
                records
            }
            // An ended sink loses nothing: its reader has gone, or its error has been reported.
            Offer::Accepted | Offer::Ended => 0,
        }
    }

    /// Writes the record that `report` makes of the number of dropped records not reported yet. It does not count as a
    /// record itself: if it is dropped, the next report includes the same number.
    pub(super) fn report_losses(&mut self, report: impl FnOnce(u64) -> OutputRecord) {
        if self.unreported > 0 {
            let record = report(self.unreported);
            self.reporting += std::mem::take(&mut self.unreported);
            self.shown.render.render(&record, &mut self.chunk);
        }
    }
}
