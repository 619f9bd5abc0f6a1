//! Resets by an end that has closed its side, and what then comes from the other end.

use super::{reset_causes::said, resets::closed_by, *};
use crate::event::{Exit, reset_reason::ResetReason};

#[test]
fn a_half_closed_socket_that_is_closed_with_data_unread_resets() {
    let cause = |proof: Proof, their_fin: bool| {
        let mut exchange = established();
        exchange.by(4).state(SERVER, CLIENT, Established, FinWait1);
        exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 2), 500);
        if their_fin {
            exchange.segment(CLIENT, SERVER, FIN, C + 501, Some(S + 2), 0);
        }
        exchange.with_proof(proof).state(SERVER, CLIENT, FinWait1, Close);
        exchange.segment(SERVER, CLIENT, RST, S + 2, Some(C + 1), 0);
        exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
        closed_by(&mut exchange).cause
    };
    let unread = Proof { unread: true, ..Proof::default() };
    assert_eq!(cause(unread, false), ResetCause::UnreadData);
    assert_eq!(cause(Proof { linger: true, ..Proof::default() }, false), ResetCause::Linger);
    assert_ne!(cause(unread, true), ResetCause::UnreadData, "the other's FIN ends such a socket without a reset");
}

#[test]
fn a_negative_tcp_linger2_is_not_told_from_data_without_any() {
    // The kernel gives one reason for both, and either reset has no ACK.
    let mut exchange = left_by_the_server();
    said(&mut exchange, ResetReason::TcpAbortOnData);
    exchange.segment(SERVER, CLIENT, RST, S + 2, None, 0);
    exchange.with_error(32).state(CLIENT, SERVER, CloseWait, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::Unknown }));
}

#[test]
fn a_socket_that_does_not_wait_for_the_other_ends_fin_resets() {
    let linger2 = Proof { linger2: true, ..Proof::default() };
    // On the ACK of its FIN, on close() after shutdown(), on the other end's FIN, and where the client is elsewhere.
    for (answer, has_ack, elsewhere) in
        [(ACK, false, false), (ACK, true, false), (FIN, false, false), (ACK, false, true)]
    {
        let mut exchange = established();
        exchange.by(4).state(SERVER, CLIENT, Established, FinWait1);
        exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
        if !elsewhere {
            exchange.state(CLIENT, SERVER, Established, CloseWait);
        }
        exchange.segment(CLIENT, SERVER, answer, C + 1, Some(S + 2), 0);
        exchange.state(SERVER, CLIENT, FinWait1, FinWait2);
        if has_ack {
            exchange.by(4).state(SERVER, CLIENT, FinWait2, FinWait2);
        }
        exchange.with_proof(linger2).state(SERVER, CLIENT, FinWait2, Close);
        exchange.segment(SERVER, CLIENT, RST, S + 2, has_ack.then_some(C + 1), 0);
        if !elsewhere {
            exchange.with_error(32).state(CLIENT, SERVER, CloseWait, Close);
        }
        let (_, close) = whole(&mut exchange);
        let about = format!("{answer:?}, {has_ack}, {elsewhere}: {}", close.summary);
        assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::Linger2 }), "{about}");
        let missing = if elsewhere { vec![Missing::States] } else { vec![] };
        assert_eq!(
            (close.kind, close.initiator, close.missing),
            (CloseKind::Reset, Some(Role::Server), missing),
            "{about}"
        );
        assert_eq!((close.time_wait, close.evidence), (None, Some(linger2)), "{about}");
        assert!(close.summary.contains("reset by the server: its TCP_LINGER2 is negative"), "{about}");
    }
}

#[test]
fn a_process_that_closes_a_half_closed_socket_is_named_with_its_end() {
    const SIGKILL: u8 = 9;
    let mut exchange = established();
    exchange.by(4).state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    exchange.state(SERVER, CLIENT, Established, CloseWait);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 2), 500);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.by(4).exiting(Exit::of_wait_status(SIGKILL.into())).with_proof(Proof { unread: true, ..Proof::default() });
    exchange.state(CLIENT, SERVER, FinWait2, Close);
    // Its reset is not seen.
    exchange.with_error(32).state(SERVER, CLIENT, CloseWait, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.reset, Some(Reset { by: Role::Client, cause: ResetCause::UnreadData }), "{}", close.summary);
    assert_eq!((close.kind, close.time_wait), (CloseKind::Reset, None), "{}", close.summary);
    assert_eq!(close.client.exit.and_then(|exit| exit.signal), Some(SIGKILL));
    assert!(close.summary.contains("; its process was killed by signal 9"), "{}", close.summary);
}

/// The server closes, its FIN is acknowledged, and the client's FIN finds nobody there.
#[test]
fn a_late_fin_is_harmless_only_if_all_before_it_was_received() {
    let after = |received: u32| {
        let mut exchange = opened();
        exchange.connections().expect_all_segments();
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
        exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1 + received), 0);
        exchange.segment(CLIENT, SERVER, ACK, C + 101, Some(S + 2), 0);
        exchange.segment(CLIENT, SERVER, FIN, C + 101, Some(S + 2), 0);
        exchange.segment(SERVER, CLIENT, RST, S + 2, None, 0);
        closed_by(&mut exchange)
    };
    let by_server = |cause| Reset { by: Role::Server, cause };
    assert_eq!([after(100), after(40)], [by_server(ResetCause::LateFin), by_server(ResetCause::Unknown)]);
}
