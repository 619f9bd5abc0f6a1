//! Connections whose addresses are translated on the way.

use super::*;
use crate::{
    event::{Direction, Segment},
    tcp::OptionBytes,
    verdict::{Handshake, NoSegments, Outcome},
};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const RST: TcpFlags = TcpFlags::RST;
const FIN: TcpFlags = TcpFlags::FIN;

/// The port that the client calls, and that of the server behind it; the client's own port, and as it is translated.
const CALLED: u16 = 8080;
const BEHIND: u16 = 80;
const OUTSIDE: u16 = 61_000;

/// Where a segment is seen.
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

/// The client calls a port, the destination is translated, and then the source.
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
        let told: Vec<_> = handshakes.iter().map(|one| one.nat.as_deref().expect("a side")).collect();
        let ports =
            |conn: usize| told.get(conn).map(|sides| sides.iter().map(|one| (one.client.port, one.server.port)));
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

/// Some scanners repeat their timestamp, too. A capture does not tell the direction in which it was translated.
#[test]
fn two_other_ports_of_the_same_hosts_are_no_translation() {
    let mut exchange = Exchange::of_capture();
    for ends in [(CLIENT, CALLED), (OUTSIDE, BEHIND)] {
        let mut built = exchange.built(ends.0, ends.1, SYN, 7, None);
        built.header.options = OptionBytes::new(&[1, 1, 8, 10, 255, 255, 255, 255, 0, 0, 0, 0]);
        exchange.event(&Event::Segment(Segment { direction: None, ..built }));
    }
    let (handshakes, _) = exchange.records();
    assert_eq!(ties(&handshakes), [(1, &[][..]), (2, &[])]);
}

/// A scanner uses one number for all ports, without timestamps, and a router translates its address.
#[test]
fn the_probes_of_a_scan_are_not_tied_to_one_another() {
    let mut exchange = Exchange::new();
    for port in 1..=9 {
        pass(&mut exchange, CAME, (CLIENT, port), SYN, (7, None), None);
        pass(&mut exchange, LEFT, (OUTSIDE, port), SYN, (7, None), None);
    }
    let (handshakes, _) = exchange.records();
    assert_eq!(handshakes.len(), 18);
    for one in &handshakes {
        let [other] = same_as(one) else { panic!("one other side: {one:?}") };
        assert_eq!(one.conn.abs_diff(*other), 1, "{one:?}");
        let other = handshakes.iter().find(|known| known.conn == *other).expect("it is told");
        assert_eq!(one.server.port, other.server.port);
    }
}

/// A generator of segments uses the same numbers for every connection.
#[test]
fn equal_numbers_one_after_the_other_are_not_tied() {
    let mut exchange = Exchange::new();
    for client in [CLIENT, CLIENT + 1, CLIENT + 2] {
        pass(&mut exchange, CAME, (client, CALLED), SYN, (7, None), Some(77));
        pass(&mut exchange, LEFT_BACK, (CALLED, client), SYN, (9, Some(8)), Some(77));
        pass(&mut exchange, CAME, (client, CALLED), ACK, (8, Some(10)), Some(77));
    }
    let (handshakes, _) = exchange.records();
    assert_eq!(ties(&handshakes), [(1, &[][..]), (2, &[][..]), (3, &[][..])]);
}

#[test]
fn equal_numbers_at_the_same_place_are_not_tied() {
    let mut exchange = Exchange::new();
    for client in [CLIENT, CLIENT + 1, CLIENT + 2] {
        pass(&mut exchange, CAME, (client, CALLED), SYN, (7, None), Some(77));
    }
    let (handshakes, _) = exchange.records();
    assert_eq!(ties(&handshakes), [(1, &[][..]), (2, &[][..]), (3, &[][..])]);
}

#[test]
fn equal_numbers_long_after_are_not_tied() {
    let mut exchange = Exchange::new();
    pass(&mut exchange, CAME, (CLIENT, CALLED), SYN, (7, None), Some(77));
    exchange.pass(2_000_000_000);
    pass(&mut exchange, LEFT, (OUTSIDE, BEHIND), SYN, (7, None), Some(77));
    let (handshakes, _) = exchange.records();
    assert_eq!(ties(&handshakes), [(1, &[][..]), (2, &[][..])]);
}

/// However many connections have the same numbers, each is told with a few others at most.
#[test]
fn equal_numbers_without_end_are_bounded() {
    let mut exchange = Exchange::new();
    for client in 0..100 {
        pass(
            &mut exchange,
            (100 + u32::from(client), Direction::Out),
            (CLIENT + client, CALLED),
            SYN,
            (7, None),
            Some(7),
        );
    }
    let (handshakes, _) = exchange.records();
    assert_eq!(handshakes.len(), 100);
    assert!(handshakes.iter().all(|one| same_as(one).len() <= 5), "{handshakes:?}");
}

