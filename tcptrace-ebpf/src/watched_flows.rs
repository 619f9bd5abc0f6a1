//! Which plain segments belong to a handshake or a close.
//!
//! The table has the connections of which some segments are still wanted: the ACK of a SYN,ACK or of a FIN, and the
//! first segments after a FIN. It is a plain array of small buckets, with a byte for each that says whether anything is
//! in it. For a data segment of an established connection, reading that byte is enough: no helper is called, and all
//! these bytes together fit into a processor's nearest caches. If a connection is pushed out of a full bucket, its
//! wanted segments are not recorded, and nothing else is lost. A flood of SYNs can push out only handshakes, the oldest
//! first, never closes; a flood of FINs leaves one slot of each bucket to handshakes.
//!
//! Two processors may write the same bucket at once. That can lose an entry, but only if both ends act within
//! nanoseconds.

#[cfg(target_arch = "bpf")]
mod kernel_table;
mod slot;

use crate::{Address, WATCHED_BUCKETS};

#[cfg(target_arch = "bpf")]
pub use self::kernel_table::{KernelTable, WATCHED};
pub use self::slot::Bucket;
use self::slot::{ACK_WANTED, AFTER_FIN, FIN_SENT, Slot, WANTED, is_free, least_missed, with_tag};

/// Storage of the buckets. All processors write to it without locks.
///
/// # Safety
/// Pointers are aligned, and valid for reads and writes for the lifetime of the value. In the kernel, other processors
/// may access the same memory at the same time; elsewhere, access must be exclusive.
pub unsafe trait Table {
    /// Returns the bucket of this index below [`WATCHED_BUCKETS`]; `None` if there is no table.
    fn bucket(&self, index: u32) -> Option<*mut Bucket>;
    /// Returns the byte that says whether anything is in that bucket: 0 for no. It is valid as long as the table.
    fn occupied(&self, index: u32) -> *mut u8;
    /// Returns the time at which the last slot was armed, in the form of `Slot::armed`. It serves as the current time:
    /// it is precise enough, and reading a clock costs more than everything else. It is valid as long as the table.
    fn latest(&self) -> *mut u16;
    /// Makes other processors see everything written before it before anything is read after it, as far as this kind of
    /// processor allows.
    fn fence(&self, bucket: *mut Bucket);
}

/// A flow, which is one direction of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Hash of the four-tuple, the same for both directions.
    hash: u64,
    /// The end that sends: 0 or 1.
    end: usize,
}

