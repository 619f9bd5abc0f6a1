//! Events of exchanges as the kernel reports them, produced without a kernel.

mod accurate_ecn;
mod certainty;
mod drops;
mod encapsulation;
mod exchange;
mod failures;
mod generations;
mod hints;
mod invariants;
mod keep_alive;
mod lost_states;
mod namespaces;
mod order;
mod owners;
mod predicted;
mod properties;
mod queues;
mod recorded;
mod redrawn;
mod reports;
mod room;
mod simulation;
mod stalled;
mod translation;
mod verdicts;

use self::exchange::{Exchange, HERE, State::*};
use super::*;
use crate::{event::Role, tcp::TcpFlags};

const CLIENT: u16 = 40000;
const SERVER: u16 = 9999;

#[test]
fn both_sockets_and_both_directions_of_a_local_connection_share_its_number() {
    let mut exchange = Exchange::new();
    exchange.local_connection(CLIENT, SERVER);
    let placed = exchange.finish();
    assert_eq!(placed.len(), 17);
    assert!(placed.iter().all(|placed| exchange::conn(placed) == Some(1)), "{placed:?}");
    assert_eq!(exchange.totals(), Totals { numbered: 1, ended: 1, evicted: 0 });
}

#[test]
fn each_socket_has_its_role_and_a_number_of_its_own() {
    let mut exchange = Exchange::new();
    exchange.local_connection(CLIENT, SERVER);
    let states = exchange::states(&exchange.finish());
    assert_eq!(states.len(), 10);
    for state in states {
        let client = state.change.local.port == CLIENT;
        assert_eq!(state.role, Some(if client { Role::Client } else { Role::Server }));
        assert_eq!(state.socket, if client { 1 } else { 2 });
    }
}

#[test]
fn a_connection_that_was_seen_to_begin_was_not_there_before() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.state(CLIENT + 1, SERVER, Established, CloseWait);
    let mut begun =
        |netns, port, peer| exchange.connections().has_seen_begin(netns, exchange::end(port), exchange::end(peer));
    assert!(begun(None, CLIENT, SERVER) && begun(Some(HERE), SERVER, CLIENT));
    assert!(!begun(None, CLIENT + 1, SERVER), "it was seen in mid-life");
    assert!(!begun(None, CLIENT + 2, SERVER) && !begun(Some(HERE + 1), CLIENT, SERVER), "it was not seen");
}

#[test]
fn numbers_are_relative_to_the_isns() {
    let mut exchange = Exchange::new();
    exchange.local_connection(CLIENT, SERVER);
    let relative: Vec<_> = exchange::segments(&exchange.finish())
        .iter()
        .map(|placed| (placed.segment.header.flags.to_string(), placed.rel_seq, placed.rel_ack))
        .collect();
    let expected = [
        ("S", 0, None),
        ("S.", 0, Some(1)),
        (".", 1, Some(1)),
        ("F.", 8, Some(19)),
        (".", 19, Some(9)),
        ("F.", 19, Some(9)),
        (".", 9, Some(20)),
    ];
    let expected: Vec<_> = expected.iter().map(|&(flags, seq, ack)| (flags.to_owned(), seq, ack)).collect();
    assert_eq!(relative, expected);
}

#[test]
fn the_time_in_the_old_state_is_known_where_its_beginning_was_seen() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.pass(1_000);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.state(SERVER, CLIENT, Established, CloseWait);
    let times: Vec<_> = exchange::states(&exchange.finish()).iter().map(|state| state.old_state_ns).collect();
    assert_eq!(times, [None, Some(1_001), None]);
}

#[test]
fn listeners_have_no_connection() {
    let mut exchange = Exchange::new();
    exchange.listener(SERVER, Close, Listen);
    exchange.listener(SERVER, Listen, Close);
    for state in exchange::states(&exchange.finish()) {
        assert_eq!((state.conn, state.socket, state.role), (None, 1, None));
    }
    assert_eq!(exchange.totals(), Totals::default());
}

