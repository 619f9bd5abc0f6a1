//! What is told of a connection that does not get on, and of what the ladder once found out for itself.

use std::num::NonZeroU32;

use super::{
    CLIENT, SERVER,
    exchange::{self, Exchange, State::*},
};
use crate::{
    correlate::Correlated,
    event::{BootTime, Event, Loss, LossSource},
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

/// The only one, two seconds later.
fn stalled(exchange: &mut Exchange) -> Stalled {
    exchange.pass(2 * SECOND);
    exchange.timeout();
    let stalls = stalls(exchange);
    let [stalled] = stalls.as_slice() else { panic!("{stalls:?}") };
    stalled.clone()
}

/// The sentence, what is awaited, and whose turn it is.
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

/// The same, where both sockets are seen.
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
fn what_is_left_for_days_is_told_every_ten_minutes() {
    const HOUR: u64 = 3600 * SECOND;
    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, FIN, 8, Some(1), 0);
    exchange.segment(SERVER, CLIENT, ACK, 1, Some(9), 0);
    exchange.pass(60 * HOUR);
    exchange.timeout();
    let stalls = stalls(&exchange);
    let first = stalls.first().expect("one after a second").at;
    let later: Vec<_> = stalls.iter().map(|stalled| stalled.at.since(first) / SECOND).collect();
    let every_ten_minutes = (1..).map(|count| 59 + 600 * count).take_while(|&after| after < 60 * 3600);
    assert_eq!(later, [0, 9, 59].into_iter().chain(every_ten_minutes).collect::<Vec<_>>());
}

#[test]
fn what_is_left_in_a_capture_is_not_told_of_hours_that_it_lacks() {
    const HOUR: u64 = 3600 * SECOND;
    let mut exchange = opened();
    exchange.may_pause();
    exchange.segment(CLIENT, SERVER, FIN, 8, Some(1), 0);
    exchange.segment(SERVER, CLIENT, ACK, 1, Some(9), 0);
    exchange.pass(400 * 24 * HOUR);
    exchange.segment(CLIENT, SERVER, FIN, 8, Some(1), 0);
    exchange.pass(HOUR / 2);
    exchange.segment(CLIENT, SERVER, FIN, 8, Some(1), 0);
    let stalls = stalls(&exchange);
    let first = stalls.first().expect("one after a second").at;
    let minutes: Vec<_> = stalls.iter().map(|stalled| (stalled.at.since(first) + SECOND) / (60 * SECOND)).collect();
    let days = 400 * 24 * 60;
    let in_last_half_hour = [1, 11, 21].map(|minute| days + minute);
    assert_eq!(minutes, [&[0, 0, 1, 11, 21, 31, 41, 51], in_last_half_hour.as_slice()].concat());
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

    // What was lost before it began, and what only the output lacks, hides nothing of it.
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
    let stalled = stalled(&mut exchange);
    let sentence = "the client sent a reset; the end of the connection was not seen yet";
    assert_eq!(waits(&stalled), (sentence, None, None));
}

#[test]
fn that_a_fin_has_not_left_is_said_only_where_the_segments_of_that_end_are_seen() {
    let mut exchange = opened_here();
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    let stalled_ = stalled(&mut exchange);
    let sentence = "the client closed its side, but its FIN has not left: data is still to be sent";
    assert_eq!(waits(&stalled_), (sentence, Some(Awaited::Fin), Some(Turn::Client)));
    assert_eq!(stalled_.state, Each { client: Some(FinWait1), server: Some(Established) });

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
}

#[test]
fn what_gets_on_is_not_told_and_what_does_not_is_told_less_and_less_often() {
    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, FIN, 8, Some(1), 0);
    exchange.segment(SERVER, CLIENT, FIN, 1, Some(9), 0);
    exchange.segment(CLIENT, SERVER, ACK, 9, Some(2), 0);
    exchange.pass(3 * SECOND);
    exchange.timeout();
    assert_eq!((stalls(&exchange), exchange.totals().ended), (vec![], 1));

    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, 0, None, 0);
    for _ in 0..62 {
        exchange.pass(SECOND);
        exchange.timeout();
    }
    let after: Vec<_> = stalls(&exchange).iter().map(|stalled| stalled.at.since(stalled.since) / SECOND).collect();
    assert_eq!(after, [1, 10, 60]);
}

