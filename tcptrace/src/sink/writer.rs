//! The thread of a sink: takes chunks from the queue and writes as many of them at once as possible.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use log::warn;
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{fdatasync, fstat, ftruncate},
    io::{Errno, writev},
};
use tokio::sync::watch;

use super::{
    Reopen, SinkEnd, WriteError,
    file::{File, is_plain},
    queue::{Chunk, Queue, WriterTask},
    rotation::Numbered,
};
use crate::{
    host_clock,
    privileges::{Duty, reduce},
};
use tcptrace_core::{decode::ttr::Sealer, event::BootTime};

/// Time for which there must have been room before that is said: on a full disk, some records are small enough.
const ROOM_SINCE: Duration = Duration::from_secs(1);

/// Bytes that must have been written before that is said, or those that there was no room for if they are fewer: more than
/// the rest of a block of the disk.
const ROOM_FOR: usize = 16 << 10;

/// Time after which what was written to a file of blocks is made to survive a crash of the host.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);

/// The kind of output, which decides what ends a sink.
#[derive(Debug)]
pub(super) enum Target {
    /// stdout. Its reader may go away, which is no error.
    Stream,
    /// A file, which can be reopened.
    File(Box<FileTarget>),
}

/// A file and how it is written.
#[derive(Debug)]
pub(super) struct FileTarget {
    file: File,
    /// Makes blocks of chunks, which are entries; none if chunks are written as they are.
    sealer: Option<Sealer>,
    /// The files before this one, if it is rotated.
    numbered: Option<Numbered>,
    /// It has a length, which can be set.
    plain: bool,
    /// The last time that there was no room, until there surely is.
    full: Option<Full>,
    /// Records left out since there was no room.
    left_out: u64,
    /// Time at which what was written was last made to survive a crash.
    synced: BootTime,
}

/// There was no room.
#[derive(Clone, Copy, Debug)]
struct Full {
    error: Errno,
    at: BootTime,
    /// Bytes to be written before it is said that there is room again.
    missing: usize,
}

impl FileTarget {
    pub(super) fn new(file: File, sealer: Option<Sealer>, numbered: Option<Numbered>) -> Self {
        let synced = host_clock::now();
        Self { file, sealer, numbered, plain: false, full: None, left_out: 0, synced }
    }

    /// Writes chunks. Where there is no room for them, they are left out as a whole: nothing torn stays in the file.
    fn write(&mut self, output: &OwnedFd, batch: &[Chunk], queue: &Queue) -> Result<(), Errno> {
        let before =
            if self.plain { fstat(output).ok().and_then(|status| u64::try_from(status.st_size).ok()) } else { None };
        let written = match &mut self.sealer {
            Some(sealer) => {
                let unsealed = sealer.clone();
                let mut blocks = Vec::new();
                batch.iter().for_each(|chunk| sealer.seal(&chunk.bytes, &mut blocks));
                write_all(output, &[&blocks]).inspect_err(|_| *sealer = unsealed)
            }
            None => write_all(output, &batch.iter().map(|chunk| &chunk.bytes[..]).collect::<Vec<_>>()),
        };
        match written {
            Ok(()) => {
                if let Some(full) = &mut self.full {
                    full.missing = full.missing.saturating_sub(batch.iter().map(|chunk| chunk.bytes.len()).sum());
                }
                if self.full.is_some_and(|full| full.missing == 0 && host_clock::now() >= full.at + ROOM_SINCE) {
                    self.full = None;
                    let left_out = std::mem::take(&mut self.left_out);
                    warn!("there is room for {} again: {left_out} records were left out", self.file.shown());
                }
            }
            Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                if let Some(before) = before {
                    ftruncate(output, before)?;
                }
                for chunk in batch {
                    queue.lose(chunk.held);
                    self.left_out += chunk.held.records;
                }
                let missing = batch.iter().map(|chunk| chunk.bytes.len()).sum::<usize>().min(ROOM_FOR);
                if self.full.replace(Full { error, at: host_clock::now(), missing }).is_none() {
                    let cause = io::Error::from(error);
                    log::error!(
                        "there is no room for {}: {cause}; records are left out until there is",
                        self.file.shown()
                    );
                }
            }
            Err(error) => return Err(error),
        }
        if let Ok(status) = fstat(output) {
            queue.set_length(u64::try_from(status.st_size).unwrap_or(0));
        }
        if self.sealer.is_some() && self.plain && host_clock::now() >= self.synced + SYNC_INTERVAL {
            self.sync(output);
        }
        Ok(())
    }

    /// Makes what was written survive a crash of the host, as far as the file system can.
    fn sync(&mut self, output: &OwnedFd) {
        if let Err(error) = fdatasync(output) {
            warn!("{} may not survive a crash of this host: {}", self.file.shown(), io::Error::from(error));
        }
        self.synced = host_clock::now();
    }

    fn reopen(&mut self, how: Reopen, output: &OwnedFd) -> Result<OwnedFd, WriteError> {
        if self.sealer.is_some() && self.plain {
            self.sync(output);
        }
        if let (Reopen::Rotated, Some(numbered)) = (how, &mut self.numbered) {
            numbered.put_away(&self.file).map_err(WriteError::Reopen)?;
        }
        let file = self.file.reopen().map_err(WriteError::Reopen)?;
        self.plain = is_plain(&file);
        if let Some(sealer) = &mut self.sealer {
            *sealer = Sealer::new(sealer.compresses);
        }
        Ok(file)
    }
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
        let mut target = target;
        if let Target::File(file) = &mut target {
            file.plain = is_plain(&output);
        }
        Self { target, output, queue, ended }
    }

    /// Writes until the queue is finished or the target ends.
    pub(super) fn run(mut self) {
        reduce(match &self.target {
            Target::Stream => Duty::Stream,
            Target::File(target) => Duty::File { folder: target.file.folder(), rotates: target.numbered.is_some() },
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
                    // The receiver may have been dropped: nobody has to wait for it.
                    let _ = done.send(());
                }
                WriterTask::Wait => self.wait()?,
                WriterTask::Finish => return self.finish(),
            }
        }
    }

    fn write(&mut self, batch: &[Chunk]) -> Result<(), Errno> {
        let Self { target, output, queue, .. } = self;
        match target {
            Target::Stream => write_all(output, &batch.iter().map(|chunk| &chunk.bytes[..]).collect::<Vec<_>>()),
            Target::File(target) => target.write(output, batch, queue),
        }
    }

    fn reopen(&mut self, how: Reopen) -> Result<(), SinkEnd> {
        if let Target::File(target) = &mut self.target {
            let failed = |error| SinkEnd::Failed(Arc::new(error));
            self.output = target.reopen(how, &self.output).map_err(failed)?;
        }
        Ok(())
    }

    /// Everything has been taken from the queue.
    fn finish(&mut self) -> Result<(), SinkEnd> {
        let Target::File(target) = &mut self.target else { return Ok(()) };
        if target.sealer.is_some() && target.plain {
            target.sync(&self.output);
        }
        match target.full {
            Some(full) => {
                let path = target.file.shown().to_owned();
                Err(SinkEnd::Failed(Arc::new(WriteError::Full { path, cause: full.error.into() })))
            }
            None => Ok(()),
        }
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
            Target::File(target) => WriteError::File { path: target.file.shown().to_owned(), cause },
        }))
    }
}

/// Writes every chunk, in one call if the kernel takes them all.
fn write_all(output: impl AsFd, chunks: &[&[u8]]) -> Result<(), Errno> {
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
