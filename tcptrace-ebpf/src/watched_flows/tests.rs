//! A table in memory, run through handshakes, closes and floods.

use std::{cell::UnsafeCell, vec, vec::Vec};

use super::{
    slot::{CLOSING_SLOTS, SLOTS},
    *,
};
use crate::mapped;

/// A second in nanoseconds.
const SECOND: u64 = 1_000_000_000;

struct Memory {
    buckets: Vec<UnsafeCell<Bucket>>,
    occupied: Vec<UnsafeCell<u8>>,
    latest: UnsafeCell<u16>,
}

impl Memory {
    fn new() -> Self {
        let buckets = (0..WATCHED_BUCKETS).map(|_| UnsafeCell::new(Bucket::EMPTY)).collect();
        let occupied = (0..WATCHED_BUCKETS).map(|_| UnsafeCell::new(0)).collect();
        Self { buckets, occupied, latest: UnsafeCell::new(0) }
    }

    fn is_occupied(&self, flow: Flow) -> bool {
        flow.perhaps_watched(self)
    }
}

// SAFETY: the memory lives as long as the value, and one thread uses it.
unsafe impl Table for Memory {
    fn bucket(&self, index: u32) -> Option<*mut Bucket> {
        self.buckets.get(index as usize).map(UnsafeCell::get)
    }

    fn occupied(&self, index: u32) -> *mut u8 {
        self.occupied[index as usize].get()
    }

    fn latest(&self) -> *mut u16 {
        self.latest.get()
    }

    fn fence(&self, _bucket: *mut Bucket) {}
}

/// Client's and server's direction of connection `n`.
fn flows(n: u32) -> [Flow; 2] {
    let (client, server) = (mapped(n.to_be()), mapped(0x0a00_0001_u32.to_be()));
    let (client, server) = ((&client, 40000), (&server, 443));
    [Flow::new(7, client, server), Flow::new(7, server, client)]
}

/// So many connections of the same bucket as the first, whose tags differ.
fn colliding(count: usize) -> Vec<[Flow; 2]> {
    let first = flows(1);
    let mut found = vec![first];
    for n in 2.. {
        let flows = flows(n);
        if flows[0].index() == first[0].index() && found.iter().all(|other| other[0].tag() != flows[0].tag()) {
            found.push(flows);
            if found.len() == count {
                break;
            }
        }
    }
    found
}

#[test]
fn both_directions_are_the_same_connection_with_two_ends() {
    for n in 0..1000 {
        let [client, server] = flows(n);
        assert_eq!((client.index(), client.tag()), (server.index(), server.tag()));
        assert_eq!(client.end ^ server.end, 1);
    }
}

#[test]
fn ports_addresses_and_seed_all_change_the_hash() {
    let (a, b, c) = (mapped(1), mapped(2), mapped(3));
    let (long, other) = ([1, 2], [3, 2]);
    fn flow(seed: u64, src: (&Address, u16), dst: (&Address, u16)) -> u64 {
        Flow::new(seed, src, dst).hash
    }
    let base = flow(7, (&a, 1), (&b, 2));
    assert_ne!(base, flow(8, (&a, 1), (&b, 2)));
    assert_ne!(base, flow(7, (&a, 3), (&b, 2)));
    assert_ne!(base, flow(7, (&c, 1), (&b, 2)));
    assert_ne!(flow(7, (&long, 1), (&b, 2)), flow(7, (&other, 1), (&b, 2)), "all of an IPv6 address counts");
}

#[test]
fn connections_spread_over_the_buckets() {
    let mut used = vec![0_u32; WATCHED_BUCKETS as usize];
    (0..WATCHED_BUCKETS).for_each(|n| used[flows(n)[0].index() as usize] += 1);
    // As many connections as buckets: at random 63 % of the buckets would have one or more, and none would have many.
    let some = used.iter().filter(|count| **count > 0).count();
    assert!(some * 10 > used.len() * 6, "{some}");
    assert!(used.iter().max() < Some(&12));
}

#[test]
fn nothing_is_wanted_of_a_connection_that_nobody_watches() {
    let table = Memory::new();
    let [client, server] = flows(1);
    assert!(!client.perhaps_watched(&table));
    assert!(!client.wants(&table, Some(1)) && !server.wants(&table, None));
}

