//! Which plain segments belong to a handshake or a close.
//!
//! A table of flows (one direction of a connection) from whose sender something is wanted: the ACK of a SYN,ACK or of a
//! FIN, and the first segments after a FIN. It is a plain array of small buckets: for a data segment of an established
//! connection the answer is one look at one cache line, without a helper call. A flow that falls out of a full bucket
//! costs a record, nothing else; a flood of SYNs can only push out handshakes, never what waits for the end of a close.
//!
//! Two processors may write the same bucket at once. What that can lose is a wish, and only where both ends act within
//! nanoseconds.

use tcptrace_ebpf::{Address, WATCHED_BUCKETS};

use crate::maps::{WATCHED, setting};

/// Segments each way that are wanted after a FIN.
const AFTER_FIN: u32 = 8;

/// How long the end of a close may keep a handshake from taking its slot, in units of 2^30 ns: tcp_fin_timeout and a bit.
const STALE: u32 = 64;

/// What the slot of a young close is worth, less its age; that of a handshake is worth less.
const CLOSING_WORTH: u32 = 0x2_0000;

/// State bits of a slot, above the number of segments still wanted.
const ACK_WANTED: u32 = 1 << 31;
/// The slot belongs to a close.
const CLOSING: u32 = 1 << 30;
/// The flow's own FIN has been seen.
const FIN_SENT: u32 = 1 << 29;
const WANTED: u32 = 0xff;

/// A flow from which something is wanted.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    /// Other bits of the flow's hash than those that chose the bucket; 0 for a free slot.
    tag: u32,
    /// The acknowledgement number that is waited for.
    ack: u32,
    /// Bits as above.
    state: u32,
    /// When it was last armed, in units of 2^30 ns.
    armed: u32,
}

/// The slots of one cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(crate) struct Bucket {
    slots: [Slot; 4],
}

/// A flow's hash.
#[derive(Clone, Copy)]
pub(crate) struct Flow(u64);

impl Flow {
    /// From source to destination. The seed keeps others from aiming at a bucket.
    #[inline(always)]
    pub(crate) fn new(src: &Address, dst: &Address, src_port: u16, dst_port: u16) -> Self {
        const A: u64 = 0x9e37_79b9_7f4a_7c15;
        const B: u64 = 0xc2b2_ae3d_27d4_eb4f;
        let seed = setting!(seed);
        let ports = u64::from(src_port) << 16 | u64::from(dst_port);
        let mut hash = (src[1] ^ seed).wrapping_mul(A);
        hash ^= hash >> 32;
        hash = (hash ^ src[0]).wrapping_mul(B);
        hash ^= hash >> 29;
        hash = (hash ^ dst[1]).wrapping_mul(A);
        hash ^= hash >> 32;
        hash = (hash ^ dst[0] ^ ports.rotate_left(17)).wrapping_mul(B);
        Self(hash ^ hash >> 31)
    }

    #[inline(always)]
    fn bucket(self) -> Option<*mut Bucket> {
        WATCHED.get_ptr_mut(self.0 as u32 & (WATCHED_BUCKETS - 1))
    }

    #[inline(always)]
    fn tag(self) -> u32 {
        (self.0 >> 32) as u32 | 1
    }

    /// The flow's slot, if something is wanted from it.
    #[inline(always)]
    fn find(self) -> Option<&'static mut Slot> {
        let bucket = self.bucket()?;
        let tag = self.tag();
        let mut i = 0;
        while i < 4 {
            // SAFETY: map values live as long as the map, and `i` is within the bucket.
            let slot = unsafe { &mut *(&raw mut (*bucket).slots).cast::<Slot>().add(i) };
            if slot.tag == tag {
                return Some(slot);
            }
            i += 1;
        }
        None
    }

    /// The flow's slot, a free one, or the one that is missed least; none where a handshake would push out the end of a
    /// close.
    #[inline(always)]
    fn claim(self, now: u32, closing: bool) -> Option<&'static mut Slot> {
        if let Some(slot) = self.find() {
            return Some(slot);
        }
        let bucket = self.bucket()?;
        let mut best = None;
        let mut best_worth = u32::MAX;
        let mut i = 0;
        while i < 4 {
            // SAFETY: as above.
            let slot = unsafe { &mut *(&raw mut (*bucket).slots).cast::<Slot>().add(i) };
            let age = now.wrapping_sub(slot.armed).min(0xffff);
            let worth = if slot.tag == 0 {
                0
            } else if slot.state & CLOSING != 0 && age < STALE {
                CLOSING_WORTH - age
            } else {
                0x1_0000 - age
            };
            if worth < best_worth {
                best_worth = worth;
                best = Some(slot);
            }
            i += 1;
        }
        if !closing && best_worth > CLOSING_WORTH - STALE {
            return None;
        }
        let slot = best?;
        *slot = Slot { tag: self.tag(), ack: 0, state: 0, armed: now };
        Some(slot)
    }

    /// A SYN,ACK left for this flow's sender: its acknowledgement completes the handshake.
    #[inline(always)]
    pub(crate) fn expect_handshake_ack(self, ack: u32, boot_ns: u64) {
        if let Some(slot) = self.claim((boot_ns >> 30) as u32, false) {
            slot.ack = ack;
            // Whatever was wanted from a connection before on the same ports is over.
            slot.state = ACK_WANTED;
        }
    }

    /// This flow's sender sent a FIN that `ack` acknowledges; `back` is the other direction.
    #[inline(always)]
    pub(crate) fn fin(self, back: Self, ack: u32, boot_ns: u64) {
        let now = (boot_ns >> 30) as u32;
        if let Some(slot) = self.claim(now, true) {
            slot.state = slot.state & !WANTED | CLOSING | FIN_SENT | AFTER_FIN;
            slot.armed = now;
        }
        if let Some(slot) = back.claim(now, true) {
            slot.ack = ack;
            slot.state = slot.state & !WANTED | CLOSING | ACK_WANTED | AFTER_FIN;
            slot.armed = now;
        }
    }

    /// A reset: nothing is wanted any more.
    #[inline(always)]
    pub(crate) fn reset(self, back: Self) {
        if let Some(slot) = self.find() {
            slot.tag = 0;
        }
        if let Some(slot) = back.find() {
            slot.tag = 0;
        }
    }
}

/// A segment without SYN passed: is it wanted? `back` gives the other direction, which is seldom needed.
#[inline(always)]
pub(crate) fn wanted(flow: Flow, ack: Option<u32>, back: impl FnOnce() -> Flow) -> bool {
    let Some(slot) = flow.find() else { return false };
    let mut hit = false;
    if slot.state & WANTED != 0 {
        slot.state -= 1;
        hit = true;
    }
    if slot.state & ACK_WANTED != 0
        && let Some(ack) = ack
        && ack.wrapping_sub(slot.ack) < 1 << 31
    {
        hit = true;
        slot.state &= !ACK_WANTED;
        if slot.state & CLOSING == 0 {
            slot.tag = 0;
        } else if slot.state & FIN_SENT != 0
            && let Some(other) = back().find()
            && other.state & (FIN_SENT | ACK_WANTED) == FIN_SENT
        {
            // Both FINs are acknowledged: the connection is over.
            other.tag = 0;
            slot.tag = 0;
        }
    }
    if slot.state & (WANTED | ACK_WANTED | FIN_SENT) == 0 {
        slot.tag = 0;
    }
    hit
}
