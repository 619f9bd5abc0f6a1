//! State changes that are still incomplete.

use super::{
    CLIENT, SERVER,
    exchange::{self, Exchange, State::*},
};
use crate::{
    correlate::Correlated,
    event::{Role, SocketKey},
    tcp::TcpFlags,
};

const SOCKET: u64 = 42;
const WAIT: u64 = 50_000_000;

/// Local and remote port of each state change, in order.
fn ports(placed: &[Correlated]) -> Vec<(u16, u16)> {
    exchange::states(placed).iter().map(|state| (state.change.local.port, state.change.remote.port)).collect()
}

#[test]
fn the_syn_tells_the_port_of_its_socket() {
    let mut exchange = Exchange::new();
    exchange.full_state(SOCKET, 0, SERVER, Close, SynSent);
    assert!(exchange.placed().is_empty());
    exchange.full_segment(Some(SocketKey(SOCKET)), CLIENT, SERVER, TcpFlags::SYN, 7, None, 0);
    let placed = exchange.placed().to_vec();
    assert_eq!(ports(&placed), [(CLIENT, SERVER)]);
    assert_eq!(placed.iter().map(exchange::conn).collect::<Vec<_>>(), [Some(1), Some(1)]);
    assert!(matches!(placed[..], [Correlated::State(_), Correlated::Segment(_)]), "the order holds");
}

#[test]
fn the_next_change_tells_the_port_where_no_syn_is_seen() {
    let mut exchange = Exchange::new();
    exchange.full_state(SOCKET, 0, SERVER, Close, SynSent);
    exchange.full_state(SOCKET, CLIENT, SERVER, SynSent, Established);
    assert_eq!(ports(exchange.placed()), [(CLIENT, SERVER), (CLIENT, SERVER)]);
}

#[test]
fn everything_behind_waits_too_but_not_longer_than_50_ms() {
    let mut exchange = Exchange::new();
    exchange.full_state(SOCKET, 0, SERVER, Close, SynSent);
    exchange.state(1111, 2222, Established, FinWait1);
    let deadline = exchange.deadline().expect("something waits");
    exchange.pass(WAIT - 3);
    exchange.timeout();
    assert!(exchange.placed().is_empty());
    exchange.pass(1);
    exchange.timeout();
    assert_eq!(exchange.now(), deadline);
    assert_eq!(ports(exchange.placed()), [(0, SERVER), (1111, 2222)]);
}

#[test]
fn a_record_that_was_written_late_still_tells_the_port() {
    let mut exchange = Exchange::new();
    exchange.full_state(SOCKET, 0, SERVER, Close, SynSent);
    exchange.pass(2 * WAIT);
    exchange.state(1111, 2222, Established, FinWait1);
    exchange.full_segment(Some(SocketKey(SOCKET)), CLIENT, SERVER, TcpFlags::SYN, 7, None, 0);
    assert_eq!(ports(exchange.placed()), [(CLIENT, SERVER), (1111, 2222)]);
}

#[test]
fn what_waits_does_not_hold_up_a_flood() {
    let mut exchange = Exchange::new();
    exchange.full_state(SOCKET, 0, SERVER, Close, SynSent);
    for step in 0..20_000 {
        exchange.pass(WAIT / 10_000);
        exchange.segment(1111, 2222, TcpFlags::ACK, step, Some(1), 1);
    }
    assert_eq!(ports(exchange.placed()), [(0, SERVER)]);
    assert!(exchange.placed().len() > 16_000, "{}", exchange.placed().len());
}

#[test]
fn a_syn_that_leaves_late_still_belongs_to_its_socket() {
    let mut exchange = Exchange::new();
    exchange.full_state(SOCKET, 0, SERVER, Close, SynSent);
    exchange.pass(3_500_000_000);
    exchange.timeout();
    exchange.full_segment(Some(SocketKey(SOCKET)), CLIENT, SERVER, TcpFlags::SYN, 7, None, 0);
    exchange.full_state(SOCKET, CLIENT, SERVER, SynSent, Established);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 9, Some(8), 0);
    let placed = exchange.finish();
    assert!(placed.iter().all(|placed| exchange::conn(placed) == Some(1)), "{placed:?}");
    assert_eq!(ports(&placed), [(0, SERVER), (CLIENT, SERVER)]);
    assert!(exchange::states(&placed).iter().all(|state| state.role == Some(Role::Client)));
}

#[test]
fn a_port_first_told_by_a_later_change_makes_the_connection_known_by_its_ports() {
    let mut exchange = Exchange::new();
    exchange.full_state(SOCKET, 0, SERVER, Close, SynSent);
    exchange.pass(WAIT);
    exchange.timeout();
    exchange.full_state(SOCKET, CLIENT, SERVER, SynSent, Established);
    exchange.segment(SERVER, CLIENT, TcpFlags::FIN, 9, Some(8), 0);
    let placed = exchange.finish();
    assert!(placed.iter().all(|placed| exchange::conn(placed) == Some(1)), "{placed:?}");
}

#[test]
fn a_child_without_a_peer_gets_it_from_its_next_change() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 7, None, 0);
    exchange.full_state(SOCKET, SERVER, 0, Listen, SynRecv);
    exchange.full_state(SOCKET, SERVER, CLIENT, SynRecv, Established);
    let placed = exchange.finish();
    assert_eq!(ports(&placed), [(SERVER, CLIENT), (SERVER, CLIENT)]);
    assert!(placed.iter().all(|placed| exchange::conn(placed) == Some(1)));
}

#[test]
fn a_socket_that_never_gets_a_port_does_not_hold_up_its_own_end() {
    let mut exchange = Exchange::new();
    exchange.full_state(SOCKET, 0, SERVER, Close, SynSent);
    exchange.full_state(SOCKET, 0, SERVER, SynSent, Close);
    assert_eq!(ports(exchange.placed()), [(0, SERVER), (0, SERVER)]);
    assert_eq!(exchange.totals().ended, 1);
}

#[test]
fn a_syn_after_address_translation_tells_no_port_and_is_a_connection_of_its_own() {
    let mut exchange = Exchange::new();
    exchange.full_state(SOCKET, 0, SERVER, Close, SynSent);
    exchange.full_segment(Some(SocketKey(SOCKET)), 7777, SERVER + 1, TcpFlags::SYN, 7, None, 0);
    exchange.full_state(SOCKET, CLIENT, SERVER, SynSent, Established);
    let placed = exchange.finish();
    assert_eq!(ports(&placed), [(CLIENT, SERVER), (CLIENT, SERVER)]);
    assert_eq!(placed.iter().map(exchange::conn).collect::<Vec<_>>(), [Some(1), Some(2), Some(1)]);
}
