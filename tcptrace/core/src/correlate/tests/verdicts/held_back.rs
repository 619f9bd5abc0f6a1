//! FINs that do not leave: the process has closed its socket, and nothing of that is on the wire.

use super::*;
use crate::event::Counters;

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

/// As where a link is down.
#[test]
fn of_two_ends_whose_fins_do_not_leave_the_first_to_close_began_it() {
    let mut exchange = established();
    exchange.state(SERVER, CLIENT, Established, FinWait1);
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::Unfinished, Some(Role::Server)));
    let sentence = "unfinished: both ends have closed, but their FINs were not seen to leave; tracing stopped first";
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

/// A FIN that waits behind data never leaves if the process gives up on it: the states alone look like those of a FIN that was
/// acknowledged.
#[test]
fn a_socket_that_is_closed_before_its_fin_could_leave_resets() {
    let unsent = Counters { unsent_bytes: Some(29_376), peer_window: Some(0), ..Counters::default() };
    let none = Proof::default();
    for (proof, right) in
        [(Proof { linger: true, ..none }, ResetCause::Linger), (Proof { unread: true, ..none }, ResetCause::UnreadData)]
    {
        for (shut_first, client_waits) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut exchange = established();
            if shut_first {
                exchange.by(12).state(SERVER, CLIENT, Established, FinWait1);
            }
            exchange.by(13).state(CLIENT, SERVER, Established, FinWait1);
            exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
            let before = if shut_first { Closing } else { LastAck };
            if shut_first {
                exchange.state(SERVER, CLIENT, FinWait1, Closing);
            } else {
                exchange.state(SERVER, CLIENT, Established, CloseWait);
                exchange.by(12).state(SERVER, CLIENT, CloseWait, LastAck);
            }
            exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 2), 0);
            exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
            if !client_waits {
                // Nobody holds it any more: the kernel replaces it.
                exchange.state(CLIENT, SERVER, FinWait2, Close);
            }
            exchange.with_proof(proof).counting(unsent).state(SERVER, CLIENT, before, Close);
            exchange.segment(SERVER, CLIENT, RST | ACK, S + 1, Some(C + 2), 0);
            if client_waits {
                exchange.with_error(104).state(CLIENT, SERVER, FinWait2, Close);
            }
            let (_, close) = whole(&mut exchange);
            let about = format!("{before:?}, {client_waits}: {}", close.summary);
            assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: right }), "{about}");
            assert_eq!((close.kind, close.time_wait), (CloseKind::Reset, None), "{about}");
            assert_eq!((close.initiator, close.missing), (Some(Role::Client), vec![]), "{about}");
        }
    }
}
