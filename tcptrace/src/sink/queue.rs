//! The queue between the tracing loop, which must not block, and the thread of a writer.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::oneshot;

use super::{Held, Offer, Reopen};

/// Maximum number of bytes that the writer takes at once, unless a single chunk has more.
const BATCH_BYTES: usize = 1 << 20;
/// Maximum number of chunks that the writer takes at once: as many as one `writev` accepts (`IOV_MAX`).
pub(super) const BATCH_CHUNKS: usize = 1024;

/// Maximum number of bytes held for a slow reader by a sender that waits for it: holding more would not avoid any loss.
const WAITING_BYTES: usize = 4 * BATCH_BYTES;

/// Number of written chunks whose memory is kept for reuse.
const MAX_SPARE: usize = 4;

/// Chunks of bytes on their way to the writer, limited by a budget.
#[derive(Debug)]
pub(super) struct Queue {
    budget: usize,
    content: Mutex<Content>,
    /// Number of bytes that the output has taken; it may wrap.
    bytes_written: AtomicUsize,
    /// Notified when there is more room, and when the writer ends.
    room: Condvar,
    /// An eventfd, readable when something has changed: the writer polls it together with its output.
    changed: OwnedFd,
}

#[derive(Debug, Default)]
struct Content {
    items: VecDeque<Item>,
    /// Number of bytes in `items`, and of those taken by the writer but not yet written.
    held: usize,
    /// Memory of written chunks.
    spare: Vec<Vec<u8>>,
    /// True if no more items will be added.
    finishing: bool,
    /// True if the writer has ended.
    ended: bool,
    /// Contents of the chunks for which the writer had no room, since the last [`Queue::take_lost`].
    lost: Held,
    /// Length of the file in bytes.
    length: u64,
}

/// Bytes to be written.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    pub(super) held: Held,
}

#[derive(Debug)]
enum Item {
    Chunk(Chunk),
    Reopen(Reopen, oneshot::Sender<()>),
}

/// The next task of the writer.
#[derive(Debug)]
pub(super) enum WriterTask {
    /// Write the chunks of the batch.
    Write,
    /// Reopen the file, and notify the sender.
    Reopen(Reopen, oneshot::Sender<()>),
    /// Wait until [`Queue::changed`] is readable.
    Wait,
    /// End.
    Finish,
}

