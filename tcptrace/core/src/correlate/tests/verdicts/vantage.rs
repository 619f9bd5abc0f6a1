//! Connections of which this host shows only a part.

use super::*;
use crate::{
    correlate::{Correlated, tests::HERE},
    event::{Direction, Event, Segment},
};

/// The segments of a connection between two sockets of this host, each naming the socket that sent it.
fn segments_with_sockets(exchange: &mut Exchange) {
    exchange.with_sockets();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
}

#[test]
fn an_end_whose_states_do_not_come_is_established_by_its_segments() {
    let mut exchange = Exchange::new();
    segments_with_sockets(&mut exchange);
    assert_eq!(exchange.totals().ended, 0);
    exchange.segment(CLIENT, SERVER, FIN, C + 8, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 9), 0);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 9), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 9, Some(S + 2), 0);
    exchange.pass(SECOND);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 1);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.outcome, handshake.missing), (Some(Outcome::Established), vec![]));
    assert_eq!((close.kind, close.missing), (CloseKind::FourSegment, vec![Missing::States]));
}

#[test]
fn a_server_of_which_nothing_but_its_syn_ack_is_seen_may_have_no_socket_for_it() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.with_sockets();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.outcome, handshake.waiting_for), (Some(Outcome::Unanswered), Some(WaitingFor::Ack)));
}

/// After a redirection on loopback, segments of the server have the ends known to the client, and segments of the client
/// those known to the server.
#[test]
fn half_of_the_segments_and_the_states_of_one_end_are_enough() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.with_sockets();
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 9), 0);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.state(CLIENT, SERVER, FinWait2, Close);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 9), 0);
    exchange.pass(SECOND);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 1);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.outcome, handshake.missing), (Some(Outcome::Established), vec![Missing::Syn, Missing::Ack]));
    assert_eq!((close.kind, close.initiator), (CloseKind::Orderly, Some(Role::Client)));
    assert_eq!((close.bytes.client_to_server, close.bytes.server_to_client), (None, Some(0)));
}

#[test]
fn a_syn_that_was_answered_has_left_even_if_nobody_saw_it() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    let answer = Segment { direction: Some(Direction::In), ..exchange.built(SERVER, CLIENT, RST, 0, Some(C + 1)) };
    exchange.event(&Event::Segment(answer));
    exchange.with_error(111).state(CLIENT, SERVER, SynSent, Close);
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.outcome, handshake.syn_left), (Some(Outcome::Refused), None));
    assert_eq!(handshake.missing, [Missing::Syn]);
}

#[test]
fn a_syn_that_this_host_itself_refuses_has_not_left() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(SERVER, CLIENT, RST, 0, Some(C + 1), 0);
    exchange.with_error(111).state(CLIENT, SERVER, SynSent, Close);
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.outcome, handshake.syn_left), (Some(Outcome::Refused), Some(false)));
    assert_eq!(handshake.missing, []);
    assert!(handshake.summary.contains("a reset from this host itself"), "{}", handshake.summary);
}

#[test]
fn nothing_is_said_about_a_syn_where_segments_are_not_traced() {
    const ELSEWHERE: u32 = 2;
    for (netns, traced, left) in [(HERE, true, Some(false)), (HERE, false, None), (ELSEWHERE, true, None)] {
        let mut exchange = Exchange::new();
        if !traced {
            exchange.connections().expect_no_segments();
        }
        exchange.in_namespace(netns).state(CLIENT, SERVER, Close, SynSent);
        exchange.by(5).in_namespace(netns).state(CLIENT, SERVER, SynSent, Close);
        let handshake = failed(&mut exchange);
        assert_eq!((handshake.outcome, handshake.syn_left), (Some(Outcome::Cancelled), left));
        assert_eq!(handshake.no_segments.is_none(), left.is_some(), "{}", handshake.summary);
    }
}

