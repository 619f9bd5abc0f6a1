//! The slots of the table, and what is wanted from a connection.

use crate::branchless::{negative_if_0, one_if_negative, ones_if_negative, opaque};

/// Number of segments in each direction that are wanted after a FIN.
pub(super) const AFTER_FIN: u8 = 8;

/// Time, in units of 2^24 ns, for which handshakes may not take the slot of a close, and for which a handshake waits
/// for its ACK: slightly more than tcp_fin_timeout, and than the time-out of the last SYN,ACK.
pub(super) const STALE: u16 = ((64 * 1_000_000_000_u64) >> 24) as u16;

/// Slots of a bucket.
pub(super) const SLOTS: usize = 4;

/// Slots of a bucket that closes may take; the rest are for handshakes only.
pub(super) const CLOSING_SLOTS: usize = 3;

/// The bits of [`Slot::wanted`] that count segments. The other bits follow.
pub(super) const WANTED: u8 = 0x0f;
/// An acknowledgement is wanted.
pub(super) const ACK_WANTED: u8 = 1 << 7;
/// The end's own FIN has been seen.
pub(super) const FIN_SENT: u8 = 1 << 6;

/// A connection from whose ends something is wanted.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Bits of the connection's hash that do not determine the bucket; 0 for a free slot.
    pub(super) tag: u32,
    /// The acknowledgement number that is awaited from each end.
    pub(super) acks: [u32; 2],
    /// Time at which it was last armed, in units of 2^24 ns.
    pub(super) armed: u16,
    /// The segments wanted from each end.
    pub(super) wanted: [u8; 2],
}

impl Slot {
    /// Returns true if either end has sent a FIN.
    #[inline(always)]
    pub(super) fn closing(&self) -> bool {
        (self.wanted[0] | self.wanted[1]) & FIN_SENT != 0
    }

    /// Returns the age in units of 2^24 ns.
    #[inline(always)]
    fn age(&self, now: u16) -> i64 {
        i64::from(now.wrapping_sub(self.armed))
    }

    /// Negative if the slot is empty.
    #[inline(always)]
    fn is_empty(&self) -> i64 {
        negative_if_0(self.tag)
    }

    /// Negative if either end has sent a FIN.
    #[inline(always)]
    fn is_closing(&self) -> i64 {
        i64::from(self.wanted[0] | self.wanted[1]) << (63 - FIN_SENT.trailing_zeros())
    }

    /// Negative if the slot may be reused: it is empty, or its handshake has waited too long.
    #[inline(always)]
    fn is_free(&self, now: u16) -> i64 {
        self.is_empty() | (i64::from(STALE) - self.age(now)) & !self.is_closing()
    }

    /// Returns how much the slot would be missed: 0 if it is empty, more the younger it is, and more by a power of 2
    /// if its connection may still be closing.
    #[inline(always)]
    fn worth(&self, now: u16, of_closes: u32) -> i64 {
        let closes = (self.age(now) - i64::from(STALE)) & self.is_closing();
        let worth = 0x1_0000 - self.age(now) + (one_if_negative(closes) << of_closes);
        worth & !ones_if_negative(self.is_empty())
    }

    /// Returns the segments wanted from this end. An end is 0 or 1, which the mask shows to the verifier.
    #[inline(always)]
    pub(super) fn wanted(&mut self, end: usize) -> &mut u8 {
        // SAFETY: the mask keeps the index within the array of two.
        unsafe { &mut *(&raw mut self.wanted).cast::<u8>().add(end & 1) }
    }

    /// Returns the acknowledgement number that is awaited from this end.
    #[inline(always)]
    pub(super) fn ack(&mut self, end: usize) -> &mut u32 {
        // SAFETY: as above.
        unsafe { &mut *(&raw mut self.acks).cast::<u32>().add(end & 1) }
    }
}

/// The slots of one cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    pub(super) slots: [Slot; SLOTS],
}

impl Bucket {
    /// Nothing is in it.
    pub const EMPTY: Self = Self { slots: [Slot { tag: 0, acks: [0; 2], armed: 0, wanted: [0; 2] }; SLOTS] };
}

/// Returns a slot of a bucket.
///
/// # Safety
/// The bucket must be one of a [`Table`](super::Table) that outlives the slot, and `i` below [`SLOTS`].
#[inline(always)]
pub(super) unsafe fn slot<'a>(bucket: *mut Bucket, i: usize) -> &'a mut Slot {
    // SAFETY: the caller's promise.
    unsafe { &mut *(&raw mut (*bucket).slots).cast::<Slot>().add(i) }
}

/// Returns the slot with this tag.
///
/// # Safety
/// As for [`slot`].
#[inline(always)]
pub(super) unsafe fn with_tag<'a>(bucket: *mut Bucket, tag: u32) -> Option<&'a mut Slot> {
    // SAFETY: the caller's promise, and within the bucket.
    let differs = |i| unsafe { slot(bucket, i) }.tag ^ tag;
    // All bits of -1 are set, and the two highest ones of no other difference less 1. Slot 0 is what remains.
    let is = |i| negative_if_0(differs(i)).cast_unsigned();
    let index = is(1) >> 63 | is(2) >> 63 << 1 | is(3) >> 62;
    // Older verifiers (6.1) do not see that this is within the bucket, and the compiler would omit the mask.
    let index = opaque(index.cast_signed()) as usize & (SLOTS - 1);
    // SAFETY: as above.
    let found = unsafe { slot(bucket, index) };
    (found.tag == tag).then_some(found)
}

/// Returns the slot that is missed least; `None` if all are of connections that may still be closing, unless it is taken
/// for another of these.
///
/// # Safety
/// As for [`slot`].
#[inline(always)]
pub(super) unsafe fn least_missed<'a>(bucket: *mut Bucket, now: u16, closing: bool) -> Option<&'a mut Slot> {
    /// The power of 2 that no slot is worth otherwise.
    const NOT_TO_BE_TAKEN: u32 = 32;

    let (slots, of_closes) = if closing { (CLOSING_SLOTS, 16) } else { (SLOTS, NOT_TO_BE_TAKEN) };
    let mut least = i64::MAX;
    let mut i = 0;
    while i < slots {
        // SAFETY: the caller's promise, and within the bucket.
        let worth = unsafe { slot(bucket, i) }.worth(now, of_closes);
        // The lowest bits are the number of the slot: of equals, the first is taken.
        let less = worth * SLOTS as i64 + i as i64 - least;
        least += less & ones_if_negative(less);
        i += 1;
    }
    if least >> NOT_TO_BE_TAKEN > 0 {
        return None;
    }
    // SAFETY: as above.
    Some(unsafe { slot(bucket, least as usize & (SLOTS - 1)) })
}

/// Returns true if all slots of the bucket may be reused.
///
/// # Safety
/// As for [`slot`].
#[inline(always)]
pub(super) unsafe fn is_free(bucket: *mut Bucket, now: u16) -> bool {
    let mut free = -1;
    let mut i = 0;
    while i < SLOTS {
        // SAFETY: the caller's promise, and within the bucket.
        free &= unsafe { slot(bucket, i) }.is_free(now);
        i += 1;
    }
    free < 0
}

#[cfg(test)]
mod tests;
