//! SYNs with other flags: most stacks drop one that opens, and what comes with a SYN,ACK waits for the handshake.

use super::*;

/// A capture of every segment.
fn capture() -> Exchange {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    exchange
}

#[test]
fn a_fin_or_data_in_a_syn_ack_establishes_nothing() {
    for (flags, payload) in [(SYN | FIN, 0), (SYN | FIN, 20), (SYN, 20)] {
        for asked in [true, false] {
            let mut exchange = capture();
            if asked {
                exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
            }
            exchange.segment(SERVER, CLIENT, flags, S, Some(C + 1), payload);
            let handshake = failed(&mut exchange);
            assert_eq!(handshake.outcome, Some(Outcome::Unanswered), "{}", handshake.summary);
            assert_eq!(handshake.waiting_for, Some(WaitingFor::Ack));
        }
        // A scan resets what answers it.
        let mut exchange = capture();
        exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        exchange.segment(SERVER, CLIENT, flags, S, Some(C + 1), payload);
        exchange.segment(CLIENT, SERVER, RST, C + 1, None, 0);
        let handshake = failed(&mut exchange);
        assert_eq!(handshake.outcome, Some(Outcome::Reset), "{}", handshake.summary);
    }
}

#[test]
fn the_ack_of_a_syn_ack_with_a_fin_completes_the_handshake() {
    for acked in [1, 2] {
        let mut exchange = capture();
        exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        exchange.segment(SERVER, CLIENT, SYN | FIN, S, Some(C + 1), 0);
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + acked), 0);
        exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 2), 0);
        exchange.segment(SERVER, CLIENT, ACK, S + 2, Some(C + 2), 0);
        let (handshake, close) = whole(&mut exchange);
        assert_eq!((handshake.outcome, handshake.missing), (Some(Outcome::Established), vec![]), "{acked}");
        assert_eq!(close.initiator, Some(Role::Server), "{}", close.summary);
    }
}

#[test]
fn a_reset_refuses_a_syn_with_a_fin() {
    // Linux acknowledges both (tcp_v4_send_reset of net/ipv4/tcp_ipv4.c), other stacks the SYN alone.
    for acked in [1, 2] {
        let mut exchange = capture();
        exchange.segment(CLIENT, SERVER, SYN | FIN, C, None, 0);
        exchange.segment(SERVER, CLIENT, RST, 0, Some(C + acked), 0);
        assert_eq!(failed(&mut exchange).outcome, Some(Outcome::Refused), "{acked}");
    }
    // A SYN without FIN is not refused by that.
    let mut exchange = capture();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, RST, 0, Some(C + 2), 0);
    assert_eq!(failed(&mut exchange).outcome, Some(Outcome::Unanswered));
}

#[test]
fn a_reset_with_a_syn_was_no_open_connection() {
    for (flags, ack) in [(RST | SYN, Some(C + 1)), (RST | SYN | FIN, Some(C + 1)), (RST | SYN | FIN, None)] {
        let mut exchange = capture();
        exchange.segment(SERVER, CLIENT, flags, S, ack, 0);
        let handshake = failed(&mut exchange);
        assert_ne!(handshake.outcome, Some(Outcome::Established), "{flags:?}");
    }
}

#[test]
fn a_fin_that_opens_counts_if_it_is_acknowledged() {
    // As in T/TCP (RFC 1644 §3.3).
    for payload in [0, 30] {
        let next = C + payload + 2;
        let mut exchange = capture();
        exchange.segment(CLIENT, SERVER, SYN | FIN, C, None, payload);
        exchange.segment(SERVER, CLIENT, SYN | FIN, S, Some(next), 40);
        exchange.segment(CLIENT, SERVER, ACK, next, Some(S + 42), 0);
        let (handshake, close) = whole(&mut exchange);
        let kind = if payload > 0 { HandshakeKind::FastOpen } else { HandshakeKind::ThreeWay };
        assert_eq!((handshake.kind, handshake.outcome), (kind, Some(Outcome::Established)));
        assert_eq!(handshake.missing, []);
        assert_eq!((close.kind, close.initiator), (CloseKind::ThreeSegment, Some(Role::Client)), "{}", close.summary);
        assert_eq!((close.bytes, close.half_closed_bytes), (bytes(payload.into(), 40), Some(40)));
    }
    // Else the connection is open.
    let mut exchange = capture();
    exchange.segment(CLIENT, SERVER, SYN | FIN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    let (handshakes, closes) = exchange.records();
    assert_eq!(only(handshakes).outcome, Some(Outcome::Established));
    assert_eq!(closes, []);
    // The number of the FIN is that of data.
    let mut exchange = capture();
    exchange.segment(CLIENT, SERVER, SYN | FIN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 1);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 2), 0);
    let (_, closes) = exchange.records();
    assert_eq!(closes, []);
}
