//! Why a recording cannot be read, or not to its end.

use std::io;

use thiserror::Error;

use super::lines::LONGEST;
use crate::{SCHEMA, text::is_unsafe};

/// Upper bound of the characters of a foreign text that a message shows.
const SHOWN: usize = 200;

/// Why a recording cannot be read, or not to its end. Every message is one sentence; text from outside is escaped in it.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// The operating system says so.
    #[error("the recording cannot be read ({0})")]
    Io(io::Error),
    /// It begins with something else.
    #[error("line {line} is no start record, which every recording begins with: give a whole file that tcptrace wrote")]
    NoStart {
        /// The first line that is not empty, from 1.
        line: u64,
    },
    /// A format of the future.
    #[error(
        "line {line} begins a recording of schema {schema}, and this build reads schema 1 to {SCHEMA}: use a newer one"
    )]
    Schema {
        /// The line, from 1.
        line: u64,
        /// Its schema.
        schema: u64,
    },
    /// A line that tcptrace has not written.
    #[error("line {line} is malformed at byte {column}: {what}")]
    Malformed {
        /// The line, from 1.
        line: u64,
        /// The byte of it, from 1.
        column: usize,
        /// The fault.
        what: String,
    },
    /// A line that is longer than any record.
    #[error("line {line} is malformed: it has more than {LONGEST} bytes, as no record has")]
    TooLong {
        /// The line, from 1.
        line: u64,
    },
    /// It ends in the middle of a line, as it does when tcptrace is killed or the disk is full.
    #[error("the recording is cut off in the middle of line {line} (complete lines before it: {}, in {bytes} bytes)", .line - 1)]
    CutOff {
        /// The line, from 1.
        line: u64,
        /// Offset of the end of the last complete line, in bytes.
        bytes: u64,
    },
}

/// A [`RecordingError`] of a line that does not know its number.
#[derive(Debug)]
pub(super) enum Fault {
    NoStart,
    Schema(u64),
    Json(serde_json::Error),
    /// It is JSON, but contradicts itself or what came before.
    Nonsense(&'static str),
}

impl Fault {
    /// Returns true if more bytes might have helped.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self, Self::Json(error) if error.is_eof())
    }

    /// The error, on this line.
    pub(super) fn on(self, line: u64) -> RecordingError {
        match self {
            Self::NoStart => RecordingError::NoStart { line },
            Self::Schema(schema) => RecordingError::Schema { line, schema },
            Self::Json(error) => RecordingError::Malformed { line, column: error.column(), what: what(&error) },
            Self::Nonsense(what) => RecordingError::Malformed { line, column: 1, what: what.to_owned() },
        }
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

/// A fault without its place, which the caller adds as a line number.
fn what(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rfind(" at line ").and_then(|end| text.get(..end)).unwrap_or(&text);
    let mut shown = String::new();
    for character in text.chars().take(SHOWN) {
        if is_unsafe(character) { shown.extend(character.escape_unicode()) } else { shown.push(character) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_short_and_harmless() {
        let text = format!(r#"{{"type":"\u001b[2J{}"}}"#, "x".repeat(10_000));
        let error = serde_json::from_str::<std::collections::HashMap<String, u8>>(&text).unwrap_err();
        let message = Fault::Json(error).on(7).to_string();
        assert!(message.starts_with("line 7 is malformed at byte "), "{message}");
        assert!(message.contains(r"\u{1b}[2J") && message.len() < 300, "{message}");
        assert!(!message.contains("line 1"), "{message}");
    }
}
