//! Keep-alive probes, and segments that resemble them.

use super::{
    CLIENT, SERVER,
    exchange::{self, Exchange},
};
use crate::{
    event::{Segment, SegmentNote},
    tcp::TcpFlags,
};

const ACK: TcpFlags = TcpFlags::ACK;
const PSH: TcpFlags = TcpFlags::PSH;
const PROBE: Option<SegmentNote> = Some(SegmentNote::KeepAlive);
const ANSWER: Option<SegmentNote> = Some(SegmentNote::KeepAliveAnswer);

/// An open connection: the client's next number is 101, the server's 501.
fn open() -> Exchange {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 100, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 500, Some(101), 0);
    exchange.segment(CLIENT, SERVER, ACK, 101, Some(501), 0);
    exchange
}

/// The notes of all segments from the fourth on.
fn notes(mut exchange: Exchange) -> Vec<Option<SegmentNote>> {
    exchange::segments(&exchange.finish()).iter().skip(3).map(|segment| segment.note).collect()
}

#[test]
fn an_idle_end_asks_whether_the_other_is_there() {
    for length in [0, 1] {
        let mut exchange = open();
        for _ in 0..2 {
            exchange.segment(CLIENT, SERVER, ACK, 100, Some(501), length);
            exchange.segment(SERVER, CLIENT, ACK, 501, Some(101), 0);
        }
        // The other end may probe, too.
        exchange.segment(SERVER, CLIENT, ACK, 500, Some(101), length);
        exchange.segment(CLIENT, SERVER, ACK, 101, Some(501), 0);
        assert_eq!(notes(exchange), [PROBE, ANSWER, PROBE, ANSWER, PROBE, ANSWER]);
    }
}

#[test]
fn probes_go_on_while_nobody_answers() {
    let mut exchange = open();
    exchange.segment(CLIENT, SERVER, ACK, 100, Some(501), 0);
    exchange.pass(1_000_000_000);
    exchange.segment(CLIENT, SERVER, ACK, 100, Some(501), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::RST, 101, Some(501), 0);
    assert_eq!(notes(exchange), [PROBE, PROBE, None]);
}

#[test]
fn an_answer_answers_a_probe_and_nothing_else() {
    let mut exchange = open();
    exchange.segment(SERVER, CLIENT, ACK, 501, Some(101), 0);
    exchange.segment(CLIENT, SERVER, ACK, 100, Some(501), 0);
    exchange.segment(SERVER, CLIENT, PSH, 501, Some(101), 7);
    exchange.segment(SERVER, CLIENT, ACK, 508, Some(101), 0);
    exchange.segment(CLIENT, SERVER, ACK, 100, Some(508), 0);
    exchange.segment(CLIENT, SERVER, PSH, 101, Some(508), 3);
    exchange.segment(SERVER, CLIENT, ACK, 508, Some(104), 0);
    assert_eq!(notes(exchange), [None, PROBE, None, None, PROBE, None, None]);
}

#[test]
fn a_byte_that_is_sent_again_is_no_probe() {
    let mut exchange = open();
    exchange.segment(CLIENT, SERVER, PSH, 101, Some(501), 1);
    exchange.segment(CLIENT, SERVER, PSH, 101, Some(501), 1);
    exchange.segment(SERVER, CLIENT, ACK, 501, Some(102), 0);
    exchange.segment(CLIENT, SERVER, ACK, 101, Some(501), 0);
    assert_eq!(notes(exchange), [None, None, None, PROBE], "not before it has been acknowledged");
}

#[test]
fn an_end_that_waits_for_room_is_not_idle() {
    let mut exchange = open();
    exchange.segment(SERVER, CLIENT, ACK, 501, Some(101), 0);
    let placed = exchange::segments(exchange.placed());
    let full = |segment: Segment| {
        let mut header = segment.header;
        header.window = 0;
        Segment { header, ..segment }
    };
    let last = placed.last().expect("a segment").segment;
    exchange.event(&crate::event::Event::Segment(full(last)));
    exchange.segment(CLIENT, SERVER, ACK, 100, Some(501), 0);
    assert_eq!(notes(exchange), [None, None, None]);
}

#[test]
fn what_opens_closes_or_resets_is_no_probe() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 100, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 500, Some(101), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 100, None, 0);
    exchange.segment(SERVER, CLIENT, ACK, 500, Some(101), 0);
    assert_eq!(notes(exchange), [None], "the handshake is not over");

    let mut exchange = open();
    exchange.segment(CLIENT, SERVER, TcpFlags::FIN, 101, Some(501), 0);
    exchange.segment(SERVER, CLIENT, ACK, 501, Some(102), 0);
    exchange.segment(CLIENT, SERVER, ACK, 101, Some(501), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::FIN, 101, Some(501), 0);
    // The end that has not closed may still probe.
    exchange.segment(SERVER, CLIENT, ACK, 500, Some(102), 0);
    assert_eq!(notes(exchange), [None, None, None, None, PROBE]);
}

#[test]
fn a_connection_from_before_is_known_to_be_idle_as_soon_as_the_other_end_has_acknowledged() {
    let mut exchange = Exchange::of_capture();
    for _ in 0..4 {
        exchange.segment(CLIENT, SERVER, ACK, 100, Some(501), 0);
        exchange.segment(SERVER, CLIENT, ACK, 501, Some(101), 0);
    }
    // The first notes do not matter here: the first segment may have been anything.
    assert_eq!(notes(exchange), [ANSWER, PROBE, ANSWER, PROBE, ANSWER]);
}
