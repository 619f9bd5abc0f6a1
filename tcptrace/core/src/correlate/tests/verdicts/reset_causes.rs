//! Causes of resets, and the evidence for each.

use super::{resets::closed_by, *};
use crate::{
    correlate::tests::{
        exchange::{self, HERE},
        hints,
    },
    event::{BootTime, Event, Hint, reset_reason::ResetReason},
    tcp::OptionBytes,
};

/// tcp_check_oom of net/ipv4/tcp.c, as close() orphans the socket.
#[test]
fn a_host_with_too_many_orphans_says_so() {
    let mut exchange = established();
    exchange.by(3).state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    exchange.state(SERVER, CLIENT, Established, CloseWait);
    exchange.by(3).state(CLIENT, SERVER, FinWait1, Close);
    exchange.segment(CLIENT, SERVER, RST, C + 2, Some(S + 1), 0);
    exchange.event(&Event::Hint(Hint { reason: Some(ResetReason::TcpAbortOnMemory), ..hints::reset(CLIENT, SERVER) }));
    exchange.with_error(32).state(SERVER, CLIENT, CloseWait, Close);
    assert_eq!(closed_by(&mut exchange), Reset { by: Role::Client, cause: ResetCause::OutOfMemory });
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
fn keep_alive_probes_are_the_reason_where_the_kernel_says_so_and_its_reset_does_not_leave() {
    let mut exchange = established();
    exchange
        .event(&Event::Hint(Hint { reason: Some(ResetReason::TcpKeepaliveTimeout), ..hints::reset(SERVER, CLIENT) }));
    exchange.with_error(110).state(SERVER, CLIENT, Established, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.kind, CloseKind::TimedOut);
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::Keepalive }));
    assert!(close.summary.starts_with("timed out: keep-alive probes were not answered"), "{}", close.summary);
}

/// The reset that a firewall sends in the server's name ends the client's socket; the server's, which knows nothing of it,
/// does what `then` says after a second.
fn forged(then: impl Fn(&mut Exchange)) -> Close {
    let mut exchange = established();
    exchange.segment(SERVER, CLIENT, RST, S + 1, None, 0);
    exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
    exchange.pass(SECOND);
    then(&mut exchange);
    let (_, close) = whole(&mut exchange);
    close
}

#[test]
fn a_reset_that_its_senders_socket_outlives_was_sent_by_something_else() {
    let closes: [(_, fn(&mut Exchange)); 3] = [
        ("the socket stays open", |_| {}),
        ("its process closes it", |exchange| {
            exchange.by(4).state(SERVER, CLIENT, Established, FinWait1);
            exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
            exchange.segment(CLIENT, SERVER, RST, C + 1, None, 0);
            exchange.with_error(104).state(SERVER, CLIENT, FinWait1, Close);
        }),
        ("it is destroyed", |exchange| exchange.with_error(103).state(SERVER, CLIENT, Established, Close)),
    ];
    for (what, then) in closes {
        let close = forged(then);
        let reset = Some(Reset { by: Role::Server, cause: ResetCause::Forged });
        assert_eq!((close.kind, close.reset), (CloseKind::Reset, reset), "{what}");
        // A socket that stays open has no states that were not seen.
        assert_eq!(close.missing, [], "{what}");
        let sentence = "reset in the server's name: its socket was still open, so something else sent the reset";
        assert!(close.summary.contains(sentence), "{what}: {}", close.summary);
    }
}

#[test]
fn a_reset_that_ends_its_senders_socket_is_its_own() {
    for after in [true, false] {
        let mut exchange = established();
        let close = |exchange: &mut Exchange| exchange.state(SERVER, CLIENT, Established, Close);
        if !after {
            close(&mut exchange);
        }
        exchange.segment(SERVER, CLIENT, RST, S + 1, Some(C + 1), 0);
        if after {
            close(&mut exchange);
        }
        exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
        assert_eq!(closed_by(&mut exchange), Reset { by: Role::Server, cause: ResetCause::Unknown }, "{after}");
    }
}

/// The sentence of a close by a server that receives `late` bytes afterwards, with or without the client's FIN.
fn late(late: u32, fin: bool) -> String {
    let mut exchange = left_by_the_server();
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

/// The kernel states the reason as it sends the server's reset.
pub(super) fn said(exchange: &mut Exchange, reason: ResetReason) {
    exchange.event(&Event::Hint(Hint { reason: Some(reason), ..hints::reset(SERVER, CLIENT) }));
}

#[test]
fn a_listener_that_is_not_found_is_not_nobody() {
    const SETTLED: u64 = 20_000_000;
    let refused = |opens: &dyn Fn(&mut Exchange), passed: u64| {
        let mut exchange = Exchange::new();
        opens(&mut exchange);
        exchange.pass(passed);
        exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        let (at, reason) = (BootTime(exchange.now()), Some(ResetReason::NoSocket));
        exchange.event(&Event::Hint(Hint { at, netns: Some(HERE), reason, ..hints::reset(SERVER, CLIENT) }));
        exchange.segment(SERVER, CLIENT, RST, 0, Some(C + 1), 0);
        failed(&mut exchange)
    };
    let opens = |exchange: &mut Exchange| exchange.listener(SERVER, Close, Listen);
    let handshake = refused(&opens, SETTLED);
    let addr = exchange::end(SERVER).addr;
    assert_eq!(handshake.passed_over, Some(addr));
    let said = format!("refused: {addr}:{SERVER} listens, but not for this SYN");
    assert!(handshake.summary.ends_with(&said), "{}", handshake.summary);
    assert_eq!(handshake.reset, Some(Reset { by: Role::Server, cause: ResetCause::NoListener }));

    let known = |exchange: &mut Exchange| exchange.listener_owner(SERVER, Some(4));
    assert_eq!(refused(&known, 0).passed_over, Some(addr), "the kernel has found it");
    let elsewhere = |exchange: &mut Exchange| exchange.listener(SERVER + 1, Close, Listen);
    let closes = |exchange: &mut Exchange| {
        exchange.listener(SERVER, Close, Listen);
        exchange.listener(SERVER, Listen, Close);
    };
    for handshake in [refused(&elsewhere, SETTLED), refused(&closes, SETTLED), refused(&opens, 0)] {
        assert_eq!(handshake.passed_over, None);
        assert!(handshake.summary.ends_with("refused: nobody listens there"), "{}", handshake.summary);
    }
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

/// mptcp_do_fastclose of net/mptcp/protocol.c gives the reason of unread data for whatever it ends.
#[test]
fn the_reason_for_the_reset_of_a_subflow_is_not_that_of_its_mptcp_connection() {
    let cause = |options: &[u8]| {
        let mut exchange = opened();
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 40);
        said(&mut exchange, ResetReason::TcpAbortOnClose);
        let mut reset = exchange.built(SERVER, CLIENT, RST, S + 1, Some(C + 41));
        reset.header.options = OptionBytes::new(options);
        exchange.event(&Event::Segment(reset));
        closed_by(&mut exchange).cause
    };
    assert_eq!(cause(&[30, 12, 0x70, 0, 1, 2, 3, 4, 5, 6, 7, 8]), ResetCause::Unknown);
    assert_eq!(cause(&[30, 4, 0x80, 0]), ResetCause::UnreadData, "of one subflow alone");
}
