//! Reading a ring buffer map (Documentation/bpf/ringbuf.rst) in batches: what has been read is given back to the kernel for
//! many records at once, because each time costs the kernel programs, which look at that number too, a miss of their
//! processor's cache.

use std::{
    io,
    os::fd::AsFd,
    ptr::NonNull,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence},
};

use rustix::{
    mm::{MapFlags, ProtFlags, mmap, munmap},
    param::page_size,
};

/// Bytes before each record: a word with its length and these bits, and one for the kernel.
const HEADER: usize = 8;
/// Bit of the length: the record is not complete yet.
const BUSY: u32 = 1 << 31;
/// Bit of the length: the record is to be passed over.
const DISCARDED: u32 = 1 << 30;

/// The part of a ring that may lie read before the kernel may write there again.
const PART_HELD: usize = 16;

/// The reader's end of a ring buffer.
pub(super) struct Consumer {
    /// One page, whose first word says how far this end has read.
    read: Mapping,
    /// One page, whose first word says how far the kernel has written, then the ring twice, so that no record is cut.
    written: Mapping,
    size: usize,
    /// How far this end has read. Positions only grow; where they lie in the ring is their remainder.
    position: usize,
    /// How far the kernel knows that.
    published: usize,
}

impl Consumer {
    /// Maps a ring of `size` bytes, a power of two.
    ///
    /// # Errors
    /// When it cannot be mapped.
    pub(super) fn new(map: impl AsFd, size: u32) -> io::Result<Self> {
        let (page, size) = (page_size(), size as usize);
        let read = Mapping::new(&map, 0, page, ProtFlags::READ | ProtFlags::WRITE)?;
        let written = Mapping::new(&map, page, page + 2 * size, ProtFlags::READ)?;
        let position = read.position().load(Ordering::Acquire);
        Ok(Self { read, written, size, position, published: position })
    }

    /// Hands up to `most` records to `take`; false when there was none left before that.
    pub(super) fn drain(&mut self, most: usize, mut take: impl FnMut(&[u8])) -> bool {
        for _ in 0..most {
            if !self.next(&mut take) {
                return false;
            }
        }
        self.publish();
        true
    }

    /// Takes one record; false when there is none.
    fn next(&mut self, take: &mut impl FnMut(&[u8])) -> bool {
        loop {
            let Some((length, flags)) = self.complete() else {
                // Having caught up has to be known to the kernel before it is said: a record that comes after this second
                // look finds it, and wakes this end.
                if self.publish() && self.complete().is_some() {
                    continue;
                }
                return false;
            };
            let discarded = flags & DISCARDED != 0;
            if !discarded {
                take(self.data(length));
            }
            self.position = self.position.wrapping_add((HEADER + length).next_multiple_of(HEADER));
            if self.position.wrapping_sub(self.published) >= self.size / PART_HELD {
                self.read.position().store(self.position, Ordering::Release);
                self.published = self.position;
            }
            if !discarded {
                return true;
            }
        }
    }

    /// Length and bits of the record at this end's position, if it is complete.
    fn complete(&self) -> Option<(usize, u32)> {
        if self.written.position().load(Ordering::Relaxed) == self.position {
            return None;
        }
        // Relaxed loads and a fence: no other load is sure not to write, which this memory does not allow.
        fence(Ordering::Acquire);
        // SAFETY: headers are aligned words within the ring, which is mapped, and the kernel writes them as such.
        let header = unsafe { AtomicU32::from_ptr(self.at(0).cast_mut().cast()) };
        let word = header.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let length = (word & !(BUSY | DISCARDED)) as usize;
        (word & BUSY == 0 && HEADER + length <= self.size).then_some((length, word))
    }

    /// The bytes of the record at this end's position.
    fn data(&self, length: usize) -> &[u8] {
        // SAFETY: header and record are no longer than the ring, which is mapped twice, and complete: the kernel does not
        // write there before this end's position has passed them.
        unsafe { std::slice::from_raw_parts(self.at(HEADER), length) }
    }

    /// A place behind this end's position, `offset` of less than the ring's size.
    fn at(&self, offset: usize) -> *const u8 {
        // SAFETY: the remainder and the offset lie within the ring's two images.
        unsafe {
            self.written.start.cast::<u8>().as_ptr().add(page_size() + (self.position & (self.size - 1)) + offset)
        }
    }

    /// Lets the kernel know how far this end has read; whether that was news.
    fn publish(&mut self) -> bool {
        if self.published == self.position {
            return false;
        }
        self.read.position().store(self.position, Ordering::Release);
        self.published = self.position;
        // Pairs with the kernel's: either it sees this position, or this end sees its record.
        fence(Ordering::SeqCst);
        true
    }
}

/// Memory shared with the kernel.
struct Mapping {
    start: NonNull<AtomicUsize>,
    length: usize,
}

// SAFETY: the memory is nobody else's in this process, and its first word is atomic.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(map: impl AsFd, offset: usize, length: usize, access: ProtFlags) -> io::Result<Self> {
        // SAFETY: a new mapping where the kernel likes it.
        let start = unsafe { mmap(std::ptr::null_mut(), length, access, MapFlags::SHARED, map, offset as u64) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { start, length })
    }

    /// Its first word, a position in the ring.
    fn position(&self) -> &AtomicUsize {
        // SAFETY: mapped for as long as this lives, aligned to a page, and written atomically by both sides.
        unsafe { self.start.as_ref() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: what was mapped, of which nothing is borrowed any more. It cannot fail then.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}
