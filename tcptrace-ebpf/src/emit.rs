//! Writes records, and counts those without room and what was skipped.

use core::arch::asm;

use aya_ebpf::{bindings::BPF_RB_NO_WAKEUP, maps::ring_buf::RingBufEntry};
use tcptrace_ebpf::{LOST_STATE, RecordHeader, Skip};

use crate::maps::{AWAKE, EVENTS, LOST, SKIPPED};

/// The header of a record of `source`.
#[inline(always)]
pub(crate) fn header(source: u32, kind: u8, family: u8, socket: u64, boot_ns: u64) -> RecordHeader {
    RecordHeader { boot_ns, socket, lost: lost(source), kind, family, flags: 0 }
}

/// Counts what was skipped.
#[inline(always)]
pub(crate) fn count_skip(reason: Skip) {
    if let Some(count) = SKIPPED.get_ptr_mut(reason.index()) {
        // SAFETY: this processor's own value. If a program of the other kind interrupts this one, a count may be lost.
        unsafe { *count = (*count).wrapping_add(1) };
    }
}

/// Returns the number of records of `source` lost so far. Every record carries it, so that each gap has its place.
#[inline(always)]
pub(crate) fn lost(source: u32) -> u32 {
    LOST.get(source).map_or(0, |count| *count as u32)
}

/// Counts a lost record of `source`.
#[inline(always)]
pub(crate) fn count_loss(source: u32) {
    if let Some(count) = LOST.get_ptr_mut(source) {
        // SAFETY: map values are 8-byte aligned and live as long as the map. Rust has no atomics for this target; the
        // instruction is the atomic addition that every kernel knows (the one that returns a value came with 5.12).
        unsafe { asm!("lock *(u64 *)({count} + 0) += {one}", count = in(reg) count, one = in(reg) 1_u64) };
    }
}

/// Writes a record of the programs that see sockets.
#[inline(always)]
pub(crate) fn socket<T: Copy + 'static>(record: &T) {
    if let Some(mut entry) = reserve::<T>(LOST_STATE) {
        entry.write(*record);
        submit(entry);
    }
}

/// Reserves room for a record of `source`; counts a loss if there is none.
#[inline(always)]
pub(crate) fn reserve<T: 'static>(source: u32) -> Option<RingBufEntry<T>> {
    let entry = EVENTS.reserve::<T>(0);
    if entry.is_none() {
        count_loss(source);
    }
    entry
}

/// Hands over a record. The ring wakes its reader only if that had caught up, and not at all while it polls.
#[inline(always)]
pub(crate) fn submit<T: 'static>(entry: RingBufEntry<T>) {
    let awake = AWAKE.get(0).is_some_and(|awake| *awake != 0);
    entry.submit(if awake { u64::from(BPF_RB_NO_WAKEUP) } else { 0 });
}
