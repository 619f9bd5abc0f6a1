//! Handshakes with a listener that waits for data (TCP_DEFER_ACCEPT).

use super::*;
use crate::{
    correlate::{Correlated, tests::hints},
    event::{Event, Hint, HintName},
    verdict::{Awaited, Turn},
};

/// A handshake with a listener that waits for data; its ACK carries `length` bytes.
fn deferred(length: u32) -> Exchange {
    let mut exchange = Exchange::new();
    exchange.with_sockets();
    exchange.full_segment(None, CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    let listener =
        Hint { name: HintName::DeferAccept, reason: None, state: Some(Listen), ..hints::reset(SERVER, CLIENT) };
    exchange.event(&Event::Hint(listener));
    exchange.full_segment(None, CLIENT, SERVER, ACK, C + 1, Some(S + 1), length);
    exchange
}

#[test]
fn a_server_that_waits_for_data_is_said_to() {
    let mut exchange = deferred(0);
    exchange.pass(2 * SECOND);
    exchange.timeout();
    let stalled = exchange.placed().iter().find_map(|placed| match placed {
        Correlated::Stalled(stalled) => Some(stalled.as_ref().clone()),
        _ => None,
    });
    let stalled = stalled.expect("a stall");
    assert_eq!(stalled.summary, "the server waits for the client's data: TCP_DEFER_ACCEPT");
    assert_eq!((stalled.waiting_for, stalled.turn), (Some(Awaited::Accept), Some(Turn::Client)));
    exchange.full_segment(None, CLIENT, SERVER, ACK, C + 1, Some(S + 1), 5);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    let (handshakes, _) = exchange.records();
    let summary = only(handshakes).summary;
    assert!(summary.ends_with("; the server waited 2.000 s for the client's data: TCP_DEFER_ACCEPT"), "{summary}");
}

#[test]
fn data_with_the_ack_is_not_waited_for() {
    let mut exchange = deferred(5);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    let (handshakes, _) = exchange.records();
    let summary = only(handshakes).summary;
    assert!(!summary.contains("TCP_DEFER_ACCEPT"), "{summary}");
}

#[test]
fn data_that_never_comes_is_what_is_missing() {
    let summary = failed(&mut deferred(0)).summary;
    assert!(summary.ends_with("unanswered: the server waits for the client's data: TCP_DEFER_ACCEPT"), "{summary}");
}
