//! Buffered input: bytes from any reader, one window at a time.

use std::io::{self, BufRead, ErrorKind, Read};

/// Size of the window in bytes, unless something longer must be contiguous.
const WINDOW: usize = 256 * 1024;

/// A reader and the part of its bytes that is in memory. Implements [`BufRead`] for all bytes not consumed yet.
#[derive(Debug)]
pub struct Input<R> {
    reader: R,
    buffer: Vec<u8>,
    /// The window begins at this index …
    start: usize,
    /// … and ends before this one.
    end: usize,
    taken: u64,
    /// True if the last read returned less than there was room for.
    short: bool,
    ended: bool,
}

impl<R> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: vec![0; WINDOW], start: 0, end: 0, taken: 0, short: false, ended: false }
    }

    /// Returns the bytes that were read and are not consumed yet.
    pub(crate) fn window(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns true if everything that was read is consumed and, as far as known, the next bytes have to be waited for.
    pub(super) fn is_drained(&self) -> bool {
        self.start == self.end && self.short
    }

    /// Returns true if no bytes follow the window.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Returns the number of bytes consumed.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Consumes `count` bytes of the window, or all of it if it has fewer.
    pub(crate) fn advance(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.taken += count as u64;
    }

    /// Makes room after the window. The buffer grows only when it is full of bytes that were actually read, so a length
    /// field in the file cannot make it large.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }
}

impl<R: Read> Input<R> {
    /// Reads until the window has `count` bytes; false if the input ends first.
    pub(crate) fn fill(&mut self, count: usize) -> io::Result<bool> {
        while self.end - self.start < count && !self.ended {
            if self.end == self.buffer.len() || self.start == self.end {
                self.make_room();
            }
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.reader.read(room) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    self.short = count < room.len();
                    self.end += count;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.end - self.start >= count)
    }

    /// Consumes `count` bytes, which may exceed the window; false if the input ends first, in which case a partial rest
    /// stays unconsumed.
    pub(super) fn skip(&mut self, count: u64) -> io::Result<bool> {
        let before = self.taken;
        while self.taken - before < count {
            let left = count - (self.taken - before);
            if !self.fill(1)? {
                self.taken = before;
                return Ok(false);
            }
            self.advance(usize::try_from(left).unwrap_or(usize::MAX));
        }
        Ok(true)
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(to)?;
        self.advance(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill(1)?;
        Ok(self.window())
    }

    fn consume(&mut self, count: usize) {
        self.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that returns a few bytes at a time, with interruptions.
    struct Slow<'a>(&'a [u8], bool);

    impl Read for Slow<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            let few = to.len().min(3);
            self.0.read(&mut to[..few])
        }
    }

    #[test]
    fn bytes_come_through_however_they_are_read() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let mut input = Input::new(Slow(&bytes, false));
        assert!(input.fill(10).unwrap());
        assert!(input.window().starts_with(&bytes[..10]));
        input.advance(10);
        assert!(input.skip(490).unwrap());
        assert_eq!(input.taken(), 500);
        let mut rest = Vec::new();
        input.read_to_end(&mut rest).unwrap();
        assert_eq!((rest.as_slice(), input.taken()), (&bytes[500..], 1000));
        assert!(!input.fill(1).unwrap() && input.ended());
    }

    #[test]
    fn the_window_grows_with_what_came_and_not_with_what_was_asked_for() {
        let bytes = vec![7; WINDOW + 1];
        let mut input = Input::new(bytes.as_slice());
        assert!(!input.fill(usize::MAX / 2).unwrap());
        assert_eq!(input.window().len(), bytes.len());
        assert_eq!(input.buffer.len(), 2 * WINDOW);
    }

    #[test]
    fn what_cannot_be_skipped_whole_is_not_taken() {
        let mut input = Input::new([1; 100].as_slice());
        input.fill(1).unwrap();
        input.advance(10);
        assert!(!input.skip(91).unwrap());
        assert_eq!(input.taken(), 10);
    }
}
