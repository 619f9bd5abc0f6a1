//! Vectored writes of many chunks.

use std::{io::IoSlice, os::fd::AsFd};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, writev},
};

use crate::sink::queue::{BATCH_CHUNKS, Queue};

/// Writes every chunk, at most `at_once` bytes per call, and notes the progress in `queue`.
pub(super) fn write_all(output: impl AsFd, chunks: &[&[u8]], at_once: usize, queue: &Queue) -> Result<(), Errno> {
    let mut slices: Vec<IoSlice<'_>> =
        chunks.iter().flat_map(|chunk| chunk.chunks(at_once)).map(IoSlice::new).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match writev(&output, left.get(..count_within(left, at_once)).unwrap_or(left)) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => {
                queue.note_written(written);
                IoSlice::advance_slices(&mut left, written);
            }
            Err(Errno::INTR) => {}
            // Another process that shares the pipe or terminal may have made it non-blocking.
            Err(Errno::AGAIN) => wait_for_room(&output)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns the number of slices for one call that have at most `most` bytes together, but at least one.
fn count_within(slices: &[IoSlice<'_>], most: usize) -> usize {
    let mut bytes = 0_usize;
    let within = slices.iter().take(BATCH_CHUNKS).take_while(|slice| {
        bytes = bytes.saturating_add(slice.len());
        bytes <= most
    });
    within.count().max(1)
}

fn wait_for_room(output: impl AsFd) -> Result<(), Errno> {
    match poll(&mut [PollFd::new(&output, PollFlags::OUT)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_slices_are_taken_as_fit_and_at_least_one() {
        let bytes = [0; 5];
        let slices = [IoSlice::new(&bytes[..3]), IoSlice::new(&bytes[..2]), IoSlice::new(&bytes[..1])];
        for (most, count) in [(0, 1), (2, 1), (3, 1), (4, 1), (5, 2), (6, 3), (usize::MAX, 3)] {
            assert_eq!(count_within(&slices, most), count, "{most}");
        }
        let many = vec![IoSlice::new(&bytes); 3000];
        assert_eq!(count_within(&many, usize::MAX), BATCH_CHUNKS);
    }
}
