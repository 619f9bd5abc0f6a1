//! Connections of one bucket: which of them give way to others, and which expire.

use std::{vec, vec::Vec};

use super::{
    super::{
        Flow,
        slot::{CLOSING_SLOTS, SLOTS},
    },
    Memory, SECOND, flows,
};

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
