//! SYNs that cross, and forged segments between them that answer neither.

use super::*;

const SYN_ACK: TcpFlags = SYN;

/// A capture of every segment.
fn capture() -> Exchange {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    exchange
}

#[test]
fn what_answers_no_syn_begins_no_connection() {
    for (flags, seq) in [(SYN_ACK, C + 77_000_000), (ACK, C + 829_000_000)] {
        let mut exchange = capture();
        exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        exchange.segment(CLIENT, SERVER, flags, seq, Some(55_000_000), 0);
        exchange.segment(SERVER, CLIENT, SYN, S, None, 0);
        exchange.segment(SERVER, CLIENT, RST, 55_000_000, None, 0);
        exchange.segment(SERVER, CLIENT, SYN_ACK, S, Some(C + 1), 0);
        exchange.segment(CLIENT, SERVER, SYN_ACK, C, Some(S + 1), 0);
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
        exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 1), 0);
        let (handshakes, _) = exchange.records();
        let handshake = only(handshakes);
        assert_eq!(handshake.outcome, Some(Outcome::Established), "{flags:?}");
        assert_eq!(handshake.kind, HandshakeKind::Simultaneous, "{flags:?}");
    }
}

#[test]
fn segments_behind_a_gap_of_one_direction_bear_each_other_out() {
    for (second, outcome) in [(C + 800_008, Outcome::Established), (C + 800_000_000, Outcome::Unanswered)] {
        let mut exchange = capture();
        exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        exchange.segment(CLIENT, SERVER, ACK, C + 800_000, Some(S + 1), 8);
        exchange.segment(CLIENT, SERVER, ACK, second, Some(S + 1), 8);
        let (handshakes, _) = exchange.records();
        assert_eq!(only(handshakes).outcome, Some(outcome));
    }
}

/// A SYN,ACK offers no more than 65,535 bytes (RFC 7323 §2.2), and nobody is seen to send as much.
#[test]
fn what_is_far_behind_a_syn_ack_of_which_nothing_else_is_seen_has_to_be_borne_out() {
    let far = S + 258_000_000;
    for (what, behind, outcome) in [
        ("one segment", vec![(far, C + 1_000_000)], Outcome::Unanswered),
        ("one that acknowledges little", vec![(far, C + 5)], Outcome::Unanswered),
        ("one that acknowledges much", vec![(S + 1, C + 1_000_000)], Outcome::Unanswered),
        (
            "two that have nothing in common",
            vec![(far, C + 1_000_000), (far - 99_000_000, C + 5_000_000)],
            Outcome::Unanswered,
        ),
        ("two behind the same gap", vec![(far, C + 1_000_000), (far + 8, C + 1_000_000)], Outcome::Established),
        ("the next one", vec![(S + 1, C + 401)], Outcome::Established),
    ] {
        let mut exchange = capture();
        exchange.segment(SERVER, CLIENT, SYN_ACK, S, Some(C + 1), 0);
        for (seq, ack) in behind {
            exchange.segment(SERVER, CLIENT, ACK, seq, Some(ack), 8);
        }
        let (handshakes, _) = exchange.records();
        assert_eq!(only(handshakes).outcome, Some(outcome), "{what}");
    }
}

#[test]
fn a_listener_that_answers_has_sent_no_syn_of_its_own() {
    let mut exchange = capture();
    exchange.segment(SERVER, CLIENT, SYN, 77_000_000, None, 0);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN_ACK, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 2), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 2, Some(S + 2), 0);
    exchange.pass(2 * SECOND);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.kind, handshake.client.port), (HandshakeKind::ThreeWay, Some(CLIENT)));
    assert_eq!((close.kind, close.initiator), (CloseKind::ThreeSegment, Some(Role::Client)));
}

#[test]
fn a_forged_syn_between_two_connections_is_not_the_listeners_own() {
    const AGAIN: u32 = 77_000_000;
    let mut exchange = capture();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN_ACK, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 80);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 81), 0);
    exchange.segment(SERVER, CLIENT, SYN, S + 69_000_000, None, 0);
    // The client has lost the connection, and resets what challenges its SYN.
    exchange.segment(CLIENT, SERVER, SYN, AGAIN, None, 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 81), 0);
    exchange.segment(CLIENT, SERVER, RST, C + 81, None, 0);
    exchange.pass(SECOND);
    exchange.segment(CLIENT, SERVER, SYN, AGAIN, None, 0);
    exchange.segment(SERVER, CLIENT, SYN_ACK, 55_000_000, Some(AGAIN + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, AGAIN + 1, Some(55_000_001), 0);
    let (handshakes, _) = exchange.records();
    let told: Vec<_> = handshakes.iter().map(|one| (one.outcome, one.kind)).collect();
    assert_eq!(told, [(Some(Outcome::Established), HandshakeKind::ThreeWay); 2]);
}

/// The connection of each segment, in order.
fn conns(exchange: &mut Exchange) -> Vec<u64> {
    super::super::exchange::segments(&exchange.finish()).iter().map(|placed| placed.conn).collect()
}

#[test]
fn a_late_syn_of_a_simultaneous_open_is_its_own() {
    let mut exchange = capture();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN_ACK, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, SYN, 77_000_000, None, 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, SYN, S, None, 0);
    assert_eq!(conns(&mut exchange), [1, 1, 1, 2, 1, 1]);
}

#[test]
fn an_old_reset_finds_its_connection_behind_an_unanswered_syn() {
    const AGAIN: u32 = 3_500_000_000;
    let mut exchange = capture();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN_ACK, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 400);
    exchange.segment(SERVER, CLIENT, SYN, 77_000_000, None, 0);
    exchange.segment(CLIENT, SERVER, SYN, 3_000_000_000, None, 0);
    exchange.segment(CLIENT, SERVER, RST, C + 401, None, 0);
    exchange.segment(CLIENT, SERVER, SYN, AGAIN, None, 0);
    exchange.segment(SERVER, CLIENT, SYN_ACK, AGAIN / 2, Some(AGAIN + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, AGAIN + 1, Some(AGAIN / 2 + 1), 0);
    exchange.segment(CLIENT, SERVER, RST, C + 201, None, 0);
    let conns = conns(&mut exchange);
    assert_eq!(conns.last(), Some(&1), "{conns:?}");
}

#[test]
fn a_syn_ack_that_nobody_has_asked_for_is_no_connection_that_goes_on() {
    let mut exchange = capture();
    exchange.segment(CLIENT, SERVER, SYN_ACK, 77_000_000, Some(55_000_000), 0);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    // Nearer to the numbers of the first one, and accepted by neither.
    exchange.segment(SERVER, CLIENT, RST, 54_000_000, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, None, 0);
    exchange.segment(SERVER, CLIENT, SYN_ACK, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, SYN_ACK, C, Some(S + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 1), 0);
    assert_eq!(conns(&mut exchange), [1, 2, 1, 2, 2, 2, 2, 2]);
}

#[test]
fn of_two_sockets_whose_syns_cross_one_waits_on_when_the_other_gives_up() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.state(SERVER, CLIENT, Close, SynSent);
    exchange.segment(SERVER, CLIENT, SYN, S, None, 0);
    exchange.by(4).state(SERVER, CLIENT, SynSent, Close);
    // It answers neither SYN: the client in SYN_SENT refuses it (RFC 9293 §3.10.7.3).
    exchange.segment(SERVER, CLIENT, SYN_ACK, 77_000_000, Some(55_000_000), 0);
    exchange.segment(CLIENT, SERVER, RST, 55_000_000, None, 0);
    assert_eq!(conns(&mut exchange), [1, 1, 1, 1]);
}
