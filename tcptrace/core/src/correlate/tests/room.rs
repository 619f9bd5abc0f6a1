//! More connections than the table may hold.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
};

use super::{
    CLIENT, SERVER,
    exchange::{Exchange, State::*},
};
use crate::{
    correlate::{Totals, table::endpoint::End},
    event::{Endpoint, Event},
    tcp::TcpFlags,
    verdict::{Close, CloseKind, Handshake, Outcome},
};

const SECOND: u64 = 1_000_000_000;

/// An exchange whose correlator keeps at most this many connections.
fn bounded(most: u32) -> Exchange {
    let mut exchange = Exchange::new();
    exchange.connections().limit(NonZeroU32::new(most).expect("some"));
    exchange
}

/// SYNs from forged addresses and ports, and the SYN,ACKs of the server if it answers them.
fn flood(exchange: &mut Exchange, numbers: std::ops::Range<u32>, answered: bool) {
    for number in numbers {
        let from = Endpoint { addr: IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)), port: 1024 };
        let mut syn = exchange.built(1024, SERVER, TcpFlags::SYN, number, None);
        syn.src = from;
        exchange.event(&Event::Segment(syn));
        if answered {
            let mut answer = exchange.built(SERVER, 1024, TcpFlags::SYN, 7, Some(number.wrapping_add(1)));
            answer.dst = from;
            exchange.event(&Event::Segment(answer));
        }
    }
}

/// The handshake of a connection within this host.
fn open(exchange: &mut Exchange, client: u16) {
    exchange.state(client, SERVER, Close, SynSent);
    exchange.segment(client, SERVER, TcpFlags::SYN, 1_000, None, 0);
    exchange.segment(SERVER, client, TcpFlags::SYN, 900_000, Some(1_001), 0);
    exchange.state(client, SERVER, SynSent, Established);
    exchange.segment(client, SERVER, TcpFlags::ACK, 1_001, Some(900_001), 0);
    exchange.full_state(server_socket(client), SERVER, client, Listen, SynRecv);
    exchange.full_state(server_socket(client), SERVER, client, SynRecv, Established);
}

/// A server's socket for each client.
fn server_socket(client: u16) -> u64 {
    1 << 60 | u64::from(client)
}

/// The close of such a connection, by the client.
fn close(exchange: &mut Exchange, client: u16) {
    exchange.state(client, SERVER, Established, FinWait1);
    exchange.segment(client, SERVER, TcpFlags::FIN, 1_001, Some(900_001), 0);
    exchange.full_state(server_socket(client), SERVER, client, Established, CloseWait);
    exchange.full_state(server_socket(client), SERVER, client, CloseWait, LastAck);
    exchange.segment(SERVER, client, TcpFlags::FIN, 900_001, Some(1_002), 0);
    exchange.segment(client, SERVER, TcpFlags::ACK, 1_002, Some(900_002), 0);
    exchange.state(client, SERVER, FinWait1, FinWait2);
    exchange.state(client, SERVER, FinWait2, Close);
    exchange.full_state(server_socket(client), SERVER, client, LastAck, Close);
}

fn balance(totals: Totals) {
    assert_eq!(totals.numbered, totals.ended + totals.open() + totals.evicted);
}

/// The records of a port.
fn of_port(exchange: &mut Exchange, client: u16) -> (Vec<Handshake>, Vec<Close>) {
    let (handshakes, closes) = exchange.records();
    let port = Some(client);
    (
        handshakes.into_iter().filter(|record| record.client.port == port).collect(),
        closes.into_iter().filter(|record| record.client.port == port).collect(),
    )
}

#[test]
fn a_flood_of_syns_pushes_out_none_but_its_own() {
    for answered in [false, true] {
        let mut exchange = bounded(800);
        open(&mut exchange, CLIENT);
        flood(&mut exchange, 0..20_000, answered);
        // A handshake in the middle of the flood is seen whole, if it completes before a hundred others have begun.
        open(&mut exchange, CLIENT + 1);
        flood(&mut exchange, 20_000..40_000, answered);
        assert!(exchange.remembered() <= 800 / 8 + 2, "{}", exchange.remembered());
        close(&mut exchange, CLIENT);
        close(&mut exchange, CLIENT + 1);
        let totals = exchange.totals();
        assert_eq!((totals.numbered, totals.ended), (40_002, 2), "answered: {answered}");
        assert_eq!(totals.evicted, 40_000 - 100);
        balance(totals);
        let (handshakes, closes) = of_port(&mut exchange, CLIENT);
        assert_eq!(handshakes.iter().map(|record| record.outcome).collect::<Vec<_>>(), [Some(Outcome::Established)]);
        let verdicts: Vec<_> = closes.iter().map(|record| (record.kind, record.incomplete)).collect();
        assert_eq!(verdicts, [(CloseKind::ThreeSegment, false)]);
    }
}