/// The kernel of the client translates what its own socket sends.
fn translated_by_its_own_host(exchange: &mut Exchange) {
    let socket = Exchange::socket_of(CLIENT);
    let send = |exchange: &mut Exchange, flags, seq, ack| {
        let built = exchange.built(OUTSIDE, BEHIND, flags, seq, ack);
        exchange.event(&Event::Segment(Segment { socket: Some(socket), ..built }));
    };
    exchange.state(CLIENT, CALLED, Close, SynSent);
    send(exchange, SYN, 7, None);
    pass(exchange, CAME_BACK, (BEHIND, OUTSIDE), SYN, (9, Some(8)), None);
    exchange.state(CLIENT, CALLED, SynSent, Established);
    send(exchange, ACK, 8, Some(10));
    exchange.state(CLIENT, CALLED, Established, FinWait1);
    send(exchange, FIN, 8, Some(10));
}

#[test]
fn a_socket_tells_the_other_ends_of_what_it_sends() {
    let mut exchange = Exchange::new();
    translated_by_its_own_host(&mut exchange);
    let (mut handshakes, _) = exchange.records();
    handshakes.sort_by_key(|one| one.conn);
    assert_eq!(ties(&handshakes), [(1, &[2][..]), (2, &[1][..])]);
    let [by_socket, by_segments] = &handshakes[..] else { panic!("{handshakes:?}") };
    assert_eq!((by_socket.no_segments, by_socket.syn_left), (Some(NoSegments::Translated), None));
    assert_eq!((by_segments.no_segments, by_segments.syn_left), (None, Some(true)));
    assert!(by_socket.summary.contains("; no segments of its own: they pass with other addresses"), "{by_socket:?}");
}

/// No segment is to come that would show more: neither does it wait for one, nor for the other socket on loopback.
#[test]
fn what_its_own_host_translates_is_established_when_its_socket_is() {
    let mut exchange = Exchange::new();
    translated_by_its_own_host(&mut exchange);
    let first = |wanted: &dyn Fn(&Correlated) -> bool| exchange.placed().iter().position(wanted);
    let state = first(&|placed| matches!(placed, Correlated::State(state) if state.change.new == Established));
    let told = first(&|placed| matches!(placed, Correlated::Handshake(record) if record.conn == 1));
    assert_eq!(told, state.map(|at| at + 1), "{:?}", exchange.placed());
}

/// The socket learns of the refusal, whose segment has the ends of the other side.
#[test]
fn what_its_own_host_translates_and_another_refuses_names_the_side_that_shows_it() {
    const ECONNREFUSED: u32 = 111;
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, CALLED, Close, SynSent);
    let built = exchange.built(OUTSIDE, BEHIND, SYN, 7, None);
    exchange.event(&Event::Segment(Segment { socket: Some(Exchange::socket_of(CLIENT)), ..built }));
    pass(&mut exchange, CAME_BACK, (BEHIND, OUTSIDE), RST, (0, Some(8)), None);
    exchange.with_error(ECONNREFUSED).state(CLIENT, CALLED, SynSent, Close);
    let (mut handshakes, _) = exchange.records();
    handshakes.sort_by_key(|one| one.conn);
    assert_eq!(ties(&handshakes), [(1, &[2][..]), (2, &[1][..])]);
    assert!(handshakes.iter().all(|one| one.outcome == Some(Outcome::Refused)), "{handshakes:?}");
    let [by_socket, _] = &handshakes[..] else { panic!("{handshakes:?}") };
    let words = "refused: by a reset or an ICMP error, which came with other addresses; no segments of its own";
    assert!(by_socket.summary.contains(words), "{}", by_socket.summary);
}

/// The other ends are learnt from a segment of the socket in mid-life, too.
#[test]
fn a_socket_tells_the_other_ends_in_mid_life() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, CALLED, Established, FinWait1);
    let built = exchange.built(OUTSIDE, BEHIND, FIN, 8, Some(10));
    exchange.event(&Event::Segment(Segment { socket: Some(Exchange::socket_of(CLIENT)), ..built }));
    exchange.state(CLIENT, CALLED, FinWait1, Close);
    let (_, closes) = exchange.records();
    let close = closes.iter().find(|close| close.conn == 1).expect("its socket closed");
    assert_eq!(close.same_as.as_deref(), Some(&[2][..]));
}

#[test]
fn a_segment_that_comes_in_may_name_the_socket_that_is_to_get_it() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, CALLED, Established, FinWait1);
    let built = exchange.built(OUTSIDE, BEHIND, FIN, 8, Some(10));
    let socket = Some(Exchange::socket_of(CLIENT));
    exchange.event(&Event::Segment(Segment { socket, direction: Some(Direction::In), ..built }));
    exchange.state(CLIENT, CALLED, FinWait1, Close);
    let (_, closes) = exchange.records();
    assert!(closes.iter().all(|close| close.same_as.is_none()), "{closes:?}");
}

