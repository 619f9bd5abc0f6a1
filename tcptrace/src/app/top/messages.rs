//! Messages for stderr, held back while the terminal shows a screen, which they would damage.

use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::say::say;

/// Maximum number of messages held back; later ones are only counted.
const MOST: usize = 256;

/// The messages held back.
#[derive(Debug, Default)]
struct Kept {
    messages: Vec<String>,
    /// Number of messages for which there was no room.
    left_out: u64,
}

impl Kept {
    fn push(&mut self, message: String) {
        if self.messages.len() < MOST {
            self.messages.push(message);
        } else {
            self.left_out += 1;
        }
    }

    /// Returns the lines for stderr.
    fn lines(self) -> impl Iterator<Item = String> {
        let left_out = (self.left_out > 0).then(|| format!("tcptrace: later messages, left out: {}", self.left_out));
        self.messages.into_iter().chain(left_out)
    }
}

/// The messages held back; `None` while they go to stderr.
static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

fn kept() -> MutexGuard<'static, Option<Kept>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds messages back from now on.
pub(super) fn keep() {
    kept().get_or_insert_default();
}

/// Returns the last message held back.
pub(super) fn last() -> Option<String> {
    kept().as_ref()?.messages.last().cloned()
}

/// Writes the messages held back to stderr, and later ones directly.
pub(super) fn release() {
    // The lock is held until they are written, so that later ones follow them.
    let mut kept = kept();
    kept.take().into_iter().flat_map(Kept::lines).for_each(say);
}

/// The destination of messages: stderr, unless they are held back.
#[derive(Clone, Copy, Debug)]
pub struct Messages;

impl Write for Messages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *kept() {
            Some(kept) => {
                kept.push(String::from_utf8_lossy(bytes).trim_end().to_owned());
                Ok(bytes.len())
            }
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_without_room_are_counted() {
        let lines = |count: usize| {
            let mut kept = Kept::default();
            (1..=count).for_each(|number| kept.push(number.to_string()));
            kept.lines().collect::<Vec<_>>()
        };
        assert_eq!(lines(MOST).last(), Some(&MOST.to_string()));
        assert_eq!(lines(MOST + 2).len(), MOST + 1);
        assert_eq!(lines(MOST + 2).last().map(String::as_str), Some("tcptrace: later messages, left out: 2"));
    }
}
