//! The program's allocator, whatever C library it is linked to. Musl's own requests memory from the kernel and returns it so
//! often that drawing ladders took twice as long. With glibc's, reading a capture took 1.05 times as long.

use libmimalloc_sys::{mi_option_set, mi_option_t, mi_option_use_numa_nodes};

/// Without transparent huge pages (feature `no_thp`), of which each that is touched takes 2 MiB.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The option `purge_delay`, which the bindings do not name, stands before this one in `mimalloc.h`.
const PURGE_DELAY: mi_option_t = mi_option_use_numa_nodes - 1;

/// Time in milliseconds after which freed memory goes back to the kernel; that of arenas does after ten times as long. By
/// default it is 1,000: reading a large capture took 10 MiB more, and as long.
const MILLISECONDS: i64 = 10;

/// Sets how long freed memory is kept.
pub(crate) fn configure() {
    // SAFETY: no other thread runs yet, and a number that is no option's changes nothing.
    unsafe { mi_option_set(PURGE_DELAY, MILLISECONDS) };
}
