//! The queue between the tracing loop, which must not wait, and a writer's thread.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::oneshot;

use super::Offer;

/// What the writer takes in one go: at most this many bytes, unless a single chunk has more...
const BATCH_BYTES: usize = 1 << 20;
/// ... and at most as many chunks as one `writev` accepts (`IOV_MAX`).
const BATCH_CHUNKS: usize = 1024;

/// Chunks whose memory is kept to be used again.
const SPARE: usize = 4;

/// Chunks of bytes on their way to the writer, no more than a budget of them.
#[derive(Debug)]
pub(super) struct Queue {
    budget: usize,
    content: Mutex<Content>,
    /// Told when there is more room, or none will ever be needed.
    room: Condvar,
    /// Readable when something has changed. A file descriptor, so that the writer can watch its output meanwhile.
    changed: OwnedFd,
}

#[derive(Debug, Default)]
struct Content {
    items: VecDeque<Item>,
    /// Bytes in `items` and bytes that the writer has taken but not written yet.
    held: usize,
    /// Memory of chunks that have been written.
    spare: Vec<Vec<u8>>,
    /// Nothing more comes.
    finishing: bool,
    /// The writer is gone.
    ended: bool,
}

#[derive(Debug)]
enum Item {
    Chunk(Bytes),
    Reopen(oneshot::Sender<()>),
}

/// What the writer is to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Write the chunks it was given.
    Write,
    /// Open its file again, and tell whoever waits for that.
    Reopen(oneshot::Sender<()>),
    /// Wait until [`Queue::changed`] is readable.
    Wait,
    /// End.
    Finish,
}

impl Queue {
    /// An empty queue that holds at most `budget` bytes.
    pub(super) fn new(budget: usize) -> io::Result<Self> {
        let changed = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { budget, content: Mutex::default(), room: Condvar::new(), changed })
    }

    /// Adds a chunk if the budget allows.
    pub(super) fn push(&self, chunk: Bytes) -> Offer {
        self.add_chunk(self.content(), chunk)
    }

    /// Adds a chunk as soon as the budget allows; never full, unless the chunk is larger than the budget.
    pub(super) fn push_waiting(&self, chunk: Bytes) -> Offer {
        let no_room = |content: &mut Content| {
            !content.ended && content.held > 0 && content.held.saturating_add(chunk.len()) > self.budget
        };
        let content = self.room.wait_while(self.content(), no_room).unwrap_or_else(PoisonError::into_inner);
        self.add_chunk(content, chunk)
    }

    fn add_chunk(&self, mut content: MutexGuard<'_, Content>, chunk: Bytes) -> Offer {
        if content.ended {
            return Offer::Ended;
        }
        match content.held.checked_add(chunk.len()) {
            Some(held) if held <= self.budget => content.held = held,
            _ => return Offer::Full,
        }
        self.add(content, Item::Chunk(chunk));
        Offer::Accepted
    }

    /// Asks for the file to be opened again. `done` is told of it, or dropped where that will never be.
    pub(super) fn push_reopen(&self, done: oneshot::Sender<()>) {
        let content = self.content();
        if !content.ended {
            self.add(content, Item::Reopen(done));
        }
    }

    /// Asks the writer to end when it has written everything.
    pub(super) fn finish(&self) {
        self.content().finishing = true;
        self.wake();
    }

    /// Bytes not written yet.
    pub(super) fn held(&self) -> usize {
        self.content().held
    }

    /// What is next for the writer; for [`Next::Write`] the chunks are added to `batch`.
    pub(super) fn next(&self, batch: &mut Vec<Bytes>) -> Next {
        self.sleep();
        let mut content = self.content();
        let reopen = content.items.pop_front_if(|item| matches!(item, Item::Reopen(_)));
        if let Some(Item::Reopen(done)) = reopen {
            return Next::Reopen(done);
        }
        let mut bytes = 0;
        while let Some(Item::Chunk(chunk)) = content.items.front()
            && batch.len() < BATCH_CHUNKS
            && (batch.is_empty() || bytes + chunk.len() <= BATCH_BYTES)
        {
            bytes += chunk.len();
            if let Some(Item::Chunk(chunk)) = content.items.pop_front() {
                batch.push(chunk);
            }
        }
        if !batch.is_empty() {
            Next::Write
        } else if content.finishing {
            Next::Finish
        } else {
            Next::Wait
        }
    }

    /// Gives chunks that the writer has written back to the budget.
    pub(super) fn written(&self, batch: &mut Vec<Bytes>) {
        let bytes = batch.iter().map(Bytes::len).sum();
        let spare: Vec<_> = batch.drain(..).take(SPARE).filter_map(emptied).collect();
        let mut content = self.content();
        content.held = content.held.saturating_sub(bytes);
        content.spare.extend(spare);
        content.spare.truncate(SPARE);
        drop(content);
        self.room.notify_all();
    }

    /// Memory of a chunk that has been written.
    pub(super) fn spare(&self) -> Option<Vec<u8>> {
        self.content().spare.pop()
    }

    /// Refuses everything from now on and forgets what is queued.
    pub(super) fn end(&self) {
        let mut content = self.content();
        content.ended = true;
        content.items = VecDeque::new();
        drop(content);
        self.room.notify_all();
    }

    /// Readable when [`Queue::next`] has something new to say.
    pub(super) fn changed(&self) -> BorrowedFd<'_> {
        self.changed.as_fd()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // No code that holds the lock can leave the content half changed.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, mut content: MutexGuard<'_, Content>, item: Item) {
        // The writer asks until there is nothing more before it waits.
        let first = content.items.is_empty();
        content.items.push_back(item);
        drop(content);
        if first {
            self.wake();
        }
    }

    fn wake(&self) {
        // It fails only when it is readable already, 2^64 - 2 times over.
        let _ = rustix::io::write(&self.changed, &1_u64.to_ne_bytes());
    }

    /// Makes `changed` unreadable until the next change. What changes between this and the look into the queue is seen
    /// by that look, and makes it readable once more than needed.
    fn sleep(&self) {
        // It fails only when it is not readable.
        let _ = rustix::io::read(&self.changed, &mut [0; 8]);
    }
}

/// A chunk's memory, unless somebody else still reads it.
fn emptied(chunk: Bytes) -> Option<Vec<u8>> {
    let mut chunk = chunk.try_into_mut().ok()?;
    chunk.clear();
    Some(chunk.into())
}
