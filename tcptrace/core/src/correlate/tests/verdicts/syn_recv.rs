//! Handshakes that end while the server's socket or request is in SYN_RECV.

use super::*;
use crate::{
    correlate::tests::hints,
    event::{Event, Hint, Segment, reset_reason::ResetReason},
    tcp::OptionBytes,
};

const EHOSTUNREACH: u32 = 113;
const ETIMEDOUT: u32 = 110;

/// SYN with data, and the SYN,ACK that acknowledges it: the server's socket is in SYN_RECV.
fn fast_open() -> Exchange {
    let mut exchange = Exchange::new();
    exchange.with_sockets();
    exchange.full_segment(None, CLIENT, SERVER, SYN, C, None, 10);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 11), 0);
    exchange
}

/// A segment of the client, whose socket is on another host.
fn client(exchange: &mut Exchange, flags: TcpFlags, seq: u32, ack: u32) {
    exchange.full_segment(None, CLIENT, SERVER, flags, seq, Some(ack), 0);
}

fn reset_by(exchange: &mut Exchange) -> Reset {
    let handshake = failed(exchange);
    assert_eq!(handshake.outcome, Some(Outcome::Reset), "{}", handshake.summary);
    handshake.reset.expect("a reset")
}

#[test]
fn an_abort_in_syn_recv_is_a_reset_with_its_cause() {
    let cause = |proof: Proof, seen: bool| {
        let mut exchange = fast_open();
        exchange.with_proof(proof).state(SERVER, CLIENT, SynRecv, Close);
        if seen {
            exchange.segment(SERVER, CLIENT, RST, S + 1, Some(C + 11), 0);
        }
        reset_by(&mut exchange)
    };
    let none = Proof::default();
    for (proof, right) in [
        (Proof { unread: true, ..none }, ResetCause::UnreadData),
        (Proof { linger: true, ..none }, ResetCause::Linger),
        (Proof { unread: true, unaccepted: true, ..none }, ResetCause::ListenerClosed),
        (none, ResetCause::Unknown),
    ] {
        for seen in [true, false] {
            assert_eq!(cause(proof, seen), Reset { by: Role::Server, cause: right }, "{proof:?}");
        }
    }
    let mut exchange = fast_open();
    exchange.with_error(103).state(SERVER, CLIENT, SynRecv, Close);
    assert_eq!(reset_by(&mut exchange), Reset { by: Role::Server, cause: ResetCause::Killed });
}

#[test]
fn a_client_may_abort_a_simultaneous_open() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, None, 0);
    exchange.state(CLIENT, SERVER, SynSent, SynRecv);
    exchange.segment(CLIENT, SERVER, SYN, C, Some(S + 1), 0);
    let linger = Proof { linger: true, ..Proof::default() };
    exchange.with_proof(linger).state(CLIENT, SERVER, SynRecv, Close);
    exchange.segment(CLIENT, SERVER, RST, C + 1, Some(S + 1), 0);
    let handshake = failed(&mut exchange);
    assert_eq!(handshake.reset, Some(Reset { by: Role::Client, cause: ResetCause::Linger }));
    assert!(handshake.summary.ends_with("reset by the client before it was complete: it closed with SO_LINGER 0"));
}

#[test]
fn a_server_that_closes_before_the_last_ack_is_established_by_it() {
    let mut exchange = fast_open();
    exchange.by(4).state(SERVER, CLIENT, SynRecv, FinWait1);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 11), 0);
    client(&mut exchange, ACK, C + 11, S + 2);
    exchange.state(SERVER, CLIENT, FinWait1, FinWait2);
    exchange.state(SERVER, CLIENT, FinWait2, Close);
    client(&mut exchange, FIN, C + 11, S + 2);
    exchange.full_segment(None, SERVER, CLIENT, ACK, S + 2, Some(C + 12), 0);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.kind, handshake.outcome), (HandshakeKind::FastOpen, Some(Outcome::Established)));
    assert_eq!((close.kind, close.initiator, close.bytes), (CloseKind::FourSegment, Some(Role::Server), bytes(10, 0)));
}

