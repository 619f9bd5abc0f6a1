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
