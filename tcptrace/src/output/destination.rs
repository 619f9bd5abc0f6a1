//! A destination of output records: which it gets, in which form, and the losses that it has not been told of.

use std::{borrow::Cow, time::Duration};

use tcptrace_core::{
    correlate::Correlated,
    describe::Describer,
    event::{LossCounts, LossSource},
    filter::Emit,
    output_record::OutputRecord,
    render::{Json, Render, Selection, Tally},
};

use super::{chunks::Chunks, rendering::Rendering};
use crate::sink::{Finish, Held, Sink, SinkError};

/// Takes records as they are, in place of a renderer.
pub trait Collect: Send {
    /// Takes a record.
    fn collect(&mut self, record: OutputRecord);

    /// Takes an event, and returns true, if it needs no record of it.
    fn collect_unshown(&mut self, event: &Correlated, describer: &Describer) -> bool;

    /// Passes on what it holds back: the next record may have to be waited for.
    fn flush(&mut self);
}

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
    pub fn needs(&self) -> Emit {
        match (&self.selection, &self.tally) {
            (None, None) => self.emit,
            (Some(selection), _) if selection.is_scoped() => Emit::ALL,
            _ => self.emit.with(Emit::HANDSHAKE).with(Emit::CLOSE).with(Emit::STALLED),
        }
    }
}

/// A destination: its records, their renderer and its sink.
pub(super) struct Destination {
    pub(super) emit: Emit,
    pub(super) selection: Option<Selection>,
    pub(super) tally: Option<Tally>,
    pub(super) discards: bool,
    pub(super) needs: Emit,
    pub(super) sink: Sink,
    renderer: Renderer,
    /// Losses that have not been reported here yet: dropped records, and the losses in dropped reports.
    unreported: LossCounts,
}

/// The place where records are rendered.
enum Renderer {
    /// On the thread that writes them.
    Here(Chunks),
    /// On a thread of its own, which waits for a slow reader.
    Apart(Rendering),
    /// Nothing is rendered: another part of the program gets the records.
    Nowhere(Box<dyn Collect>),
}

impl Destination {
    /// Creates a destination that gives every record to `to`, and nothing to `sink`.
    pub(super) fn collecting(sink: Sink, to: Box<dyn Collect>) -> Self {
        let renderer = Renderer::Nowhere(to);
        let (selection, tally, unreported) = (None, None, LossCounts::default());
        Self { emit: Emit::ALL, selection, tally, discards: false, needs: Emit::ALL, sink, renderer, unreported }
    }

    pub(super) fn new(shown: Shown, sink: Sink) -> Self {
        let needs = shown.needs();
        let Shown { render, emit, selection, tally, discards } = shown;
        let renderer = Renderer::Here(Chunks::new(render, sink.input.clone()));
        Self { emit, selection, tally, discards, needs, sink, renderer, unreported: LossCounts::default() }
    }

    /// Makes this destination wait for a slow reader instead of dropping records.
    pub(super) fn patient(mut self) -> Self {
        if let Renderer::Here(chunks) = &mut self.renderer {
            chunks.patient = true;
        }
        self
    }

    /// Makes this destination wait for a slow reader and render on a thread of its own.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn apart(self) -> Result<Self, SinkError> {
        let renderer = match self.renderer {
            Renderer::Here(mut chunks) => {
                chunks.patient = true;
                Renderer::Apart(Rendering::start(chunks)?)
            }
            other @ (Renderer::Apart(_) | Renderer::Nowhere(_)) => other,
        };
        Ok(Self { renderer, ..self })
    }

    /// Renders a record if `--emit` and `--only` include it. Returns the number of records dropped. `in_scope`: the record
    /// proves its connection to be the command's.
    #[inline]
    pub(super) fn write(&mut self, record: Cow<'_, OutputRecord>, in_scope: bool) -> u64 {
        if !self.needs.contains(record.emit()) {
            return 0;
        }
        let Self { emit, selection, tally, renderer, .. } = self;
        let mut show = |record: Cow<'_, OutputRecord>| {
            if emit.contains(record.emit()) {
                renderer.add(record);
            }
        };
        let in_scope_so_far = selection.as_ref().is_none_or(|selection| selection.is_in_scope(&record, in_scope));
        if let Some(tally) = tally.as_mut().filter(|_| in_scope_so_far) {
            tally.count(&record);
        }
        match selection {
            Some(selection) => selection.offer(record, in_scope, &mut |record| show(Cow::Borrowed(record))),
            None => show(record),
        }
        if self.renderer.is_full() { self.hand_over(false) } else { 0 }
    }

    /// Offers an event to what collects records. Returns true if no record of it is needed.
    pub(super) fn take_unshown(&mut self, event: &Correlated, describer: &Describer) -> bool {
        if let Renderer::Nowhere(to) = &mut self.renderer { to.collect_unshown(event, describer) } else { false }
    }

    /// Hands all records so far to the sink. Returns the number of records dropped.
    pub(super) fn flush(&mut self) -> u64 {
        self.hand_over(true)
    }

    fn hand_over(&mut self, flush: bool) -> u64 {
        let no_room = self.sink.take_lost();
        let dropped = match &mut self.renderer {
            Renderer::Here(chunks) => chunks.hand_over(),
            Renderer::Apart(rendering) => {
                rendering.hand_over(flush);
                Held::default()
            }
            Renderer::Nowhere(to) => {
                if flush {
                    to.flush();
                }
                Held::default()
            }
        };
        self.owe(no_room);
        self.owe(dropped);
        no_room.records + dropped.records
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
            self.renderer.add(Cow::Owned(report(source, count)));
        }
    }

    /// Writes the rest, and gives up a reader that has taken nothing for as long as `idle` ([`Sink::finish`]).
    pub(super) fn finish(mut self, idle: Duration) -> Finish {
        let _counted_already = self.flush();
        if let Renderer::Apart(rendering) = self.renderer {
            rendering.finish();
        }
        self.sink.finish(idle)
    }
}

impl Renderer {
    #[inline]
    fn add(&mut self, record: Cow<'_, OutputRecord>) {
        match self {
            Self::Here(chunks) => chunks.add(&record),
            Self::Apart(rendering) => rendering.add(record.into_owned()),
            Self::Nowhere(to) => to.collect(record.into_owned()),
        }
    }

    fn is_full(&self) -> bool {
        match self {
            Self::Here(chunks) => chunks.is_full(),
            Self::Apart(rendering) => rendering.is_full(),
            Self::Nowhere(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, pipe};

    use serde_json::Value;
    use tcptrace_core::{
        correlate::Correlated,
        describe::Describer,
        event::{BootTime, Loss},
        output_record::EndOutput,
    };

    use super::{super::chunks::CHUNK_BYTES, *};

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
        let mut to = to.patient();
        to.report_losses(lost);
        dropped += to.flush();
        assert!(!to.has_unreported_losses());
        to.finish(Duration::from_secs(20));
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
