//! Connections whose four-tuple belongs to the next one before their close was seen to its end.

use super::*;
use crate::{
    correlate::Correlated,
    event::{Role, SocketKey},
    verdict::Missing,
};

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

/// The socket that waits for the answer to its SYN sends the reset, which has the number of the connection before.
#[test]
fn a_reset_for_the_connection_before_is_not_the_new_sockets() {
    let mut exchange = Exchange::new();
    let (old, new, server) = (SocketKey(1), SocketKey(2), SocketKey(3));
    let segment = |exchange: &mut Exchange, socket, (from, to), flags, seq, ack| {
        exchange.full_segment(Some(socket), from, to, flags, seq, ack, 0);
    };
    let (there, back) = ((CLIENT, SERVER), (SERVER, CLIENT));
    exchange.full_state(old.0, CLIENT, SERVER, Close, SynSent);
    segment(&mut exchange, old, there, TcpFlags::SYN, 1_000, None);
    segment(&mut exchange, server, back, TcpFlags::SYN, 900_000, Some(1_001));
    exchange.full_state(old.0, CLIENT, SERVER, SynSent, Established);
    segment(&mut exchange, old, there, TcpFlags::ACK, 1_001, Some(900_001));
    exchange.full_state(server.0, SERVER, CLIENT, Listen, SynRecv);
    exchange.full_state(server.0, SERVER, CLIENT, SynRecv, Established);
    exchange.full_state(old.0, CLIENT, SERVER, Established, FinWait1);
    segment(&mut exchange, old, there, TcpFlags::FIN, 1_001, Some(900_001));
    exchange.full_state(server.0, SERVER, CLIENT, Established, CloseWait);
    segment(&mut exchange, server, back, TcpFlags::ACK, 900_001, Some(1_002));
    exchange.full_state(old.0, CLIENT, SERVER, FinWait1, FinWait2);
    exchange.full_state(old.0, CLIENT, SERVER, FinWait2, Close);
    exchange.full_state(new.0, CLIENT, SERVER, Close, SynSent);
    segment(&mut exchange, new, there, TcpFlags::SYN, 70_000, None);
    segment(&mut exchange, server, back, TcpFlags::ACK, 900_001, Some(1_002));
    segment(&mut exchange, new, there, TcpFlags::RST, 1_002, None);
    exchange.with_error(32).full_state(server.0, SERVER, CLIENT, CloseWait, Close);
    let (_, closes) = exchange.records();
    let [close] = &closes[..] else { panic!("{closes:?}") };
    assert_eq!((close.conn, close.kind, close.reset.map(|reset| reset.by)), (1, CloseKind::Reset, Some(Role::Client)));
    assert_eq!(close.missing, [], "{}", close.summary);
}
