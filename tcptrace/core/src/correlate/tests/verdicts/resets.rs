//! Resets: which of them count, who sent them, and why.

use super::*;
use crate::{
    correlate::tests::hints,
    event::{Event, Hint, reset_reason::ResetReason},
};

/// The cause and sender of the reset that closed the connection.
fn closed_by(exchange: &mut Exchange) -> Reset {
    let (_, close) = whole(exchange);
    assert_eq!(close.kind, CloseKind::Reset, "{}", close.summary);
    close.reset.expect("a reset")
}

#[test]
fn a_reset_whose_number_nobody_expects_ends_nothing() {
    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
    exchange.segment(CLIENT, SERVER, RST, C + 5_000, None, 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 101), 0);
    exchange.segment(CLIENT, SERVER, FIN, C + 101, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 102), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 102, Some(S + 2), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.reset), (CloseKind::ThreeSegment, None));
}

/// tcp_reset_check of net/ipv4/tcp_input.c
#[test]
fn a_reset_with_the_number_of_the_fin_ends_what_is_not_closed() {
    let mut exchange = opened();
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 2), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 2), 100);
    exchange.segment(SERVER, CLIENT, RST, S + 1, None, 0);
    assert_eq!(closed_by(&mut exchange).by, Role::Server);
}

#[test]
fn the_socket_that_ends_by_such_a_reset_knows_better() {
    let mut exchange = established();
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
    exchange.segment(CLIENT, SERVER, RST, C + 5_000, Some(S + 1), 0);
    exchange.with_error(104).state(SERVER, CLIENT, Established, Close);
    exchange.state(CLIENT, SERVER, Established, Close);
    assert_eq!(closed_by(&mut exchange), Reset { by: Role::Client, cause: ResetCause::Unknown });
}

/// tcp_reset of net/ipv4/tcp_input.c leaves an error in the socket that it ends.
#[test]
fn a_socket_that_aborts_without_an_error_has_not_been_reset_before() {
    let mut exchange = established();
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    exchange.state(SERVER, CLIENT, Established, CloseWait);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 2), 0);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.state(CLIENT, SERVER, FinWait2, Close);
    // The client's kernel refuses an old copy of that ACK, and its reset is lost.
    exchange.segment(CLIENT, SERVER, RST, C + 1, None, 0);
    exchange.pass(SECOND);
    exchange.with_proof(Proof { linger: true, ..Proof::default() }).by(4).state(SERVER, CLIENT, CloseWait, Close);
    exchange.segment(SERVER, CLIENT, RST, S + 1, Some(C + 2), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::Reset, Some(Role::Client)), "{}", close.summary);
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::Linger }), "{}", close.summary);
}

#[test]
fn a_reset_that_does_not_acknowledge_the_syn_refuses_nothing() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, RST, 0, Some(C + 70_000), 0);
    exchange.segment(SERVER, CLIENT, RST, 0, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    let (handshakes, closes) = exchange.records();
    assert_eq!((only(handshakes).outcome, closes.len()), (Some(Outcome::Established), 0));
}

#[test]
fn an_end_that_has_forgotten_the_connection_resets_without_an_ack() {
    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 101), 50);
    exchange.segment(CLIENT, SERVER, ACK, C + 101, Some(S + 51), 100);
    exchange.segment(SERVER, CLIENT, RST, S + 51, None, 0);
    assert_eq!(closed_by(&mut exchange), Reset { by: Role::Server, cause: ResetCause::NoConnection });
}

#[test]
fn an_end_that_may_never_have_had_the_connection_has_not_forgotten_it() {
    let mut exchange = opened();
    exchange.segment(SERVER, CLIENT, RST, S + 1, None, 0);
    assert_eq!(closed_by(&mut exchange), Reset { by: Role::Server, cause: ResetCause::Unknown });
}

#[test]
fn a_socket_that_gives_up_and_resets_had_sent_keep_alive_probes() {
    let mut exchange = established();
    exchange.segment(CLIENT, SERVER, RST, C + 1, Some(S + 1), 0);
    exchange.with_error(110).state(CLIENT, SERVER, Established, Close);
    exchange.with_error(104).state(SERVER, CLIENT, Established, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::TimedOut, None));
    assert_eq!(close.reset, Some(Reset { by: Role::Client, cause: ResetCause::Keepalive }));
    assert!(close.summary.starts_with("timed out: keep-alive probes were not answered"), "{}", close.summary);
}

