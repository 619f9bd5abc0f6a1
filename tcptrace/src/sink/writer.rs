//! The thread of a sink: takes chunks from the queue and writes as many of them at once as possible.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use bytes::Bytes;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, writev},
};
use tokio::sync::watch;

use super::{
    SinkEnd, WriteError,
    file::File,
    queue::{Queue, WriterTask},
};
use crate::privileges::{Duty, reduce};

/// The kind of output, which decides what ends a sink.
#[derive(Debug)]
pub(super) enum Target {
    /// stdout. Its reader may go away, which is no error.
    Stream,
    /// A file, which can be reopened.
    File(File),
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
    /// A writer that moves chunks from `queue` to `output`, the opened `target`, and tells `ended` why it stopped.
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
            Target::File(file) => Duty::File(file.folder()),
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
                    write_all(&self.output, &batch).map_err(|error| self.end_of(error))?;
                    self.queue.written(&mut batch);
                }
                WriterTask::Reopen(done) => {
                    self.reopen()?;
                    // The receiver may have been dropped: nobody has to wait for it.
                    let _ = done.send(());
                }
                WriterTask::Wait => self.wait()?,
                WriterTask::Finish => return Ok(()),
            }
        }
    }

    fn reopen(&mut self) -> Result<(), SinkEnd> {
        if let Target::File(file) = &self.target {
            let failed = |error| SinkEnd::Failed(Arc::new(WriteError::Reopen(error)));
            self.output = file.reopen().map_err(failed)?;
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
        let cause = io::Error::from(error);
        SinkEnd::Failed(Arc::new(match &self.target {
            Target::Stream if matches!(error, Errno::PIPE | Errno::CONNRESET) => return SinkEnd::Closed,
            Target::Stream => WriteError::Stdout(cause),
            Target::File(file) => WriteError::File { path: file.shown().to_owned(), cause },
        }))
    }
}

/// Writes every chunk, in one call if the kernel takes them all.
fn write_all(output: impl AsFd, chunks: &[Bytes]) -> Result<(), Errno> {
    let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
    let mut left = slices.as_mut_slice();
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match writev(&output, left) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(Errno::INTR) => {}
            // Another process that shares the pipe or terminal may have made it non-blocking.
            Err(Errno::AGAIN) => wait_for_room(&output)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wait_for_room(output: impl AsFd) -> Result<(), Errno> {
    match poll(&mut [PollFd::new(&output, PollFlags::OUT)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}
