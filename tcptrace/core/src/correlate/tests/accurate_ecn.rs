//! The ACE field of Accurate ECN, and segments whose bits are flags after all.

use super::{
    CLIENT, SERVER,
    exchange::{self, Exchange},
};
use crate::{
    event::{Ace, Event},
    tcp::{OptionBytes, TcpFlags},
};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const FIN: TcpFlags = TcpFlags::FIN;
const RST: TcpFlags = TcpFlags::RST;

/// Adds an ACE field with this value to the flags.
fn ace(flags: TcpFlags, value: u8) -> TcpFlags {
    flags.with_ace(value)
}

/// A SYN and a SYN,ACK with these three bits each: the client's next number is 101, the server's 501.
fn syns(syn: u8, synack: u8) -> Exchange {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, ace(SYN, syn), 100, None, 0);
    exchange.segment(SERVER, CLIENT, ace(SYN, synack), 500, Some(101), 0);
    exchange
}

/// An open connection with Accurate ECN.
fn open() -> Exchange {
    let mut exchange = syns(7, 2);
    exchange.segment(CLIENT, SERVER, ace(ACK, 2), 101, Some(501), 0);
    exchange
}

/// The meanings of all segments after the first `skip`.
fn meanings(mut exchange: Exchange, skip: usize) -> Vec<Option<Ace>> {
    exchange::segments(&exchange.finish()).iter().skip(skip).map(|segment| segment.ace).collect()
}

#[test]
fn bits_are_a_number_after_the_handshake() {
    let mut exchange = open();
    exchange.segment(CLIENT, SERVER, ace(ACK, 5), 101, Some(501), 10);
    exchange.segment(SERVER, CLIENT, ace(ACK, 6), 501, Some(111), 0);
    exchange.segment(SERVER, CLIENT, ace(ACK, 0), 501, Some(111), 10);
    exchange.segment(CLIENT, SERVER, ace(FIN | ACK, 7), 111, Some(511), 0);
    let counters = [5, 6, 0, 7].map(|value| Some(Ace::Counter(value)));
    assert_eq!(meanings(exchange, 2), [&[Some(Ace::SynAck(2))], &counters[..]].concat());
}

#[test]
fn the_syns_themselves_have_flags() {
    assert_eq!(meanings(open(), 0)[..2], [None, None]);
}

#[test]
fn only_a_handshake_that_negotiates_it_makes_numbers_of_flags() {
    for (syn, synack, negotiated) in [
        (7, 2, true),  // Not-ECT
        (7, 3, true),  // ECT(1)
        (7, 4, true),  // ECT(0)
        (7, 6, true),  // CE
        (7, 5, true),  // reserved, but the client goes on as if confirmed
        (7, 1, false), // classic ECN
        (7, 0, false), // no ECN
        (7, 7, false), // reflected by a server that does not know the flags
        (3, 1, false), // classic ECN of the client
        (3, 3, false),
        (0, 0, false),
        (0, 2, false),
    ] {
        let mut exchange = syns(syn, synack);
        exchange.segment(CLIENT, SERVER, ace(ACK, 4), 101, Some(501), 0);
        exchange.segment(CLIENT, SERVER, ace(ACK, 5), 101, Some(501), 10);
        let expected = [Some(Ace::SynAck(4)), Some(Ace::Counter(5))].map(|meaning| meaning.filter(|_| negotiated));
        assert_eq!(meanings(exchange, 2), expected, "{syn} {synack}");
    }
}

#[test]
fn without_a_handshake_bits_are_flags() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, ace(ACK, 5), 101, Some(501), 10);
    exchange.segment(SERVER, CLIENT, ace(ACK, 5), 501, Some(111), 0);
    assert_eq!(meanings(exchange, 0), [None, None]);
    // The answer to the SYN was not seen.
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, ace(SYN, 7), 100, None, 0);
    exchange.segment(CLIENT, SERVER, ace(ACK, 2), 101, Some(501), 0);
    exchange.segment(CLIENT, SERVER, ace(ACK, 5), 101, Some(501), 10);
    assert_eq!(meanings(exchange, 0), [None, None, None]);
}

#[test]
fn the_next_generation_negotiates_anew() {
    let mut exchange = open();
    exchange.segment(CLIENT, SERVER, ace(RST, 5), 101, None, 0);
    exchange.segment(CLIENT, SERVER, SYN, 900_000, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, 700_000, Some(900_001), 0);
    exchange.segment(CLIENT, SERVER, ace(ACK, 1), 900_001, Some(700_001), 10);
    assert_eq!(meanings(exchange, 4), [None, None, None]);
}

#[test]
fn an_ack_of_each_synack_tells_how_it_arrived() {
    let mut exchange = open();
    exchange.segment(SERVER, CLIENT, ace(SYN, 2), 500, Some(101), 0);
    exchange.segment(CLIENT, SERVER, ace(ACK, 4), 101, Some(501), 0);
    exchange.segment(CLIENT, SERVER, ace(ACK, 5), 101, Some(501), 0);
    let expected = [Some(Ace::SynAck(2)), None, Some(Ace::SynAck(4)), Some(Ace::Counter(5))];
    assert_eq!(meanings(exchange, 2), expected);
}