#[test]
fn a_reset_into_time_wait_is_told_and_changes_nothing() {
    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 2), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 2, Some(S + 2), 0);
    exchange.segment(SERVER, CLIENT, RST, S + 2, None, 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator), (CloseKind::ThreeSegment, Some(Role::Client)));
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::Unknown }));
    assert!(close.summary.ends_with("TIME_WAIT for 60 s, into which the server sent a reset"), "{}", close.summary);
}

#[test]
fn the_handshake_tells_who_broke_it_off() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, RST, 0, Some(C + 1), 0);
    assert_eq!(failed(&mut exchange).reset, Some(Reset { by: Role::Server, cause: ResetCause::Unknown }));
}

/// The sentence of a close by a server which gets `late` bytes after that, with or without the client's FIN.
fn late(late: u32, fin: bool) -> String {
    let mut exchange = established();
    exchange.by(4).state(SERVER, CLIENT, Established, FinWait1);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 2), 0);
    exchange.state(SERVER, CLIENT, FinWait1, FinWait2);
    exchange.state(SERVER, CLIENT, FinWait2, Close);
    exchange.segment(CLIENT, SERVER, if fin { FIN } else { ACK }, C + 1, Some(S + 2), late);
    exchange.segment(SERVER, CLIENT, RST, S + 2, None, 0);
    exchange.with_error(32).state(CLIENT, SERVER, CloseWait, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::DataAfterClose }));
    close.summary
}

#[test]
fn a_last_word_of_tls_is_harmless_and_a_write_into_nothing_is_not() {
    assert!(late(31, true).contains("31 B while it closed too, as TLS does with close_notify: harmless"));
    assert!(late(24, false).contains("harmless if that was TLS's close_notify"));
    let lost = late(28, false);
    assert!(lost.contains("further writes fail with EPIPE") && !lost.contains("harmless"), "{lost}");
    assert!(!late(5_000, true).contains("harmless"));
}

/// The kernel says, as it sends the server's reset, why.
fn said(exchange: &mut Exchange, reason: ResetReason) {
    exchange.event(&Event::Hint(Hint { reason: Some(reason), ..hints::reset(SERVER, CLIENT) }));
}

#[test]
fn the_kernel_says_that_nobody_listens() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    said(&mut exchange, ResetReason::NoSocket);
    exchange.segment(SERVER, CLIENT, RST, 0, Some(C + 1), 0);
    let handshake = failed(&mut exchange);
    assert_eq!(handshake.reset, Some(Reset { by: Role::Server, cause: ResetCause::NoListener }));
    assert!(handshake.summary.ends_with("refused: nobody listens there"), "{}", handshake.summary);
}

#[test]
fn a_full_accept_queue_that_resets_is_an_overflow() {
    let mut exchange = opened();
    let full = Hint { queue_full: true, reason: Some(ResetReason::InvalidSyn), ..hints::reset(SERVER, CLIENT) };
    exchange.event(&Event::Hint(full));
    exchange.segment(SERVER, CLIENT, RST, S + 1, None, 0);
    assert_eq!(closed_by(&mut exchange), Reset { by: Role::Server, cause: ResetCause::Overflow });
}

#[test]
fn a_socket_that_nobody_has_accepted_is_closed_by_its_listener() {
    let mut exchange = established();
    let proof = Proof { unaccepted: true, unread: true, ..Proof::default() };
    exchange.by(3).with_proof(proof).state(SERVER, CLIENT, Established, Close);
    exchange.segment(SERVER, CLIENT, RST, S + 1, Some(C + 1), 0);
    exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
    assert_eq!(closed_by(&mut exchange), Reset { by: Role::Server, cause: ResetCause::ListenerClosed });
}

#[test]
fn a_reset_that_comes_by_itself_does_not_show_that_the_connection_was_forgotten() {
    let after = |pause| {
        let mut exchange = opened();
        exchange.connections().expect_all_segments();
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
        exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 101), 50);
        exchange.segment(CLIENT, SERVER, ACK, C + 101, Some(S + 51), 0);
        exchange.pass(pause);
        exchange.segment(SERVER, CLIENT, RST, S + 51, None, 0);
        closed_by(&mut exchange).cause
    };
    assert_eq!([after(100_000_000), after(9_000_000_000)], [ResetCause::NoConnection, ResetCause::Unknown]);
}

