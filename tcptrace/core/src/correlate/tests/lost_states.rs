//! Missing state changes that the kernel has not counted: each is counted where it shows, the connection is incomplete, and
//! the verdict contains what segments and later states prove.

use super::{
    CLIENT, SERVER,
    exchange::{Exchange, State::*},
    recorded,
};
use crate::{
    correlate::Correlated,
    event::{LossSource, Role},
    tcp::{TcpFlags, TcpState},
    verdict::{CloseKind, Outcome},
};

const SECOND: u64 = 1_000_000_000;

/// The changes of both sockets during a connection that the client closes.
const CHANGES: [(bool, TcpState, TcpState); 10] = [
    (true, Close, SynSent),
    (true, SynSent, Established),
    (false, Listen, SynRecv),
    (false, SynRecv, Established),
    (true, Established, FinWait1),
    (false, Established, CloseWait),
    (true, FinWait1, FinWait2),
    (false, CloseWait, LastAck),
    (true, FinWait2, Close),
    (false, LastAck, Close),
];

/// Plays it without the changes that are `lost`, by their positions.
fn play(lost: &[usize]) -> Exchange {
    let mut exchange = Exchange::new();
    let mut shown = (0..).zip(CHANGES).filter(|(at, _)| !lost.contains(at)).peekable();
    let mut states_until = |exchange: &mut Exchange, end: usize| {
        while let Some((_, (client, old, new))) = shown.next_if(|&(at, _)| at < end) {
            let (local, remote) = if client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
            exchange.state(local, remote, old, new);
        }
    };
    let (c, s) = (1_000, 900_000);
    states_until(&mut exchange, 1);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, c, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, s, Some(c + 1), 0);
    states_until(&mut exchange, 2);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, c + 1, Some(s + 1), 0);
    states_until(&mut exchange, 5);
    exchange.segment(CLIENT, SERVER, TcpFlags::FIN, c + 8, Some(s + 1), 0);
    states_until(&mut exchange, 6);
    exchange.segment(SERVER, CLIENT, TcpFlags::ACK, s + 1, Some(c + 9), 0);
    states_until(&mut exchange, 8);
    exchange.segment(SERVER, CLIENT, TcpFlags::FIN, s + 1, Some(c + 9), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, c + 9, Some(s + 2), 0);
    states_until(&mut exchange, 10);
    exchange.pass(2 * SECOND);
    exchange.timeout();
    exchange
}

#[test]
fn every_gap_is_counted_and_makes_its_connection_incomplete() {
    for (lost, counted) in [
        (vec![], 0),
        (vec![1], 1),
        (vec![3], 1),
        (vec![4], 1),
        (vec![5], 1),
        (vec![6], 1),
        (vec![7], 1),
        // Only the segments show that they have ended.
        (vec![8], 1),
        (vec![9], 1),
        // Of several possible paths, the shortest is counted.
        (vec![6, 8], 1),
        (vec![7, 9], 1),
        (vec![6, 7, 8, 9], 2),
        (vec![1, 3], 2),
        (vec![4, 5, 6, 7, 8, 9], 2),
    ] {
        let placed = play(&lost).finish_all();
        let (mut gaps, mut incomplete, mut close) = (0, false, None);
        for one in &placed {
            match one {
                Correlated::StateGap(loss, conn) => {
                    assert_eq!((loss.source, *conn), (LossSource::State, 1), "{lost:?}");
                    gaps += loss.count;
                }
                Correlated::Handshake(record) => {
                    assert_eq!(record.outcome, Some(Outcome::Established), "{lost:?}");
                    incomplete |= record.incomplete;
                }
                Correlated::Close(record) => {
                    incomplete |= record.incomplete;
                    close = Some((record.kind, record.initiator));
                }
                _ => {}
            }
        }
        assert_eq!(gaps, counted, "{lost:?}");
        assert_eq!(incomplete, !lost.is_empty(), "{lost:?}");
        assert_eq!(close, Some((CloseKind::FourSegment, Some(Role::Client))), "{lost:?}");
        recorded::check(&mut play(&lost));
    }
}

#[test]
fn a_socket_whose_last_change_may_still_come_shows_no_gap() {
    for again in [false, true] {
        let mut exchange = Exchange::new();
        exchange.state(CLIENT, SERVER, Close, SynSent);
        let (c, s) = (1_000, 900_000);
        exchange.segment(CLIENT, SERVER, TcpFlags::SYN, c, None, 0);
        exchange.segment(SERVER, CLIENT, TcpFlags::SYN, s, Some(c + 1), 0);
        exchange.state(CLIENT, SERVER, SynSent, Established);
        exchange.segment(CLIENT, SERVER, TcpFlags::ACK, c + 1, Some(s + 1), 0);
        exchange.segment(SERVER, CLIENT, TcpFlags::FIN, s + 1, Some(c + 1), 0);
        exchange.state(CLIENT, SERVER, Established, CloseWait);
        exchange.state(CLIENT, SERVER, CloseWait, LastAck);
        exchange.segment(CLIENT, SERVER, TcpFlags::FIN, c + 1, Some(s + 2), 0);
        exchange.segment(SERVER, CLIENT, TcpFlags::ACK, s + 2, Some(c + 2), 0);
        if again {
            // A firewall in between drops the ACK: the socket waits on.
            exchange.pass(SECOND);
            exchange.segment(CLIENT, SERVER, TcpFlags::FIN, c + 1, Some(s + 2), 0);
            exchange.pass(2 * SECOND);
        }
        let gaps = exchange.finish_all().iter().filter(|one| matches!(one, Correlated::StateGap(..))).count();
        assert_eq!(gaps, 0, "{again}");
    }
}
