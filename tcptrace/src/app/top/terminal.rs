//! Takes over the terminal, and restores it: at the end, after an error, and after a panic.

use std::{
    io::{self, Write as _},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ratatui_core::{
    backend::Backend as _,
    layout::Rect,
    terminal::{Terminal, TerminalOptions, Viewport},
};
use ratatui_crossterm::{
    CrosstermBackend,
    crossterm::{
        cursor::{Hide, Show},
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};
use rustix::{stdio::stdout, termios};

use super::{
    frames::{Frames, Progress},
    messages,
};

/// Time for the terminal to take the last screen.
const PATIENCE: Duration = Duration::from_millis(200);

/// Size of a terminal that does not tell its own, such as a serial line.
const UNKNOWN_SIZE: Rect = Rect { x: 0, y: 0, width: 80, height: 24 };

/// True if the terminal is taken over.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal, until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) terminal: Terminal<CrosstermBackend<Frames>>,
    progress: Progress,
}

impl Taken {
    /// Takes over the terminal on stdin and stdout.
    ///
    /// # Errors
    /// When the terminal refuses it.
    pub(super) fn take() -> io::Result<Self> {
        restore_on_panic();
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        messages::keep();
        let taken = Frames::start(io::stdout()).and_then(|mut frames| {
            let progress = frames.progress();
            execute!(frames, EnterAlternateScreen, Hide)?;
            let backend = CrosstermBackend::new(frames);
            let known = backend.size().is_ok_and(|size| size.width > 0 && size.height > 0);
            let viewport = if known { Viewport::Fullscreen } else { Viewport::Fixed(UNKNOWN_SIZE) };
            Ok(Self { terminal: Terminal::with_options(backend, TerminalOptions { viewport })?, progress })
        });
        // From here on every path restores it.
        taken.inspect_err(|_| restore())
    }

    /// Returns true if the terminal has taken the last screen, so that the next one can be drawn.
    pub(super) fn is_ready(&self) -> bool {
        self.progress.is_idle()
    }

    /// Returns true if it is still taken over: after a panic of another thread it is not.
    pub(super) fn is_taken(&self) -> bool {
        TAKEN.load(Ordering::SeqCst)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.progress.wait(PATIENCE) {
            return restore();
        }
        // It takes no output: discarding the pending output makes room for the sequences that restore it.
        let discarded = termios::tcflush(stdout(), termios::QueueSelector::OFlush).is_ok();
        if discarded && self.progress.wait(PATIENCE) {
            restore();
        } else {
            give_back_modes();
        }
    }
}

/// Restores the terminal, if it is taken over.
fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // If it can no longer be written to, there is no terminal to restore.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = io::stdout().flush();
        release();
    }
}

/// Restores the modes of a terminal that takes no output.
fn give_back_modes() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        release();
    }
}

fn release() {
    let _ = disable_raw_mode();
    messages::release();
}

/// Makes a panic restore the terminal before it is reported.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            restore();
            report(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_gives_the_terminal_back() {
        restore_on_panic();
        TAKEN.store(true, Ordering::SeqCst);
        let panicked = std::thread::spawn(|| panic!("as intended")).join();
        assert!(panicked.is_err());
        assert!(!TAKEN.load(Ordering::SeqCst));
    }
}
