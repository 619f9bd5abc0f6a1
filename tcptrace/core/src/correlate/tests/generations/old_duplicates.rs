//! Segments of an earlier generation that arrive once more, where only one direction is seen.

use super::*;

/// ISNs are never the same twice within a segment's lifetime (RFC 9293 §3.4.1).
#[test]
fn a_syn_ack_sent_again_finds_its_generation_though_its_syn_was_not_seen() {
    const AGAIN: u32 = 77_000_000;
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    exchange.segment(SERVER, CLIENT, TcpFlags::ACK, 900_001, Some(1_001), 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, Some(1_001), 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, AGAIN, Some(55_000_001), 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, Some(1_001), 0);
    // It answers another SYN with the same ISN.
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, Some(66_000_001), 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::ACK, AGAIN + 1, Some(55_000_001), 0);
    assert_eq!(conns(&mut exchange), [1, 1, 2, 1, 3, 2]);
}

/// RFC 9293 §3.3.1: the next connection of a four-tuple begins when the one before is gone.
#[test]
fn old_segments_behind_the_next_connection_do_not_show_that_the_one_before_goes_on() {
    const AGAIN: u32 = 77_000_000;
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 1_000, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900_000, Some(1_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_001, Some(900_001), 400);
    exchange.segment(SERVER, CLIENT, TcpFlags::ACK, 900_001, Some(1_401), 400);
    exchange.segment(SERVER, CLIENT, TcpFlags::RST, 900_401, None, 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, AGAIN, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 55_000_000, Some(AGAIN + 1), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, AGAIN + 1, Some(55_000_001), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_001, Some(900_001), 400);
    exchange.segment(SERVER, CLIENT, TcpFlags::ACK, 900_001, Some(1_401), 400);
    let (_, closes) = exchange.records();
    let [close] = &closes[..] else { panic!("{closes:#?}") };
    assert_eq!((close.conn, close.kind), (1, CloseKind::Reset));
}
