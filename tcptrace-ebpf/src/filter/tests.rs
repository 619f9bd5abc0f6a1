//! The filter as state changes and segments meet it.

use std::{vec, vec::Vec};

use super::*;
use crate::{DIRECTION_OUT, mapped};

/// Lists in memory.
#[derive(Default)]
struct Memory {
    matches: u32,
    ports: [Vec<u16>; 3],
    /// Family and prefix in words of the address, of which the first or both count.
    hosts: Vec<(u8, Address)>,
    interfaces: Vec<u32>,
}

impl Lists for Memory {
    fn matches(&self) -> u32 {
        self.matches
    }

    fn port_word(&self, index: u32) -> u64 {
        let list = &self.ports[(index / PORT_WORDS) as usize];
        let in_word = list.iter().filter(|port| u32::from(*port >> 6) == index % PORT_WORDS);
        in_word.fold(0, |bits, port| bits | 1 << (port & 63))
    }

    fn has_host(&self, key: [u64; 3]) -> bool {
        self.hosts.iter().any(|(family, addr)| key == [u64::from(*family).to_le(), addr[0], addr[1]])
    }

    fn has_interface(&self, ifindex: u32) -> bool {
        self.interfaces.contains(&ifindex)
    }
}

fn v4(last: u8) -> Address {
    mapped(u32::from_ne_bytes([192, 0, 2, last]))
}

fn v6(last: u8) -> Address {
    [0x2001_0db8_u64.to_be(), u64::from(last).to_be()]
}

fn ip(family: u8, src: Address, dst: Address) -> Ip {
    Ip { family, protocol: 6, src, dst, transport: 20, payload: 20 }
}

/// Does a segment from port 1000 of .1 to port 80 of .2 match, seen in this direction?
fn passes(lists: &Memory, direction: u8, loopback: bool) -> bool {
    matches(lists, &ip(FAMILY_V4, v4(1), v4(2)), (1000, 80), direction, loopback)
}

fn known<'a>(addr: &'a Address, port: u16) -> End<'a> {
    End { addr, port, known: true }
}

fn unknown(addr: &Address) -> End<'_> {
    End { addr, port: 0, known: false }
}

#[test]
fn without_a_filter_everything_matches() {
    let lists = Memory::default();
    assert!(passes(&lists, DIRECTION_IN, false));
    let (local, remote) = (v4(1), v4(2));
    assert_eq!(ends(&lists, FAMILY_V4, unknown(&local), unknown(&remote), false), Match::Yes);
    // Interfaces are for sockets: a segment passes only those that are attached to.
    assert!(passes(&Memory { matches: MATCH_INTERFACES, ..Memory::default() }, DIRECTION_IN, false));
}

#[test]
fn a_port_matches_at_either_end() {
    let with = |port| Memory { matches: MATCH_PORTS, ports: [vec![port], vec![], vec![]], ..Memory::default() };
    assert!(passes(&with(80), DIRECTION_IN, false) && passes(&with(1000), DIRECTION_IN, false));
    assert!(!passes(&with(81), DIRECTION_IN, false));
    for port in [0, 63, 64, 1023, 65535] {
        let ip = ip(FAMILY_V4, v4(1), v4(2));
        assert!(matches(&with(port), &ip, (port, 7), DIRECTION_IN, false), "{port}");
        assert!(!matches(&with(port), &ip, (port ^ 1, 7), DIRECTION_IN, false), "{port}");
        assert!(!matches(&with(port), &ip, (port ^ 64, 7), DIRECTION_IN, false), "{port}");
    }
}

#[test]
fn local_and_remote_depend_on_the_direction() {
    let local = Memory { matches: MATCH_LOCAL_PORTS, ports: [vec![], vec![80], vec![]], ..Memory::default() };
    assert!(passes(&local, DIRECTION_IN, false), "at ingress the destination is local");
    assert!(!passes(&local, DIRECTION_OUT, false), "at egress the source is");
    assert!(passes(&local, DIRECTION_OUT, true), "on loopback both are");
    let remote = Memory { matches: MATCH_REMOTE_PORTS, ports: [vec![], vec![], vec![80]], ..Memory::default() };
    assert!(!passes(&remote, DIRECTION_IN, false));
    assert!(passes(&remote, DIRECTION_OUT, false) && passes(&remote, DIRECTION_IN, true));
}

#[test]
fn local_and_remote_have_to_match_the_same_way_round() {
    let both = |local, remote| Memory {
        matches: MATCH_LOCAL_PORTS | MATCH_REMOTE_PORTS,
        ports: [vec![], vec![local], vec![remote]],
        ..Memory::default()
    };
    assert!(passes(&both(80, 1000), DIRECTION_IN, false) && !passes(&both(80, 1000), DIRECTION_OUT, false));
    assert!(passes(&both(80, 1000), DIRECTION_OUT, true));
    assert!(!passes(&both(80, 80), DIRECTION_OUT, true), "not one port for both ends");
}

