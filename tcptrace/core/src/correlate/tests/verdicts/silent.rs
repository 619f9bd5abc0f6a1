//! Sockets that close() takes away without sending anything, by TCP_REPAIR.

use super::*;

/// As HAProxy's silent-drop sets it: SO_LINGER 0, too, which sends no reset then.
fn repair() -> Proof {
    Proof { linger: true, repair: true, ..Proof::default() }
}

fn vanish(exchange: &mut Exchange) {
    exchange.by(7).with_proof(repair()).state(SERVER, CLIENT, Established, Close);
}

#[test]
fn a_socket_that_vanishes_has_sent_no_reset() {
    let mut exchange = established();
    vanish(&mut exchange);
    exchange.pass(2 * SECOND);
    exchange.timeout();
    let stalls = super::super::stalled::stalls(&exchange);
    let sentence =
        "the server's socket was closed without a segment (TCP_REPAIR); the client has not closed: ESTABLISHED";
    assert_eq!(stalls.first().map(|stalled| stalled.summary.as_str()), Some(sentence));
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator, close.reset), (CloseKind::Unfinished, Some(Role::Server), None));
    assert_eq!((close.evidence, &close.missing), (Some(repair()), &vec![]));
    let sentence = "unfinished: the server's socket was closed without a segment (TCP_REPAIR); tracing stopped first";
    assert!(close.summary.starts_with(sentence), "{}", close.summary);
}

#[test]
fn a_later_reset_is_that_of_a_host_that_knows_no_such_connection() {
    let mut exchange = established();
    vanish(&mut exchange);
    exchange.pass(2 * SECOND);
    exchange.segment(SERVER, CLIENT, RST, S + 1, None, 0);
    exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
    let (_, close) = whole(&mut exchange);
    let reset = Reset { by: Role::Server, cause: ResetCause::NoConnection };
    assert_eq!((close.kind, close.reset), (CloseKind::Reset, Some(reset)));
    let sentence = "reset by the server: it knows no such connection; the server's socket was closed without a segment \
                    (TCP_REPAIR)";
    assert!(close.summary.starts_with(sentence), "{}", close.summary);
}

#[test]
fn a_socket_without_its_peer_has_closed_however_quietly() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    vanish(&mut exchange);
    exchange.pass(2 * SECOND);
    exchange.timeout();
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator, close.reset), (CloseKind::Unseen, Some(Role::Server), None));
    assert_eq!(close.missing, []);
    let sentence = "the server's socket was closed without a segment (TCP_REPAIR)";
    assert!(close.summary.starts_with(sentence), "{}", close.summary);
}
