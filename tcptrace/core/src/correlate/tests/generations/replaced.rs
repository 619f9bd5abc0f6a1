//! Connections whose four-tuple belongs to the next one before their close was seen to its end.

use super::*;
use crate::{correlate::Correlated, event::Role, verdict::Missing};

#[test]
fn a_close_that_was_not_seen_to_its_end_is_over_once_the_next_connection_is_established() {
    let numbers = |exchange: &mut Exchange, c: u32, s: u32| {
        exchange.segment(CLIENT, SERVER, TcpFlags::SYN, c, None, 0);
        exchange.segment(SERVER, CLIENT, TcpFlags::SYN, s, Some(c + 1), 0);
        exchange.segment(CLIENT, SERVER, TcpFlags::ACK, c + 1, Some(s + 1), 0);
    };
    for (fins, kind, missing) in [(1, CloseKind::Unseen, Missing::Fin), (2, CloseKind::ThreeSegment, Missing::Ack)] {
        let mut exchange = Exchange::of_capture();
        exchange.connections().expect_all_segments();
        numbers(&mut exchange, 1_000, 900_000);
        exchange.segment(CLIENT, SERVER, TcpFlags::FIN, 1_001, Some(900_001), 0);
        if fins == 2 {
            exchange.segment(SERVER, CLIENT, TcpFlags::FIN, 900_001, Some(1_002), 0);
        }
        numbers(&mut exchange, 70_000, 950_000);
        exchange.pass(70_000_000_000);
        exchange.timeout();
        let stalls = exchange.placed().iter().filter(|placed| matches!(placed, Correlated::Stalled(_))).count();
        let (_, closes) = exchange.records();
        let [close] = closes.as_slice() else { panic!("{closes:?}") };
        assert_eq!((close.conn, close.kind, close.initiator), (1, kind, Some(Role::Client)), "{}", close.summary);
        assert_eq!((close.missing.as_slice(), stalls), (&[missing][..], 0));
    }
}
