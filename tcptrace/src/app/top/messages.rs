//! Messages for stderr: while a terminal shows a picture, they are kept, since they would damage it.

use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Number of messages that are kept; later ones are dropped.
const MOST: usize = 256;

/// The messages that are kept; none while they go to stderr.
static KEPT: Mutex<Option<Vec<String>>> = Mutex::new(None);

fn kept() -> MutexGuard<'static, Option<Vec<String>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps messages from now on.
pub(super) fn keep() {
    kept().get_or_insert_default();
}

/// The last message that is kept.
pub(super) fn last() -> Option<String> {
    kept().as_ref()?.last().cloned()
}

/// Writes the messages that are kept to stderr, and those that follow too.
pub(super) fn release() {
    for message in kept().take().unwrap_or_default() {
        eprintln!("{message}");
    }
}

/// The destination of messages: stderr, unless they are kept.
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
