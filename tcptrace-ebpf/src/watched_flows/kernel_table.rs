//! The table in the kernel: a map, and memory of the programs' own.

use core::{arch::asm, cell::UnsafeCell};

use aya_ebpf::{macros::map, maps::Array};

use super::{Bucket, Table};
use crate::WATCHED_BUCKETS;

/// The flows whose next plain segments are wanted.
#[map]
pub static WATCHED: Array<Bucket> = Array::with_max_entries(WATCHED_BUCKETS, 0);

/// Memory that all processors write as they please.
#[repr(transparent)]
struct Shared<T>(UnsafeCell<T>);

// SAFETY: plain memory for the kernel, whose readers take any value.
unsafe impl<T> Sync for Shared<T> {}

/// Not 0 if there is anything in a bucket.
static OCCUPIED: Shared<[u8; WATCHED_BUCKETS as usize]> = Shared(UnsafeCell::new([0; WATCHED_BUCKETS as usize]));

/// When the last slot was armed.
static LATEST: Shared<u16> = Shared(UnsafeCell::new(0));

/// The one table there is.
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
        // An atomic addition of nothing. On x86-64 it is a full barrier. On arm64 one that returns nothing orders nothing, and
        // the one that does came with Linux 5.12: there two processors may more often lose a wish.
        // SAFETY: buckets are aligned, and live as long as the programs.
        unsafe {
            asm!("lock *(u64 *)({bucket} + 0) += {nothing}", bucket = in(reg) bucket, nothing = in(reg) 0_u64);
        }
    }
}
