//! SYNs that were not seen to leave: what answers them shows their port.

use super::*;
use crate::event::{Direction, Event};

#[test]
fn an_icmp_error_shows_the_port_of_a_syn_that_never_left() {
    let mut exchange = Exchange::new();
    exchange.full_state(1, 0, SERVER, Close, SynSent);
    exchange.pass(SECOND);
    exchange.timeout();
    exchange.icmp(CLIENT, SERVER);
    exchange.with_error(113).full_state(1, CLIENT, SERVER, SynSent, Close);
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.outcome, handshake.client.port), (Some(Outcome::Unreachable), Some(CLIENT)));
    assert_eq!((handshake.client.isn, handshake.retransmissions.syn), (None, None));
    assert!(handshake.summary.contains("unreachable: port unreachable"), "{}", handshake.summary);
    assert_eq!(exchange.totals().numbered, 1);
}

#[test]
fn a_late_answer_shows_the_port_of_a_syn_that_was_not_seen_to_leave() {
    let mut exchange = Exchange::new();
    exchange.full_state(1, 0, SERVER, Close, SynSent);
    exchange.pass(SECOND);
    exchange.timeout();
    let mut answer = exchange.built(SERVER, CLIENT, SYN, 7_000, Some(1_001));
    answer.direction = Some(Direction::In);
    exchange.event(&Event::Segment(answer));
    exchange.full_state(1, CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, 1_001, Some(7_001), 0);
    exchange.pass(2 * SECOND);
    let (handshakes, _) = exchange.records();
    let verdicts: Vec<_> =
        handshakes.iter().map(|handshake| (handshake.outcome, handshake.missing.as_slice())).collect();
    assert_eq!(verdicts, [(Some(Outcome::Established), [Missing::Syn].as_slice())]);
    assert_eq!(handshakes[0].client.port, Some(CLIENT));
}

#[test]
fn an_icmp_error_that_several_may_mean_shows_the_port_of_none() {
    let mut exchange = Exchange::new();
    for socket in [1, 2] {
        exchange.full_state(socket, 0, SERVER, Close, SynSent);
    }
    exchange.pass(SECOND);
    exchange.timeout();
    exchange.icmp(CLIENT, SERVER);
    for (socket, port) in [(2, CLIENT), (1, CLIENT + 1)] {
        exchange.with_error(113).full_state(socket, port, SERVER, SynSent, Close);
    }
    let (handshakes, _) = exchange.records();
    let ports: Vec<_> = handshakes.iter().map(|handshake| (handshake.conn, handshake.client.port)).collect();
    assert_eq!(ports, [(2, Some(CLIENT)), (1, Some(CLIENT + 1))]);
}
