//! The facts behind a failure that advice depends on.

use super::*;
use crate::verdict::IcmpAnswer;

/// The close of a connection whose server closed and received 100 B 3 ms later; `known`: the client had acknowledged the
/// server's FIN before.
fn data_after_close(mut exchange: Exchange, known: bool) -> Close {
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    if known {
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 2), 0);
    }
    exchange.pass(3_000_000 - 1 - u64::from(known));
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1 + u32::from(known)), 100);
    exchange.segment(SERVER, CLIENT, RST, S + 1 + u32::from(known), None, 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::DataAfterClose }));
    close
}

#[test]
fn the_writer_knew_of_a_close_that_it_had_acknowledged() {
    let close = data_after_close(opened(), true);
    assert_eq!((close.initiator, close.close_known), (Some(Role::Server), Some(true)));
    assert_eq!(close.closed_before_ns, Some(3_000_001));
    assert!(close.summary.contains("was closed already (3.000 ms before)"), "{}", close.summary);
}

#[test]
fn data_that_crosses_a_fin_was_sent_without_knowing() {
    let close = data_after_close(opened(), false);
    assert_eq!((close.initiator, close.close_known), (Some(Role::Server), Some(false)));
}

/// The segments that pass when the client's data meets a server that has closed.
#[derive(Clone, Copy, Debug)]
enum Passes {
    Fin,
    AckOfFin,
    /// 100 B that acknowledge the FIN or do not.
    Data(bool),
    /// The answer to such data.
    Reset(bool),
}

#[test]
fn data_that_does_not_acknowledge_the_fin_was_sent_without_knowing_wherever_that_is_seen() {
    use Passes::*;
    for (order, known) in [
        // As seen at the server, halfway, and at the client.
        ([Fin, Data(false), Reset(false), AckOfFin], false),
        ([Fin, Data(false), AckOfFin, Reset(false)], false),
        ([Data(false), Fin, AckOfFin, Reset(false)], false),
        ([Fin, AckOfFin, Data(true), Reset(true)], true),
    ] {
        let mut exchange = opened();
        for step in order {
            let number = |acks: bool| S + 1 + u32::from(acks);
            match step {
                Fin => exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0),
                AckOfFin => exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 2), 0),
                Data(acks) => exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(number(acks)), 100),
                Reset(acks) => exchange.segment(SERVER, CLIENT, RST, number(acks), None, 0),
            }
        }
        let (_, close) = whole(&mut exchange);
        let reset = crate::verdict::Reset { by: Role::Server, cause: ResetCause::DataAfterClose };
        assert_eq!(
            (close.kind, close.reset, close.close_known),
            (CloseKind::Reset, Some(reset), Some(known)),
            "{order:?}"
        );
    }
}

#[test]
fn the_host_of_a_writer_that_could_not_know_says_so() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    exchange.segment(CLIENT, SERVER, ACK, C + 101, Some(S + 2), 0);
    exchange.segment(SERVER, CLIENT, RST, S + 1, None, 0);
    exchange.with_error(32).state(CLIENT, SERVER, CloseWait, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::DataAfterClose }));
    assert_eq!((close.initiator, close.close_known), (Some(Role::Server), Some(false)));
}

#[test]
fn linger_and_unread_data_are_both_evidence() {
    let proof = Proof { linger: true, unread: true, ..Proof::default() };
    let mut exchange = established();
    exchange.by(3).with_proof(proof).state(SERVER, CLIENT, Established, Close);
    exchange.segment(SERVER, CLIENT, RST, S + 1, Some(C + 1), 0);
    exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::UnreadData }));
    assert_eq!((close.evidence, close.closed_before_ns), (Some(proof), None));
    assert!(close.summary.contains("with data unread and with SO_LINGER 0"), "{}", close.summary);
}

#[test]
fn the_end_that_gave_up_is_named() {
    let mut exchange = established();
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
    exchange.pass(SECOND);
    exchange.with_error(110).state(CLIENT, SERVER, Established, Close);
    exchange.by(3).state(SERVER, CLIENT, Established, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.kind, close.gave_up), (CloseKind::TimedOut, Some(Role::Client)));
}

#[test]
fn the_sender_of_an_icmp_error_is_named() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, 7, None, 0);
    exchange.icmp(CLIENT, SERVER);
    exchange.with_error(111).state(CLIENT, SERVER, SynSent, Close);
    let from = [127, 0, 0, 1].into();
    let answer = IcmpAnswer { from, kind: "port unreachable", icmp_type: 3, icmp_code: 3, of_synack: false };
    assert_eq!(failed(&mut exchange).icmp, Some(answer));
}

#[test]
fn a_client_that_was_killed_has_not_cancelled() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.with_error(103).state(CLIENT, SERVER, SynSent, Close);
    let handshake = failed(&mut exchange);
    assert!(handshake.killed && handshake.summary.contains("destroyed from outside"), "{}", handshake.summary);
}
