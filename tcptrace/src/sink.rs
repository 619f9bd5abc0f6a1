//! Where bytes go: stdout, and the file of `--write`. Each [`Sink`] has a thread that writes, fed through a queue with
//! a budget, so that a slow reader or a slow disk never stops the loop that empties the ring buffer.

mod file;
mod queue;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;
use rustix::fs::{FileType, fstat, major, minor};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

pub use self::file::OpenError;
use self::{
    file::File,
    queue::Queue,
    writer::{Target, Writer},
};

/// Bytes that a sink holds for a slow reader before it refuses more: 64 MiB.
pub const BUDGET: usize = 64 << 20;

/// What became of bytes offered to a sink.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "what is not accepted has to be counted as lost"]
pub enum Offer {
    /// They will be written, unless the sink ends before.
    Accepted,
    /// The budget is used up: they are given up.
    Full,
    /// The sink has ended: they are given up.
    Ended,
}

/// Why a sink ended before it was asked to.
#[derive(Clone, Debug)]
pub enum End {
    /// The reader of stdout is gone. This is no error: the program ends quietly.
    Closed,
    /// Nothing more can be written. The program goes on, but its exit status is 1.
    Failed(Arc<WriteError>),
}

/// Why nothing more can be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// A write to stdout failed.
    #[error("writing to stdout failed ({0}): nothing more is written there")]
    Stdout(io::Error),
    /// A write to the file failed.
    #[error("writing to {path} failed ({cause}): nothing more is written there; make room or give another file")]
    File {
        /// The file's path, escaped.
        path: String,
        /// What the kernel says.
        cause: io::Error,
    },
    /// The file could not be opened again.
    #[error("the file cannot be opened again, so nothing more is written: {0}")]
    Reopen(OpenError),
}

/// Resolves when the file has been opened again, to an error if the sink ends before. It need not be waited for.
pub type Reopening = oneshot::Receiver<()>;

/// How a sink finished.
#[derive(Clone, Debug)]
pub enum Finish {
    /// Everything accepted is written.
    Flushed,
    /// It had ended before.
    Ended(End),
    /// The deadline came first.
    GivenUp {
        /// Bytes accepted but, as far as is known, not written.
        bytes: usize,
    },
}

/// Why a sink could not be made.
#[derive(Debug, Error)]
pub enum SinkError {
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The kernel gave no thread or no file descriptor.
    #[error(
        "no thread can be started for writing ({0}): raise the limits on processes and files (ulimit -u, ulimit -n)"
    )]
    Start(io::Error),
}

/// A destination of bytes and the thread that writes to it.
///
/// Dropping it lets the thread write what it holds and end by itself; [`Sink::finish`] waits for that.
#[derive(Debug)]
pub struct Sink {
    queue: Arc<Queue>,
    end: watch::Receiver<Option<End>>,
    /// Never sent on: it is disconnected when the thread ends.
    running: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
    discards: bool,
}

impl Sink {
    /// A sink that writes to stdout and holds at most `budget` bytes.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn stdout(budget: usize) -> Result<Self, SinkError> {
        // A file descriptor of its own: std's stdout would buffer once more and flush at each newline.
        let fd = io::stdout().as_fd().try_clone_to_owned().map_err(SinkError::Start)?;
        Self::stream(fd, budget)
    }

    /// A sink that writes to the file at `path`, which is made with mode 0600 or emptied, and holds at most `budget`
    /// bytes.
    ///
    /// # Errors
    /// When `path` is a symbolic link or a folder, lies in no folder or may not be written, or the thread cannot be
    /// started.
    pub fn file(path: &Path, budget: usize) -> Result<Self, SinkError> {
        let file = File::locate(path)?;
        let fd = file.create()?;
        Self::start("write-file", Target::File(file), fd, budget)
    }

    /// A sink that writes to `fd` as to stdout and holds at most `budget` bytes.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn stream(fd: OwnedFd, budget: usize) -> Result<Self, SinkError> {
        Self::start("write-stdout", Target::Stream, fd, budget)
    }

    fn start(thread: &str, target: Target, fd: OwnedFd, budget: usize) -> Result<Self, SinkError> {
        let discards = is_null(&fd);
        let queue = Arc::new(Queue::new(budget).map_err(SinkError::Start)?);
        let (ended, end) = watch::channel(None);
        let (alive, running) = mpsc::channel();
        let writer = Writer::new(target, fd, Arc::clone(&queue), ended);
        let run = move || {
            let _alive: mpsc::Sender<()> = alive;
            writer.run();
        };
        let thread = thread::Builder::new().name(thread.to_owned()).spawn(run).map_err(SinkError::Start)?;
        Ok(Self { queue, end, running, thread: Some(thread), discards })
    }

    /// Hands over `bytes`, which are written in order and, but for the file's or pipe's own limits, in one piece. Never
    /// waits for the reader.
    pub fn try_write(&self, bytes: Bytes) -> Offer {
        self.queue.push(bytes)
    }

    /// The same for whoever has time: waits for the reader where the budget is used up.
    pub fn write(&self, bytes: Bytes) -> Offer {
        self.queue.push_waiting(bytes)
    }

    /// Empty memory of what has been written, to be used again.
    pub fn spare(&self) -> Option<Vec<u8>> {
        self.queue.spare()
    }

    /// Whether what is written goes nowhere: it is /dev/null.
    pub fn discards(&self) -> bool {
        self.discards
    }

    /// Why the sink has ended by itself, if it has.
    pub fn end(&self) -> Option<End> {
        self.end.borrow().clone()
    }

    /// Opens the file again by its name, behind everything handed over so far and before everything that follows. A
    /// file that is still there is continued. Does nothing for stdout.
    ///
    /// When that fails, the sink ends with [`WriteError::Reopen`].
    pub fn reopen(&self) -> Reopening {
        let (done, reopening) = oneshot::channel();
        self.queue.push_reopen(done);
        reopening
    }

    /// Waits until the sink ends by itself and says why, once: afterwards it waits for ever. It may be dropped and
    /// called again at any time.
    pub async fn ended(&mut self) -> End {
        loop {
            if self.end.changed().await.is_err() {
                // The thread is over and had nothing to say, now or earlier.
                std::future::pending::<()>().await;
            }
            let end = self.end.borrow_and_update().clone();
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Writes what was handed over and ends the thread. Blocks until that is done, but no longer than `deadline`: a
    /// reader that has stopped reading cannot delay the program's exit.
    pub fn finish(mut self, deadline: Duration) -> Finish {
        self.queue.finish();
        if let Err(mpsc::RecvTimeoutError::Timeout) = self.running.recv_timeout(deadline) {
            return Finish::GivenUp { bytes: self.queue.held() };
        }
        if let Some(thread) = self.thread.take() {
            // It has nothing left to do, and a panic in it has been reported by the panic hook.
            let _ = thread.join();
        }
        let end = self.end.borrow().clone();
        match (end, self.queue.held()) {
            (Some(end), _) => Finish::Ended(end),
            (None, 0) => Finish::Flushed,
            (None, bytes) => Finish::GivenUp { bytes },
        }
    }
}

/// Whether this is the device that forgets everything: 1:3 on every Linux (Documentation/admin-guide/devices.txt).
fn is_null(fd: &OwnedFd) -> bool {
    fstat(fd).is_ok_and(|status| {
        FileType::from_raw_mode(status.st_mode) == FileType::CharacterDevice
            && (major(status.st_rdev), minor(status.st_rdev)) == (1, 3)
    })
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.queue.finish();
    }
}
