//! The lines of a file, one after the other, without a copy.

use std::{io::Read, mem};

use memchr::memchr;

use super::RecordingError;
use crate::decode::Input;

/// The longest line, in bytes: no record comes near it.
pub(super) const LONGEST: usize = 1 << 20;

/// A line without its newline.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) bytes: &'a [u8],
    /// It ends with a newline. Only the last one may not.
    pub(super) whole: bool,
}

/// Reads lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: Input<R>,
    /// Bytes of the line that was given last, which lies in the input's window still.
    used: usize,
    number: u64,
}

impl<R> Lines<R> {
    pub(super) fn new(input: Input<R>) -> Self {
        Self { input, used: 0, number: 0 }
    }

    /// Returns true if nothing lies behind the line that was given last.
    pub(super) fn is_dry(&self) -> bool {
        self.input.window().len() <= self.used
    }

    /// Lines given so far.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of these lines.
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
            if searched > LONGEST {
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