#[test]
fn what_nobody_answers_ends_one_by_one_where_there_is_room() {
    let mut exchange = bounded(8_000);
    flood(&mut exchange, 0..1_000, false);
    exchange.pass(66 * SECOND);
    exchange.timeout();
    let totals = exchange.totals();
    assert_eq!((totals.numbered, totals.ended, totals.evicted), (1_000, 1_000, 0));
}

#[test]
fn first_go_old_attempts_then_those_that_ended_then_those_that_are_silent() {
    const FIRST: u16 = 40_000;
    let mut exchange = bounded(64);
    for client in FIRST..FIRST + 40 {
        open(&mut exchange, client);
    }
    for client in FIRST..FIRST + 20 {
        close(&mut exchange, client);
    }
    // Attempts that wait longer than a second for an answer, while the others are there.
    flood(&mut exchange, 0..8, false);
    exchange.pass(2 * SECOND);
    for client in FIRST + 40..FIRST + 64 {
        open(&mut exchange, client);
    }
    let totals = exchange.totals();
    assert_eq!((totals.evicted, totals.ended, exchange.remembered()), (8, 20, 64), "the attempts");
    for client in FIRST + 64..FIRST + 84 {
        open(&mut exchange, client);
    }
    let totals = exchange.totals();
    assert_eq!((totals.evicted, totals.ended, exchange.remembered()), (8, 20, 64), "those that had ended");
    // The oldest of those that are open speaks again, so the next one goes.
    exchange.segment(FIRST + 20, SERVER, TcpFlags::PSH, 1_001, Some(900_001), 5);
    for client in FIRST + 84..FIRST + 87 {
        open(&mut exchange, client);
    }
    assert_eq!((exchange.totals().evicted, exchange.remembered()), (11, 64));
    for client in FIRST + 20..FIRST + 25 {
        close(&mut exchange, client);
    }
    balance(exchange.totals());
    let (_, closes) = exchange.records();
    let known = |client: u16| {
        let of_client: Vec<_> = closes.iter().filter(|record| record.client.port == Some(client)).collect();
        of_client.iter().any(|record| record.duration_ns.is_some())
    };
    assert_eq!([20, 21, 22, 23, 24].map(|more| known(FIRST + more)), [true, false, false, false, true]);
}

#[test]
fn what_is_forgotten_is_seen_in_mid_life_when_it_goes_on() {
    let mut exchange = bounded(2);
    for client in [CLIENT, CLIENT + 1, CLIENT + 2] {
        open(&mut exchange, client);
    }
    close(&mut exchange, CLIENT);
    let totals = exchange.totals();
    assert_eq!((totals.numbered, totals.evicted), (4, 2));
    let (handshakes, closes) = of_port(&mut exchange, CLIENT);
    assert_eq!(handshakes.iter().map(|record| record.outcome).collect::<Vec<_>>(), [Some(Outcome::Established), None]);
    assert_eq!(closes.iter().map(|record| record.incomplete).collect::<Vec<_>>(), [true]);
}

#[test]
fn sockets_whose_end_is_never_seen_do_not_gather() {
    let mut exchange = bounded(16);
    for number in 0..200_000_u64 {
        let client = 1_024 + (number % 60_000) as u16;
        exchange.full_state(1 << 40 | number, client, SERVER, Close, SynSent);
    }
    assert!(exchange.sockets() <= 2 * 16 + (1 << 16), "{}", exchange.sockets());
    assert!(exchange.remembered() <= 16);
    balance(exchange.totals());
}

#[test]
fn what_was_noted_of_the_forgotten_does_not_gather() {
    let mut exchange = bounded(64);
    flood(&mut exchange, 0..200_000, false);
    let due = exchange.connections().table.deadlines();
    assert!(due < 4_096, "{due}");
    for number in 0..20_000_u16 {
        open(&mut exchange, 1_024 + number);
    }
    let attempts = exchange.connections().table.room.attempts();
    assert!(attempts < 4_096, "{attempts}");
}

impl Exchange {
    /// Returns the number of connections kept.
    fn remembered(&mut self) -> usize {
        self.connections().table.len()
    }

    /// Returns the number of sockets kept.
    fn sockets(&mut self) -> usize {
        self.connections().table.sockets.len()
    }
}

#[test]
fn an_open_connection_keeps_nothing_of_its_opening() {
    let mut exchange = Exchange::new();
    open(&mut exchange, CLIENT);
    let table = &exchange.connections().table;
    let kept: Vec<_> = table.iter().flat_map(|(_, conn)| &conn.ends).map(End::has_detail).collect();
    assert_eq!(kept, [false, false]);
    close(&mut exchange, CLIENT);
    let (_, closes) = exchange.records();
    assert_eq!(closes.iter().map(|record| record.duration_ns.is_some()).collect::<Vec<_>>(), [true]);
}
