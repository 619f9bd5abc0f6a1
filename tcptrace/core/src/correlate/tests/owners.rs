//! Processes that hold the sockets of a connection.

use super::{
    CLIENT, SERVER,
    exchange::{self, Exchange, State::*},
};
use crate::{
    correlate::{Correlated, CorrelatedOwner},
    event::{BootTime, Comm, OwnerSource, Role},
    tcp::TcpFlags,
    verdict::{Close, Handshake},
};

const SECOND: u64 = 1_000_000_000;

fn owners(placed: &[Correlated]) -> Vec<CorrelatedOwner> {
    placed.iter().filter_map(|placed| if let Correlated::Owner(owner) = placed { Some(*owner) } else { None }).collect()
}

/// Process numbers of the client and of the server in the handshake, then in the close.
fn pids(placed: &[Correlated]) -> [Option<u32>; 4] {
    let mut pids = [None; 4];
    for placed in placed {
        match placed {
            Correlated::Handshake(record) => {
                let Handshake { client, server, .. } = &**record;
                [pids[0], pids[1]] = [client.pid, server.pid];
            }
            Correlated::Close(record) => {
                let Close { client, server, .. } = &**record;
                [pids[2], pids[3]] = [client.pid, server.pid];
            }
            _ => {}
        }
    }
    pids
}

#[test]
fn the_process_that_listens_stands_in_for_the_one_that_accepts() {
    let mut exchange = Exchange::new();
    exchange.with_sockets().by(7).listener(SERVER, Close, Listen);
    exchange.local_connection(CLIENT, SERVER);
    let placed = exchange.finish_all();
    assert_eq!(pids(&placed), [None, Some(7), None, Some(7)]);
    let [owner] = owners(&placed)[..] else { panic!("one owner: {placed:?}") };
    assert_eq!((owner.conn, owner.owner.source), (1, OwnerSource::Listener));
    let at = |wanted: fn(&Correlated) -> bool| placed.iter().position(wanted);
    let owner_at = at(|placed| matches!(placed, Correlated::Owner(_)));
    let shown = at(|placed| matches!(placed, Correlated::Segment(segment) if segment.segment.src.port == SERVER));
    assert_eq!(owner_at.map(|owner_at| owner_at + 1), shown, "before the first that shows the server to be here");
}

#[test]
fn a_listener_that_several_processes_hold_stands_for_nobody() {
    let mut exchange = Exchange::new();
    exchange.by(7).listener(SERVER, Close, Listen);
    exchange.listener_owner(SERVER, None);
    exchange.local_connection(CLIENT, SERVER);
    let placed = exchange.finish_all();
    assert_eq!(pids(&placed), [None; 4]);
    assert_eq!(owners(&placed), []);
    let listeners =
        placed.iter().filter(|placed| matches!(placed, Correlated::Listener(owner) if owner.process.is_none()));
    assert_eq!(listeners.count(), 1, "a recording of it says the same");
}

#[test]
fn a_listener_that_was_there_before_is_known_from_the_kernel() {
    let mut exchange = Exchange::new();
    exchange.with_sockets().listener_owner(SERVER, Some(9));
    exchange.local_connection(CLIENT, SERVER);
    assert_eq!(pids(&exchange.finish_all()), [None, Some(9), None, Some(9)]);
}

#[test]
fn a_listener_that_was_there_when_the_kernel_was_asked_does_not_outlive_its_end() {
    let mut exchange = Exchange::new();
    exchange.pass(SECOND);
    exchange.listeners_owner(SERVER, 1, 0, Some(9));
    exchange.pass(SECOND);
    exchange.by(9).listener(SERVER, Listen, Close);
    // On its way since an earlier time.
    exchange.listeners_owner(SERVER, 1, SECOND, Some(9));
    exchange.segment(SERVER, CLIENT, TcpFlags::PSH, 30, Some(40), 5);
    let placed = exchange.finish();
    let [.., Correlated::Segment(_)] = placed[..] else { panic!("{placed:?}") };
    let mut roles = Exchange::new();
    roles.by(9).listener(SERVER, Close, Listen);
    for exchange in [&mut exchange, &mut roles] {
        exchange.state(SERVER, CLIENT, Established, CloseWait);
    }
    let role = |exchange: &mut Exchange| exchange::states(&exchange.finish()).last().and_then(|state| state.role);
    assert_eq!(role(&mut roles), Some(Role::Server), "where somebody listens");
    assert_eq!(role(&mut exchange), Some(Role::Client), "the first sender, where nobody does");
}

#[test]
fn owners_of_a_connection_that_was_there_before_show_when_it_does() {
    let mut exchange = Exchange::new();
    exchange.owner(CLIENT, SERVER, 4);
    exchange.owner(SERVER, CLIENT, 5);
    exchange.segment(CLIENT, SERVER, TcpFlags::FIN, 30, Some(40), 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::FIN, 40, Some(31), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 31, Some(41), 0);
    let placed = exchange.finish_all();
    let early = owners(placed.get(..2).expect("more than two"));
    assert_eq!(early.iter().map(|owner| owner.conn).collect::<Vec<_>>(), [1, 1], "before the first event");
    assert_eq!(pids(&placed), [Some(4), Some(5), Some(4), Some(5)]);
}

