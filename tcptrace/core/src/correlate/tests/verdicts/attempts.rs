//! Attempts that end before they are answered.

use super::*;

/// A SYN that a capture shows.
fn asked() -> Exchange {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange
}

#[test]
fn a_client_that_resets_before_it_is_answered_gives_up() {
    for ack in [None, Some(0)] {
        let mut exchange = asked();
        exchange.segment(CLIENT, SERVER, RST, C + 1, ack, 0);
        let handshake = failed(&mut exchange);
        let reset = handshake.reset.map(|reset| reset.by);
        assert_eq!((handshake.outcome, reset), (Some(Outcome::Reset), Some(Role::Client)), "{}", handshake.summary);
    }
    // It refuses an acknowledgement of another connection (RFC 9293 §3.5, figure 9).
    let mut exchange = asked();
    exchange.segment(SERVER, CLIENT, ACK, S, Some(C + 77), 0);
    exchange.segment(CLIENT, SERVER, RST, C + 77, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    let (handshakes, _) = exchange.records();
    assert_eq!(only(handshakes).outcome, Some(Outcome::Established));
}

#[test]
fn an_icmp_error_that_only_asks_to_send_otherwise_is_no_answer() {
    for (kind, outcome) in [
        ((3, 1), Outcome::Unreachable),
        ((11, 0), Outcome::Unreachable),
        // Fragmentation needed, and source quench.
        ((3, 4), Outcome::Unanswered),
        ((4, 0), Outcome::Unanswered),
    ] {
        let mut exchange = Exchange::of_capture();
        exchange.connections().expect_all_segments();
        exchange.segment(CLIENT, SERVER, SYN, 7, None, 0);
        exchange.icmp_of_kind(CLIENT, SERVER, kind);
        assert_eq!(failed(&mut exchange).outcome, Some(outcome), "{kind:?}");
    }
}

#[test]
fn the_fin_of_a_syn_does_not_cross_data() {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    exchange.segment(CLIENT, SERVER, SYN | FIN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 2), 0);
    exchange.segment(CLIENT, SERVER, RST, C + 2, None, 0);
    let handshake = failed(&mut exchange);
    assert_eq!(handshake.reset, Some(Reset { by: Role::Client, cause: ResetCause::Unknown }), "{}", handshake.summary);
}

/// The client's host has restarted: what the server answers to its SYN, it refuses (RFC 9293 §3.5.1, half-open connections).
#[test]
fn an_end_that_asks_for_another_connection_no_longer_knows_the_one_before() {
    const AGAIN: u32 = 3_000_000_000;
    for (whole, here) in [(true, true), (true, false), (false, false)] {
        let mut exchange = if whole { opened() } else { Exchange::new() };
        if here {
            exchange.state(SERVER, CLIENT, Listen, SynRecv);
            exchange.state(SERVER, CLIENT, SynRecv, Established);
        }
        if !whole {
            exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 1), 9);
        }
        exchange.segment(CLIENT, SERVER, SYN, AGAIN, None, 0);
        // Of the server's answer only its socket tells, or nothing does.
        exchange.segment(CLIENT, SERVER, RST, C + 1, None, 0);
        if here {
            exchange.with_error(104).state(SERVER, CLIENT, Established, Close);
        }
        exchange.segment(CLIENT, SERVER, SYN, AGAIN, None, 0);
        exchange.segment(SERVER, CLIENT, SYN, S / 2, Some(AGAIN + 1), 0);
        exchange.segment(CLIENT, SERVER, ACK, AGAIN + 1, Some(S / 2 + 1), 0);
        let (handshakes, closes) = exchange.records();
        let about = format!("whole: {whole}, here: {here}, {handshakes:#?} {closes:#?}");
        let [close] = &closes[..] else { panic!("{about}") };
        // Without a SYN, the first sender is taken for the client.
        let by = if whole { Role::Client } else { Role::Server };
        let reset = Reset { by, cause: ResetCause::NoConnection };
        assert_eq!((close.kind, close.reset), (CloseKind::Reset, Some(reset)), "{about}");
        let again = handshakes.iter().find(|handshake| handshake.conn != close.conn);
        assert_eq!(again.and_then(|again| again.outcome), Some(Outcome::Established), "{about}");
    }
}
