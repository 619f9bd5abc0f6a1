//! Hints of the kernel about segments that it sends: they find their connection and begin none.

use super::{
    CLIENT, HERE, SERVER,
    exchange::{self, Exchange, State::*},
};
use crate::{
    correlate::{Correlated, CorrelatedHint, Totals, table::endpoint::ResetHint},
    event::{BootTime, Event, Hint, HintName, SocketKey, reset_reason::ResetReason},
    tcp::TcpFlags,
};

const LISTENER: u64 = SERVER as u64;

/// A reset that `from` sends for no socket.
pub(in crate::correlate) fn reset(from: u16, to: u16) -> Hint {
    Hint {
        conn_netns: None,
        at: BootTime(1_000_000_000),
        socket: None,
        netns: Some(HERE),
        local: exchange::end(from),
        remote: exchange::end(to),
        name: HintName::SendReset,
        reason: Some(ResetReason::NoSocket),
        state: None,
        queue_full: false,
        queue: None,
    }
}

fn hints(placed: &[Correlated]) -> Vec<CorrelatedHint> {
    let hint = |placed: &Correlated| if let Correlated::Hint(hint) = placed { Some(*hint) } else { None };
    placed.iter().filter_map(hint).collect()
}

#[test]
fn without_a_socket_it_belongs_to_the_newest_connection_of_its_ends() {
    let mut exchange = Exchange::new();
    exchange.local_connection(CLIENT, SERVER);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 7, None, 0);
    exchange.event(&Event::Hint(reset(SERVER, CLIENT)));
    let [hint] = hints(exchange.placed())[..] else { panic!("one hint") };
    assert_eq!((hint.conn, hint.socket), (Some(2), None));
    let said = ResetHint { reason: Some(ResetReason::NoSocket), queue_full: false };
    assert_eq!(exchange.reset_hint(SERVER, CLIENT), Some(said));
    assert_eq!(exchange.reset_hint(CLIENT, SERVER), None, "the sender's");
}

#[test]
fn its_socket_tells_its_connection_and_its_end() {
    let mut exchange = Exchange::new();
    exchange.full_state(42, CLIENT, SERVER, Close, SynSent);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    // After address translation: the segment that was answered shows other ends.
    let hint = Hint { socket: Some(SocketKey(42)), state: Some(SynSent), ..reset(7777, 8888) };
    exchange.event(&Event::Hint(hint));
    let [hint] = hints(exchange.placed())[..] else { panic!("one hint") };
    assert_eq!((hint.conn, hint.socket), (Some(1), Some(1)));
    assert!(exchange.reset_hint(CLIENT, SERVER).is_some());
}

#[test]
fn on_behalf_of_a_listener_its_ends_tell_the_connection() {
    let mut exchange = Exchange::new();
    exchange.listener(SERVER, Close, Listen);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 7, None, 0);
    let listens = Hint { socket: Some(SocketKey(LISTENER)), state: Some(Listen), ..reset(SERVER, CLIENT) };
    exchange.event(&Event::Hint(Hint { name: HintName::RetransmitSynack, reason: None, ..listens }));
    assert_eq!(exchange.reset_hint(SERVER, CLIENT), None, "a SYN,ACK is not a reset");
    exchange.event(&Event::Hint(Hint { queue_full: true, reason: None, ..listens }));
    exchange.event(&Event::Hint(listens));
    for hint in hints(exchange.placed()) {
        assert_eq!((hint.conn, hint.socket), (Some(1), Some(1)));
    }
    let first = ResetHint { reason: None, queue_full: true };
    assert_eq!(exchange.reset_hint(SERVER, CLIENT), Some(first), "what came first stays");
}

#[test]
fn a_hint_begins_no_connection_and_ends_none() {
    let mut exchange = Exchange::new();
    exchange.event(&Event::Hint(reset(SERVER, CLIENT)));
    exchange.event(&Event::Hint(Hint { netns: None, ..reset(SERVER, CLIENT) }));
    assert!(hints(exchange.placed()).iter().all(|hint| hint.conn.is_none()));
    assert_eq!(exchange.totals(), Totals::default());
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, 7, None, 0);
    exchange.event(&Event::Hint(Hint { netns: Some(77), ..reset(SERVER, CLIENT) }));
    exchange.event(&Event::Hint(Hint { netns: None, ..reset(SERVER, CLIENT) }));
    let conns: Vec<_> = hints(exchange.placed()).iter().map(|hint| hint.conn).collect();
    assert_eq!(conns, [None, None, None, Some(1)], "another namespace is another connection");
    assert_eq!(exchange.totals(), Totals { numbered: 1, ended: 0, evicted: 0 });
}

#[test]
fn it_waits_behind_what_waits() {
    let mut exchange = Exchange::new();
    exchange.full_state(42, 0, SERVER, Close, SynSent);
    exchange.event(&Event::Hint(reset(SERVER, CLIENT)));
    assert!(exchange.placed().is_empty());
    exchange.full_state(42, CLIENT, SERVER, SynSent, Close);
    let placed = exchange::events(exchange.placed().to_vec());
    assert!(matches!(placed[..], [Correlated::State(_), Correlated::Hint(_), Correlated::State(_)]), "{placed:?}");
    assert!(placed.iter().all(|placed| exchange::conn(placed) == Some(1)), "{placed:?}");
}

/// A client resets an open connection after the kernel forgot a translation.
fn forgotten_and_reset(name: HintName, all_segments: bool) -> String {
    let mut exchange = Exchange::new();
    if all_segments {
        exchange.connections().expect_all_segments();
    }
    let (c, s) = (1_000, 900_000);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, c, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, s, Some(c + 1), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, c + 1, Some(s + 1), 0);
    exchange.pass(1_000_000_000);
    let at = BootTime(exchange.now());
    exchange.event(&Event::Hint(Hint { at, name, reason: None, ..reset(CLIENT, SERVER) }));
    exchange.pass(2_000_000_000);
    exchange.segment(CLIENT, SERVER, TcpFlags::RST, c + 1, Some(s + 1), 0);
    exchange.pass(3_000_000_000);
    exchange.timeout();
    let mut closes = exchange.placed().iter().filter_map(|placed| match placed {
        Correlated::Close(record) => Some(record.summary.clone()),
        _ => None,
    });
    closes.next_back().expect("a close")
}

#[test]
fn a_reset_behind_a_forgotten_translation_says_so() {
    for (name, words) in [
        (
            HintName::NatDeleted,
            "; the NAT of this host had forgotten it 2.000 s before: its conntrack entry was deleted",
        ),
        (HintName::NatExpired, "; the NAT of this host had forgotten it 2.000 s before: its conntrack entry expired"),
    ] {
        let sentence = forgotten_and_reset(name, false);
        assert!(sentence.contains(words) && !sentence.contains("idle for"), "{sentence}");
    }
    assert!(!forgotten_and_reset(HintName::DeferAccept, false).contains("NAT"));
}

#[test]
fn how_long_it_was_idle_is_said_where_every_segment_is_seen() {
    let expired = forgotten_and_reset(HintName::NatExpired, true);
    assert!(expired.contains(": its conntrack entry expired, idle for 1.000 s"), "{expired}");
    // Idleness is not why an entry is deleted.
    let deleted = forgotten_and_reset(HintName::NatDeleted, true);
    assert!(deleted.contains(": its conntrack entry was deleted") && !deleted.contains("idle for"), "{deleted}");
}