#[test]
fn the_kernel_tells_a_forgotten_connection_from_one_that_was_closed() {
    let after = |fin: bool| {
        let mut exchange = opened();
        if fin {
            exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
        }
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1 + u32::from(fin)), 40);
        said(&mut exchange, ResetReason::NoSocket);
        exchange.segment(SERVER, CLIENT, RST, S + 1 + u32::from(fin), None, 0);
        closed_by(&mut exchange).cause
    };
    assert_eq!([after(false), after(true)], [ResetCause::NoConnection, ResetCause::DataAfterClose]);
}

#[test]
fn the_reasons_that_are_proofs_are_taken_as_such() {
    let cause = |reason| {
        let mut exchange = opened();
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 40);
        said(&mut exchange, reason);
        exchange.segment(SERVER, CLIENT, RST, S + 1, Some(C + 41), 0);
        closed_by(&mut exchange).cause
    };
    assert_eq!(cause(ResetReason::TcpAbortOnClose), ResetCause::UnreadData);
    assert_eq!(cause(ResetReason::TcpKeepaliveTimeout), ResetCause::Keepalive);
    assert_eq!(cause(ResetReason::TcpAbortOnData), ResetCause::DataAfterClose);
    assert_eq!(cause(ResetReason::TcpState), ResetCause::Unknown, "linger, a closed listener and ss -K look alike");
}

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
fn where_nothing_tells_the_roles_the_reset_is_that_of_an_end_all_the_same() {
    let mut exchange = Exchange::new();
    exchange.with_error(104).full_state(42, 0, SERVER, FinWait1, Close);
    let (_, close) = whole(&mut exchange);
    let reset = close.reset.expect("a reset");
    let by = if reset.by == Role::Client { &close.client } else { &close.server };
    assert_eq!((close.kind, by.port), (CloseKind::Reset, Some(SERVER)));
    assert_eq!(close.initiator, Some(reset.by));
}

#[test]
fn the_reset_of_an_end_is_not_blamed_on_the_other() {
    let mut exchange = established();
    exchange.by(4).state(SERVER, CLIENT, Established, FinWait1);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
    // tcp_reset() gives the socket that resets by itself the same error.
    exchange.with_error(104).state(SERVER, CLIENT, FinWait1, Close);
    said(&mut exchange, ResetReason::TcpAbortOnData);
    exchange.segment(SERVER, CLIENT, RST, S + 1, None, 0);
    exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
    assert_eq!(closed_by(&mut exchange), Reset { by: Role::Server, cause: ResetCause::DataAfterClose });
}

#[test]
fn a_close_with_proof_is_a_reset_whether_it_is_seen_or_not() {
    let cause = |seen: bool| {
        let mut exchange = established();
        let unread = Proof { unread: true, ..Proof::default() };
        exchange.by(4).with_proof(unread).state(CLIENT, SERVER, Established, Close);
        if seen {
            exchange.segment(CLIENT, SERVER, RST, C + 1, Some(S + 1), 0);
        }
        exchange.with_error(104).state(SERVER, CLIENT, Established, Close);
        closed_by(&mut exchange)
    };
    assert_eq!([true, false].map(cause), [Reset { by: Role::Client, cause: ResetCause::UnreadData }; 2]);
}

#[test]
fn a_negative_tcp_linger2_is_not_told_from_data_without_any() {
    // The kernel gives one reason for both, and either reset has no ACK.
    let mut exchange = established();
    exchange.by(4).state(SERVER, CLIENT, Established, FinWait1);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 2), 0);
    exchange.state(SERVER, CLIENT, FinWait1, FinWait2);
    exchange.state(SERVER, CLIENT, FinWait2, Close);
    said(&mut exchange, ResetReason::TcpAbortOnData);
    exchange.segment(SERVER, CLIENT, RST, S + 2, None, 0);
    exchange.with_error(32).state(CLIENT, SERVER, CloseWait, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::Unknown }));
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

/// RFC 9293 §3.10.7: a reset is looked at before the SYN. Nothing shows that a SYN came before it.
#[test]
fn a_reset_that_is_also_a_syn_answers_none() {
    for flags in [SYN | RST, SYN | FIN | RST] {
        let mut exchange = Exchange::of_capture();
        exchange.connections().expect_all_segments();
        exchange.segment(SERVER, CLIENT, flags, S, Some(C + 1), 0);
        let (handshake, close) = whole(&mut exchange);
        assert_eq!((handshake.kind, handshake.outcome), (HandshakeKind::Unseen, None), "{}", handshake.summary);
        assert_eq!((close.kind, close.initiator), (CloseKind::Reset, Some(Role::Server)), "{}", close.summary);
    }
}
