//! Connections of whose ends options leave one out: its segments are traced, its states are not.

use super::*;
use crate::{
    correlate::{Correlated, tests::stalled::stalls},
    event::{Direction, Event, Segment, SocketKey},
    filter::StatesOf,
};

/// Opens a connection whose states at the server are left out, as by `--remote-port`.
fn opened_by_remote_port() -> Exchange {
    let mut exchange = Exchange::new();
    let ports = SERVER.to_string().parse().expect("a port");
    let choice = StatesOf { remote_ports: Some(ports), ..StatesOf::default() };
    exchange.connections().expect_states_of(Some(choice));
    exchange.with_sockets();
    open(&mut exchange, Direction::Out);
    exchange
}

/// Opens a connection to a server in another namespace, whose segments are seen as they arrive with its socket, as by
/// `--netns`.
fn opened_by_netns() -> Exchange {
    let mut exchange = Exchange::new();
    exchange.connections().expect_states_of(Some(StatesOf { traced_netns: true, ..StatesOf::default() }));
    open(&mut exchange, Direction::In);
    exchange
}

fn open(exchange: &mut Exchange, from_server: Direction) {
    exchange.state(CLIENT, SERVER, Close, SynSent);
    sent(exchange, Direction::Out, CLIENT, SYN, C, None);
    sent(exchange, from_server, SERVER, SYN, S, Some(C + 1));
    exchange.state(CLIENT, SERVER, SynSent, Established);
    sent(exchange, Direction::Out, CLIENT, ACK, C + 1, Some(S + 1));
}

fn sent(exchange: &mut Exchange, direction: Direction, src: u16, flags: TcpFlags, seq: u32, ack: Option<u32>) {
    let segment = exchange.built(src, CLIENT + SERVER - src, flags, seq, ack);
    let socket = Some(if src == CLIENT { Exchange::socket_of(CLIENT) } else { SocketKey(9) });
    exchange.event(&Event::Segment(Segment { direction: Some(direction), socket, ..segment }));
}

#[test]
fn they_are_not_awaited() {
    for mut exchange in [opened_by_remote_port(), opened_by_netns()] {
        assert!(exchange.placed().iter().any(|placed| matches!(placed, Correlated::Handshake(_))), "at once");
        exchange.pass(90 * SECOND);
        exchange.timeout();
        assert_eq!(stalls(&exchange), [], "nothing is waited for");
    }
}

#[test]
fn a_reset_comes_after_the_handshake() {
    for mut exchange in [opened_by_remote_port(), opened_by_netns()] {
        exchange.pass(SECOND / 2);
        sent(&mut exchange, Direction::In, SERVER, RST, S + 1, Some(C + 1));
        exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
        let (handshake, close) = whole(&mut exchange);
        assert_eq!((handshake.outcome, handshake.missing), (Some(Outcome::Established), vec![]));
        assert_eq!((close.kind, close.initiator), (CloseKind::Reset, Some(Role::Server)));
        assert_eq!(close.missing, [Missing::States]);
    }
}

#[test]
fn keep_alive_gives_up_an_open_connection() {
    for mut exchange in [opened_by_remote_port(), opened_by_netns()] {
        exchange.pass(3 * SECOND);
        sent(&mut exchange, Direction::Out, CLIENT, RST, C + 4, Some(S + 1));
        exchange.with_error(110).state(CLIENT, SERVER, Established, Close);
        let (handshake, close) = whole(&mut exchange);
        assert_eq!(handshake.outcome, Some(Outcome::Established));
        assert_eq!(
            (close.kind, close.reset.map(|reset| reset.cause)),
            (CloseKind::TimedOut, Some(ResetCause::Keepalive))
        );
    }
}

/// As with `--local-port`, where the client's ACK passes only interfaces at which the port is not the local one.
#[test]
fn a_socket_that_is_established_awaits_no_ack() {
    let mut exchange = Exchange::new();
    let ports = SERVER.to_string().parse().expect("a port");
    let choice = StatesOf { local_ports: Some(ports), ..StatesOf::default() };
    exchange.connections().expect_states_of(Some(choice));
    sent(&mut exchange, Direction::In, CLIENT, SYN, C, None);
    sent(&mut exchange, Direction::Out, SERVER, SYN, S, Some(C + 1));
    exchange.pass(1_000);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    for _ in 0..30 {
        exchange.pass(SECOND / 10);
        exchange.timeout();
    }
    assert_eq!(stalls(&exchange), [], "nothing is waited for");
    let handshake = exchange.placed().iter().find_map(|placed| match placed {
        Correlated::Handshake(record) => Some((record.outcome, record.missing.clone())),
        _ => None,
    });
    assert_eq!(handshake, Some((Some(Outcome::Established), vec![Missing::Ack])));
}

#[test]
fn those_of_the_other_end_still_decide() {
    let mut exchange = Exchange::new();
    exchange.connections().expect_states_of(Some(StatesOf { traced_netns: true, ..StatesOf::default() }));
    sent(&mut exchange, Direction::In, CLIENT, SYN, C, None);
    sent(&mut exchange, Direction::Out, SERVER, SYN, S, Some(C + 1));
    sent(&mut exchange, Direction::In, CLIENT, ACK, C + 1, Some(S + 1));
    exchange.pass(SECOND);
    exchange.timeout();
    assert!(!exchange.placed().iter().any(|placed| matches!(placed, Correlated::Handshake(_))), "no socket so far");
}