#[test]
fn a_host_matches_at_either_end_and_only_in_its_family() {
    let with = |family, addr| Memory { matches: MATCH_HOSTS, hosts: vec![(family, addr)], ..Memory::default() };
    assert!(passes(&with(FAMILY_V4, v4(1)), DIRECTION_IN, false));
    assert!(passes(&with(FAMILY_V4, v4(2)), DIRECTION_IN, false));
    assert!(!passes(&with(FAMILY_V4, v4(3)), DIRECTION_IN, false));
    assert!(!passes(&with(FAMILY_V6, v4(1)), DIRECTION_IN, false), "the bits of an IPv6 address");
    assert!(matches(&with(FAMILY_V6, v6(2)), &ip(FAMILY_V6, v6(1), v6(2)), (1, 2), DIRECTION_IN, false));
}

#[test]
fn a_family_excludes_the_other_one() {
    let only = |bit| Memory { matches: bit, ..Memory::default() };
    let v6_segment = ip(FAMILY_V6, v6(1), v6(2));
    assert!(passes(&only(MATCH_FAMILY_V4), DIRECTION_IN, false));
    assert!(!passes(&only(MATCH_FAMILY_V6), DIRECTION_IN, false));
    assert!(matches(&only(MATCH_FAMILY_V6), &v6_segment, (1, 2), DIRECTION_IN, false));
    assert!(!matches(&only(MATCH_FAMILY_V4), &v6_segment, (1, 2), DIRECTION_IN, false));
}

#[test]
fn all_filters_have_to_match() {
    let lists = Memory {
        matches: MATCH_PORTS | MATCH_HOSTS | MATCH_FAMILY_V4,
        ports: [vec![80], vec![], vec![]],
        hosts: vec![(FAMILY_V4, v4(9))],
        ..Memory::default()
    };
    assert!(!passes(&lists, DIRECTION_IN, false), "another host");
    let lists = Memory { hosts: vec![(FAMILY_V4, v4(1))], ..lists };
    assert!(passes(&lists, DIRECTION_IN, false));
}

#[test]
fn a_socket_without_a_port_is_decided_later() {
    let lists = Memory { matches: MATCH_LOCAL_PORTS, ports: [vec![], vec![80], vec![]], ..Memory::default() };
    let (local, remote) = (v4(1), v4(2));
    let decide = |local, remote| ends(&lists, FAMILY_V4, local, remote, false);
    assert_eq!(decide(unknown(&local), known(&remote, 9)), Match::Later);
    assert_eq!(decide(known(&local, 80), known(&remote, 9)), Match::Yes);
    assert_eq!(decide(known(&local, 81), unknown(&remote)), Match::No);
    // Either end: what is known may suffice.
    let lists = Memory { matches: MATCH_PORTS, ports: [vec![80], vec![], vec![]], ..Memory::default() };
    let decide = |local, remote| ends(&lists, FAMILY_V4, local, remote, false);
    assert_eq!(decide(unknown(&local), known(&remote, 80)), Match::Yes);
    assert_eq!(decide(unknown(&local), known(&remote, 81)), Match::Later);
}

#[test]
fn a_child_without_its_peer_is_decided_later() {
    let lists = Memory { matches: MATCH_FAMILY_V4, ..Memory::default() };
    let (local, remote) = (v6(0), v6(0));
    assert_eq!(ends(&lists, FAMILY_V6, known(&local, 80), unknown(&remote), false), Match::Later);
    assert_eq!(ends(&lists, FAMILY_V6, known(&local, 80), known(&remote, 9), false), Match::No);
    let lists = Memory { matches: MATCH_HOSTS, hosts: vec![(FAMILY_V4, v4(2))], ..Memory::default() };
    let (local, remote) = (v4(1), v4(2));
    assert_eq!(ends(&lists, FAMILY_V4, known(&local, 80), unknown(&remote), false), Match::Later);
    assert_eq!(ends(&lists, FAMILY_V4, known(&local, 80), known(&remote, 9), false), Match::Yes);
}

#[test]
fn a_listener_has_no_remote_end() {
    let listens = |lists: &Memory, local: &Address| ends(lists, FAMILY_V4, known(local, 80), unknown(&v4(0)), true);
    let remote = Memory { matches: MATCH_REMOTE_PORTS, ports: [vec![], vec![], vec![80]], ..Memory::default() };
    assert_eq!(listens(&remote, &v4(1)), Match::No);
    let either = Memory { matches: MATCH_PORTS, ports: [vec![80], vec![], vec![]], ..Memory::default() };
    assert_eq!(listens(&either, &v4(1)), Match::Yes);
    let host = Memory { matches: MATCH_HOSTS, hosts: vec![(FAMILY_V4, v4(1))], ..Memory::default() };
    assert_eq!((listens(&host, &v4(1)), listens(&host, &v4(2))), (Match::Yes, Match::No));
}

#[test]
fn interfaces_are_those_that_were_named() {
    let lists = Memory { matches: MATCH_INTERFACES, interfaces: vec![2, 5], ..Memory::default() };
    assert!(filtered(&lists, MATCH_INTERFACES) && !filtered(&lists, MATCH_PORTS | MATCH_HOSTS));
    assert_eq!([1, 2, 5].map(|index| lists.has_interface(index)), [false, true, true]);
}

#[test]
fn no_is_stronger_than_later_and_later_than_yes() {
    assert_eq!(Match::Yes.min(Match::Later), Match::Later);
    assert_eq!(Match::Later.min(Match::No), Match::No);
    assert_eq!((Match::from(true), Match::from(false)), (Match::Yes, Match::No));
}
