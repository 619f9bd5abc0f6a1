//! Which plain segments belong to a handshake or a close.
//!
//! A table of connections from whose ends something is wanted: the ACK of a SYN,ACK or of a FIN, and the first segments
//! after a FIN. It is a plain array of small buckets, with a byte for each that says whether anything is in it: for a
//! data segment of an established connection the answer is one look at one byte, without a helper call, and all the
//! bytes together fit a processor's nearest caches. A connection that falls out of a full bucket costs a record, nothing
//! else. A flood of SYNs can only push out handshakes, the oldest first, never what waits for the end of a close; a
//! flood of FINs leaves a slot of each bucket to handshakes.
//!
//! Two processors may write the same bucket at once. What that can lose is a wish, and only where both ends act within
//! nanoseconds.

use core::{arch::asm, cell::UnsafeCell};

use tcptrace_ebpf::{Address, WATCHED_BUCKETS};

use crate::maps::{WATCHED, setting};

/// Segments each way that are wanted after a FIN.
const AFTER_FIN: u8 = 8;

/// How long the end of a close may keep a handshake from taking its slot, and how long a handshake may wait for its ACK,
/// in units of 2^24 ns: tcp_fin_timeout, or the last SYN,ACK's time-out, and a bit.
const STALE: u16 = ((64 * 1_000_000_000_u64) >> 24) as u16;

/// Slots of a bucket.
const SLOTS: usize = 4;

/// Slots of a bucket that closes may take; the rest is for handshakes alone.
const CLOSING_SLOTS: usize = 3;

/// What is wanted from one end: how many of its segments, and these bits.
const WANTED: u8 = 0x0f;
/// An acknowledgement.
const ACK_WANTED: u8 = 1 << 7;
/// The end's own FIN has been seen.
const FIN_SENT: u8 = 1 << 6;

/// A connection from whose ends something is wanted.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    /// Other bits of the connection's hash than those that chose the bucket; 0 for a free slot.
    tag: u32,
    /// The acknowledgement number that is waited for from each end.
    acks: [u32; 2],
    /// When it was last armed, in units of 2^24 ns.
    armed: u16,
    /// What is wanted from each end.
    wanted: [u8; 2],
}

impl Slot {
    /// Has either end sent a FIN?
    #[inline(always)]
    fn closing(&self) -> bool {
        (self.wanted[0] | self.wanted[1]) & FIN_SENT != 0
    }

    /// Does nobody miss it any more? A handshake is given up some time after its last SYN,ACK.
    #[inline(always)]
    fn is_free(&self, now: u16) -> bool {
        self.tag == 0 || (!self.closing() && now.wrapping_sub(self.armed) > STALE)
    }

    /// What was wanted from this end. An end is 0 or 1, which the verifier wants to see.
    #[inline(always)]
    fn wanted(&mut self, end: usize) -> &mut u8 {
        // SAFETY: within the array.
        unsafe { &mut *(&raw mut self.wanted).cast::<u8>().add(end & 1) }
    }

    /// Likewise.
    #[inline(always)]
    fn ack(&mut self, end: usize) -> &mut u32 {
        // SAFETY: as above.
        unsafe { &mut *(&raw mut self.acks).cast::<u32>().add(end & 1) }
    }
}

/// The slots of one cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(crate) struct Bucket {
    slots: [Slot; SLOTS],
}

/// Memory that all processors write as they please.
#[repr(transparent)]
struct Shared<T>(UnsafeCell<T>);

// SAFETY: plain memory for the kernel, whose readers take any value.
unsafe impl<T> Sync for Shared<T> {}

/// Whether there is anything in a bucket: 0 for no.
static OCCUPIED: Shared<[u8; WATCHED_BUCKETS as usize]> = Shared(UnsafeCell::new([0; WATCHED_BUCKETS as usize]));

/// When the last slot was armed. Nearer to now than that is not needed, and a clock costs more than all the rest.
static LATEST: Shared<u16> = Shared(UnsafeCell::new(0));

