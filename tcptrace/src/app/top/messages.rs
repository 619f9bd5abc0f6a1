//! Messages for stderr, held back while the terminal shows a screen, which they would damage.

use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Maximum number of messages held back; later ones are dropped.
const MOST: usize = 256;

/// The messages held back; `None` while they go to stderr.
static KEPT: Mutex<Option<Vec<String>>> = Mutex::new(None);

fn kept() -> MutexGuard<'static, Option<Vec<String>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds messages back from now on.
pub(super) fn keep() {
    kept().get_or_insert_default();
}

/// Returns the last message held back.
pub(super) fn last() -> Option<String> {
    kept().as_ref()?.last().cloned()
}

/// Writes the messages held back to stderr, and later ones directly.
pub(super) fn release() {
    for message in kept().take().unwrap_or_default() {
        eprintln!("{message}");
    }
}

/// The destination of messages: stderr, unless they are held back.
#[derive(Clone, Copy, Debug)]
pub struct Messages;

impl Write for Messages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *kept() {
            Some(kept) => {
                if kept.len() < MOST {
                    kept.push(String::from_utf8_lossy(bytes).trim_end().to_owned());
                }
                Ok(bytes.len())
            }
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