#[test]
fn who_refused_is_not_guessed() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.with_error(111).state(CLIENT, SERVER, SynSent, Close);
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.outcome, handshake.reset), (Some(Outcome::Refused), None));
    assert!(handshake.summary.contains("a reset or an ICMP error, which was not seen"), "{}", handshake.summary);
}

#[test]
fn the_states_of_both_ends_are_waited_for_where_no_segment_tells_of_them() {
    const ELSEWHERE: u32 = 2;
    let mut exchange = Exchange::new();
    let mut change = |local, remote, old, new| exchange.in_namespace(ELSEWHERE).state(local, remote, old, new);
    change(CLIENT, SERVER, Close, SynSent);
    change(CLIENT, SERVER, SynSent, Established);
    change(SERVER, CLIENT, Listen, SynRecv);
    change(SERVER, CLIENT, SynRecv, Established);
    let handshakes = exchange.placed().iter().position(|placed| matches!(placed, Correlated::Handshake(_)));
    assert_eq!(handshakes, Some(4), "behind the last state");
}

#[test]
fn states_that_a_filter_keeps_back_are_not_waited_for_long() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.pass(SECOND);
    exchange.timeout();
    assert!(exchange.placed().iter().any(|placed| matches!(placed, Correlated::Handshake(_))));
}

#[test]
fn who_closed_first_shows_in_the_states_even_where_the_end_does_not() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.state(CLIENT, SERVER, FinWait2, Close);
    exchange.pass(SECOND);
    exchange.timeout();
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator, close.time_wait), (CloseKind::Unseen, Some(Role::Client), None));
    assert!(close.summary.starts_with("closed by the client; how it ended was not seen"), "{}", close.summary);
}

#[test]
fn a_close_is_told_although_the_end_of_one_socket_was_missed() {
    let mut exchange = Exchange::new();
    let mut change = |local, remote, old, new| exchange.state(local, remote, old, new);
    change(CLIENT, SERVER, Close, SynSent);
    change(CLIENT, SERVER, SynSent, Established);
    change(SERVER, CLIENT, Listen, SynRecv);
    change(SERVER, CLIENT, SynRecv, Established);
    change(CLIENT, SERVER, Established, FinWait1);
    change(SERVER, CLIENT, Established, CloseWait);
    change(SERVER, CLIENT, CloseWait, LastAck);
    change(SERVER, CLIENT, LastAck, Close);
    exchange.pass(59 * SECOND);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 0);
    exchange.pass(SECOND);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 1);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::Orderly, Some(Role::Client)));
}

/// A long segment leaves as one and is split on its way; the network may also deliver a segment twice. Neither is sent again.
#[test]
fn what_arrives_twice_or_in_parts_was_sent_once() {
    let mut exchange = Exchange::new();
    exchange.with_sockets();
    let arrive = |exchange: &mut Exchange, (flags, seq, ack): (TcpFlags, u32, Option<u32>), length| {
        let segment = exchange.built(CLIENT, SERVER, flags, seq, ack);
        exchange.pass(2_000_000);
        exchange.event(&Event::Segment(Segment { direction: Some(Direction::In), length, ..segment }));
    };
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    arrive(&mut exchange, (SYN, C, None), 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 2_896);
    arrive(&mut exchange, (ACK, C + 1, Some(S + 1)), 1_448);
    arrive(&mut exchange, (FIN, C + 1_449, Some(S + 1)), 1_448);
    exchange.state(SERVER, CLIENT, Established, CloseWait);
    exchange.state(SERVER, CLIENT, CloseWait, LastAck);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 2_898), 0);
    exchange.state(CLIENT, SERVER, FinWait1, TimeWait);
    exchange.segment(CLIENT, SERVER, ACK, C + 2_898, Some(S + 2), 0);
    exchange.state(CLIENT, SERVER, TimeWait, Close);
    exchange.state(SERVER, CLIENT, LastAck, Close);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.retransmissions.syn, close.retransmissions.client), (Some(0), Some(0)));
    assert_eq!(close.bytes, Bytes { client_to_server: Some(2_896), server_to_client: Some(0) });
}
