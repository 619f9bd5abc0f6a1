//! Connections whose addresses are translated on the way.

mod bridge;
mod own_host;
mod untied;

use super::*;
use crate::{
    event::{BootTime, Direction, Segment},
    tcp::OptionBytes,
    verdict::{Handshake, NoSegments, Outcome},
};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const RST: TcpFlags = TcpFlags::RST;
const FIN: TcpFlags = TcpFlags::FIN;

/// The port that the client connects to, and that of the server behind it; the client's own port, and its translation.
const CALLED: u16 = 8080;
const BEHIND: u16 = 80;
const OUTSIDE: u16 = 61_000;

/// The place where a segment is seen.
type Spot = (u32, Direction);

const CAME: Spot = (1, Direction::In);
const LEFT: Spot = (2, Direction::Out);
const CAME_BACK: Spot = (2, Direction::In);
const LEFT_BACK: Spot = (1, Direction::Out);
const ON_BRIDGE: Spot = (3, Direction::In);

/// The numbers of a segment.
type Numbers = (u32, Option<u32>);

/// A segment at a spot, with a timestamp if it has one.
fn pass(
    exchange: &mut Exchange,
    spot: Spot,
    ends: (u16, u16),
    flags: TcpFlags,
    (seq, ack): Numbers,
    timestamp: Option<u32>,
) {
    let mut built = exchange.built(ends.0, ends.1, flags, seq, ack);
    if let Some(timestamp) = timestamp {
        let mut options = vec![1, 1, 8, 10];
        options.extend(timestamp.to_be_bytes());
        options.extend([0; 4]);
        built.header.options = OptionBytes::new(&options);
    }
    exchange.event(&Event::Segment(Segment { ifindex: spot.0, direction: Some(spot.1), ..built }));
}

fn same_as(record: &Handshake) -> &[u64] {
    record.same_as.as_deref().unwrap_or_default()
}

/// The other sides of each handshake.
fn ties(handshakes: &[Handshake]) -> Vec<(u64, &[u64])> {
    handshakes.iter().map(|one| (one.conn, same_as(one))).collect()
}

/// The client connects to a port; the destination is translated, and then the source.
fn opened(exchange: &mut Exchange, timestamp: Option<u32>) {
    pass(exchange, CAME, (CLIENT, CALLED), SYN, (7, None), timestamp);
    pass(exchange, LEFT, (OUTSIDE, BEHIND), SYN, (7, None), timestamp);
    pass(exchange, CAME_BACK, (BEHIND, OUTSIDE), SYN, (9, Some(8)), timestamp);
    pass(exchange, LEFT_BACK, (CALLED, CLIENT), SYN, (9, Some(8)), timestamp);
    pass(exchange, CAME, (CLIENT, CALLED), ACK, (8, Some(10)), timestamp);
    pass(exchange, LEFT, (OUTSIDE, BEHIND), ACK, (8, Some(10)), timestamp);
}

#[test]
fn both_sides_know_each_other_and_the_ends_that_the_other_has() {
    for timestamp in [None, Some(77)] {
        let mut exchange = Exchange::new();
        opened(&mut exchange, timestamp);
        let (handshakes, _) = exchange.records();
        assert_eq!(ties(&handshakes), [(1, &[2][..]), (2, &[1][..])]);
        let sides: Vec<_> = handshakes.iter().map(|one| one.nat.as_deref().expect("a side")).collect();
        let ports =
            |conn: usize| sides.get(conn).map(|sides| sides.iter().map(|one| (one.client.port, one.server.port)));
        assert_eq!(ports(0).expect("two").collect::<Vec<_>>(), [(OUTSIDE, BEHIND)]);
        assert_eq!(ports(1).expect("two").collect::<Vec<_>>(), [(CLIENT, CALLED)]);
        for (one, words) in handshakes.iter().zip(["; the same as #2, on", "; the same as #1, on"]) {
            assert!(one.summary.contains(words), "{}", one.summary);
        }
    }
}

#[test]
fn a_recording_says_the_same() {
    let mut exchange = Exchange::new();
    opened(&mut exchange, Some(77));
    recorded::check(&mut exchange);
}

#[test]
fn what_is_refused_is_tied_and_what_is_not_answered() {
    for answered in [true, false] {
        let mut exchange = Exchange::new();
        pass(&mut exchange, CAME, (CLIENT, CALLED), SYN, (7, None), Some(77));
        pass(&mut exchange, LEFT, (OUTSIDE, BEHIND), SYN, (7, None), Some(77));
        if answered {
            pass(&mut exchange, CAME_BACK, (BEHIND, OUTSIDE), RST, (0, Some(8)), None);
            pass(&mut exchange, LEFT_BACK, (CALLED, CLIENT), RST, (0, Some(8)), None);
        }
        let (mut handshakes, _) = exchange.records();
        handshakes.sort_by_key(|one| one.conn);
        assert_eq!(ties(&handshakes), [(1, &[2][..]), (2, &[1][..])]);
        let outcome = if answered { Outcome::Refused } else { Outcome::Unanswered };
        assert!(handshakes.iter().all(|one| one.outcome == Some(outcome)), "{handshakes:?}");
    }
}

#[test]
fn three_sides_know_one_another() {
    let mut exchange = Exchange::new();
    pass(&mut exchange, CAME, (CLIENT, CALLED), SYN, (7, None), Some(77));
    pass(&mut exchange, LEFT, (CLIENT, BEHIND), SYN, (7, None), Some(77));
    pass(&mut exchange, (4, Direction::Out), (OUTSIDE, BEHIND), SYN, (7, None), Some(77));
    let (handshakes, _) = exchange.records();
    assert_eq!(ties(&handshakes), [(1, &[2, 3][..]), (2, &[1, 3][..]), (3, &[1, 2][..])]);
    let [first, ..] = &handshakes[..] else { panic!("three") };
    assert!(first.summary.contains("; the same as #2 and #3, on other sides of an address"), "{}", first.summary);
}