impl Flow {
    /// Creates the flow from a source to a destination. The seed, a random number, keeps others from aiming at a
    /// bucket.
    #[inline(always)]
    pub fn new(seed: u64, (src, src_port): (&Address, u16), (dst, dst_port): (&Address, u16)) -> Self {
        let (from, to) = (hash_end(seed, src, src_port), hash_end(seed, dst, dst_port));
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

    /// Returns true if segments are wanted from either end of this connection, or of another one in the same bucket.
    #[inline(always)]
    pub fn perhaps_watched(self, table: &impl Table) -> bool {
        // SAFETY: as the table promises.
        unsafe { table.occupied(self.index()).read_volatile() != 0 }
    }

    /// Returns the connection's slot, a free one, or the one that is missed least; `None` if a handshake must not take
    /// any.
    #[inline(always)]
    fn claim(self, table: &impl Table, now: u16, closing: bool) -> Option<*mut Slot> {
        let bucket = table.bucket(self.index())?;
        let latest = table.latest();
        // SAFETY: as the table promises; if two processors write at once, they write nearly the same.
        unsafe {
            if latest.read_volatile() != now {
                latest.write_volatile(now);
            }
        }
        // SAFETY: the bucket is the table's.
        if let Some(slot) = unsafe { with_tag(bucket, self.tag()) } {
            return Some(slot);
        }
        // SAFETY: as above.
        let slot = unsafe { least_missed(bucket, now, closing) }?;
        *slot = Slot { tag: self.tag(), acks: [0; 2], armed: now, wanted: [0; 2] };
        Some(slot)
    }

    /// Marks the bucket as occupied, after something was put into it.
    #[inline(always)]
    fn occupy(self, table: &impl Table) {
        // SAFETY: as the table promises.
        unsafe { table.occupied(self.index()).write_volatile(1) };
    }

    /// Notes that this flow's sender sent a SYN,ACK: the other end's acknowledgement `ack` of it completes the
    /// handshake.
    #[inline(always)]
    pub fn expect_handshake_ack(self, table: &impl Table, ack: u32, boot_ns: u64) {
        let now = (boot_ns >> 24) as u16;
        if let Some(slot) = self.claim(table, now, false) {
            // SAFETY: it is in the table.
            let slot = unsafe { &mut *slot };
            let other = self.end ^ 1;
            slot.armed = now;
            *slot.ack(other) = ack;
            // An earlier connection between these ends is over, and nothing more is wanted from it.
            *slot.wanted(other) = ACK_WANTED;
            self.occupy(table);
        }
    }

    /// Notes that this flow's sender sent a FIN, which the number `ack` acknowledges.
    #[inline(always)]
    pub fn fin(self, table: &impl Table, ack: u32, boot_ns: u64) {
        let now = (boot_ns >> 24) as u16;
        if let Some(slot) = self.claim(table, now, true) {
            // SAFETY: it is in the table.
            let slot = unsafe { &mut *slot };
            let other = self.end ^ 1;
            slot.armed = now;
            *slot.ack(other) = ack;
            let own = slot.wanted(self.end);
            *own = *own & ACK_WANTED | FIN_SENT | AFTER_FIN;
            let others = slot.wanted(other);
            *others = *others & FIN_SENT | ACK_WANTED | AFTER_FIN;
            self.occupy(table);
        }
    }

    /// Notes a reset: nothing more is wanted.
    #[inline(always)]
    pub fn reset(self, table: &impl Table) {
        if let Some(bucket) = table.bucket(self.index())
            // SAFETY: the bucket is the table's.
            && let Some(slot) = unsafe { with_tag(bucket, self.tag()) }
        {
            slot.tag = 0;
        }
    }

    /// Notes a segment without SYN, which acknowledges `ack`. Returns true if it is wanted.
    #[inline(always)]
    pub fn wants(self, table: &impl Table, ack: Option<u32>) -> bool {
        if !self.perhaps_watched(table) {
            return false;
        }
        let Some(bucket) = table.bucket(self.index()) else { return false };
        // SAFETY: the bucket is the table's.
        let Some(slot) = (unsafe { with_tag(bucket, self.tag()) }) else {
            self.vacate(table, bucket);
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

    /// Marks the bucket as empty, if it is.
    #[inline(always)]
    fn vacate(self, table: &impl Table, bucket: *mut Bucket) {
        let occupied = table.occupied(self.index());
        // SAFETY: as the table promises. Others see the byte as 0 before the slots are looked at again, and a program
        // that takes a slot writes that first and then the byte.
        unsafe {
            let now = table.latest().read_volatile();
            if !is_free(bucket, now) {
                return;
            }
            occupied.write_volatile(0);
            table.fence(bucket);
            if !is_free(bucket, now) {
                occupied.write_volatile(1);
            }
        }
    }
}

const A: u64 = 0x9e37_79b9_7f4a_7c15;
const B: u64 = 0xc2b2_ae3d_27d4_eb4f;

/// Returns one end's part of a connection's hash.
#[inline(always)]
fn hash_end(seed: u64, addr: &Address, port: u16) -> u64 {
    let mut hash = (addr[1] ^ u64::from(port) ^ seed).wrapping_mul(A);
    hash ^= hash >> 32;
    // For IPv4 this half is 0.
    if addr[0] != 0 {
        hash = (hash ^ addr[0]).wrapping_mul(B);
        hash ^= hash >> 29;
    }
    hash
}

#[cfg(test)]
mod tests;
