//! SYNs that are sent again because a listener of this host has no room in its accept queue.

use super::{
    CLIENT, SERVER,
    exchange::{self, Exchange, HERE, State::*},
    hints::reset,
};
use crate::{
    correlate::{Correlated, Unanswered},
    event::{AcceptQueue, BootTime, Direction, Event, Hint, HintName, Segment, SocketKey},
    tcp::TcpFlags,
    verdict::Outcome,
};

const SECOND: u64 = 1_000_000_000;
const SYN: TcpFlags = TcpFlags::SYN;
const ETIMEDOUT: u32 = 110;

/// A client that connects, with its SYN sent this many times.
fn knock(exchange: &mut Exchange, syns: u32) {
    exchange.connections().want_owners();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    for _ in 0..syns {
        exchange.segment(CLIENT, SERVER, SYN, 7, None, 0);
        exchange.pass(SECOND);
    }
}

/// The kernel reports the listener's accept queue.
fn queue(exchange: &mut Exchange, length: u32, limit: u32) {
    queue_of(exchange, HintName::AcceptQueue, length, limit);
}

/// The kernel reports a queue of the listener.
fn queue_of(exchange: &mut Exchange, name: HintName, length: u32, limit: u32) {
    let queue = AcceptQueue { length, limit };
    let at = BootTime(exchange.now());
    exchange.event(&Event::Hint(Hint {
        at,
        netns: None,
        name,
        reason: None,
        state: Some(Listen),
        queue_full: queue.is_full(),
        queue: Some(queue),
        ..reset(SERVER, CLIENT)
    }));
}

#[track_caller]
fn summary(exchange: &mut Exchange, outcome: Outcome) -> String {
    let (handshakes, _) = exchange.records();
    let [handshake] = &handshakes[..] else { panic!("one handshake: {handshakes:?}") };
    assert_eq!(handshake.outcome, Some(outcome));
    handshake.summary.clone()
}

#[test]
fn the_listener_is_asked_for_each_time_a_syn_is_sent_again() {
    let mut exchange = Exchange::new();
    knock(&mut exchange, 1);
    assert_eq!(exchange.connections().poll_unanswered(), None, "the answer may be on its way");
    let asked = Some(Unanswered { netns: None, local: exchange::end(SERVER), remote: exchange::end(CLIENT) });
    for _ in 0..2 {
        exchange.segment(CLIENT, SERVER, SYN, 7, None, 0);
        exchange.segment(CLIENT, SERVER, SYN, 7, None, 0);
        assert_eq!(exchange.connections().poll_unanswered(), asked);
        assert_eq!(exchange.connections().poll_unanswered(), None, "once for all that were sent meanwhile");
    }
    exchange.segment(SERVER, CLIENT, SYN, 9, Some(8), 0);
    exchange.segment(CLIENT, SERVER, SYN, 7, None, 0);
    assert_eq!(exchange.connections().poll_unanswered(), None, "it has been answered");
}

#[test]
fn nobody_is_asked_where_nobody_listens_to_the_answer() {
    let mut exchange = Exchange::new();
    for _ in 0..3 {
        exchange.segment(CLIENT, SERVER, SYN, 7, None, 0);
    }
    assert_eq!(exchange.connections().poll_unanswered(), None);
}

#[test]
fn the_listener_of_another_host_is_not_asked_for() {
    let mut exchange = Exchange::new();
    exchange.on_interface(2);
    knock(&mut exchange, 3);
    assert_eq!(exchange.connections().poll_unanswered(), None, "it leaves by an interface that is not loopback");

    let mut exchange = Exchange::new();
    knock(&mut exchange, 1);
    let Some(Correlated::Segment(placed)) = exchange.placed().last().cloned() else { panic!("a segment") };
    let pass = |exchange: &mut Exchange, ifindex, direction| {
        let at = BootTime(exchange.now());
        exchange.event(&Event::Segment(Segment { at, ifindex, direction: Some(direction), ..placed.segment }));
    };
    pass(&mut exchange, 3, Direction::In);
    assert!(exchange.connections().poll_unanswered().is_some(), "it comes in");
    exchange.pass(SECOND);
    pass(&mut exchange, 3, Direction::In);
    pass(&mut exchange, 4, Direction::Out);
    assert_eq!(exchange.connections().poll_unanswered(), None, "and goes on to somebody else");
}