#[test]
fn a_close_that_does_not_come_is_told_every_ten_minutes() {
    let mut exchange = opened_here();
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    for _ in 0..22 {
        exchange.pass(60 * SECOND);
        exchange.timeout();
    }
    let stalls = stalls(&exchange);
    let first = stalls.first().map(|stalled| stalled.at).expect("a stall");
    let after: Vec<_> = stalls.iter().map(|stalled| stalled.at.since(first) / SECOND + 1).collect();
    assert_eq!(after, [1, 10, 60, 660, 1260]);
    let number = stalls.len();
    let placed = exchange.finish_all();
    let told = placed.iter().filter(|placed| matches!(placed, Correlated::Stalled(_))).count();
    assert_eq!(told, number, "not again when tracing ends");
}

#[test]
fn what_stalls_when_tracing_ends_is_told_then() {
    let mut exchange = opened();
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    let placed = exchange.finish_all();
    assert!(matches!(placed.last(), Some(Correlated::Stalled(record)) if record.conn == 1), "{placed:?}");
}

#[test]
fn a_segment_sent_again_is_a_retransmission_in_every_phase() {
    let mut exchange = opened();
    exchange.segment(SERVER, CLIENT, SYN, 0, Some(1), 0);
    exchange.segment(CLIENT, SERVER, ACK, 1, Some(1), 10);
    exchange.segment(CLIENT, SERVER, ACK, 1, Some(1), 10);
    exchange.segment(CLIENT, SERVER, FIN, 11, Some(1), 0);
    exchange.segment(CLIENT, SERVER, FIN, 5, Some(1), 6);
    let again: Vec<_> = exchange::segments(exchange.placed()).iter().map(|segment| segment.retransmission).collect();
    assert_eq!(again, [false, false, false, true, false, true, false, true]);
}

#[test]
fn the_first_syn_ack_of_a_simultaneous_open_is_no_retransmission() {
    let mut exchange = Exchange::new();
    for (ack, again) in [(None, false), (Some(1), false), (Some(1), true)] {
        for (from, to) in [(CLIENT, SERVER), (SERVER, CLIENT)] {
            exchange.segment(from, to, SYN, 0, ack, 0);
            assert_eq!(exchange::segments(exchange.placed()).last().map(|segment| segment.retransmission), Some(again));
        }
    }
}

#[test]
fn what_goes_on_without_its_socket_is_told() {
    let of = |exchange: &Exchange| exchange::states(exchange.placed()).last().and_then(|state| state.continues_as);
    let close = |other_fin: bool, error: u32, old: TcpState| {
        let mut exchange = opened_here();
        exchange.state(CLIENT, SERVER, Established, FinWait1);
        exchange.segment(CLIENT, SERVER, FIN, 1, Some(1), 0);
        if other_fin {
            exchange.segment(SERVER, CLIENT, FIN, 1, Some(2), 0);
        }
        exchange.with_error(error).state(CLIENT, SERVER, old, Close);
        of(&exchange)
    };
    assert_eq!(close(false, 0, FinWait2), Some(FinWait2));
    assert_eq!(close(true, 0, FinWait2), Some(TimeWait));
    assert_eq!(close(true, 0, Closing), Some(TimeWait));
    assert_eq!(close(true, 0, LastAck), None);
    assert_eq!(close(true, 110, FinWait2), None);
}

#[test]
fn what_is_forgotten_to_make_room_is_told() {
    let mut exchange = Exchange::new();
    exchange.connections().limit(NonZeroU32::new(8).expect("some"));
    for client in 1..=12 {
        exchange.segment(client, SERVER, SYN, 0, None, 0);
    }
    let evicted =
        |placed: &Correlated| if let Correlated::Evicted(evicted) = placed { Some(evicted.conn) } else { None };
    let evicted: Vec<_> = exchange.placed().iter().filter_map(evicted).collect();
    assert_eq!(evicted.len() as u64, exchange.totals().evicted);
    assert!(evicted.is_sorted() && !evicted.is_empty(), "{evicted:?}");
}

#[test]
fn what_comes_behind_the_last_record_is_late() {
    let mut exchange = Exchange::new();
    exchange.local_connection(CLIENT, SERVER);
    assert!(exchange::segments(exchange.placed()).iter().all(|segment| !segment.late));
    assert!(exchange::states(exchange.placed()).iter().all(|state| !state.late));
    exchange.pass(7);
    exchange.segment(CLIENT, SERVER, ACK, 1_009, Some(900_020), 0);
    let placed = exchange::segments(exchange.placed());
    let last = placed.last().expect("a segment");
    assert_eq!((last.conn, last.late, last.since_start_ns), (1, true, 17 + 7));
}