/// With br_netfilter, the bridge shows replies whose destination is translated back, but whose source is not yet.
#[test]
fn half_translated_copies_on_a_bridge_are_copies() {
    let mut exchange = Exchange::new();
    for (index, client) in (0..100).map(|index| CLIENT + index).enumerate() {
        let isn = 1_000 + index as u32;
        let reply = |exchange: &mut Exchange, flags, numbers| {
            for (spot, ends) in
                [(CAME_BACK, (BEHIND, client + 1_000)), (ON_BRIDGE, (BEHIND, client)), (LEFT_BACK, (CALLED, client))]
            {
                pass(exchange, spot, ends, flags, numbers, Some(99));
            }
        };
        let send = |exchange: &mut Exchange, flags, numbers| {
            for (spot, ends) in
                [(CAME, (client, CALLED)), (ON_BRIDGE, (client, BEHIND)), (LEFT, (client + 1_000, BEHIND))]
            {
                pass(exchange, spot, ends, flags, numbers, Some(98));
            }
        };
        send(&mut exchange, SYN, (isn, None));
        reply(&mut exchange, SYN, (9, Some(isn + 1)));
        send(&mut exchange, ACK, (isn + 1, Some(10)));
        send(&mut exchange, FIN, (isn + 1, Some(10)));
        reply(&mut exchange, FIN, (10, Some(isn + 2)));
        send(&mut exchange, ACK, (isn + 2, Some(11)));
        exchange.pass(1_000_000);
    }
    assert_eq!(exchange.totals().numbered, 200);
    let (handshakes, closes) = exchange.records();
    assert!(handshakes.iter().all(|one| one.outcome == Some(Outcome::Established) && same_as(one).len() == 1));
    assert_eq!((handshakes.len(), closes.len()), (200, 200));
}

/// Where the bridge has to ask for the link-layer address, the copy goes out through it, and then through a port.
#[test]
fn half_translated_copies_that_leave_a_bridge_are_copies() {
    const OUT_OF_BRIDGE: Spot = (3, Direction::Out);
    let mut exchange = Exchange::new();
    exchange.connections().set_bridge(HERE, 3, true);
    for (spot, ends) in [(CAME, (CLIENT, CALLED)), (OUT_OF_BRIDGE, (CLIENT, BEHIND)), (LEFT, (OUTSIDE, BEHIND))] {
        pass(&mut exchange, spot, ends, SYN, (7, None), Some(77));
    }
    for (spot, ends) in
        [(CAME_BACK, (BEHIND, OUTSIDE)), (OUT_OF_BRIDGE, (BEHIND, CLIENT)), (LEFT_BACK, (CALLED, CLIENT))]
    {
        pass(&mut exchange, spot, ends, SYN, (9, Some(8)), Some(99));
    }
    let (handshakes, _) = exchange.records();
    assert_eq!(ties(&handshakes), [(1, &[2][..]), (2, &[1][..])]);
}

/// A segment that is forwarded out of an interface that is no bridge has been translated completely.
#[test]
fn what_leaves_another_interface_with_another_destination_is_a_side() {
    let mut exchange = Exchange::new();
    exchange.connections().set_bridge(HERE, 3, true);
    exchange.connections().set_bridge(HERE, 2, false);
    for (spot, ends) in [(CAME, (CLIENT, CALLED)), (LEFT, (CLIENT, BEHIND))] {
        pass(&mut exchange, spot, ends, SYN, (7, None), Some(77));
    }
    let (handshakes, _) = exchange.records();
    assert_eq!(ties(&handshakes), [(1, &[2][..]), (2, &[1][..])]);
}

/// Without a translation of the source, the side behind it has the ends that the bridge has shown before.
#[test]
fn what_leaves_the_bridge_as_it_came_is_a_side() {
    let mut exchange = Exchange::new();
    pass(&mut exchange, CAME, (CLIENT, CALLED), SYN, (7, None), Some(77));
    pass(&mut exchange, ON_BRIDGE, (CLIENT, BEHIND), SYN, (7, None), Some(77));
    pass(&mut exchange, LEFT, (CLIENT, BEHIND), SYN, (7, None), Some(77));
    let (handshakes, _) = exchange.records();
    assert_eq!(ties(&handshakes), [(1, &[2][..]), (2, &[1][..])]);
}

/// Two connections of one client whose segments are equal but for the destination: their sources differ.
#[test]
fn segments_from_other_ends_are_no_copies() {
    let mut exchange = Exchange::new();
    for (spot, client) in [(CAME, CLIENT), (ON_BRIDGE, CLIENT + 1)] {
        pass(&mut exchange, spot, (client, CALLED), SYN, (7, None), Some(77));
    }
    assert_eq!(exchange.totals().numbered, 2);
}