#[test]
fn a_full_queue_is_said_to_be_full_however_the_client_ends() {
    let mut exchange = Exchange::new();
    knock(&mut exchange, 2);
    queue(&mut exchange, 129, 128);
    exchange.with_error(ETIMEDOUT).state(CLIENT, SERVER, SynSent, Close);
    let expected = "three-way handshake, timed out after 2 SYNs, 2.000 s without an answer; \
                    the server's accept queue is full (129 of 128)";
    assert_eq!(summary(&mut exchange, Outcome::TimedOut), expected);

    let mut exchange = Exchange::new();
    knock(&mut exchange, 2);
    queue(&mut exchange, 1, 0);
    exchange.by(7).state(CLIENT, SERVER, SynSent, Close);
    let summary = |exchange: &mut Exchange, outcome| summary(exchange, outcome);
    assert!(summary(&mut exchange, Outcome::Cancelled).ends_with("; the server's accept queue is full (1 of 0)"));

    let mut exchange = Exchange::new();
    knock(&mut exchange, 2);
    queue(&mut exchange, 1, 0);
    assert!(summary(&mut exchange, Outcome::Unanswered).ends_with("; the server's accept queue is full (1 of 0)"));
}

#[test]
fn a_full_syn_queue_is_said_to_be_full_unless_the_accept_queue_is() {
    let full = "; the server's SYN queue is full (9 of 8), and SYN cookies are off";
    for (accepted, requests, said) in
        [(0, 9, full), (9, 9, "; the server's accept queue is full (9 of 8)"), (0, 8, "s without an answer")]
    {
        let mut exchange = Exchange::new();
        knock(&mut exchange, 2);
        queue(&mut exchange, accepted, 8);
        queue_of(&mut exchange, HintName::SynQueue, requests, 8);
        exchange.pass(SECOND);
        exchange.timeout();
        let stalls = super::stalled::stalls(&exchange);
        let told = stalls.last().is_some_and(|stalled| stalled.summary.ends_with(said));
        assert_eq!(told, accepted + requests > 8, "{stalls:?}");
        exchange.with_error(ETIMEDOUT).state(CLIENT, SERVER, SynSent, Close);
        let (handshakes, _) = exchange.records();
        let [handshake] = &handshakes[..] else { panic!("one handshake: {handshakes:?}") };
        assert!(handshake.summary.ends_with(said), "{}", handshake.summary);
        let queues = (handshake.accept_queue.is_some(), handshake.syn_queue.is_some());
        assert_eq!(queues, (accepted > 8, accepted <= 8 && requests > 8), "{handshake:?}");
    }
}

#[test]
fn a_queue_that_has_room_or_was_full_before_is_not_the_reason() {
    let mut exchange = Exchange::new();
    knock(&mut exchange, 2);
    queue(&mut exchange, 128, 128);
    assert!(!summary(&mut exchange, Outcome::Unanswered).contains("queue"));

    let mut exchange = Exchange::new();
    knock(&mut exchange, 2);
    queue(&mut exchange, 129, 128);
    exchange.segment(CLIENT, SERVER, SYN, 7, None, 0);
    queue(&mut exchange, 2, 128);
    assert!(!summary(&mut exchange, Outcome::Unanswered).contains("queue"), "what was said last holds");

    let mut exchange = Exchange::new();
    knock(&mut exchange, 2);
    queue(&mut exchange, 129, 128);
    exchange.segment(SERVER, CLIENT, SYN, 9, Some(8), 0);
    assert!(!summary(&mut exchange, Outcome::Unanswered).contains("queue"), "it has made room");
}

#[test]
fn an_answer_for_a_connection_before_does_not_belong_to_a_new_one_between_the_same_ends() {
    let mut exchange = Exchange::new();
    knock(&mut exchange, 2);
    exchange.by(7).state(CLIENT, SERVER, SynSent, Close);
    exchange.full_segment(Some(SocketKey(9)), CLIENT, SERVER, SYN, 70, None, 0);
    queue(&mut exchange, 129, 128);
    let (handshakes, _) = exchange.records();
    assert!(handshakes.iter().all(|record| !record.summary.contains("queue")), "{handshakes:#?}");
    assert_eq!(handshakes.iter().filter(|record| record.netns == Some(HERE)).count(), 2);
}
