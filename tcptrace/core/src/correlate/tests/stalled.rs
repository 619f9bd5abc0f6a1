//! Stalls: the awaited step, and whose turn it is.

mod again;
mod event_facts;

use std::num::NonZeroU32;

use super::{
    CLIENT, SERVER,
    exchange::{self, Exchange, State::*},
};
use crate::{
    correlate::Correlated,
    event::{BootTime, Event, Loss, LossSource, Proof},
    tcp::{TcpFlags, TcpState},
    verdict::{Awaited, Each, Stalled, Turn},
};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const FIN: TcpFlags = TcpFlags::FIN;
const RST: TcpFlags = TcpFlags::RST;
const SECOND: u64 = 1_000_000_000;

pub(super) fn stalls(exchange: &Exchange) -> Vec<Stalled> {
    let stalled =
        |placed: &Correlated| if let Correlated::Stalled(record) = placed { Some((**record).clone()) } else { None };
    exchange.placed().iter().filter_map(stalled).collect()
}

/// The only stall, two seconds later.
fn stalled(exchange: &mut Exchange) -> Stalled {
    exchange.pass(2 * SECOND);
    exchange.timeout();
    let stalls = stalls(exchange);
    let [stalled] = stalls.as_slice() else { panic!("{stalls:?}") };
    stalled.clone()
}

/// The sentence, the awaited step, and the end whose turn it is.
pub(super) fn waits(stalled: &Stalled) -> (&str, Option<Awaited>, Option<Turn>) {
    (&stalled.summary, stalled.waiting_for, stalled.turn)
}

fn opened() -> Exchange {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, 0, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, 0, Some(1), 0);
    exchange.segment(CLIENT, SERVER, ACK, 1, Some(1), 0);
    exchange
}

/// An open connection with both sockets seen.
fn opened_here() -> Exchange {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, 0, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, 0, Some(1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, 1, Some(1), 0);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    exchange
}

#[test]
fn each_step_of_a_handshake_is_waited_for() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    let sentence = "waiting for the client's SYN, which was not seen to leave";
    let first = stalled(&mut exchange);
    assert_eq!(waits(&first), (sentence, Some(Awaited::SynAck), Some(Turn::Client)));
    assert_eq!(first.state, Each { client: Some(SynSent), server: None });
    assert_eq!((first.at.since(first.since), first.retransmissions), (SECOND, None));

    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, 0, None, 0);
    exchange.segment(SERVER, CLIENT, RST, 0, None, 0);
    let sentence = "waiting for the server's SYN,ACK; the SYN was sent once; a reset was seen: it does not acknowledge the \
                    SYN, so the client ignores it";
    let refused = stalled(&mut exchange);
    assert_eq!(waits(&refused), (sentence, Some(Awaited::SynAck), Some(Turn::Server)));
    assert!(refused.ignored_reset);

    for (count, times) in [(1, "once"), (2, "2 times"), (3, "3 times")] {
        let mut exchange = Exchange::new();
        (0..count).for_each(|_| exchange.segment(CLIENT, SERVER, SYN, 0, None, 0));
        let sentence = format!("waiting for the server's SYN,ACK; the SYN was sent {times}");
        let stalled = stalled(&mut exchange);
        assert_eq!(waits(&stalled), (sentence.as_str(), Some(Awaited::SynAck), Some(Turn::Server)));
        assert_eq!(stalled.retransmissions, Some(count - 1));
    }

    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, 0, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, 0, Some(1), 0);
    let sentence = "waiting for the client's ACK; the SYN,ACK was sent once";
    assert_eq!(waits(&stalled(&mut exchange)), (sentence, Some(Awaited::Ack), Some(Turn::Client)));

    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, 0, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, 0, Some(1), 0);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.segment(CLIENT, SERVER, ACK, 1, Some(1), 0);
    let stalled = stalled(&mut exchange);
    let sentence = "the client is ESTABLISHED; the server is not: SYN_RECV";
    assert_eq!(waits(&stalled), (sentence, Some(Awaited::Accept), Some(Turn::Server)));
}

