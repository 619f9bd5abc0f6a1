//! Resets of ends that do not know the connection any more.

use super::{reset_causes::said, resets::closed_by, *};
use crate::{
    correlate::tests::hints,
    event::{Event, Hint, reset_reason::ResetReason},
};

#[test]
fn an_end_that_has_forgotten_the_connection_resets_without_an_ack() {
    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 101), 50);
    exchange.segment(CLIENT, SERVER, ACK, C + 101, Some(S + 51), 100);
    exchange.segment(SERVER, CLIENT, RST, S + 51, None, 0);
    assert_eq!(closed_by(&mut exchange), Reset { by: Role::Server, cause: ResetCause::NoConnection });
}

/// What a firewall rule sends that rejects looks the same.
#[test]
fn only_its_kernel_tells_that_an_end_has_forgotten_the_connection() {
    for known in [false, true] {
        let mut exchange = opened();
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
        exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 101), 50);
        exchange.segment(CLIENT, SERVER, ACK, C + 101, Some(S + 51), 100);
        if known {
            exchange.event(&Event::Hint(hints::reset(SERVER, CLIENT)));
        }
        exchange.segment(SERVER, CLIENT, RST, S + 51, None, 0);
        let (_, close) = whole(&mut exchange);
        let words = if known { "it knows no such connection; " } else { "as if it knew no such connection; " };
        assert!(close.summary.contains(&format!("reset by the server: {words}")), "{}", close.summary);
    }
}

/// The server's host has been restarted before tracing began; the client goes on as before.
#[test]
fn an_end_without_a_socket_is_told_by_its_kernel_in_mid_life_too() {
    let told = |reason| {
        let mut exchange = Exchange::new();
        exchange.event(&Event::Hint(Hint { reason: Some(reason), ..hints::reset(SERVER, CLIENT) }));
        exchange.segment(SERVER, CLIENT, RST, S + 51, None, 0);
        exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
        closed_by(&mut exchange)
    };
    for reason in [ResetReason::NoSocket, ResetReason::TcpFlags] {
        assert_eq!(told(reason), Reset { by: Role::Server, cause: ResetCause::NoConnection });
    }
    assert_eq!(told(ResetReason::NotSpecified).cause, ResetCause::Unknown);
    // The other end's reset has a reason of its own.
    let mut exchange = Exchange::new();
    exchange.event(&Event::Hint(hints::reset(CLIENT, SERVER)));
    exchange.segment(SERVER, CLIENT, RST, S + 51, None, 0);
    exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
    assert_eq!(closed_by(&mut exchange).cause, ResetCause::Unknown);
}

#[test]
fn an_end_that_may_never_have_had_the_connection_has_not_forgotten_it() {
    let mut exchange = opened();
    exchange.segment(SERVER, CLIENT, RST, S + 1, None, 0);
    assert_eq!(closed_by(&mut exchange), Reset { by: Role::Server, cause: ResetCause::Unknown });
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