#[test]
fn a_socket_that_is_closed_and_opened_again_is_another() {
    let mut exchange = Exchange::new();
    for _ in 0..2 {
        exchange.state(CLIENT, SERVER, Close, SynSent);
        exchange.state(CLIENT, SERVER, SynSent, Close);
    }
    let seen: Vec<_> = exchange::states(&exchange.finish()).iter().map(|state| (state.conn, state.socket)).collect();
    assert_eq!(seen, [(Some(1), 1), (Some(1), 1), (Some(2), 2), (Some(2), 2)]);
}

#[test]
fn namespaces_are_kept_apart() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.in_namespace(77).state(CLIENT, SERVER, Close, SynSent);
    let conns: Vec<_> = exchange.finish().iter().map(exchange::conn).collect();
    assert_eq!(conns, [Some(1), Some(2)]);
}

#[test]
fn a_socket_connected_to_itself_is_one_connection() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, CLIENT, Close, SynSent);
    exchange.segment(CLIENT, CLIENT, TcpFlags::SYN, 100, None, 0);
    exchange.state(CLIENT, CLIENT, SynSent, SynRecv);
    exchange.segment(CLIENT, CLIENT, TcpFlags::SYN | TcpFlags::ACK, 100, Some(101), 0);
    exchange.state(CLIENT, CLIENT, SynRecv, Established);
    exchange.state(CLIENT, CLIENT, Established, FinWait1);
    assert!(exchange.finish().iter().all(|placed| exchange::conn(placed) == Some(1)));
    assert_eq!(exchange.totals().numbered, 1);
}

#[test]
fn a_segment_seen_on_a_second_interface_is_dropped_and_a_retransmission_is_not() {
    let mut exchange = Exchange::new();
    for ifindex in [3, 4, 5, 3] {
        exchange.on_interface(ifindex).segment(CLIENT, SERVER, TcpFlags::SYN, 7, None, 0);
    }
    let interfaces: Vec<_> =
        exchange::segments(&exchange.finish()).iter().map(|placed| placed.segment.ifindex).collect();
    assert_eq!(interfaces, [3, 3]);
}

#[test]
fn a_connection_first_seen_in_its_middle_begins_with_number_one() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, 80, TcpFlags::ACK, 5_000, Some(70_000), 10);
    exchange.segment(80, CLIENT, TcpFlags::ACK, 70_000, Some(5_010), 0);
    exchange.state(CLIENT, 80, Established, FinWait1);
    let placed = exchange.finish();
    let numbers: Vec<_> = exchange::segments(&placed).iter().map(|placed| (placed.rel_seq, placed.rel_ack)).collect();
    assert_eq!(numbers, [(1, Some(1)), (1, Some(11))]);
    assert_eq!(exchange::states(&placed)[0].role, Some(Role::Client), "port 80 is the server");
}

#[test]
fn a_capture_that_begins_at_the_syn_ack_knows_both_isns() {
    let mut exchange = Exchange::new();
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN | TcpFlags::ACK, 2_402_310_477, Some(2_303_324_335), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 2_303_324_335, Some(2_402_310_478), 33);
    let numbers: Vec<_> =
        exchange::segments(&exchange.finish()).iter().map(|placed| (placed.rel_seq, placed.rel_ack)).collect();
    assert_eq!(numbers, [(0, Some(1)), (1, Some(1))]);
}

#[test]
fn an_icmp_error_belongs_to_the_connection_it_quotes() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 7, None, 0);
    exchange.icmp(CLIENT, SERVER);
    assert_eq!(exchange.finish().last().and_then(exchange::conn), Some(1));
}

#[test]
fn a_reset_ends_a_connection_without_sockets_here() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 7, None, 0);
    assert_eq!(exchange.totals().ended, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::RST | TcpFlags::ACK, 0, Some(8), 0);
    assert_eq!(exchange.totals().ended, 1);
}

#[test]
fn a_socket_replaced_in_fin_wait2_does_not_end_its_connection_before_the_other_fin() {
    let mut exchange = Exchange::new();
    let fin = TcpFlags::FIN | TcpFlags::ACK;
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(CLIENT, SERVER, fin, 100, Some(500), 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::ACK, 500, Some(101), 0);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.state(CLIENT, SERVER, FinWait2, Close);
    assert_eq!(exchange.totals().ended, 0);
    exchange.segment(SERVER, CLIENT, fin, 500, Some(101), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 101, Some(501), 0);
    exchange.pass(1_000_000_000);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 1);
}