#[test]
fn a_new_connection_between_the_same_ends_is_not_the_one_that_was_asked_for() {
    let mut exchange = Exchange::new();
    exchange.owner(SERVER, CLIENT, 5);
    exchange.local_connection(CLIENT, SERVER);
    let placed = exchange.finish_all();
    assert_eq!((owners(&placed), pids(&placed)), (vec![], [None; 4]));
}

#[test]
fn an_accepted_connection_that_lives_is_asked_for_once() {
    let mut exchange = Exchange::new();
    exchange.connections().want_owners();
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    let now = BootTime(exchange.now());
    assert_eq!(exchange.connections().poll_unowned(now), None, "not before it has lived for a while");
    exchange.pass(SECOND);
    let now = BootTime(exchange.now());
    let ends = exchange.connections().poll_unowned(now);
    assert_eq!(ends.map(|unowned| (unowned.local.port, unowned.remote.port)), Some((SERVER, CLIENT)));
    assert_eq!(exchange.connections().poll_unowned(now), None);
    exchange.owner(SERVER, CLIENT, 6);
    exchange.with_error(104).state(SERVER, CLIENT, Established, Close);
    let placed = exchange.finish_all();
    assert_eq!(pids(&placed)[3], Some(6), "{placed:?}");
}

#[test]
fn a_connection_that_has_ended_is_not_asked_for() {
    let mut exchange = Exchange::new();
    exchange.connections().want_owners();
    exchange.local_connection(CLIENT, SERVER);
    let later = BootTime(exchange.now() + SECOND);
    assert_eq!(exchange.connections().poll_unowned(later), None);
}

#[test]
fn a_process_that_is_known_already_is_not_told_again() {
    let mut exchange = Exchange::new();
    exchange.by(4).state(CLIENT, SERVER, Close, SynSent);
    exchange.owner(CLIENT, SERVER, 4);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    let placed = exchange.finish_all();
    assert_eq!(owners(&placed), []);
    let comm = placed.iter().find_map(|placed| match placed {
        Correlated::Handshake(record) => record.client.comm,
        _ => None,
    });
    assert_eq!(comm, Some(Comm(*b"test\0\0\0\0\0\0\0\0\0\0\0\0")));
    // Another process may hold it by now.
    let mut exchange = Exchange::new();
    exchange.by(4).state(CLIENT, SERVER, Close, SynSent);
    exchange.owner(CLIENT, SERVER, 5);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    assert_eq!(pids(&exchange.finish_all())[0], Some(5));
}

#[test]
fn a_listener_has_the_name_that_its_process_took_last() {
    let named = Comm(*b"thread\0\0\0\0\0\0\0\0\0\0");
    let mut exchange = Exchange::new();
    exchange.with_sockets().listener_owner(SERVER, Some(9));
    exchange.by(9).named(named).listener(SERVER, Close, Listen);
    exchange.local_connection(CLIENT, SERVER);
    let placed = exchange.finish_all();
    let comm = placed.iter().find_map(|placed| match placed {
        Correlated::Handshake(record) => record.server.comm,
        _ => None,
    });
    assert_eq!(comm, Some(named));
}

/// The first handshake and the first close.
fn records(placed: &[Correlated]) -> (Handshake, Close) {
    let handshake = placed.iter().find_map(|placed| match placed {
        Correlated::Handshake(record) => Some((**record).clone()),
        _ => None,
    });
    let close = placed.iter().find_map(|placed| match placed {
        Correlated::Close(record) => Some((**record).clone()),
        _ => None,
    });
    (handshake.expect("a handshake"), close.expect("a close"))
}

#[test]
fn a_thread_has_a_name_beside_that_of_its_process() {
    let thread = Comm(*b"pool-1\0\0\0\0\0\0\0\0\0\0");
    let mut exchange = Exchange::new();
    exchange.by(4).in_thread(thread).state(CLIENT, SERVER, Close, SynSent);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.by(4).state(CLIENT, SERVER, Established, Close);
    let (handshake, close) = records(&exchange.finish_all());
    assert_eq!((handshake.client.pid, handshake.client.comm), (close.client.pid, close.client.comm), "one name");
    assert_eq!((handshake.client.thread, close.client.thread), (Some(thread), None));
}

#[test]
fn a_process_at_both_ends_has_one_name_in_a_record() {
    let (old, new) = (Comm([b'a'; 16]), Comm([b'b'; 16]));
    let mut exchange = Exchange::new();
    exchange.by(4).named(old).listener(SERVER, Close, Listen);
    exchange.by(4).named(new).state(CLIENT, SERVER, Close, SynSent);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    exchange.by(4).named(old).state(CLIENT, SERVER, Established, FinWait1);
    exchange.state(SERVER, CLIENT, Established, CloseWait);
    exchange.by(4).named(new).state(SERVER, CLIENT, CloseWait, LastAck);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.state(CLIENT, SERVER, FinWait2, Close);
    exchange.state(SERVER, CLIENT, LastAck, Close);
    let (handshake, close) = records(&exchange.finish_all());
    assert_eq!((handshake.client.comm, handshake.server.comm), (Some(new), Some(new)));
    assert_eq!((close.client.comm, close.server.comm), (Some(new), Some(new)), "the last that it took");
}
