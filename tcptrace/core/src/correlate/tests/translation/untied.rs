//! Connections with equal numbers, or with equal ends, that are not sides of one translated connection.

use super::*;

/// Some scanners repeat their timestamp, too. A capture does not show the direction in which it was translated.
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

/// However many connections have the same numbers, each is tied to a few others at most.
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

/// A capture that was appended to itself: the second time, time begins anew.
#[test]
fn the_same_exchange_twice_in_a_capture_is_no_translation() {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    let began = exchange.now();
    for _ in 0..2 {
        let back = exchange.now() - began;
        let segments = [
            (CLIENT, BEHIND, SYN, 7, None),
            (BEHIND, CLIENT, SYN, 9, Some(8)),
            (CLIENT, BEHIND, ACK, 8, Some(10)),
            (CLIENT, BEHIND, FIN, 8, Some(10)),
            (BEHIND, CLIENT, FIN, 10, Some(9)),
            (CLIENT, BEHIND, ACK, 9, Some(11)),
        ];
        for (src, dst, flags, seq, ack) in segments {
            let built = exchange.built(src, dst, flags, seq, ack);
            let at = BootTime(built.at.0 - back);
            exchange.event(&Event::Segment(Segment { at, direction: None, ..built }));
        }
        exchange.pass(2_000_000_000);
        exchange.timeout();
    }
    let (handshakes, _) = exchange.records();
    assert_eq!(ties(&handshakes), [(1, &[][..]), (2, &[])]);
}

/// Captures that were put one after the other, of a generator that uses the same numbers for every connection.
#[test]
fn what_comes_later_in_a_capture_and_earlier_in_time_is_no_side() {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    for (client, seconds) in [(CLIENT, 100), (OUTSIDE, 0)] {
        for (src, dst, flags, seq, ack) in
            [(client, BEHIND, SYN, 7, None), (BEHIND, client, SYN, 9, Some(8)), (client, BEHIND, ACK, 8, Some(10))]
        {
            let built = exchange.built(src, dst, flags, seq, ack);
            let at = built.at.plus(seconds * 1_000_000_000);
            exchange.event(&Event::Segment(Segment { at, direction: None, ..built }));
        }
    }
    let (handshakes, _) = exchange.records();
    assert_eq!(ties(&handshakes), [(1, &[][..]), (2, &[])]);
}