#[test]
fn data_and_sacks_answer_no_synack() {
    let mut exchange = syns(7, 2);
    exchange.segment(CLIENT, SERVER, ace(ACK, 5), 101, Some(501), 10);
    // The server has left SYN_RECV.
    exchange.segment(CLIENT, SERVER, ace(ACK, 5), 111, Some(501), 0);
    assert_eq!(meanings(exchange, 2), [Some(Ace::Counter(5)), Some(Ace::Counter(5))]);
    let mut exchange = syns(7, 2);
    let mut sack = exchange.built(CLIENT, SERVER, ace(ACK, 5), 101, Some(501));
    sack.header.options = OptionBytes::new(&[1, 1, 5, 10, 0, 0, 1, 250, 0, 0, 1, 255]);
    exchange.event(&Event::Segment(sack));
    assert_eq!(meanings(exchange, 2), [Some(Ace::Counter(5))]);
    // The ACK of the SYN,ACK was lost, or is late.
    let mut exchange = syns(7, 2);
    exchange.segment(CLIENT, SERVER, ace(ACK, 5), 101, Some(511), 0);
    assert_eq!(meanings(exchange, 2), [Some(Ace::Counter(5))]);
}

#[test]
fn fast_open_may_have_brought_data_with_the_synack() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, ace(SYN, 7), 100, None, 10);
    exchange.segment(SERVER, CLIENT, ace(SYN, 2), 500, Some(111), 0);
    exchange.segment(SERVER, CLIENT, ace(ACK, 5), 501, Some(111), 20);
    exchange.segment(CLIENT, SERVER, ace(ACK, 2), 111, Some(521), 0);
    exchange.segment(CLIENT, SERVER, ace(ACK, 5), 111, Some(521), 0);
    assert_eq!(meanings(exchange, 2), [Some(Ace::Counter(5)), Some(Ace::SynAck(2)), Some(Ace::Counter(5))]);
}

#[test]
fn a_server_that_falls_back_is_believed_if_the_client_follows() {
    for (value, followed) in [(0, true), (2, false)] {
        let mut exchange = syns(7, 2);
        exchange.segment(SERVER, CLIENT, SYN, 500, Some(101), 0);
        exchange.segment(CLIENT, SERVER, ace(ACK, value), 101, Some(501), 0);
        exchange.segment(CLIENT, SERVER, ace(ACK, 5), 101, Some(501), 10);
        let expected = [Some(Ace::SynAck(value)), Some(Ace::Counter(5))].map(|meaning| meaning.filter(|_| !followed));
        assert_eq!(meanings(exchange, 3), expected);
    }
}

#[test]
fn a_forged_synack_negotiates_nothing() {
    let mut exchange = syns(7, 0);
    exchange.segment(CLIENT, SERVER, ACK, 101, Some(501), 0);
    exchange.segment(SERVER, CLIENT, ace(SYN, 2), 40_000, Some(101), 0);
    exchange.segment(CLIENT, SERVER, ace(ACK, 1), 101, Some(501), 10);
    assert_eq!(meanings(exchange, 2).last(), Some(&None));
}

#[test]
fn zeros_out_of_time_wait_are_no_counter() {
    for (value, expected) in [(0, None), (5, Some(Ace::Counter(5)))] {
        let mut exchange = open();
        exchange.segment(CLIENT, SERVER, ace(FIN | ACK, 5), 101, Some(501), 0);
        // A counter that wraps to 0 is still a counter as long as there is a socket.
        exchange.segment(SERVER, CLIENT, ace(ACK, 0), 501, Some(102), 0);
        exchange.segment(SERVER, CLIENT, ace(FIN | ACK, 0), 501, Some(102), 0);
        exchange.segment(CLIENT, SERVER, ace(ACK, value), 102, Some(502), 0);
        let counters = [5, 0, 0].map(|value| Some(Ace::Counter(value)));
        assert_eq!(meanings(exchange, 3), [&counters[..], &[expected]].concat());
    }
}

#[test]
fn zeros_of_a_reset_are_no_counter() {
    for (value, expected) in [(0, None), (5, Some(Ace::Counter(5)))] {
        let mut exchange = open();
        exchange.segment(SERVER, CLIENT, ace(RST, value), 501, Some(101), 0);
        assert_eq!(meanings(exchange, 3), [expected]);
    }
}

#[test]
fn both_ends_may_have_opened_it() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, ace(SYN, 7), 100, None, 0);
    exchange.segment(SERVER, CLIENT, ace(SYN, 7), 500, None, 0);
    exchange.segment(CLIENT, SERVER, ace(SYN, 2), 100, Some(501), 0);
    exchange.segment(SERVER, CLIENT, ace(SYN, 2), 500, Some(101), 0);
    exchange.segment(CLIENT, SERVER, ace(ACK, 5), 101, Some(501), 10);
    exchange.segment(SERVER, CLIENT, ace(ACK, 5), 501, Some(111), 0);
    // The server's SYN,ACK answered the client's: an ACK of more than that is an ordinary one.
    exchange.segment(SERVER, CLIENT, ace(ACK, 6), 501, Some(111), 10);
    assert_eq!(meanings(exchange, 4), [5, 5, 6].map(|value| Some(Ace::Counter(value))));
}

#[test]
fn an_answer_to_a_keep_alive_probe_answers_no_synack() {
    let mut exchange = syns(7, 2);
    exchange.segment(SERVER, CLIENT, ace(SYN, 2), 500, Some(101), 0);
    exchange.segment(CLIENT, SERVER, ace(ACK, 2), 101, Some(501), 0);
    exchange.segment(SERVER, CLIENT, ace(ACK, 5), 500, Some(101), 0);
    exchange.segment(CLIENT, SERVER, ace(ACK, 5), 101, Some(501), 0);
    let expected = [Some(Ace::SynAck(2)), Some(Ace::Counter(5)), Some(Ace::Counter(5))];
    assert_eq!(meanings(exchange, 3), expected);
}
