//! Writing to the terminal on a thread of its own: a terminal may block for any time, because its user has stopped it or its
//! connection hangs, and tracing continues meanwhile.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use crate::privileges::{Duty, reduce};

/// The writer of screens. [`Write::flush`] hands over what was written and never waits; it fails if an earlier screen could
/// not be written.
#[derive(Debug)]
pub(super) struct Frames {
    /// The part of a screen that has not been handed over.
    chunk: Vec<u8>,
    shared: Arc<Shared>,
}

/// The progress of the thread.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes for the thread to write next.
    waiting: Vec<u8>,
    /// True if the thread is writing.
    writing: bool,
    /// True if there will be no more screens.
    over: bool,
    error: Option<io::Error>,
}

impl State {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.writing
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Frames {
    /// Starts the thread that writes to `terminal`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(terminal: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let job = Arc::clone(&shared);
        thread::Builder::new().name("pictures".to_owned()).spawn(move || write(terminal, &job))?;
        Ok(Self { chunk: Vec::new(), shared })
    }

    /// Returns a handle to the progress of the thread.
    pub(super) fn progress(&self) -> Progress {
        Progress(Arc::clone(&self.shared))
    }
}

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut state = self.shared.state();
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        state.waiting.append(&mut self.chunk);
        self.shared.changed.notify_all();
        Ok(())
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.shared.state().over = true;
        self.shared.changed.notify_all();
    }
}

impl Progress {
    /// Returns true if the terminal has taken everything.
    pub(super) fn is_idle(&self) -> bool {
        self.0.state().is_idle()
    }

    /// Waits until the terminal has taken everything, but no longer than `most`. Returns true if it has.
    pub(super) fn wait(&self, most: Duration) -> bool {
        let busy = |state: &mut State| !state.is_idle() && state.error.is_none();
        let waited = self.0.changed.wait_timeout_while(self.0.state(), most, busy);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_idle()
    }
}

/// Writes everything handed over until there is no more.
fn write(mut terminal: impl Write, shared: &Shared) {
    reduce(Duty::Stream);
    loop {
        let nothing = |state: &mut State| state.waiting.is_empty() && !state.over;
        let waited = shared.changed.wait_while(shared.state(), nothing);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let bytes = std::mem::take(&mut state.waiting);
        if bytes.is_empty() {
            return;
        }
        state.writing = true;
        drop(state);
        let written = terminal.write_all(&bytes).and_then(|()| terminal.flush());
        let mut state = shared.state();
        state.writing = false;
        state.error = written.err();
        shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// Performs one write for each message that it receives.
    struct Gate(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_takes_nothing_holds_nobody_up() {
        let ((open, opened), (tell, told)) = (channel(), channel());
        let mut frames = Frames::start(Gate(opened, tell)).expect("a thread");
        let progress = frames.progress();
        assert!(progress.is_idle());
        frames.write_all(b"one").expect("memory");
        frames.flush().expect("it does not wait");
        assert!(!progress.is_idle());
        assert!(!progress.wait(Duration::ZERO));
        open.send(()).expect("it listens");
        assert_eq!(told.recv_timeout(LONG).expect("it is written"), b"one");
        assert!(progress.wait(LONG));
    }

    #[test]
    fn a_terminal_that_has_gone_is_an_error_of_the_next_picture() {
        let ((open, opened), (tell, _told)) = (channel(), channel());
        drop(open);
        let mut frames = Frames::start(Gate(opened, tell)).expect("a thread");
        frames.write_all(b"one").expect("memory");
        frames.flush().expect("nobody knows yet");
        assert!(frames.progress().wait(LONG), "nothing is left to be written");
        frames.write_all(b"two").expect("memory");
        frames.flush().expect_err("the first one failed");
    }
}
