//! The thread of a sink: takes chunks out of the queue and writes as many of them at once as there are.

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
    End, WriteError,
    file::File,
    queue::{Next, Queue},
};
use crate::privileges::{Duty, reduce};

/// What is written to.
#[derive(Debug)]
pub(super) enum Target {
    /// stdout. Its reader may go away, which is no error.
    Stream,
    /// A file, which can be opened again.
    File(File),
}

/// A sink as its thread sees it.
#[derive(Debug)]
pub(super) struct Writer {
    target: Target,
    output: OwnedFd,
    queue: Arc<Queue>,
    ended: watch::Sender<Option<End>>,
}

impl Writer {
    /// A writer that moves chunks from `queue` to `output`, the opened `target`, and tells `ended` why it stopped.
    pub(super) fn new(target: Target, output: OwnedFd, queue: Arc<Queue>, ended: watch::Sender<Option<End>>) -> Self {
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

    fn write_queue(&mut self) -> Result<(), End> {
        let mut batch = Vec::new();
        loop {
            match self.queue.next(&mut batch) {
                Next::Write => {
                    write_all(&self.output, &batch).map_err(|error| self.end_of(error))?;
                    self.queue.written(&mut batch);
                }
                Next::Reopen(done) => {
                    self.reopen()?;
                    // Not everybody waits for it.
                    let _ = done.send(());
                }
                Next::Wait => self.wait()?,
                Next::Finish => return Ok(()),
            }
        }
    }

    fn reopen(&mut self) -> Result<(), End> {
        if let Target::File(file) = &self.target {
            let failed = |error| End::Failed(Arc::new(WriteError::Reopen(error)));
            self.output = file.reopen().map_err(failed)?;
        }
        Ok(())
    }

    /// Waits for the queue, and for the reader of stdout to go away: it is to be noticed even if there is nothing to
    /// write.
    fn wait(&self) -> Result<(), End> {
        let mut watched = vec![PollFd::from_borrowed_fd(self.queue.changed(), PollFlags::IN)];
        if let Target::Stream = self.target {
            // No event is asked for; a hang-up or an error is always told.
            watched.push(PollFd::new(&self.output, PollFlags::empty()));
        }
        match poll(&mut watched, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(self.end_of(error)),
        }
        match watched.get(1) {
            Some(output) if !output.revents().is_empty() => Err(End::Closed),
            _ => Ok(()),
        }
    }

    fn end_of(&self, error: Errno) -> End {
        let cause = io::Error::from(error);
        End::Failed(Arc::new(match &self.target {
            Target::Stream if matches!(error, Errno::PIPE | Errno::CONNRESET) => return End::Closed,
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
            // Whoever shares the pipe or terminal with us may have made it non-blocking.
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
