//! Reuse of a four-tuple, and SYNs that do not begin a connection.

mod forged;
mod old_duplicates;
mod replaced;

use super::{
    CLIENT, SERVER,
    exchange::{self, Exchange, State::*},
};
use crate::{
    tcp::TcpFlags,
    verdict::{Close, CloseKind, Handshake, Outcome},
};

/// The connection of each segment, in order.
fn conns(exchange: &mut Exchange) -> Vec<u64> {
    exchange::segments(&exchange.finish()).iter().map(|placed| placed.conn).collect()
}

#[test]
fn a_syn_sent_again_is_the_same_connection() {
    let mut exchange = Exchange::new();
    for _ in 0..3 {
        exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 7, None, 0);
    }
    assert_eq!(conns(&mut exchange), [1, 1, 1]);
}

#[test]
fn a_syn_with_a_new_isn_begins_a_generation() {
    let mut exchange = Exchange::new();
    exchange.local_connection(CLIENT, SERVER);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 77_000_000, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 55_000_000, Some(77_000_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 77_000_001, Some(55_000_001), 0);
    assert_eq!(conns(&mut exchange), [1, 1, 1, 1, 1, 1, 1, 2, 2, 2]);
}

#[test]
fn a_syn_does_not_cross_one_that_was_challenged() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 1_000, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, Some(1_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_001, Some(900_001), 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 60_000_000, None, 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_001, Some(900_001), 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::RST, 900_001, None, 0);
    exchange.pass(2_000_000_000);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 77_000_000, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 55_000_000, Some(77_000_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 77_000_001, Some(55_000_001), 0);
    assert_eq!(conns(&mut exchange), [1, 1, 1, 2, 1, 1, 3, 3, 3]);
}

#[test]
fn a_connection_opened_again_by_its_socket_is_a_generation_even_before_its_syn() {
    let mut exchange = Exchange::new();
    exchange.local_connection(CLIENT, SERVER);
    exchange.local_connection(CLIENT, SERVER);
    let placed = exchange.finish();
    let (first, second) = placed.split_at(17);
    assert!(first.iter().all(|placed| exchange::conn(placed) == Some(1)));
    assert!(second.iter().all(|placed| exchange::conn(placed) == Some(2)), "{second:?}");
}

#[test]
fn late_segments_of_an_ended_connection_stay_with_it() {
    let mut exchange = Exchange::new();
    exchange.local_connection(CLIENT, SERVER);
    exchange.pass(200_000_000);
    exchange.segment(SERVER, CLIENT, TcpFlags::FIN, 900_019, Some(1_009), 0);
    assert_eq!(conns(&mut exchange).last(), Some(&1));
}

#[test]
fn small_devices_open_one_connection_after_the_other_with_the_same_number() {
    use crate::tcp::TcpFlags as F;
    for reset in [false, true] {
        let mut exchange = Exchange::of_capture();
        exchange.connections().expect_all_segments();
        for server in [900_000, 7_000_000, 30_000] {
            exchange.segment(CLIENT, SERVER, F::SYN, 1_000, None, 0);
            exchange.segment(SERVER, CLIENT, F::SYN, server, Some(1_001), 0);
            exchange.segment(CLIENT, SERVER, F::ACK, 1_001, Some(server + 1), 0);
            if reset {
                exchange.segment(CLIENT, SERVER, F::RST, 1_001, Some(server + 1), 0);
            } else {
                exchange.segment(CLIENT, SERVER, F::FIN, 1_001, Some(server + 1), 0);
                exchange.segment(SERVER, CLIENT, F::FIN, server + 1, Some(1_002), 0);
                exchange.segment(CLIENT, SERVER, F::ACK, 1_002, Some(server + 2), 0);
            }
            exchange.pass(200_000_000);
        }
        let each = if reset { 4 } else { 6 };
        let expected: Vec<u64> = (1..=3).flat_map(|conn| vec![conn; each]).collect();
        assert_eq!(conns(&mut exchange), expected, "{reset}");
    }
}

#[test]
fn a_challenge_ack_to_a_new_syn_stays_with_the_old_connection() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 1_000, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, Some(1_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_001, Some(900_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 3_000_000_000, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::ACK, 900_001, Some(1_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::RST, 1_001, None, 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 3_000_000_000, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 4_000_000_000, Some(3_000_000_001), 0);
    assert_eq!(conns(&mut exchange), [1, 1, 1, 2, 1, 1, 2, 2]);
}

#[test]
fn two_syns_in_opposite_directions_are_one_simultaneous_open() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 1_000, None, 0);
    exchange.state(SERVER, CLIENT, Close, SynSent);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, None, 0);
    exchange.state(CLIENT, SERVER, SynSent, SynRecv);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 1_000, Some(900_001), 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, Some(1_001), 0);
    exchange.state(SERVER, CLIENT, SynSent, Established);
    assert!(exchange.finish().iter().all(|placed| exchange::conn(placed) == Some(1)));
}

#[test]
fn a_segment_that_tells_its_socket_is_joined_by_it() {
    let mut exchange = Exchange::new();
    exchange.with_sockets();
    // Opened again on the same ports while the old connection's segments have not been seen at all.
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.state(CLIENT, SERVER, SynSent, Close);
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 1_000, None, 0);
    assert_eq!(conns(&mut exchange), [2]);
}

#[test]
fn a_syn_ack_that_comes_after_its_client_gave_up_stays_with_it() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 1_000, None, 0);
    exchange.by(7).state(CLIENT, SERVER, SynSent, Close);
    exchange.pass(1_000_000_000);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, Some(1_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::RST, 1_001, None, 0);
    assert_eq!(conns(&mut exchange), [1, 1, 1]);
    assert_eq!(exchange.totals().numbered, 1);
}