#[test]
fn each_step_of_a_close_is_waited_for() {
    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, FIN, 8, Some(1), 0);
    let stalled_ = stalled(&mut exchange);
    let sentence = "the client closed its side; the server has not; the FIN was sent once, and is not acknowledged";
    assert_eq!(waits(&stalled_), (sentence, Some(Awaited::Ack), Some(Turn::Server)));

    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, FIN, 8, Some(1), 0);
    exchange.segment(SERVER, CLIENT, ACK, 1, Some(9), 0);
    let stalled_ = stalled(&mut exchange);
    let sentence = "the client closed its side; the server has not: CLOSE_WAIT, as its ACK shows";
    assert_eq!(waits(&stalled_), (sentence, Some(Awaited::Close), Some(Turn::Server)));
    assert_eq!(stalled_.state, Each { client: None, server: Some(CloseWait) });

    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, FIN, 8, Some(1), 0);
    exchange.segment(SERVER, CLIENT, FIN, 1, Some(9), 0);
    exchange.segment(SERVER, CLIENT, FIN, 1, Some(9), 0);
    let stalled_ = stalled(&mut exchange);
    let sentence = "both ends closed; waiting for the ACK of the server's FIN; the FIN was sent 2 times";
    assert_eq!(waits(&stalled_), (sentence, Some(Awaited::Ack), Some(Turn::Client)));
    assert_eq!(stalled_.retransmissions, Some(1));
}

#[test]
fn states_alone_tell_who_has_closed() {
    let mut exchange = opened();
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    let stalled_ = stalled(&mut exchange);
    let sentence = "the server closed its side; the client has not: CLOSE_WAIT";
    assert_eq!(waits(&stalled_), (sentence, Some(Awaited::Close), Some(Turn::Client)));

    let mut exchange = opened();
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    exchange.state(CLIENT, SERVER, CloseWait, LastAck);
    assert_eq!(stalled(&mut exchange).summary, "both ends closed; waiting for the last of it");
}

#[test]
fn what_may_have_got_on_unseen_is_told_with_that() {
    let lose = |exchange: &mut Exchange, source| {
        let at = BootTime(exchange.now());
        exchange.event(&Event::Loss(Loss { at, source, count: 1, total: 1, placed: false }));
    };
    let sentence =
        "both ends closed; waiting for the last of it; events were lost since the connection began: it may have got on";
    for source in [LossSource::State, LossSource::Segment, LossSource::Recursion] {
        let mut exchange = opened();
        exchange.state(CLIENT, SERVER, Established, CloseWait);
        exchange.state(CLIENT, SERVER, CloseWait, LastAck);
        lose(&mut exchange, source);
        assert_eq!(stalled(&mut exchange).summary, sentence, "{source:?}");
    }

    // Losses before the connection began, and losses only in the output, hide none of its segments.
    let mut exchange = Exchange::new();
    lose(&mut exchange, LossSource::State);
    exchange.segment(CLIENT, SERVER, SYN, 0, None, 0);
    lose(&mut exchange, LossSource::Output);
    assert_eq!(stalled(&mut exchange).summary, "waiting for the server's SYN,ACK; the SYN was sent once");
}

#[test]
fn a_reset_that_does_not_end_the_connection_is_told() {
    let mut exchange = opened_here();
    exchange.segment(CLIENT, SERVER, RST, 1, None, 0);
    exchange.pass(SECOND);
    let told = stalled(&mut exchange);
    let sentence =
        "a reset came in the client's name, whose socket is still open: something else sent it, as a firewall does";
    assert_eq!(waits(&told), (sentence, None, None));

    // No socket of the client is here.
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, 0, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, 0, Some(1), 0);
    exchange.segment(CLIENT, SERVER, ACK, 1, Some(1), 0);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    exchange.segment(CLIENT, SERVER, RST, 1, None, 0);
    exchange.pass(SECOND);
    let told = stalled(&mut exchange);
    let sentence = "the client sent a reset; the end of the connection was not seen yet";
    assert_eq!(waits(&told), (sentence, None, None));
}

