//! Handshakes and their outcomes.

use super::*;
use crate::{
    event::{BootTime, Event, Segment},
    tcp::OptionBytes,
};

#[test]
fn a_reset_that_answers_the_syn_is_a_refusal() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, RST, 0, Some(C + 1), 0);
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.outcome, handshake.by_icmp), (Some(Outcome::Refused), false));
    assert_eq!((handshake.server.isn, handshake.retransmissions.synack), (None, None));
}

#[test]
fn a_refusal_is_told_when_the_socket_has_heard_of_it() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, RST, 0, Some(C + 1), 0);
    assert_eq!(exchange.totals().ended, 0);
    exchange.with_error(111).state(CLIENT, SERVER, SynSent, Close);
    assert_eq!(exchange.totals().ended, 1);
    assert_eq!(failed(&mut exchange).outcome, Some(Outcome::Refused));
}

#[test]
fn icmp_refuses_without_a_reset() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, 7, None, 0);
    exchange.icmp(CLIENT, SERVER);
    exchange.with_error(111).state(CLIENT, SERVER, SynSent, Close);
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.outcome, handshake.by_icmp), (Some(Outcome::Refused), true));
    assert_eq!(handshake.summary, "three-way handshake, refused by ICMP: port unreachable");
}

#[test]
fn a_syn_that_leaves_late_is_told_of() {
    const LATE: &str = "; no SYN was seen to leave for 2.000 s before";
    const COOKIE: &[u8] = &[34, 10, 1, 2, 3, 4, 5, 6, 7, 8];
    let usual: &[u8] = &[2, 4, 5, 180];
    for (waited, options, told) in [(SECOND / 20, usual, ""), (2 * SECOND, usual, LATE), (2 * SECOND, COOKIE, "")] {
        let mut exchange = Exchange::new();
        exchange.state(CLIENT, SERVER, Close, SynSent);
        exchange.pass(waited);
        let mut syn = exchange.built(CLIENT, SERVER, SYN, C, None);
        syn.header.options = OptionBytes::new(options);
        exchange.event(&Event::Segment(syn));
        exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
        exchange.state(CLIENT, SERVER, SynSent, Established);
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
        let (handshakes, _) = exchange.records();
        let summary = only(handshakes).summary;
        assert_eq!(summary, format!("three-way handshake, established in 0.000 ms{told}"));
    }
}

#[test]
fn a_health_check_is_a_reset_by_the_client_and_no_failure() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, RST, C + 1, None, 0);
    let handshake = failed(&mut exchange);
    assert_eq!(handshake.outcome, Some(Outcome::Reset));
    assert!(handshake.summary.contains("as health checks and scans do"), "{}", handshake.summary);
}

#[test]
fn a_reset_that_answers_a_syn_ack_without_a_syn_is_not_called_a_health_check() {
    let mut exchange = Exchange::of_capture();
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, RST, C + 1, None, 0);
    let summary = failed(&mut exchange).summary;
    assert_eq!(summary, "three-way handshake, reset by the client before it was complete (incomplete, not seen: SYN)");
}

#[test]
fn a_simultaneous_open_is_one_handshake() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, None, 0);
    exchange.segment(CLIENT, SERVER, SYN, C, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    let (handshakes, _) = exchange.records();
    let handshake = only(handshakes);
    assert_eq!((handshake.kind, handshake.outcome), (HandshakeKind::Simultaneous, Some(Outcome::Established)));
    assert_eq!((handshake.syn_to_synack_ns, handshake.synack_to_ack_ns), (Some(3), None));
    assert!(!handshake.incomplete, "{:?}", handshake.missing);
}

#[test]
fn a_socket_connected_to_itself_has_said_everything_at_both_ends() {
    let mut exchange = Exchange::new();
    let segment = |exchange: &mut Exchange, flags, seq, ack, length| {
        exchange.segment(CLIENT, CLIENT, flags, C + seq, ack, length);
    };
    exchange.state(CLIENT, CLIENT, Close, SynSent);
    segment(&mut exchange, SYN, 0, None, 0);
    exchange.state(CLIENT, CLIENT, SynSent, SynRecv);
    segment(&mut exchange, SYN, 0, Some(C + 1), 0);
    exchange.state(CLIENT, CLIENT, SynRecv, Established);
    segment(&mut exchange, ACK, 1, Some(C + 1), 7);
    exchange.by(5).state(CLIENT, CLIENT, Established, FinWait1);
    segment(&mut exchange, FIN, 8, Some(C + 8), 0);
    segment(&mut exchange, ACK, 9, Some(C + 9), 0);
    exchange.state(CLIENT, CLIENT, FinWait1, Closing);
    exchange.state(CLIENT, CLIENT, Closing, Close);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!((handshake.kind, handshake.outcome), (HandshakeKind::Simultaneous, Some(Outcome::Established)));
    assert_eq!((handshake.client.isn, handshake.server.isn), (Some(C), Some(C)));
    assert_eq!(handshake.retransmissions, OpeningRetransmissions { syn: Some(0), synack: Some(0) });
    assert!(!handshake.incomplete && !close.incomplete, "{handshake:?} {close:?}");
    assert_eq!((close.kind, close.initiator, close.bytes), (CloseKind::Simultaneous, None, bytes(7, 7)));
    assert_eq!(close.time_wait, Some(TimeWait::Both));
}

#[test]
fn fast_open_acknowledges_the_data_of_the_syn() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 100);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 101), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 101, Some(S + 1), 0);
    let (handshakes, _) = exchange.records();
    assert_eq!(only(handshakes).kind, HandshakeKind::FastOpen);
}

#[test]
fn a_capture_that_begins_at_the_syn_ack_is_incomplete() {
    let mut exchange = Exchange::new();
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    let (handshakes, _) = exchange.records();
    let handshake = only(handshakes);
    assert_eq!((handshake.outcome, handshake.missing), (Some(Outcome::Established), vec![Missing::Syn]));
    assert_eq!((handshake.client.isn, handshake.client.options), (Some(C), None));
}

#[test]
fn a_connect_without_a_free_port_sends_nothing_and_misses_nothing() {
    let mut exchange = Exchange::new();
    exchange.full_state(42, 0, SERVER, Close, SynSent);
    exchange.by(4).full_state(42, 0, SERVER, SynSent, Close);
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.outcome, handshake.missing), (Some(Outcome::NoPort), vec![]));
}

#[test]
fn a_socket_that_is_destroyed_from_outside_is_not_said_to_be_closed_by_its_application() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.with_error(103).state(CLIENT, SERVER, SynSent, Close);
    let handshake = failed(&mut exchange);
    assert!(handshake.summary.contains("destroyed from outside"), "{}", handshake.summary);
}

#[test]
fn a_segment_that_acknowledges_data_proves_a_handshake_whose_other_half_passes_elsewhere() {
    let mut exchange = Exchange::of_capture();
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 19), 0);
    let handshake = exchange.records().0.into_iter().next().expect("a handshake");
    assert_eq!(handshake.outcome, Some(Outcome::Established));
}

/// Frames of a capture may have times that run backwards.
#[test]
fn a_handshake_whose_answer_is_older_than_its_syn_has_no_duration() {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    let answer = exchange.built(SERVER, CLIENT, SYN, S, Some(C + 1));
    exchange.event(&Event::Segment(Segment { at: BootTime(1), ..answer }));
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    let (handshakes, _) = exchange.records();
    let handshake = only(handshakes);
    assert_eq!((handshake.outcome, handshake.syn_to_synack_ns), (Some(Outcome::Established), None));
    assert_eq!(handshake.summary, "three-way handshake, established");
}
