//! Rendering on a thread of its own, for what is read from a file: it takes a third of the time of correlating, and drawing
//! ladders longer than that. Live, one thread does both, since there the time of all processors together counts.

use std::{
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread::{self, JoinHandle},
};

use tcptrace_core::output_record::OutputRecord;

use super::chunks::Chunks;
use crate::sink::SinkError;

/// Maximum number of records in a batch: few enough to stay in a processor's cache on their way.
const BATCH: usize = 256;

/// Maximum number of batches that wait to be rendered.
const WAITING: usize = 2;

/// Records on their way to a thread that renders them.
pub(super) struct Rendering {
    batch: Vec<OutputRecord>,
    thread: JoinHandle<()>,
    to: SyncSender<Batch>,
    /// Records that have been rendered. They are freed here: memory that another thread frees than has allocated it costs
    /// more than rendering on that thread gains.
    rendered: Receiver<Vec<OutputRecord>>,
}

struct Batch {
    records: Vec<OutputRecord>,
    /// True if the next batch may have to be waited for: the reader gets everything so far.
    flush: bool,
}

impl Rendering {
    /// Starts the thread.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(chunks: Chunks) -> Result<Self, SinkError> {
        let (to, batches) = sync_channel(WAITING);
        let (back, rendered) = channel();
        let run = move || run(chunks, &batches, &back);
        let thread = thread::Builder::new().name("render".to_owned()).spawn(run).map_err(SinkError::Start)?;
        Ok(Self { batch: Vec::with_capacity(BATCH), thread, to, rendered })
    }

    /// Adds a record to the batch.
    #[inline]
    pub(super) fn add(&mut self, record: OutputRecord) {
        self.batch.push(record);
    }

    /// Returns true if the batch should be handed over.
    pub(super) fn is_full(&self) -> bool {
        self.batch.len() >= BATCH
    }

    /// Hands the batch to the thread, and waits while that has too many. If `flush`, the sink gets everything so far.
    pub(super) fn hand_over(&mut self, flush: bool) {
        if !flush && self.batch.is_empty() {
            return;
        }
        let mut empty = self.rendered.try_recv().unwrap_or_else(|_| Vec::with_capacity(BATCH));
        empty.clear();
        let records = std::mem::replace(&mut self.batch, empty);
        // The thread ends before its sender only by a panic, which `finish` passes on.
        let _ended = self.to.send(Batch { records, flush });
    }

    /// Waits until everything has been handed to the sink.
    pub(super) fn finish(mut self) {
        self.hand_over(true);
        let Self { to, thread, .. } = self;
        drop(to);
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

fn run(mut chunks: Chunks, batches: &Receiver<Batch>, back: &Sender<Vec<OutputRecord>>) {
    for Batch { records, flush } in batches {
        for record in &records {
            chunks.add(record);
            if chunks.is_full() {
                let _none_since_it_waits = chunks.hand_over();
            }
        }
        if flush {
            let _none_since_it_waits = chunks.hand_over();
        }
        // Nobody takes them back at the end.
        let _gone = back.send(records);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Read as _, pipe},
        panic::{AssertUnwindSafe, catch_unwind},
        time::Duration,
    };

    use tcptrace_core::{
        correlate::Correlated,
        describe::Describer,
        event::{BootTime, Loss, LossSource},
        render::{Json, Render},
    };

    use super::*;
    use crate::sink::{BUDGET, Sink};

    fn record(number: u64) -> OutputRecord {
        let loss = Loss { at: BootTime(1), source: LossSource::State, count: 1, total: number, placed: false };
        Describer::default().entry(Correlated::Loss(loss))
    }

    fn start(render: impl Render + 'static) -> (Rendering, Sink, io::PipeReader) {
        let (reader, writer) = pipe().unwrap();
        let sink = Sink::stream(writer.into(), BUDGET).unwrap();
        let mut chunks = Chunks::new(Box::new(render), sink.input.clone());
        chunks.patient = true;
        (Rendering::start(chunks).unwrap(), sink, reader)
    }

    #[test]
    fn records_come_in_order_and_at_a_flush_at_once() {
        let (mut rendering, sink, mut reader) = start(Json);
        let mut expected = Vec::new();
        for number in 0..10 {
            Json.render(&record(number), &mut expected);
            rendering.add(record(number));
        }
        rendering.hand_over(true);
        let mut read = vec![0; expected.len()];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(read, expected);

        let reading = thread::spawn(move || {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            read
        });
        expected.clear();
        for number in 10..10_000 {
            Json.render(&record(number), &mut expected);
            rendering.add(record(number));
            if rendering.is_full() {
                rendering.hand_over(false);
            }
        }
        rendering.finish();
        sink.finish(Duration::from_secs(20));
        assert!(reading.join().unwrap() == expected);
    }

    #[test]
    fn a_panic_while_rendering_is_not_swallowed() {
        #[derive(Debug)]
        struct Broken;
        impl Render for Broken {
            fn render(&mut self, _: &OutputRecord, _: &mut Vec<u8>) {
                panic!("as intended");
            }
        }
        let (mut rendering, _sink, _reader) = start(Broken);
        rendering.add(record(1));
        assert!(catch_unwind(AssertUnwindSafe(|| rendering.finish())).is_err());
    }
}
