//! Handshakes of which a segment is not answered.

use super::*;

#[test]
fn errors_of_the_socket_tell_what_the_wire_does_not() {
    let outcome = |error, pid: Option<u32>| {
        let mut exchange = Exchange::new();
        exchange.state(CLIENT, SERVER, Close, SynSent);
        for _ in 0..3 {
            exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
            exchange.pass(SECOND);
        }
        if let Some(pid) = pid {
            exchange.by(pid);
        }
        exchange.with_error(error).state(CLIENT, SERVER, SynSent, Close);
        let handshake = failed(&mut exchange);
        assert_eq!(handshake.retransmissions.syn, Some(2));
        handshake.outcome
    };
    assert_eq!(outcome(110, None), Some(Outcome::TimedOut));
    assert_eq!(outcome(113, None), Some(Outcome::Unreachable));
    assert_eq!(outcome(0, Some(5)), Some(Outcome::Cancelled));
}

#[test]
fn a_syn_that_nobody_answers_is_told_after_65_s() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.pass(64 * SECOND);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 0);
    exchange.pass(SECOND);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 1);
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.outcome, handshake.waiting_for), (Some(Outcome::Unanswered), Some(WaitingFor::SynAck)));
}

#[test]
fn a_syn_that_never_left_is_told_so() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.pass(65 * SECOND);
    exchange.timeout();
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.client.isn, handshake.retransmissions.syn), (None, None));
    assert!(handshake.summary.contains("no SYN was seen to leave"), "{}", handshake.summary);
}

#[test]
fn how_often_and_how_long_an_application_has_waited_is_told() {
    let summary = |syns| {
        let mut exchange = Exchange::new();
        exchange.state(CLIENT, SERVER, Close, SynSent);
        for _ in 0..syns {
            exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        }
        exchange.pass(5 * SECOND);
        exchange.by(5).state(CLIENT, SERVER, SynSent, Close);
        failed(&mut exchange).summary
    };
    assert_eq!(
        summary(3),
        "three-way handshake, cancelled by the client's application after 5.000 s and 3 SYNs without an answer"
    );
    let unseen = summary(0);
    assert!(unseen.contains("after 5.000 s without an answer; no SYN was seen to leave this host"), "{unseen}");
}

#[test]
fn what_is_in_another_namespace_may_well_have_left() {
    let mut exchange = Exchange::new();
    exchange.in_namespace(77).state(CLIENT, SERVER, Close, SynSent);
    let summary = failed(&mut exchange).summary;
    assert!(summary.contains("no segments: other network namespace"), "{summary}");
    assert!(!summary.contains("seen to leave"), "{summary}");
}

#[test]
fn a_final_ack_that_is_lost_leaves_the_server_waiting() {
    let mut exchange = Exchange::new();
    exchange.with_sockets();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.pass(SECOND);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.pass(65 * SECOND);
    exchange.timeout();
    let handshake = failed(&mut exchange);
    assert_eq!((handshake.outcome, handshake.waiting_for), (Some(Outcome::Unanswered), Some(WaitingFor::Ack)));
    assert_eq!(handshake.retransmissions.synack, Some(1));
}