impl Queue {
    /// Creates an empty queue that holds at most `budget` bytes.
    pub(super) fn new(budget: usize) -> io::Result<Self> {
        let changed = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            budget,
            content: Mutex::default(),
            bytes_written: AtomicUsize::new(0),
            room: Condvar::new(),
            changed,
        })
    }

    /// Adds a chunk if the budget allows.
    pub(super) fn push(&self, chunk: Chunk) -> Offer {
        self.add_chunk(self.content(), chunk)
    }

    /// Waits until no more than [`WAITING_BYTES`] are held, or the budget if that is less, and adds a chunk; returns
    /// [`Offer::Full`] only if the chunk alone exceeds the budget.
    pub(super) fn push_waiting(&self, chunk: Chunk) -> Offer {
        let most = self.budget.min(WAITING_BYTES);
        let no_room = |content: &mut Content| {
            !content.ended && content.held > 0 && content.held.saturating_add(chunk.bytes.len()) > most
        };
        let content = self.room.wait_while(self.content(), no_room).unwrap_or_else(PoisonError::into_inner);
        self.add_chunk(content, chunk)
    }

    fn add_chunk(&self, mut content: MutexGuard<'_, Content>, chunk: Chunk) -> Offer {
        if content.ended {
            return Offer::Ended;
        }
        match content.held.checked_add(chunk.bytes.len()) {
            Some(held) if held <= self.budget => content.held = held,
            _ => return Offer::Full,
        }
        self.add(content, Item::Chunk(chunk));
        Offer::Accepted
    }

    /// Asks the writer to reopen its file. `done` is notified then, or dropped if that will never happen.
    pub(super) fn push_reopen(&self, how: Reopen, done: oneshot::Sender<()>) {
        let mut content = self.content();
        content.length = 0;
        if !content.ended {
            self.add(content, Item::Reopen(how, done));
        }
    }

    /// Asks the writer to end after it has written everything.
    pub(super) fn finish(&self) {
        self.content().finishing = true;
        self.wake();
    }

    /// Notes that the output has taken `bytes` more.
    pub(super) fn note_written(&self, bytes: usize) {
        self.bytes_written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the number of bytes that the output has taken so far; it may wrap.
    pub(super) fn bytes_written(&self) -> usize {
        self.bytes_written.load(Ordering::Relaxed)
    }

    /// Returns the number of bytes not written yet.
    pub(super) fn held(&self) -> usize {
        self.content().held
    }

    /// Returns the contents of the chunks for which the writer had no room, since the last call.
    pub(super) fn take_lost(&self) -> Held {
        std::mem::take(&mut self.content().lost)
    }

    /// Adds contents for which the writer had no room.
    pub(super) fn lose(&self, more: Held) {
        let lost = &mut self.content().lost;
        lost.records += more.records;
        lost.reported += more.reported;
    }

    /// Returns the length of the file in bytes, as far as it has been written.
    pub(super) fn length(&self) -> u64 {
        self.content().length
    }

    /// Sets the length of the file. Ignored once a reopening is requested.
    pub(super) fn set_length(&self, bytes: u64) {
        let mut content = self.content();
        if !content.items.iter().any(|item| matches!(item, Item::Reopen(..))) {
            content.length = bytes;
        }
    }

    /// Returns the next task of the writer; for [`WriterTask::Write`] the chunks are added to `batch`.
    pub(super) fn next(&self, batch: &mut Vec<Chunk>) -> WriterTask {
        self.clear_changed();
        let mut content = self.content();
        let reopen = content.items.pop_front_if(|item| matches!(item, Item::Reopen(..)));
        if let Some(Item::Reopen(how, done)) = reopen {
            return WriterTask::Reopen(how, done);
        }
        let mut bytes = 0;
        while let Some(Item::Chunk(chunk)) = content.items.front()
            && batch.len() < BATCH_CHUNKS
            && (batch.is_empty() || bytes + chunk.bytes.len() <= BATCH_BYTES)
        {
            bytes += chunk.bytes.len();
            if let Some(Item::Chunk(chunk)) = content.items.pop_front() {
                batch.push(chunk);
            }
        }
        if !batch.is_empty() {
            WriterTask::Write
        } else if content.finishing {
            WriterTask::Finish
        } else {
            WriterTask::Wait
        }
    }

    /// Returns the bytes of written chunks to the budget, and keeps some of their memory.
    pub(super) fn written(&self, batch: &mut Vec<Chunk>) {
        let bytes = batch.iter().map(|chunk| chunk.bytes.len()).sum();
        let spare: Vec<_> = batch.drain(..).take(MAX_SPARE).filter_map(emptied).collect();
        let mut content = self.content();
        content.held = content.held.saturating_sub(bytes);
        content.spare.extend(spare);
        content.spare.truncate(MAX_SPARE);
        drop(content);
        self.room.notify_all();
    }

    /// Returns the empty buffer of a written chunk.
    pub(super) fn spare(&self) -> Option<Vec<u8>> {
        self.content().spare.pop()
    }

    /// Refuses everything from now on and drops what is queued.
    pub(super) fn end(&self) {
        let mut content = self.content();
        content.ended = true;
        content.items = VecDeque::new();
        drop(content);
        self.room.notify_all();
    }

    /// Returns a file descriptor that is readable when [`Queue::next`] may have a new task.
    pub(super) fn changed(&self) -> BorrowedFd<'_> {
        self.changed.as_fd()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // No code that holds the lock can leave the content half changed.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, mut content: MutexGuard<'_, Content>, item: Item) {
        // The writer empties the queue before it waits, so a non-empty queue needs no wake-up.
        let first = content.items.is_empty();
        content.items.push_back(item);
        drop(content);
        if first {
            self.wake();
        }
    }

    fn wake(&self) {
        // This fails only if the counter is at its maximum, and then the eventfd is readable already.
        let _ = rustix::io::write(&self.changed, &1_u64.to_ne_bytes());
    }

    /// Makes `changed` unreadable until the next change. A change between this and reading the queue is seen by the latter,
    /// and causes one unnecessary wake-up.
    fn clear_changed(&self) {
        // This fails only if it is not readable.
        let _ = rustix::io::read(&self.changed, &mut [0; 8]);
    }
}

/// Returns the memory of a chunk, unless it is shared.
fn emptied(chunk: Chunk) -> Option<Vec<u8>> {
    let mut chunk = chunk.bytes.try_into_mut().ok()?;
    chunk.clear();
    Some(chunk.into())
}
