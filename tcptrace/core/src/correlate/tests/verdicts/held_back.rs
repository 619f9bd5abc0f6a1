//! FINs that do not leave: the process has closed its socket, and nothing of that is on the wire.

use super::*;

#[test]
fn a_fin_that_never_left_has_begun_the_close() {
    let mut exchange = established();
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::Unfinished, Some(Role::Client)));
    assert_eq!((&close.missing, close.retransmissions.client), (&vec![], None));
    let sentence =
        "unfinished: the client has closed its side, but its FIN was not seen to leave; tracing stopped first";
    assert!(close.summary.starts_with(sentence), "{}", close.summary);
}

#[test]
fn without_its_segments_nothing_is_said_of_the_fin() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::Unfinished, Some(Role::Client)));
    assert_eq!(close.missing, [Missing::Interface]);
    let sentence = "unfinished: the client has closed its side; tracing stopped first";
    assert!(close.summary.starts_with(sentence), "{}", close.summary);
}

#[test]
fn a_connection_that_nobody_closes_has_no_close() {
    let (_, closes) = established().records();
    assert_eq!(closes, []);
}

#[test]
fn who_closes_after_the_other_end_has_given_up_did_not_begin_it() {
    const ETIMEDOUT: u32 = 110;
    let mut exchange = established();
    exchange.pass(5 * SECOND);
    exchange.with_error(ETIMEDOUT).state(CLIENT, SERVER, Established, Close);
    exchange.pass(3 * SECOND);
    exchange.state(SERVER, CLIENT, Established, FinWait1);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator, close.gave_up), (CloseKind::TimedOut, None, Some(Role::Client)));
    let sentence = "timed out: what was sent was not acknowledged in time";
    assert!(close.summary.starts_with(sentence), "{}", close.summary);
}