#[test]
fn states_alone_show_that_the_last_ack_came() {
    let mut exchange = Exchange::new();
    exchange.in_namespace(9).state(SERVER, CLIENT, Listen, SynRecv);
    exchange.in_namespace(9).by(4).state(SERVER, CLIENT, SynRecv, FinWait1);
    exchange.in_namespace(9).state(SERVER, CLIENT, FinWait1, FinWait2);
    exchange.in_namespace(9).state(SERVER, CLIENT, FinWait2, Close);
    let (handshake, _) = whole(&mut exchange);
    assert_eq!(handshake.outcome, Some(Outcome::Established));
}

#[test]
fn a_client_may_reset_what_was_closed_before_its_ack() {
    let mut exchange = fast_open();
    exchange.by(4).state(SERVER, CLIENT, SynRecv, FinWait1);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 11), 0);
    client(&mut exchange, RST, C + 11, S + 1);
    exchange.with_error(104).state(SERVER, CLIENT, FinWait1, Close);
    assert_eq!(reset_by(&mut exchange), Reset { by: Role::Client, cause: ResetCause::Unknown });
}

#[test]
fn what_the_kernel_has_given_up_is_reset_by_the_last_ack() {
    for error in [EHOSTUNREACH, ETIMEDOUT] {
        let mut exchange = fast_open();
        exchange.with_error(error).state(SERVER, CLIENT, SynRecv, Close);
        exchange.pass(SECOND);
        exchange.timeout();
        client(&mut exchange, ACK, C + 11, S + 1);
        exchange.event(&Event::Hint(hints::reset(SERVER, CLIENT)));
        exchange.full_segment(None, SERVER, CLIENT, RST, S + 1, None, 0);
        assert_eq!(reset_by(&mut exchange), Reset { by: Role::Server, cause: ResetCause::NoConnection });
    }
}

#[test]
fn what_the_kernel_has_given_up_waits_for_the_last_ack() {
    let mut exchange = fast_open();
    exchange.with_error(ETIMEDOUT).state(SERVER, CLIENT, SynRecv, Close);
    exchange.pass(65 * SECOND);
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.outcome, handshake.waiting_for), (Some(Outcome::Unanswered), Some(WaitingFor::Ack)));
}

#[test]
fn an_icmp_error_about_the_syn_ack_is_told_as_such() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, 7, Some(C + 1), 0);
    exchange.icmp(SERVER, CLIENT);
    exchange.pass(65 * SECOND);
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.outcome, handshake.by_icmp), (Some(Outcome::Unreachable), false));
    let expected = "unreachable: port unreachable, said an ICMP error about the server's SYN,ACK";
    assert!(handshake.summary.ends_with(expected), "{}", handshake.summary);
}

#[test]
fn the_icmp_error_is_named_that_made_the_kernel_forget_the_syn() {
    for (kind, named) in [((3, 1), true), ((11, 0), true), ((3, 13), false)] {
        let mut exchange = Exchange::new();
        exchange.with_sockets();
        exchange.full_segment(None, CLIENT, SERVER, SYN, C, None, 0);
        exchange.segment(SERVER, CLIENT, SYN, 7, Some(C + 1), 0);
        exchange.icmp_of_kind(SERVER, CLIENT, kind);
        client(&mut exchange, ACK, C + 1, 8);
        exchange.event(&Event::Hint(hints::reset(SERVER, CLIENT)));
        exchange.full_segment(None, SERVER, CLIENT, RST, 8, None, 0);
        let handshake = failed(&mut exchange);
        assert_eq!(handshake.reset, Some(Reset { by: Role::Server, cause: ResetCause::NoConnection }));
        assert_eq!(handshake.icmp.is_some(), named, "{kind:?}");
        let expected = "; an ICMP error from 127.0.0.1 about its SYN,ACK had ended it: ";
        assert_eq!(handshake.summary.contains(expected), named, "{}", handshake.summary);
    }
}

