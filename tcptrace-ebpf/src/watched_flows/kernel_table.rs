//! The table in the kernel: a map, and global variables of the programs.

use core::{arch::asm, cell::UnsafeCell};

use aya_ebpf::{macros::map, maps::Array};

use super::{Bucket, Table};
use crate::WATCHED_BUCKETS;

/// The flows whose next plain segments are wanted.
#[map]
pub static WATCHED: Array<Bucket> = Array::with_max_entries(WATCHED_BUCKETS, 0);

/// Memory that all processors write without synchronisation.
#[repr(transparent)]
struct Shared<T>(UnsafeCell<T>);

// SAFETY: it is used through raw pointers with volatile accesses only, and any value that a race leaves is valid.
unsafe impl<T> Sync for Shared<T> {}

/// For each bucket a byte, 0 if there is nothing in it.
static OCCUPIED: Shared<[u8; WATCHED_BUCKETS as usize]> = Shared(UnsafeCell::new([0; WATCHED_BUCKETS as usize]));

/// Time at which the last slot was armed.
static LATEST: Shared<u16> = Shared(UnsafeCell::new(0));

/// The only table.
#[derive(Clone, Copy, Debug)]
pub struct KernelTable;

// SAFETY: map values and the programs' own memory live as long as the programs, and are aligned.
unsafe impl Table for KernelTable {
    #[inline(always)]
    fn bucket(&self, index: u32) -> Option<*mut Bucket> {
        WATCHED.get_ptr_mut(index)
    }

    #[inline(always)]
    fn occupied(&self, index: u32) -> *mut u8 {
        // SAFETY: the index is within the array, which the mask shows to the verifier.
        unsafe { OCCUPIED.0.get().cast::<u8>().add((index & (WATCHED_BUCKETS - 1)) as usize) }
    }

    #[inline(always)]
    fn latest(&self) -> *mut u16 {
        LATEST.0.get()
    }

    #[inline(always)]
    fn fence(&self, bucket: *mut Bucket) {
        // An atomic addition of 0. On x86-64 it is a full barrier. On arm64 an addition that returns nothing orders
        // nothing, and the one that returns a value came with Linux 5.12: there, two processors may lose an entry more
        // often.
        // SAFETY: buckets are aligned, and live as long as the programs.
        unsafe {
            asm!("lock *(u64 *)({bucket} + 0) += {nothing}", bucket = in(reg) bucket, nothing = in(reg) 0_u64);
        }
    }
}
