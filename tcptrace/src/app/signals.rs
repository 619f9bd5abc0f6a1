//! The signals that end the trace or reopen its file.

use std::io;

use tokio::signal::unix::{self, SignalKind, signal};

/// A signal, by its meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Signal {
    /// SIGINT or SIGTERM: end the trace.
    Terminate,
    /// SIGHUP: reopen the file of `--write`, or end the trace if there is none.
    HangUp,
}

/// The handlers of the signals.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hang_up: unix::Signal,
}

impl Signals {
    /// Installs the handlers.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> Signal {
        // `recv` returns `None` only if the runtime shuts down.
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Terminate,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hang_up.recv() => Signal::HangUp,
        }
    }
}
