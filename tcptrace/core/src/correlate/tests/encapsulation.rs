//! Equal addresses and ports in different VLANs and tunnels.

use std::num::NonZeroU16;

use super::{
    CLIENT, SERVER,
    exchange::{self, Exchange},
};
use crate::{
    correlate::Correlated,
    event::{Event, Segment},
    tcp::TcpFlags,
    verdict::{Close, CloseKind, Handshake, Outcome},
};

const SYN: TcpFlags = TcpFlags::SYN;
const FIN: TcpFlags = TcpFlags::FIN;
const NONE: TcpFlags = TcpFlags::NONE;

/// A step of a plain connection: true if from the client, flags, sequence number and acknowledgement number, both relative.
type Step = (bool, TcpFlags, u32, Option<u32>);

const STEPS: [Step; 7] = [
    (true, SYN, 0, None),
    (false, SYN, 0, Some(1)),
    (true, NONE, 1, Some(1)),
    (false, FIN, 1, Some(1)),
    (true, NONE, 1, Some(2)),
    (true, FIN, 1, Some(2)),
    (false, NONE, 2, Some(2)),
];

/// One step of the connection with these ISNs, in an encapsulation; 0 stands for none.
fn step(exchange: &mut Exchange, (up, flags, seq, ack): Step, isns: (u32, u32), encapsulation: u16) {
    let (src, dst, own, other) = if up { (CLIENT, SERVER, isns.0, isns.1) } else { (SERVER, CLIENT, isns.1, isns.0) };
    let built = exchange.built(src, dst, flags, own + seq, ack.map(|ack| other + ack));
    let encapsulation = NonZeroU16::new(encapsulation);
    exchange.event(&Event::Segment(Segment { encapsulation, direction: None, ..built }));
}

/// The records of a connection.
fn records(placed: &[Correlated], conn: u64) -> (&Handshake, &Close) {
    let (mut opened, mut closed) = (None, None);
    for one in placed {
        match one {
            Correlated::Handshake(record) if record.conn == conn => opened = Some(&**record),
            Correlated::Close(record) if record.conn == conn => closed = Some(&**record),
            _ => {}
        }
    }
    opened.zip(closed).expect("it has both records")
}

/// The connections of the segments, in order.
fn conns(exchange: &mut Exchange) -> Vec<u64> {
    exchange::segments(&exchange.finish()).iter().map(|placed| placed.conn).collect()
}

#[test]
fn in_two_vlans_there_are_two_connections_however_near_their_numbers() {
    for distance in [1, 100, 1 << 20, 1 << 29] {
        let mut exchange = Exchange::of_capture();
        for each in STEPS {
            step(&mut exchange, each, (1_000, 900_000), 5);
            step(&mut exchange, each, (1_000 + distance, 900_000 + distance), 6);
        }
        let placed = exchange.finish_all();
        let conns: Vec<_> = exchange::segments(&placed).iter().map(|placed| placed.conn).collect();
        assert_eq!(conns, [1, 2].repeat(STEPS.len()), "{distance}");
        for (conn, number) in [(1, 5), (2, 6)] {
            let (opened, closed) = records(&placed, conn);
            assert_eq!(opened.outcome, Some(Outcome::Established));
            assert_eq!(closed.kind, CloseKind::FourSegment);
            assert_eq!([opened.encapsulation, closed.encapsulation], [NonZeroU16::new(number); 2]);
        }
    }
}

#[test]
fn the_directions_of_one_connection_may_be_captured_in_different_ones() {
    for (up, down) in [(5, 6), (0, 6), (5, 0)] {
        let mut exchange = Exchange::of_capture();
        for each in STEPS {
            step(&mut exchange, each, (1_000, 900_000), if each.0 { up } else { down });
        }
        assert_eq!(conns(&mut exchange), [1; STEPS.len()], "{up} {down}");
    }
}

#[test]
fn a_syn_sent_again_another_way_is_the_same_connection() {
    let mut exchange = Exchange::of_capture();
    step(&mut exchange, STEPS[0], (1_000, 900_000), 5);
    exchange.pass(1_000_000_000);
    step(&mut exchange, STEPS[0], (1_000, 900_000), 6);
    for each in &STEPS[1..] {
        step(&mut exchange, *each, (1_000, 900_000), 6);
    }
    assert_eq!(conns(&mut exchange), [1; STEPS.len() + 1]);
}

#[test]
fn one_seen_in_mid_life_in_another_vlan_is_another() {
    let mut exchange = Exchange::of_capture();
    for each in &STEPS[..3] {
        step(&mut exchange, *each, (1_000, 900_000), 5);
    }
    for each in &STEPS[3..] {
        step(&mut exchange, *each, (1_000_000_000, 2_000_000_000), 6);
        step(&mut exchange, *each, (1_000, 900_000), 5);
    }
    assert_eq!(conns(&mut exchange), [1, 1, 1, 2, 1, 2, 1, 2, 1, 2, 1]);
}

#[test]
fn a_tuple_used_again_is_a_generation_in_its_own_vlan() {
    let mut exchange = Exchange::of_capture();
    for each in STEPS {
        step(&mut exchange, each, (1_000, 900_000), 5);
    }
    for each in &STEPS[..3] {
        step(&mut exchange, *each, (5_000_000, 6_000_000), 6);
    }
    exchange.pass(70_000_000_000);
    for each in STEPS {
        step(&mut exchange, each, (8_000_000, 9_000_000), 5);
    }
    step(&mut exchange, STEPS[3], (5_000_000, 6_000_000), 6);
    assert_eq!(conns(&mut exchange), [[1; 7].as_slice(), &[2; 3], &[3; 7], &[2]].concat());
}
