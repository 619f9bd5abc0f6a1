//! A table in memory, run through handshakes, closes and floods.

mod shared_buckets;

use std::{cell::UnsafeCell, vec, vec::Vec};

use super::*;
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