#[test]
fn an_end_whose_socket_is_gone_without_a_fin_has_not_closed_its_side() {
    for (error, ended) in [(110, "gave up (ETIMEDOUT)"), (0, "ended without a FIN")] {
        let mut exchange = opened_here();
        exchange.with_error(error).state(CLIENT, SERVER, Established, Close);
        let sentence = format!("the client's socket {ended}; the server has not closed: ESTABLISHED");
        assert_eq!(waits(&stalled(&mut exchange)), (sentence.as_str(), None, None));
    }
}

#[test]
fn who_still_sends_on_a_half_closed_connection_need_not_close_it() {
    let mut exchange = opened_here();
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(CLIENT, SERVER, FIN, 1, Some(1), 0);
    exchange.state(SERVER, CLIENT, Established, CloseWait);
    exchange.segment(SERVER, CLIENT, ACK, 1, Some(2), 1000);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.segment(CLIENT, SERVER, ACK, 2, Some(1001), 0);
    let sentence = "the client closed its side; the server has not: CLOSE_WAIT, and has sent data that the FIN does not acknowledge";
    assert_eq!(waits(&stalled(&mut exchange)), (sentence, Some(Awaited::Fin), Some(Turn::Server)));
}

#[test]
fn that_a_fin_has_not_left_is_said_only_where_the_segments_of_that_end_are_seen() {
    let mut exchange = opened_here();
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    let stalled_ = stalled(&mut exchange);
    // Nothing tells what holds it back: data, or something on its way to the interface.
    let sentence = "the client closed its side, but its FIN was not seen to leave";
    assert_eq!(waits(&stalled_), (sentence, Some(Awaited::Fin), None));
    assert_eq!(stalled_.state, Each { client: Some(FinWait1), server: Some(Established) });

    // Nor that of the server.
    let mut exchange = opened_here();
    exchange.state(SERVER, CLIENT, Established, FinWait1);
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    let sentence = "both ends closed, but their FINs were not seen to leave";
    assert_eq!(waits(&stalled(&mut exchange)), (sentence, Some(Awaited::Fin), None));

    // As in another network namespace, or with --segments none.
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.pass(2 * SECOND);
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.pass(SECOND);
    exchange.timeout();
    let stalls = stalls(&exchange);
    let sentence = "the client closed its side: FIN_WAIT1; the server has not";
    assert_eq!(stalls.last().map(waits), Some((sentence, None, None)));
}

#[test]
fn what_keeps_a_fin_back_is_told_where_every_segment_is_seen() {
    let mut exchange = opened_here();
    exchange.segment(CLIENT, SERVER, TcpFlags::PSH, 1, Some(1), 14);
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    let stalled = stalled(&mut exchange);
    assert_eq!((stalled.waiting_for, stalled.turn, stalled.unacked_bytes), (Some(Awaited::DataAck), None, Some(14)));
    let sentence = "the client closed its side, but its FIN was not seen to leave: data before it is still to be sent";
    assert_eq!(stalled.summary, sentence);
}

/// As in the capture of one direction: the answers pass elsewhere.
#[test]
fn of_an_end_that_was_never_seen_it_is_not_said_that_it_has_not_closed() {
    let awaited = (Some(Awaited::Ack), Some(Turn::Server));
    for (count, times, (waiting_for, turn)) in [(1, "once", (None, None)), (2, "2 times", awaited)] {
        let mut exchange = Exchange::of_capture();
        exchange.connections().expect_all_segments();
        exchange.segment(CLIENT, SERVER, SYN, 0, None, 0);
        exchange.segment(CLIENT, SERVER, ACK, 1, Some(1), 0);
        exchange.segment(CLIENT, SERVER, ACK, 1, Some(1), 7);
        (0..count).for_each(|_| exchange.segment(CLIENT, SERVER, FIN, 8, Some(40), 0));
        exchange.segment(CLIENT, SERVER, ACK, 9, Some(41), 0);
        let sentence =
            format!("the client closed its side; no answer of the server was seen; the FIN was sent {times}");
        assert_eq!(waits(&stalled(&mut exchange)), (sentence.as_str(), waiting_for, turn));
    }
}
