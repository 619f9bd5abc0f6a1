//! Iteration over the lines of a file without copying them.

use std::{io::Read, mem};

use memchr::memchr;

use super::RecordingError;
use crate::decode::Input;

/// Maximum length of a line in bytes: no record comes near it.
pub(super) const MAX_LINE_LEN: usize = 1 << 20;

/// A line without its newline.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) bytes: &'a [u8],
    /// True if it ends with a newline. Only the last line may lack one.
    pub(super) whole: bool,
}

/// Reader of lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: Input<R>,
    /// Length of the line returned last, which is still in the input's window.
    used: usize,
    number: u64,
}

impl<R> Lines<R> {
    pub(super) fn new(input: Input<R>) -> Self {
        Self { input, used: 0, number: 0 }
    }

    /// Returns true if nothing follows the line returned last in the window.
    pub(super) fn is_dry(&self) -> bool {
        self.input.window().len() <= self.used
    }

    /// Returns the number of lines read so far.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the length of these lines in bytes.
    pub(super) fn taken(&self) -> u64 {
        self.input.taken() + self.used as u64
    }
}

impl<R: Read> Lines<R> {
    pub(super) fn next_line(&mut self) -> Result<Option<Line<'_>>, RecordingError> {
        self.input.advance(mem::take(&mut self.used));
        let mut searched = 0;
        let (length, whole) = loop {
            let new = self.input.window().get(searched..).unwrap_or_default();
            if let Some(at) = memchr(b'\n', new) {
                break (searched + at, true);
            }
            searched += new.len();
            if searched > MAX_LINE_LEN {
                return Err(RecordingError::TooLong { line: self.number + 1 });
            }
            if !self.input.fill(searched + 1).map_err(RecordingError::Io)? {
                break (searched, false);
            }
        };
        self.used = length + usize::from(whole);
        if self.used == 0 {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Line { bytes: self.input.window().get(..length).unwrap_or_default(), whole }))
    }
}