/// A flow, which is one direction of a connection.
#[derive(Clone, Copy)]
pub(crate) struct Flow {
    /// The same for both directions.
    hash: u64,
    /// Which end sends: 0 or 1.
    end: usize,
}

impl Flow {
    /// From source to destination. The seed keeps others from aiming at a bucket.
    #[inline(always)]
    pub(crate) fn new(src: &Address, dst: &Address, src_port: u16, dst_port: u16) -> Self {
        let (from, to) = (hash_end(src, src_port), hash_end(dst, dst_port));
        let hash = from.wrapping_add(to).wrapping_mul(B);
        Self { hash: hash ^ hash >> 31, end: usize::from(from < to) }
    }

    #[inline(always)]
    fn index(self) -> u32 {
        self.hash as u32 & (WATCHED_BUCKETS - 1)
    }

    #[inline(always)]
    fn tag(self) -> u32 {
        (self.hash >> 32) as u32 | 1
    }

    #[inline(always)]
    fn occupied(self) -> *mut u8 {
        // SAFETY: the index is within the array.
        unsafe { OCCUPIED.0.get().cast::<u8>().add(self.index() as usize) }
    }

    /// Is anything wanted from either end of this connection, or of another one in the same bucket?
    #[inline(always)]
    pub(crate) fn perhaps_watched(self) -> bool {
        // SAFETY: memory of the program's own.
        unsafe { self.occupied().read_volatile() != 0 }
    }

