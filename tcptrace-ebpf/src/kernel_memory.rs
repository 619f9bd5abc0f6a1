//! Reads of kernel memory.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use tcptrace_ebpf::{ABSENT, NO_COUNT, Skip};

/// Reads a `T` at `address + offset` of kernel memory.
///
/// # Errors
/// [`Skip::Unreadable`] where that faults.
#[inline(always)]
pub(crate) fn read<T: Copy>(address: u64, offset: u32) -> Result<T, Skip> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper checks the source and fills the destination, or clears it when it fails.
    let result = unsafe {
        bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            address.wrapping_add(u64::from(offset)) as *const _,
        )
    };
    // SAFETY: filled by the helper.
    if result == 0 { Ok(unsafe { value.assume_init() }) } else { Err(Skip::Unreadable) }
}

/// Replaces an address by the 8 bytes at an offset from it; by 0 where they cannot be read.
#[inline(always)]
pub(crate) fn follow(address: &mut u64, offset: u32) {
    let from = address.wrapping_add(u64::from(offset));
    // SAFETY: the helper checks the source and fills the destination, or clears it when it fails.
    unsafe { bpf_probe_read_kernel(core::ptr::from_mut(address).cast(), 8, from as *const _) };
}

/// Reads a number of kernel memory into its place, [`NO_COUNT`] where this kernel does not have it. Returns true if it has.
#[inline(always)]
pub(crate) fn fill(place: &mut u32, address: u64, offset: u32) -> bool {
    let from = address.wrapping_add(u64::from(offset));
    let known = offset != ABSENT
        // SAFETY: the helper checks the source and fills the destination, or clears it when it fails.
        && unsafe { bpf_probe_read_kernel(core::ptr::from_mut(place).cast(), 4, from as *const _) } == 0;
    if !known {
        *place = NO_COUNT;
    }
    known
}
