//! The file of `--write`: room for its bytes, its head, and its reopening.

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use log::warn;
use rustix::{
    fs::{fdatasync, fstat, ftruncate},
    io::Errno,
};

use super::vectored::write_all;
use crate::{
    host_clock,
    privileges::Duty,
    sink::{
        Reopen, SinkEnd, WriteError,
        file::{File, is_plain},
        queue::{Chunk, Queue},
        rotation::Numbered,
    },
};
use tcptrace_core::{decode::ttr::Sealer, event::BootTime};

/// Minimum time with room before that is reported: even on a full disk, some records are small enough.
const ROOM_SINCE: Duration = Duration::from_secs(1);

/// Minimum number of bytes written before that is reported, or those for which there was no room if they are fewer: more
/// than the rest of a block of the disk.
const ROOM_FOR: usize = 16 << 10;

/// Interval at which a file of blocks is synchronised to survive a crash of the host.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);

/// A file and its form.
#[derive(Debug)]
pub(in crate::sink) struct FileTarget {
    file: File,
    /// Makes blocks of chunks, which are entries; `None` if chunks are written unchanged.
    sealer: Option<Sealer>,
    /// The files before this one, if it is rotated.
    numbered: Option<Numbered>,
    /// True if it has a length that can be set.
    plain: bool,
    /// The last time that there was no room, until there is certainly room again.
    full: Option<Full>,
    /// Number of records left out since there was no room.
    left_out: u64,
    /// The first chunk of an empty file, while there is no room for it. Without it the file would be unreadable.
    head: Option<Chunk>,
    /// Time of the last synchronisation.
    synced: BootTime,
}

/// A lack of room.
#[derive(Clone, Copy, Debug)]
struct Full {
    error: Errno,
    at: BootTime,
    /// Bytes to be written before it is reported that there is room again.
    missing: usize,
}

impl FileTarget {
    /// Creates it for a file opened as `output`.
    pub(in crate::sink) fn new(
        file: File,
        output: &OwnedFd,
        sealer: Option<Sealer>,
        numbered: Option<Numbered>,
    ) -> Self {
        let (plain, synced) = (is_plain(output), host_clock::now());
        Self { file, sealer, numbered, plain, full: None, left_out: 0, head: None, synced }
    }

    /// Returns the duty of its thread, which determines the rights it keeps.
    pub(super) fn duty(&self) -> Duty<'_> {
        Duty::File { folder: self.file.folder(), rotates: self.numbered.is_some() }
    }

    /// Writes chunks. If there is no room for them, they are left out as a whole, so that no torn chunk stays in the file;
    /// only the head of the file is kept for the next time.
    pub(super) fn write(&mut self, output: &OwnedFd, batch: &[Chunk], queue: &Queue) -> Result<(), Errno> {
        let head = self.head.take();
        let batch: Vec<&Chunk> = head.iter().chain(batch).collect();
        let before =
            if self.plain { fstat(output).ok().and_then(|status| u64::try_from(status.st_size).ok()) } else { None };
        let written = match &mut self.sealer {
            Some(sealer) => {
                let unsealed = sealer.clone();
                let mut blocks = Vec::new();
                batch.iter().for_each(|chunk| sealer.seal(&chunk.bytes, &mut blocks));
                write_all(output, &[&blocks], usize::MAX, queue).inspect_err(|_| *sealer = unsealed)
            }
            None => {
                let chunks: Vec<_> = batch.iter().map(|chunk| &chunk.bytes[..]).collect();
                write_all(output, &chunks, usize::MAX, queue)
            }
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
                let mut left_out = batch.iter().copied();
                self.head = if before == Some(0) { left_out.next().cloned() } else { None };
                left_out.for_each(|chunk| self.leave_out(chunk, queue));
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

    /// Ends the file: everything has been written, as far as there was room.
    pub(super) fn finish(&mut self, output: &OwnedFd, queue: &Queue) -> Result<(), SinkEnd> {
        if self.head.is_some() {
            // There may be room for the head alone.
            self.write(output, &[], queue).map_err(|error| self.end_of(error))?;
        }
        if self.sealer.is_some() && self.plain {
            self.sync(output);
        }
        match self.full {
            Some(full) => {
                let path = self.file.shown().to_owned();
                Err(SinkEnd::Failed(Arc::new(WriteError::Full { path, cause: full.error.into() })))
            }
            None => Ok(()),
        }
    }

    /// Returns the end of the sink after a failed system call.
    pub(super) fn end_of(&self, error: Errno) -> SinkEnd {
        SinkEnd::Failed(Arc::new(WriteError::File { path: self.file.shown().to_owned(), cause: error.into() }))
    }

    fn leave_out(&mut self, chunk: &Chunk, queue: &Queue) {
        queue.lose(chunk.held);
        self.left_out += chunk.held.records;
    }

    /// Synchronises the file to survive a crash of the host, as far as the file system can.
    fn sync(&mut self, output: &OwnedFd) {
        if let Err(error) = fdatasync(output) {
            warn!("{} may not survive a crash of this host: {}", self.file.shown(), io::Error::from(error));
        }
        self.synced = host_clock::now();
    }

    /// Opens the file again in place of `output`.
    pub(super) fn reopen(&mut self, how: Reopen, output: &OwnedFd, queue: &Queue) -> Result<OwnedFd, WriteError> {
        // The next file has a head of its own.
        if let Some(head) = self.head.take() {
            self.leave_out(&head, queue);
        }
        if self.sealer.is_some() && self.plain {
            self.sync(output);
        }
        if let (Reopen::Rotated, Some(numbered)) = (how, &mut self.numbered) {
            numbered.put_away(&self.file).map_err(WriteError::Reopen)?;
        }
        let file = self.file.reopen().map_err(WriteError::Reopen)?;
        self.plain = is_plain(&file);
        if let Some(sealer) = &mut self.sealer {
            sealer.begin_file();
        }
        Ok(file)
    }
}
