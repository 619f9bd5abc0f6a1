//! Errors of reading recordings.

use std::io;

use thiserror::Error;

use super::lines::MAX_LINE_LEN;
use crate::{SCHEMA, text::is_unsafe};

/// Maximum number of characters of text from outside in a message.
const SHOWN: usize = 200;

/// Reasons why a recording cannot be read, or not to its end. Every message is one sentence; text from outside is
/// escaped.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// Reading the input failed.
    #[error("the recording cannot be read")]
    Io(#[source] io::Error),
    /// The input does not begin with a `start` record.
    #[error(
        "line {line} is not a start record, which every recording begins with: give a whole file that tcptrace wrote"
    )]
    NoStart {
        /// Number of the first line that is not empty, from 1.
        line: u64,
    },
    /// The recording has a newer schema than this build.
    #[error(
        "line {line} begins a recording of schema {schema}, and this build reads schema 1 to {SCHEMA}: use a newer one"
    )]
    Schema {
        /// Number of the line, from 1.
        line: u64,
        /// Schema of the recording.
        schema: u64,
    },
    /// A line is not one that tcptrace writes.
    #[error("line {line} is malformed at byte {column}: {what}")]
    Malformed {
        /// Number of the line, from 1.
        line: u64,
        /// Position of the fault in the line, in bytes from 1.
        column: usize,
        /// Description of the fault.
        what: String,
    },
    /// A line is longer than any record.
    #[error("line {line} is malformed: it has more than {MAX_LINE_LEN} bytes, more than any record")]
    TooLong {
        /// Number of the line, from 1.
        line: u64,
    },
    /// The input ends within a line, as it does when tcptrace is killed or the disk is full.
    #[error("the recording is cut off in the middle of line {line} (complete lines before it: {}, in {bytes} bytes)", .line - 1)]
    CutOff {
        /// Number of the line, from 1.
        line: u64,
        /// Offset of the end of the last complete line, in bytes.
        bytes: u64,
    },
}

/// A [`RecordingError`] without a line number.
#[derive(Debug)]
pub(in crate::decode) enum Fault {
    NoStart,
    Schema(u64),
    Json(serde_json::Error),
    /// Valid JSON that contradicts itself or an earlier line.
    Nonsense(&'static str),
}

impl Fault {
    /// Returns true if the line is truncated: more bytes might have made it valid.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self, Self::Json(error) if error.is_eof())
    }

    /// Adds the number of the line.
    pub(in crate::decode) fn on(self, line: u64) -> RecordingError {
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

/// Describes a fault without its position, which the caller adds.
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