#[test]
fn an_ack_whose_request_is_gone_is_reset_by_the_server() {
    let full = |queue_full| Hint {
        queue_full,
        reason: Some(ResetReason::TcpFlags),
        state: Some(Listen),
        ..hints::reset(SERVER, CLIENT)
    };
    let closed = hints::reset(SERVER, CLIENT);
    for (hint, cause) in [
        (full(false), ResetCause::NoConnection),
        (full(true), ResetCause::QueueFull),
        (closed, ResetCause::NoConnection),
    ] {
        let mut exchange = Exchange::new();
        exchange.with_sockets();
        exchange.full_segment(None, CLIENT, SERVER, SYN, C, None, 0);
        exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
        exchange.pass(SECOND);
        client(&mut exchange, ACK, C + 1, S + 1);
        exchange.event(&Event::Hint(hint));
        exchange.full_segment(None, SERVER, CLIENT, RST, S + 1, None, 0);
        assert_eq!(reset_by(&mut exchange), Reset { by: Role::Server, cause });
    }
}

#[test]
fn the_fin_of_a_syn_ack_counts() {
    for capture in [true, false] {
        let mut exchange = if capture { Exchange::of_capture() } else { Exchange::new() };
        exchange.segment(CLIENT, SERVER, SYN, C, None, 100);
        exchange.segment(SERVER, CLIENT, SYN | FIN, S, Some(C + 101), 40);
        exchange.segment(CLIENT, SERVER, ACK, C + 101, Some(S + 42), 0);
        exchange.segment(CLIENT, SERVER, FIN, C + 101, Some(S + 42), 0);
        exchange.segment(SERVER, CLIENT, ACK, S + 42, Some(C + 102), 0);
        let (handshake, close) = whole(&mut exchange);
        assert_eq!(handshake.outcome, Some(Outcome::Established));
        assert_eq!((close.kind, close.initiator), (CloseKind::FourSegment, Some(Role::Server)), "{}", close.summary);
        assert_eq!(close.bytes, bytes(100, 40));
    }
}

#[test]
fn a_restored_socket_had_no_handshake() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, Established);
    exchange.by(4).state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 2), 0);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.segment(CLIENT, SERVER, ACK, C + 2, Some(S + 2), 0);
    exchange.state(CLIENT, SERVER, FinWait2, Close);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.kind, handshake.incomplete, close.incomplete), (HandshakeKind::Unseen, false, false));
    assert!(
        handshake.summary.starts_with("no handshake: its socket was restored (TCP_REPAIR)"),
        "{}",
        handshake.summary
    );
}

/// A SYN or SYN,ACK with timestamps.
fn stamped(exchange: &mut Exchange, [src, dst]: [u16; 2], ack: Option<u32>, [value, echo]: [u32; 2], length: u32) {
    let segment = exchange.built(src, dst, SYN, if ack.is_some() { S } else { C }, ack);
    let option = [[1, 1, 8, 10].as_slice(), &value.to_be_bytes(), &echo.to_be_bytes()].concat();
    let header = crate::tcp::TcpHeader { options: OptionBytes::new(&option), ..segment.header };
    exchange.event(&Event::Segment(Segment { header, length, ..segment }));
}

#[test]
fn a_syn_ack_that_its_receiver_refuses_is_not_the_connections() {
    let mut exchange = Exchange::of_capture();
    stamped(&mut exchange, [CLIENT, SERVER], None, [1, 0], 0);
    stamped(&mut exchange, [SERVER, CLIENT], Some(C + 1), [1_000, 9_999], 1_400);
    exchange.segment(CLIENT, SERVER, RST, C + 1, None, 0);
    stamped(&mut exchange, [SERVER, CLIENT], Some(C + 1), [1_000, 1], 100);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 101), 0);
    exchange.segment(SERVER, CLIENT, RST, S + 101, Some(C + 1), 0);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.outcome, handshake.reset), (Some(Outcome::Established), None));
    assert_eq!((close.kind, close.reset.map(|reset| reset.by)), (CloseKind::Reset, Some(Role::Server)));
    assert_eq!(close.bytes, bytes(0, 100));
}

#[test]
fn a_reset_of_a_right_syn_ack_ends_the_handshake() {
    let mut exchange = Exchange::of_capture();
    stamped(&mut exchange, [CLIENT, SERVER], None, [1, 0], 0);
    stamped(&mut exchange, [SERVER, CLIENT], Some(C + 1), [1_000, 1], 0);
    exchange.segment(CLIENT, SERVER, RST, C + 1, None, 0);
    assert_eq!(reset_by(&mut exchange).by, Role::Client);
}