    /// The connection's slot.
    #[inline(always)]
    fn find(self, bucket: *mut Bucket) -> Option<&'static mut Slot> {
        let tag = self.tag();
        let mut i = 0;
        while i < SLOTS {
            let slot = slot(bucket, i);
            if slot.tag == tag {
                return Some(slot);
            }
            i += 1;
        }
        None
    }

    /// The connection's slot, a free one, or the one that is missed least.
    #[inline(always)]
    fn claim(self, now: u16, closing: bool) -> Option<&'static mut Slot> {
        let bucket = WATCHED.get_ptr_mut(self.index())?;
        // SAFETY: memory of the program's own; two processors at once write nearly the same.
        unsafe {
            if LATEST.0.get().read_volatile() != now {
                LATEST.0.get().write_volatile(now);
            }
        }
        if let Some(slot) = self.find(bucket) {
            return Some(slot);
        }
        let mut best = None;
        let mut best_worth = u32::MAX;
        let mut i = 0;
        while i < if closing { CLOSING_SLOTS } else { SLOTS } {
            let slot = slot(bucket, i);
            let age = u32::from(now.wrapping_sub(slot.armed));
            let worth = if slot.tag == 0 {
                0
            } else if slot.closing() && age < u32::from(STALE) {
                // Not for handshakes.
                if closing { 0x2_0000 - age } else { u32::MAX }
            } else {
                0x1_0000 - age
            };
            if worth < best_worth {
                best_worth = worth;
                best = Some(slot);
            }
            i += 1;
        }
        let slot = best?;
        *slot = Slot { tag: self.tag(), acks: [0; 2], armed: now, wanted: [0; 2] };
        Some(slot)
    }

    /// Says that there is something in the bucket, once there is.
    #[inline(always)]
    fn occupy(self) {
        // SAFETY: memory of the program's own.
        unsafe { self.occupied().write_volatile(1) };
    }

    /// A SYN,ACK left this flow's sender: its acknowledgement by the other end completes the handshake.
    #[inline(always)]
    pub(crate) fn expect_handshake_ack(self, ack: u32, boot_ns: u64) {
        let now = (boot_ns >> 24) as u16;
        if let Some(slot) = self.claim(now, false) {
            let other = self.end ^ 1;
            slot.armed = now;
            *slot.ack(other) = ack;
            // Whatever was wanted from a connection before on the same ports is over.
            *slot.wanted(other) = ACK_WANTED;
            self.occupy();
        }
    }

    /// This flow's sender sent a FIN that `ack` acknowledges.
    #[inline(always)]
    pub(crate) fn fin(self, ack: u32, boot_ns: u64) {
        let now = (boot_ns >> 24) as u16;
        if let Some(slot) = self.claim(now, true) {
            let other = self.end ^ 1;
            slot.armed = now;
            *slot.ack(other) = ack;
            let own = slot.wanted(self.end);
            *own = *own & ACK_WANTED | FIN_SENT | AFTER_FIN;
            let others = slot.wanted(other);
            *others = *others & FIN_SENT | ACK_WANTED | AFTER_FIN;
            self.occupy();
        }
    }

    /// A reset: nothing is wanted any more.
    #[inline(always)]
    pub(crate) fn reset(self) {
        if let Some(bucket) = WATCHED.get_ptr_mut(self.index())
            && let Some(slot) = self.find(bucket)
        {
            slot.tag = 0;
        }
    }

    /// A segment without SYN passed: is it wanted?
    #[inline(always)]
    pub(crate) fn wants(self, ack: Option<u32>) -> bool {
        if !self.perhaps_watched() {
            return false;
        }
        let Some(bucket) = WATCHED.get_ptr_mut(self.index()) else { return false };
        let Some(slot) = self.find(bucket) else {
            self.vacate(bucket);
            return false;
        };
        let closing = slot.closing();
        let expected = *slot.ack(self.end);
        let others = *slot.wanted(self.end ^ 1);
        let own = slot.wanted(self.end);
        let mut left = *own;
        let mut hit = false;
        if left & WANTED != 0 {
            left -= 1;
            hit = true;
        }
        let mut over = false;
        if left & ACK_WANTED != 0
            && let Some(ack) = ack
            && ack.wrapping_sub(expected) < 1 << 31
        {
            hit = true;
            left &= !ACK_WANTED;
            // The handshake is complete, or both FINs are acknowledged.
            over = !closing || left & others & FIN_SENT != 0 && others & ACK_WANTED == 0;
        }
        if left != *own {
            *own = left;
        }
        if over {
            slot.tag = 0;
        }
        hit
    }

    /// Says that there is nothing in the bucket, if that is so.
    #[inline(always)]
    fn vacate(self, bucket: *mut Bucket) {
        // SAFETY: memory of the program's own.
        let now = unsafe { LATEST.0.get().read_volatile() };
        if !is_free(bucket, now) {
            return;
        }
        let occupied = self.occupied();
        // SAFETY: as above, and the buckets are aligned. The addition of nothing is a barrier: the byte is 0 for all
        // before the slots are looked at again, and who takes one writes that first and then the byte.
        unsafe {
            occupied.write_volatile(0);
            asm!("lock *(u64 *)({bucket} + 0) += {nothing}", bucket = in(reg) bucket, nothing = in(reg) 0_u64);
            if !is_free(bucket, now) {
                occupied.write_volatile(1);
            }
        }
    }
}

const A: u64 = 0x9e37_79b9_7f4a_7c15;
const B: u64 = 0xc2b2_ae3d_27d4_eb4f;

/// One end's part of a connection's hash.
#[inline(always)]
fn hash_end(addr: &Address, port: u16) -> u64 {
    let mut hash = (addr[1] ^ u64::from(port) ^ setting!(seed)).wrapping_mul(A);
    hash ^= hash >> 32;
    // IPv4 has nothing there.
    if addr[0] != 0 {
        hash = (hash ^ addr[0]).wrapping_mul(B);
        hash ^= hash >> 29;
    }
    hash
}

/// A slot of a bucket.
#[inline(always)]
fn slot(bucket: *mut Bucket, i: usize) -> &'static mut Slot {
    // SAFETY: map values live as long as the map, and `i` is within the bucket.
    unsafe { &mut *(&raw mut (*bucket).slots).cast::<Slot>().add(i) }
}

/// Is nothing in the bucket that anybody would miss?
#[inline(always)]
fn is_free(bucket: *mut Bucket, now: u16) -> bool {
    let mut free = true;
    let mut i = 0;
    while i < SLOTS {
        free &= slot(bucket, i).is_free(now);
        i += 1;
    }
    free
}
