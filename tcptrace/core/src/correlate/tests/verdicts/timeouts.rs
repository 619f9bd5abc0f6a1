//! Connections whose end gives up: unanswered data, keep-alive, a closed window, ICMP errors, orphans.

use super::*;
use crate::{
    correlate::tests::{exchange, stalled::stalls},
    event::{BootTime, Event, Segment},
    tcp::TcpHeader,
};

const EHOSTUNREACH: u32 = 113;

#[test]
fn a_peer_that_vanishes_times_out() {
    let mut exchange = established();
    exchange.with_error(110).state(CLIENT, SERVER, Established, Close);
    exchange.with_error(110).state(SERVER, CLIENT, Established, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator, close.time_wait), (CloseKind::TimedOut, None, None));
}

/// The timers of the client's socket give up with the error that an ICMP message has left; the server does not learn of it.
#[test]
fn a_socket_that_gives_up_with_the_error_of_an_icmp_message_has_timed_out() {
    let mut exchange = established();
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
    exchange.icmp_of_kind(CLIENT, SERVER, (3, 4));
    exchange.icmp_of_kind(CLIENT, SERVER, (3, 0));
    exchange.icmp_of_kind(CLIENT, SERVER, (3, 1));
    exchange.icmp_of_kind(SERVER, CLIENT, (3, 13));
    exchange.with_error(EHOSTUNREACH).state(CLIENT, SERVER, Established, Close);
    exchange.pass(SECOND);
    exchange.timeout();
    let told = stalls(&exchange).last().map(|stalled| stalled.summary.clone());
    assert_eq!(
        told.as_deref(),
        Some("the client's socket gave up (EHOSTUNREACH); the server has not closed: ESTABLISHED")
    );
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator, close.gave_up), (CloseKind::TimedOut, None, Some(Role::Client)));
    assert_eq!((close.icmp.map(|icmp| icmp.kind), &*close.missing), (Some("host unreachable"), &[][..]));
    let words = "timed out: what was sent was not acknowledged in time (EHOSTUNREACH); an ICMP error had come from \
                 127.0.0.1: host unreachable";
    assert!(close.summary.starts_with(words), "{}", close.summary);
}

#[test]
fn keep_alive_gives_up_with_the_error_of_an_icmp_message_too() {
    let mut exchange = established();
    exchange.icmp_of_kind(CLIENT, SERVER, (3, 1));
    exchange.segment(CLIENT, SERVER, RST, C + 1, Some(S + 1), 0);
    exchange.with_error(EHOSTUNREACH).state(CLIENT, SERVER, Established, Close);
    exchange.pass(SECOND);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.reset, Some(Reset { by: Role::Client, cause: ResetCause::Keepalive }));
    let words = "timed out: keep-alive probes were not answered (EHOSTUNREACH); an ICMP error had come";
    assert!(close.summary.starts_with(words), "{}", close.summary);
}

/// With IP_RECVERR an ICMP error is told at once, and stays with the socket until its process asks for it.
#[test]
fn an_error_that_nobody_has_asked_for_is_no_time_out() {
    let mut exchange = established();
    exchange.by(3).with_error(EHOSTUNREACH).state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    exchange.state(SERVER, CLIENT, Established, CloseWait);
    exchange.by(4).state(SERVER, CLIENT, CloseWait, LastAck);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 2), 0);
    exchange.with_error(EHOSTUNREACH).state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.with_error(EHOSTUNREACH).state(CLIENT, SERVER, FinWait2, Close);
    exchange.segment(CLIENT, SERVER, ACK, C + 2, Some(S + 2), 0);
    exchange.with_error(EHOSTUNREACH).state(SERVER, CLIENT, LastAck, Close);
    let (_, close) = whole(&mut exchange);
    assert_ne!(close.kind, CloseKind::TimedOut);
    assert_eq!((close.gave_up, close.icmp), (None, None));
    // Its process aborts it: no task is recorded where there is an error.
    let mut exchange = established();
    exchange.icmp_of_kind(CLIENT, SERVER, (3, 1));
    exchange.with_proof(Proof { unread: true, ..Proof::default() }).with_error(EHOSTUNREACH);
    exchange.state(CLIENT, SERVER, Established, Close);
    exchange.segment(CLIENT, SERVER, RST, C + 1, Some(S + 1), 0);
    exchange.with_error(104).state(SERVER, CLIENT, Established, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.gave_up, close.icmp), (CloseKind::Reset, None, None));
}

/// The other end answers throughout, but has no room in its window.
#[test]
fn a_window_that_stays_closed_is_why_an_end_gives_up() {
    let mut exchange = established();
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 101), 0);
    let open = exchange::segments(exchange.placed()).last().expect("a segment").segment;
    let closed = TcpHeader { window: 0, ..open.header };
    exchange.event(&Event::Segment(Segment { at: BootTime(exchange.now()), header: closed, ..open }));
    exchange.with_error(110).state(CLIENT, SERVER, Established, Close);
    exchange.pass(2 * SECOND);
    exchange.timeout();
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::TimedOut, None));
    assert_eq!(close.reset, Some(Reset { by: Role::Client, cause: ResetCause::ZeroWindow }));
    assert!(close.summary.starts_with("timed out: the other end's window was closed (0 B)"), "{}", close.summary);
}

#[test]
fn an_orphan_whose_peer_never_closes_times_out() {
    let mut exchange = Exchange::new();
    exchange.by(3).state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.by(3).state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 2), 0);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.state(CLIENT, SERVER, FinWait2, Close);
    exchange.pass(59 * SECOND);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 0, "its peer may still close");
    exchange.pass(SECOND);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 1);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator, close.time_wait), (CloseKind::TimedOut, Some(Role::Client), None));
    let states: Vec<_> = close.states.client.iter().map(|stay| stay.state).collect();
    assert_eq!(states, [SynSent, Established, FinWait1, FinWait2]);
    assert!(close.summary.starts_with("timed out after the client had closed"), "{}", close.summary);
}
