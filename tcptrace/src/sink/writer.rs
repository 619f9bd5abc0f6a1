//! The thread of a sink: takes chunks from the queue and writes as many of them at once as possible.

mod file_target;
mod vectored;

use std::{os::fd::OwnedFd, sync::Arc};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use tokio::sync::watch;

pub(super) use self::file_target::FileTarget;
use self::vectored::write_all;
use super::{
    Reopen, SinkEnd, WriteError,
    queue::{Chunk, Queue, WriterTask},
};
use crate::privileges::{Duty, reduce};

/// Bytes per write to a stream: the capacity of a pipe (pipe(7)). A blocking write returns when the reader has taken all of
/// it, so smaller writes show whether it still reads.
const STREAM_WRITE: usize = 64 << 10;

/// The kind of output, which decides what ends a sink.
#[derive(Debug)]
pub(super) enum Target {
    /// stdout. Its reader may go away, which is no error.
    Stream,
    /// A file, which can be reopened.
    File(Box<FileTarget>),
}

/// The part of a sink that runs on its thread.
#[derive(Debug)]
pub(super) struct Writer {
    target: Target,
    output: OwnedFd,
    queue: Arc<Queue>,
    ended: watch::Sender<Option<SinkEnd>>,
}

impl Writer {
    /// Creates a writer that moves chunks from `queue` to `output`, the opened `target`, and sends `ended` the reason why it
    /// stopped.
    pub(super) fn new(
        target: Target,
        output: OwnedFd,
        queue: Arc<Queue>,
        ended: watch::Sender<Option<SinkEnd>>,
    ) -> Self {
        Self { target, output, queue, ended }
    }

    /// Writes until the queue is finished or the target ends.
    pub(super) fn run(mut self) {
        reduce(match &self.target {
            Target::Stream => Duty::Stream,
            Target::File(target) => target.duty(),
        });
        let end = self.write_queue();
        self.queue.end();
        if let Err(end) = end {
            self.ended.send_replace(Some(end));
        }
    }

    fn write_queue(&mut self) -> Result<(), SinkEnd> {
        let mut batch = Vec::new();
        loop {
            match self.queue.next(&mut batch) {
                WriterTask::Write => {
                    self.write(&batch).map_err(|error| self.end_of(error))?;
                    self.queue.written(&mut batch);
                }
                WriterTask::Reopen(how, done) => {
                    self.reopen(how)?;
                    // The receiver may have been dropped: waiting for it is optional.
                    let _ = done.send(());
                }
                WriterTask::Wait => self.wait()?,
                WriterTask::Finish => {
                    return match &mut self.target {
                        Target::Stream => Ok(()),
                        Target::File(target) => target.finish(&self.output, &self.queue),
                    };
                }
            }
        }
    }

    fn write(&mut self, batch: &[Chunk]) -> Result<(), Errno> {
        let Self { target, output, queue, .. } = self;
        match target {
            Target::Stream => {
                let chunks: Vec<_> = batch.iter().map(|chunk| &chunk.bytes[..]).collect();
                write_all(output, &chunks, STREAM_WRITE, queue)
            }
            Target::File(target) => target.write(output, batch, queue),
        }
    }

    fn reopen(&mut self, how: Reopen) -> Result<(), SinkEnd> {
        if let Target::File(target) = &mut self.target {
            let failed = |error| SinkEnd::Failed(Arc::new(error));
            self.output = target.reopen(how, &self.output, &self.queue).map_err(failed)?;
        }
        Ok(())
    }

    /// Waits until the queue changes or the reader of stdout goes away, which must be noticed even with nothing to write.
    fn wait(&self) -> Result<(), SinkEnd> {
        let mut watched = vec![PollFd::from_borrowed_fd(self.queue.changed(), PollFlags::IN)];
        if let Target::Stream = self.target {
            // poll(2) reports hang-ups and errors even if no event is requested.
            watched.push(PollFd::new(&self.output, PollFlags::empty()));
        }
        match poll(&mut watched, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(self.end_of(error)),
        }
        match watched.get(1) {
            Some(output) if !output.revents().is_empty() => Err(SinkEnd::Closed),
            _ => Ok(()),
        }
    }

    fn end_of(&self, error: Errno) -> SinkEnd {
        match &self.target {
            Target::Stream if matches!(error, Errno::PIPE | Errno::CONNRESET) => SinkEnd::Closed,
            Target::Stream => SinkEnd::Failed(Arc::new(WriteError::Stdout(error.into()))),
            Target::File(target) => target.end_of(error),
        }
    }
}
