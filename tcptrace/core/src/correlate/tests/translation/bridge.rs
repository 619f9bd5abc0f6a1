//! Copies of segments that a bridge passes on half translated, and segments that are not copies.

use super::*;

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

/// Where the bridge must query the link-layer address, the copy goes out through it, and then through a port.
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

/// A segment forwarded out of an interface that is not a bridge has been translated completely.
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

/// Without a translation of the source, the side behind the bridge has the ends that the bridge showed before.
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
