//! Writers of bytes to stdout and to the file of `--write`. Each [`Sink`] has a thread that writes, fed through a queue with
//! a budget, so that a slow reader or a slow disk never stops the loop that drains the ring buffer.

mod error;
mod file;
mod input;
mod patience;
mod queue;
mod rotation;
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

use rustix::fs::{FileType, fstat, major, minor};
use tokio::sync::{oneshot, watch};

pub use self::{
    error::{SinkEnd, SinkError, WriteError},
    file::OpenError,
    input::Input,
    rotation::{RotateAt, Rotation},
};
use self::{
    file::File,
    patience::Patience,
    queue::Queue,
    rotation::Numbered,
    writer::{FileTarget, Target, Writer},
};

use crate::host_clock;
use tcptrace_core::{
    decode::ttr::Sealer,
    event::{BootTime, LossCounts},
};

/// Maximum number of bytes that a sink holds for a slow reader before it refuses more: 64 MiB.
pub const BUDGET: usize = 64 << 20;

/// The answer of a sink to an offer of bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "bytes that are not accepted have to be counted as lost"]
pub enum Offer {
    /// The bytes will be written, unless the sink ends first.
    Accepted,
    /// The budget is used up: the bytes are dropped.
    Full,
    /// The sink has ended: the bytes are dropped.
    Ended,
}

/// Contents of a chunk of bytes, counted as lost if the chunk is lost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Held {
    /// Number of records.
    pub records: u64,
    /// Numbers of earlier losses in its reports, which are not among the records.
    pub reported: LossCounts,
}

/// This many records, and no report.
impl From<u64> for Held {
    fn from(records: u64) -> Self {
        Self { records, reported: LossCounts::default() }
    }
}

/// A way to open a file again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reopen {
    /// By its name, as it may have been moved away.
    ByName,
    /// After it has been renamed to a numbered name.
    Rotated,
}

/// Form and rotation of a file.
#[derive(Clone, Debug, Default)]
pub struct FileForm {
    /// Makes blocks of the entries handed over; `None` to write bytes unchanged.
    pub sealer: Option<Sealer>,
    /// Condition for beginning a new file.
    pub rotation: Option<Rotation>,
}

/// Resolves when the file has been reopened, to an error if the sink ends first. It need not be awaited.
pub type Reopening = oneshot::Receiver<()>;

/// The outcome of [`Sink::finish`].
#[derive(Clone, Debug)]
pub enum Finish {
    /// All accepted bytes are written.
    Flushed,
    /// The sink had ended before.
    Ended(SinkEnd),
    /// The reader was given up before all bytes were written.
    GivenUp {
        /// Number of bytes that were accepted but, as far as known, not written.
        bytes: usize,
    },
}

/// A destination of bytes and the thread that writes to it.
///
/// Dropping it lets the thread write what it holds and then end; [`Sink::finish`] waits for that.
#[derive(Debug)]
pub struct Sink {
    /// Takes what is to be written.
    pub input: Input,
    queue: Arc<Queue>,
    end: watch::Receiver<Option<SinkEnd>>,
    /// Never sent on: it disconnects when the thread ends.
    running: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
    discards: bool,
    rotation: Option<Rotation>,
    /// Time at which the file was begun.
    begun: BootTime,
}

