//! Resets: which of them count, and their sender.

use super::reset_causes::said;
use super::*;
use crate::event::reset_reason::ResetReason;

/// The cause and sender of the reset that closed the connection.
pub(super) fn closed_by(exchange: &mut Exchange) -> Reset {
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
fn a_reset_that_the_client_ignores_is_told_as_that() {
    const WORDS: &str = ", although a reset was seen: it does not acknowledge the SYN, so the client ignores it";
    for ack in [None, Some(C + 70_000)] {
        let mut exchange = Exchange::new();
        exchange.state(CLIENT, SERVER, Close, SynSent);
        exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        exchange.segment(SERVER, CLIENT, RST, 0, ack, 0);
        exchange.state(CLIENT, SERVER, SynSent, Close);
        let handshake = failed(&mut exchange);
        assert_eq!((handshake.outcome, handshake.ignored_reset), (Some(Outcome::Cancelled), true));
        assert!(handshake.summary.ends_with(&format!("and one SYN{WORDS}")), "{}", handshake.summary);
        // As a capture shows it.
        let mut exchange = Exchange::of_capture();
        exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        exchange.segment(SERVER, CLIENT, RST, 0, ack, 0);
        let handshake = failed(&mut exchange);
        assert!(handshake.summary.ends_with(&format!("SYN,ACK after one SYN{WORDS}")), "{}", handshake.summary);
    }
}

#[test]
fn a_half_closed_socket_that_resets_does_not_stay_in_fin_wait2() {
    let mut exchange = established();
    exchange.by(4).state(SERVER, CLIENT, Established, FinWait1);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 2), 0);
    exchange.state(SERVER, CLIENT, FinWait1, FinWait2);
    exchange.pass(SECOND);
    exchange.with_proof(Proof { linger: true, ..Proof::default() }).state(SERVER, CLIENT, FinWait2, Close);
    exchange.segment(SERVER, CLIENT, RST, S + 2, Some(C + 1), 0);
    exchange.with_error(32).state(CLIENT, SERVER, CloseWait, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::Linger }), "{}", close.summary);
    let last = close.states.server.last().map(|stay| stay.state);
    assert_eq!(last, Some(Close), "{:?}", close.states.server);
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
fn a_reset_of_the_end_that_would_hold_time_wait_is_told() {
    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 2), 0);
    exchange.segment(CLIENT, SERVER, RST, C + 2, Some(S + 2), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.time_wait), (CloseKind::ThreeSegment, None));
    assert_eq!(close.reset, Some(Reset { by: Role::Client, cause: ResetCause::Unknown }));
    assert!(close.summary.ends_with("; then the client sent a reset"), "{}", close.summary);
}

#[test]
fn the_handshake_tells_who_broke_it_off() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, RST, 0, Some(C + 1), 0);
    assert_eq!(failed(&mut exchange).reset, Some(Reset { by: Role::Server, cause: ResetCause::Unknown }));
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
    // tcp_reset() sets the same error in a socket that itself sends a reset.
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

/// Without BTF neither an error nor the process tells why a socket left CLOSE_WAIT for CLOSE, which no peaceful close does.
#[test]
fn without_btf_the_reset_of_a_socket_that_was_closed_is_waited_for() {
    let mut exchange = Exchange::new();
    exchange.without_btf();
    establish(&mut exchange);
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(CLIENT, SERVER, FIN, C + 8, Some(S + 1), 0);
    exchange.state(SERVER, CLIENT, Established, CloseWait);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 9), 0);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.state(CLIENT, SERVER, FinWait2, Close);
    exchange.state(SERVER, CLIENT, CloseWait, Close);
    exchange.pass(30_000);
    exchange.segment(SERVER, CLIENT, RST, S + 1, Some(C + 9), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.initiator, close.missing), (CloseKind::Reset, Some(Role::Client), vec![]));
    assert_eq!(close.reset.map(|reset| reset.by), Some(Role::Server));
}