#[test]
fn a_syn_cookie_with_another_isn_is_no_new_generation() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 1_000, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, Some(1_001), 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 70_000, Some(1_001), 0);
    assert_eq!(conns(&mut exchange), [1, 1, 1]);
}

#[test]
fn the_second_socket_of_an_old_connection_ends_with_it() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Established, Close);
    exchange.state(SERVER, CLIENT, Established, Close);
    let placed = exchange.finish();
    assert_eq!(placed.iter().map(exchange::conn).collect::<Vec<_>>(), [Some(1), Some(1)]);
}

#[test]
fn a_socket_whose_end_was_not_seen_does_not_keep_its_connection_open() {
    let mut exchange = Exchange::new();
    exchange.full_state(42, CLIENT, SERVER, Close, SynSent);
    exchange.full_state(42, CLIENT, SERVER, SynSent, Established);
    // Another socket at that address.
    exchange.full_state(42, CLIENT + 1, SERVER, Close, SynSent);
    let states = exchange::states(&exchange.finish());
    assert_eq!(
        states.iter().map(|state| (state.conn, state.socket)).collect::<Vec<_>>(),
        [(Some(1), 1), (Some(1), 1), (Some(2), 2)]
    );
}

#[test]
fn a_second_child_that_closes_at_once_is_no_second_connection() {
    for loser in [2, 3] {
        let mut exchange = Exchange::new();
        exchange.state(CLIENT, SERVER, Close, SynSent);
        exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 7, None, 0);
        exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 9, Some(8), 0);
        exchange.state(CLIENT, SERVER, SynSent, Established);
        exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 8, Some(10), 0);
        let winner = 5 - loser;
        exchange.full_state(2, SERVER, CLIENT, Listen, SynRecv);
        exchange.full_state(3, SERVER, CLIENT, Listen, SynRecv);
        exchange.full_state(loser, SERVER, CLIENT, SynRecv, Close);
        exchange.full_state(winner, SERVER, CLIENT, SynRecv, Established);
        exchange.full_state(winner, SERVER, CLIENT, Established, FinWait1);
        exchange.segment(SERVER, CLIENT, TcpFlags::FIN, 10, Some(8), 0);
        exchange.state(CLIENT, SERVER, Established, CloseWait);
        exchange.state(CLIENT, SERVER, CloseWait, LastAck);
        exchange.segment(CLIENT, SERVER, TcpFlags::FIN, 8, Some(11), 0);
        exchange.full_state(winner, SERVER, CLIENT, FinWait1, FinWait2);
        exchange.segment(SERVER, CLIENT, TcpFlags::ACK, 11, Some(9), 0);
        exchange.full_state(winner, SERVER, CLIENT, FinWait2, Close);
        exchange.state(CLIENT, SERVER, LastAck, Close);
        let (handshakes, closes) = exchange.records();
        let ([handshake], [close]) = (&handshakes[..], &closes[..]) else { panic!("{handshakes:?} {closes:?}") };
        assert_eq!((handshake.outcome, close.kind), (Some(Outcome::Established), CloseKind::ThreeSegment));
        let server: Vec<_> = close.states.server.iter().map(|stay| stay.state).collect();
        assert_eq!(server, [SynRecv, Established, FinWait1, FinWait2, TimeWait]);
        assert_eq!(exchange.totals().ended, 1);
    }
}

#[test]
fn both_sides_of_an_address_translation_know_of_each_other() {
    let mut exchange = Exchange::new();
    let translated = 61_000;
    for (ports, ifindex) in [((CLIENT, SERVER), 1), ((translated, SERVER), 2)] {
        exchange.on_interface(ifindex).segment(ports.0, ports.1, TcpFlags::SYN, 7, None, 0);
    }
    for (ports, ifindex) in [((translated, SERVER), 2), ((CLIENT, SERVER), 1)] {
        exchange.on_interface(ifindex).segment(ports.1, ports.0, TcpFlags::SYN, 9, Some(8), 0);
    }
    for (ports, ifindex) in [((CLIENT, SERVER), 1), ((translated, SERVER), 2)] {
        exchange.on_interface(ifindex).segment(ports.0, ports.1, TcpFlags::ACK, 8, Some(10), 0);
    }
    let (handshakes, _) = exchange.records();
    let [first, second] = &handshakes[..] else { panic!("{handshakes:?}") };
    assert!(second.summary.contains("the same as #1"), "{}", second.summary);
    assert!(first.summary.contains("the same as #2"), "{}", first.summary);
}

#[test]
fn a_reset_that_answers_a_challenge_ack_ends_the_connection_before() {
    for isn in [3_000_000_000, 2_000] {
        let mut exchange = Exchange::of_capture();
        exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 1_000, None, 0);
        exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, Some(1_001), 0);
        exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_001, Some(900_001), 0);
        exchange.segment(CLIENT, SERVER, TcpFlags::SYN, isn, None, 0);
        exchange.segment(SERVER, CLIENT, TcpFlags::ACK, 900_001, Some(1_001), 0);
        exchange.segment(CLIENT, SERVER, TcpFlags::RST, 1_001, None, 0);
        exchange.segment(CLIENT, SERVER, TcpFlags::SYN, isn, None, 0);
        exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 4_000_000, Some(isn + 1), 0);
        assert_eq!(conns(&mut exchange), [1, 1, 1, 2, 1, 1, 2, 2], "ISN {isn}");
    }
}

#[test]
fn a_reset_with_syn_opens_nothing() {
    let mut exchange = Exchange::of_capture();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 1_000, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, Some(1_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_001, Some(900_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN | TcpFlags::RST, 7_000_000, None, 0);
    assert_eq!(conns(&mut exchange), [1, 1, 1, 1]);
}