impl Sink {
    /// Creates a sink that writes to stdout and holds at most `budget` bytes.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn stdout(budget: usize) -> Result<Self, SinkError> {
        // A separate file descriptor, because std's stdout would buffer again and flush at each newline.
        let fd = io::stdout().as_fd().try_clone_to_owned().map_err(SinkError::Start)?;
        Self::stream(fd, budget)
    }

    /// Creates a sink that writes to the file at `path`, which is created with mode 0600 or emptied, and holds at most
    /// `budget` bytes. With a rotation, an existing file gets a number instead of being emptied.
    ///
    /// # Errors
    /// When `path` is a symbolic link or a folder, belongs to another user, has several names, its folder does not exist, it
    /// may not be written, or the thread cannot be started.
    pub fn file(path: &Path, budget: usize, form: FileForm) -> Result<Self, SinkError> {
        survive_size_limit();
        let file = File::locate(path)?;
        let FileForm { sealer, rotation } = form;
        let mut numbered = rotation.map(|rotation| Numbered::find(&file, rotation.keep)).transpose()?;
        if let Some(numbered) = &mut numbered {
            numbered.put_away(&file)?;
        }
        let fd = file.create()?;
        let target = FileTarget::new(file, &fd, sealer, numbered);
        let mut sink = Self::start("write-file", Target::File(Box::new(target)), fd, budget)?;
        sink.rotation = rotation;
        Ok(sink)
    }

    /// Creates a sink that writes to `fd` as to stdout and holds at most `budget` bytes.
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
        let input = Input::new(Arc::clone(&queue));
        Ok(Self {
            input,
            queue,
            end,
            running,
            thread: Some(thread),
            discards,
            rotation: None,
            begun: host_clock::now(),
        })
    }

    /// Returns the contents of the chunks that were accepted but for which the file then had no room, since the last call.
    pub fn take_lost(&self) -> Held {
        self.queue.take_lost()
    }

    /// Returns true if the file is large or old enough for [`Reopen::Rotated`].
    pub fn is_due_for_rotation(&self, now: BootTime) -> bool {
        self.rotation.is_some_and(|rotation| match rotation.at {
            RotateAt::Size(bytes) => self.queue.length() >= bytes,
            RotateAt::Age(age) => now >= self.begun + age,
        })
    }

    /// Returns true if this writes to /dev/null.
    pub fn discards(&self) -> bool {
        self.discards
    }

    /// Returns the reason why the sink has ended on its own, if it has.
    pub fn end(&self) -> Option<SinkEnd> {
        self.end.borrow().clone()
    }

    /// Reopens the file by its name, after everything handed over so far is written and before anything that follows. A file
    /// that still exists is appended to. Does nothing for stdout.
    ///
    /// If that fails, the sink ends with [`WriteError::Reopen`].
    pub fn reopen(&mut self, how: Reopen) -> Reopening {
        let (done, reopening) = oneshot::channel();
        self.begun = host_clock::now();
        self.queue.push_reopen(how, done);
        reopening
    }

    /// Waits until the sink ends on its own and returns the reason, once; further calls never resolve. Cancel safe.
    pub async fn ended(&mut self) -> SinkEnd {
        loop {
            if self.end.changed().await.is_err() {
                // The thread has ended without a reason, or the reason has been returned before.
                std::future::pending::<()>().await;
            }
            let end = self.end.borrow_and_update().clone();
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Writes everything handed over and ends the thread. Blocks until that is done, but gives up a reader that has taken
    /// nothing for as long as `idle`, or that reads for too long: it must not delay the program's exit.
    pub fn finish(mut self, idle: Duration) -> Finish {
        self.queue.finish();
        let mut patience = Patience::new(idle, self.queue.bytes_written(), host_clock::now());
        let timed_out = loop {
            if !matches!(self.running.recv_timeout(idle), Err(mpsc::RecvTimeoutError::Timeout)) {
                break false;
            }
            if !patience.lasts(self.queue.bytes_written(), host_clock::now()) {
                break true;
            }
        };
        if let Some(thread) = self.thread.take().filter(|_| !timed_out) {
            // It has nothing left to do, and the panic hook has reported a panic in it.
            let _ = thread.join();
        }
        // If all bytes are written, nothing is missing, however long the thread takes to end.
        let end = self.end.borrow().clone();
        match (end, self.queue.held()) {
            (Some(end), _) => Finish::Ended(end),
            (None, 0) => Finish::Flushed,
            (None, bytes) => Finish::GivenUp { bytes },
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.queue.finish();
    }
}

/// Makes a write beyond the file size limit (`ulimit -f`) fail instead of killing this process. Programs that it starts are
/// still killed.
fn survive_size_limit() {
    extern "C" fn ignore(_: libc::c_int) {}
    let handler = ignore as extern "C" fn(libc::c_int);
    // SAFETY: The handler does nothing, which is safe in any thread at any time.
    unsafe { libc::signal(libc::SIGXFSZ, handler as libc::sighandler_t) };
}

/// Returns true if this is /dev/null: character device 1:3 (Documentation/admin-guide/devices.txt in the kernel source).
fn is_null(fd: &OwnedFd) -> bool {
    fstat(fd).is_ok_and(|status| {
        FileType::from_raw_mode(status.st_mode) == FileType::CharacterDevice
            && (major(status.st_rdev), minor(status.st_rdev)) == (1, 3)
    })
}
