//! The choice of slots, against the same with branches.

use std::vec::Vec;

use super::*;

/// A bucket for the next of a sequence of random numbers: slots that are empty, old or young, opening or closing.
fn some_bucket(random: &mut impl FnMut(u64) -> u64, now: u16) -> Bucket {
    let mut bucket = Bucket::EMPTY;
    for slot in &mut bucket.slots {
        slot.tag = [0, 1, 3, u32::MAX][random(4) as usize];
        let age = [0, 1, STALE - 1, STALE, STALE + 1, u16::MAX][random(6) as usize];
        slot.armed = now.wrapping_sub(age);
        slot.wanted = [random(256) as u8, random(256) as u8];
    }
    bucket
}

#[test]
fn slots_are_chosen_as_if_by_branches() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) % below
    };
    for _ in 0..50_000 {
        let now = random(1 << 16) as u16;
        let mut bucket = some_bucket(&mut random, now);
        let slots = bucket.slots;
        let age = |slot: &Slot| now.wrapping_sub(slot.armed);
        let index = |slot: Option<&mut Slot>, first: *const Slot| {
            // SAFETY: both are in the bucket.
            slot.map(|slot| unsafe { (&raw const *slot).offset_from(first) } as usize)
        };
        let first = (&raw const bucket.slots).cast::<Slot>();
        let bucket = &raw mut bucket;

        let tag = [1, 3, 7, u32::MAX][random(4) as usize];
        // SAFETY: the bucket is this test's own.
        let found = index(unsafe { with_tag(bucket, tag) }, first);
        let with_it: Vec<_> = (0..SLOTS).filter(|&i| slots[i].tag == tag).collect();
        // Two slots never have the same tag.
        if with_it.len() < 2 {
            assert_eq!(found, with_it.first().copied(), "{tag} in {slots:?}");
        }

        let free = slots.iter().all(|slot| slot.tag == 0 || !slot.closing() && age(slot) > STALE);
        // SAFETY: as above.
        assert_eq!(unsafe { is_free(bucket, now) }, free, "at {now} in {slots:?}");

        for closing in [false, true] {
            let goes_on = |slot: &Slot| slot.closing() && age(slot) < STALE;
            let worth = |slot: &Slot| match slot.tag {
                0 => Some(0),
                _ if goes_on(slot) => closing.then(|| 0x2_0000 - u32::from(age(slot))),
                _ => Some(0x1_0000 - u32::from(age(slot))),
            };
            let among = if closing { CLOSING_SLOTS } else { SLOTS };
            let least = (0..among).filter_map(|i| Some((worth(&slots[i])?, i))).min().map(|(_, i)| i);
            // SAFETY: as above.
            let chosen = index(unsafe { least_missed(bucket, now, closing) }, first);
            assert_eq!(chosen, least, "at {now}, closing: {closing}, in {slots:?}");
        }
    }
}
