//! The signals that end the trace or reopen its file.

use std::io;

use tokio::signal::unix::{self, SignalKind, signal};

/// A signal. While a command runs, all of them are passed on to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Signal {
    /// SIGINT: end the trace.
    Interrupt,
    /// SIGTERM: end the trace.
    Terminate,
    /// SIGHUP: reopen the file of `--write`, or end the trace if there is none.
    HangUp,
    /// SIGQUIT, handled only if there is a command.
    Quit,
}

/// The handlers of the signals.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hang_up: unix::Signal,
    quit: Option<unix::Signal>,
}

impl Signals {
    /// Installs the handlers; the one of SIGQUIT only with `quit`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn new(quit: bool) -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: quit.then(|| signal(SignalKind::quit())).transpose()?,
        })
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> Signal {
        let quit = async {
            match &mut self.quit {
                Some(quit) => quit.recv().await,
                None => std::future::pending().await,
            }
        };
        // `recv` returns `None` only if the runtime shuts down.
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hang_up.recv() => Signal::HangUp,
            _ = quit => Signal::Quit,
        }
    }
}