#[test]
fn the_ack_of_a_syn_ack_is_wanted_once_and_from_the_other_end() {
    let table = Memory::new();
    let [client, server] = flows(1);
    server.expect_handshake_ack(&table, 1001, SECOND);
    assert!(client.perhaps_watched(&table));
    assert!(!server.wants(&table, Some(5000)), "its own segments are not");
    assert!(!client.wants(&table, None), "without an ACK");
    assert!(!client.wants(&table, Some(1000)), "an older acknowledgement");
    assert!(client.wants(&table, Some(1001)));
    assert!(!client.wants(&table, Some(1001)), "the handshake is complete");
    assert!(!table.is_occupied(client), "nothing is in the bucket any more");
}

#[test]
fn an_ack_of_more_than_was_waited_for_completes_the_handshake_too() {
    let table = Memory::new();
    let [client, server] = flows(1);
    // Around the end of the sequence numbers.
    server.expect_handshake_ack(&table, u32::MAX, SECOND);
    assert!(!client.wants(&table, Some(u32::MAX - 1)));
    assert!(client.wants(&table, Some(100)));
}

#[test]
fn a_repeated_syn_ack_arms_it_again() {
    let table = Memory::new();
    let [client, server] = flows(1);
    server.expect_handshake_ack(&table, 1001, SECOND);
    assert!(client.wants(&table, Some(1001)));
    server.expect_handshake_ack(&table, 1001, 2 * SECOND);
    assert!(client.wants(&table, Some(1001)));
}

#[test]
fn after_a_fin_eight_segments_each_way_are_wanted_and_its_ack() {
    let table = Memory::new();
    let [client, server] = flows(1);
    client.fin(&table, 5001, SECOND);
    for flow in [client, server] {
        assert_eq!((0..20).filter(|_| flow.wants(&table, Some(4000))).count(), 8);
    }
    assert!(server.wants(&table, Some(5001)), "however late, the ACK of the FIN is wanted");
    assert!(!server.wants(&table, Some(5001)), "once");
}

#[test]
fn a_close_is_over_when_both_fins_are_acknowledged() {
    let table = Memory::new();
    let [client, server] = flows(1);
    client.fin(&table, 5001, SECOND);
    assert!(server.wants(&table, Some(5001)));
    server.fin(&table, 9001, SECOND);
    assert!(table.is_occupied(client));
    assert!(client.wants(&table, Some(9001)));
    assert!(!client.wants(&table, Some(9001)) && !server.wants(&table, Some(5001)));
    assert!(!table.is_occupied(client));
}

#[test]
fn fins_that_cross_are_both_waited_for() {
    let table = Memory::new();
    let [client, server] = flows(1);
    client.fin(&table, 5001, SECOND);
    server.fin(&table, 9001, SECOND);
    assert!(client.wants(&table, Some(9001)));
    assert!(table.is_occupied(client), "the other FIN is not acknowledged yet");
    assert!(server.wants(&table, Some(5001)));
    assert!(!client.wants(&table, Some(9001)) && !table.is_occupied(client));
}

#[test]
fn a_reset_ends_all_that_is_wanted() {
    let table = Memory::new();
    let [client, server] = flows(1);
    client.fin(&table, 5001, SECOND);
    server.reset(&table);
    assert!(!client.wants(&table, Some(9001)) && !server.wants(&table, Some(5001)));
    // A reset of what is not watched is none of its business.
    flows(2)[0].reset(&table);
}

#[test]
fn a_fin_keeps_what_the_handshake_still_wants() {
    let table = Memory::new();
    let [client, server] = flows(1);
    server.expect_handshake_ack(&table, 1001, SECOND);
    // The ACK got lost, and a FIN with data follows.
    server.fin(&table, 9001, SECOND);
    assert!(client.wants(&table, Some(9001)));
}

#[test]
fn connections_of_one_bucket_are_told_apart() {
    let table = Memory::new();
    let colliding = colliding(SLOTS + 1);
    let (watched, other) = (&colliding[..SLOTS], colliding[SLOTS]);
    for (i, [_, server]) in watched.iter().enumerate() {
        server.expect_handshake_ack(&table, 1000 * i as u32, SECOND);
    }
    assert!(other[0].perhaps_watched(&table) && !other[0].wants(&table, Some(1)));
    for (i, [client, _]) in watched.iter().enumerate() {
        assert!(client.wants(&table, Some(1000 * i as u32)), "{i}");
    }
    assert!(!other[0].wants(&table, Some(1)));
    assert!(!table.is_occupied(other[0]));
}

