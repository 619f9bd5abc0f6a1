//! Rendering of records into chunks of bytes for a sink.

use bytes::Bytes;
use tcptrace_core::{event::LossCounts, output_record::OutputRecord, render::Render};

use crate::sink::{Held, Input, Offer};

/// Number of bytes after which a chunk should be handed over.
pub(super) const CHUNK_BYTES: usize = 256 << 10;

/// Capacity of a chunk in bytes: the last record may exceed [`CHUNK_BYTES`].
const CHUNK_CAPACITY: usize = CHUNK_BYTES + (8 << 10);

/// A renderer, the chunk that it fills, and the sink that gets it.
pub(super) struct Chunks {
    render: Box<dyn Render>,
    sink: Input,
    bytes: Vec<u8>,
    /// The records in `bytes`, and the losses that its reports count.
    held: Held,
    /// True to wait for a slow reader instead of dropping records.
    pub(super) patient: bool,
}

impl Chunks {
    pub(super) fn new(render: Box<dyn Render>, sink: Input) -> Self {
        Self { render, sink, bytes: Vec::with_capacity(CHUNK_CAPACITY), held: Held::default(), patient: false }
    }

    /// Renders a record.
    pub(super) fn add(&mut self, record: &OutputRecord) {
        self.render.render(record, &mut self.bytes);
        match record {
            OutputRecord::Lost(lost) => self.held.reported += LossCounts::of(lost.source, lost.count),
            _ => self.held.records += 1,
        }
    }

    /// Returns true if the chunk should be handed over.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= CHUNK_BYTES
    }

    /// Hands the chunk to the sink. Returns what was dropped.
    pub(super) fn hand_over(&mut self) -> Held {
        if self.bytes.is_empty() {
            return Held::default();
        }
        let bytes = if self.bytes.len() < CHUNK_BYTES / 2 {
            // The sink counts bytes, not capacity, against its budget.
            let bytes = Bytes::copy_from_slice(&self.bytes);
            self.bytes.clear();
            bytes
        } else {
            let empty = self.sink.spare().unwrap_or_else(|| Vec::with_capacity(CHUNK_CAPACITY));
            Bytes::from(std::mem::replace(&mut self.bytes, empty))
        };
        let held = std::mem::take(&mut self.held);
        match if self.patient { self.sink.write(bytes, held) } else { self.sink.try_write(bytes, held) } {
            Offer::Full => held,
            // An ended sink loses nothing: its reader has gone, or its error has been reported.
            Offer::Accepted | Offer::Ended => Held::default(),
        }
    }
}