#[test]
fn a_flood_of_syns_pushes_out_the_oldest_handshake_and_no_close() {
    let table = Memory::new();
    let colliding = colliding(SLOTS + 3);
    let [closing, ..] = colliding[..] else { panic!("there are more") };
    closing[0].fin(&table, 5001, SECOND);
    for (i, [_, server]) in colliding[1..].iter().enumerate() {
        server.expect_handshake_ack(&table, 1, (2 + i as u64) * SECOND);
    }
    assert!(closing[1].wants(&table, Some(5001)), "the close is still there");
    let left: Vec<bool> = colliding[1..].iter().map(|[client, _]| client.wants(&table, Some(1))).collect();
    assert_eq!(left, [false, false, false, true, true, true], "the oldest went first");
}

#[test]
fn a_flood_of_fins_leaves_a_slot_to_handshakes() {
    let table = Memory::new();
    let colliding = colliding(SLOTS + 3);
    for [client, _] in &colliding[1..] {
        client.fin(&table, 5001, SECOND);
    }
    let [handshake, ..] = colliding[..] else { panic!("there are more") };
    handshake[1].expect_handshake_ack(&table, 1, SECOND);
    colliding[1][0].fin(&table, 5001, 2 * SECOND);
    assert!(handshake[0].wants(&table, Some(1)));
}

#[test]
fn a_close_that_is_forgotten_makes_room_for_a_handshake() {
    let table = Memory::new();
    let colliding = colliding(SLOTS + 1);
    // All slots are taken: three by closes, one by a handshake.
    for [client, _] in &colliding[..CLOSING_SLOTS] {
        client.fin(&table, 5001, SECOND);
    }
    colliding[CLOSING_SLOTS][1].expect_handshake_ack(&table, 1, 70 * SECOND);
    colliding[SLOTS][1].expect_handshake_ack(&table, 1, 70 * SECOND);
    assert!(colliding[CLOSING_SLOTS][0].wants(&table, Some(1)), "a younger handshake stays");
    assert!(colliding[SLOTS][0].wants(&table, Some(1)));
    let closes = colliding[..CLOSING_SLOTS].iter().filter(|[_, server]| server.wants(&table, Some(5001))).count();
    assert_eq!(closes, CLOSING_SLOTS - 1, "one that waited for more than a minute went");
}

#[test]
fn a_handshake_that_nobody_completes_expires() {
    let table = Memory::new();
    let colliding = colliding(3);
    colliding[0][1].expect_handshake_ack(&table, 1, SECOND);
    // Time is told by what is armed later, in another bucket or this one.
    let elsewhere = (2..).map(flows).find(|flows| flows[0].index() != colliding[0][0].index()).expect("there is one");
    elsewhere[1].expect_handshake_ack(&table, 1, 60 * SECOND);
    assert!(!colliding[1][0].wants(&table, None));
    assert!(table.is_occupied(colliding[1][0]), "it may still be completed");
    elsewhere[1].expect_handshake_ack(&table, 1, 70 * SECOND);
    assert!(!colliding[1][0].wants(&table, None));
    assert!(!table.is_occupied(colliding[1][0]), "64 s are over");
}

#[test]
fn a_close_does_not_expire_while_nobody_needs_its_slot() {
    let table = Memory::new();
    let colliding = colliding(2);
    let [client, server] = colliding[0];
    client.fin(&table, 5001, SECOND);
    let elsewhere = (2..).map(flows).find(|flows| flows[0].index() != client.index()).expect("there is one");
    elsewhere[1].expect_handshake_ack(&table, 1, 600 * SECOND);
    assert!(!colliding[1][0].wants(&table, None));
    assert!(server.wants(&table, Some(5001)));
}

#[test]
fn the_time_of_arming_goes_round() {
    let table = Memory::new();
    let colliding = colliding(SLOTS + 1);
    // 2^16 units of 2^24 ns are 18 minutes.
    let wrap = 1_u64 << 40;
    for (i, [_, server]) in colliding.iter().enumerate() {
        server.expect_handshake_ack(&table, 1, wrap - 2 * SECOND + i as u64 * SECOND);
    }
    let left: Vec<bool> = colliding.iter().map(|[client, _]| client.wants(&table, Some(1))).collect();
    assert_eq!(left, [false, true, true, true, true]);
}
