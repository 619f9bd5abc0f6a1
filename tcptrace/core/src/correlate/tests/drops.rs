//! Segments that the kernel dropped: they find their connection and begin none, and the record of a failed handshake
//! mentions them.

mod later;

use super::{
    CLIENT, HERE, SERVER,
    exchange::{self, Exchange, State::*},
};
use crate::{
    correlate::{Correlated, CorrelatedDrop},
    event::{BootTime, DroppedSegment, Event, KernelName, Segment, SocketKey},
    tcp::TcpFlags,
    verdict::{OpeningDrops, Turn},
};

const SOCKET: u64 = 42;
const ISN: u32 = 7;
const ETIMEDOUT: u32 = 110;
const ECONNREFUSED: u32 = 111;

fn name(name: &str) -> KernelName {
    KernelName::new(name).expect("a name")
}

fn dropped(exchange: &Exchange, from: u16, to: u16, flags: TcpFlags, seq: u32) -> DroppedSegment {
    DroppedSegment {
        at: BootTime(exchange.now()),
        socket: None,
        netns: Some(HERE),
        conn_netns: None,
        ifindex: None,
        src: exchange::end(from),
        dst: exchange::end(to),
        flags,
        seq,
        length: 0,
        reason: name("NETFILTER_DROP"),
        location: Some(name("nf_hook_slow")),
    }
}

fn drops(placed: &[Correlated]) -> Vec<CorrelatedDrop> {
    let dropped = |placed: &Correlated| if let Correlated::Drop(dropped) = placed { Some(*dropped) } else { None };
    placed.iter().filter_map(dropped).collect()
}

/// The client sends SYNs that its own host drops for these reasons, until it times out.
fn in_vain(reasons: &[&str]) -> Exchange {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    for reason in reasons {
        let syn = DroppedSegment { reason: name(reason), ..dropped(&exchange, CLIENT, SERVER, TcpFlags::SYN, ISN) };
        exchange.event(&Event::Drop(syn));
        exchange.pass(1_000_000_000);
    }
    exchange.with_error(ETIMEDOUT).state(CLIENT, SERVER, SynSent, Close);
    exchange
}

fn last_handshake(exchange: &Exchange) -> (Option<OpeningDrops>, String) {
    let mut handshakes = exchange.placed().iter().filter_map(|placed| match placed {
        Correlated::Handshake(record) => Some((record.dropped, record.summary.clone())),
        _ => None,
    });
    handshakes.next_back().expect("a handshake")
}

#[test]
fn who_waits_for_the_answer_to_a_dropped_syn_is_told_so_meanwhile() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, ISN, None, 0);
    let syn = dropped(&exchange, CLIENT, SERVER, TcpFlags::SYN, ISN);
    exchange.event(&Event::Drop(syn));
    exchange.pass(1_000_000_000);
    exchange.timeout();
    let stalls = super::stalled::stalls(&exchange);
    let [stalled] = stalls.as_slice() else { panic!("{stalls:?}") };
    let sentence = "waiting for the server's SYN,ACK; the SYN was sent once; netfilter on this host dropped the SYN";
    assert_eq!(stalled.summary, sentence);
    assert_eq!(
        stalled.dropped,
        Some(OpeningDrops { reason: name("NETFILTER_DROP"), of_synack: false, segments: 1, ends_of: None })
    );
    assert_eq!(stalled.turn, Some(Turn::Network));
}

/// Another client, and the port that a translation gives it.
const OTHER: u16 = 5555;
const GIVEN: u16 = 6666;

/// A connection that has the port that the translation gives.
fn open(exchange: &mut Exchange) {
    exchange.state(GIVEN, SERVER, Close, SynSent);
    exchange.segment(GIVEN, SERVER, TcpFlags::SYN, 7, None, 0);
    exchange.segment(SERVER, GIVEN, TcpFlags::SYN, 9, Some(8), 0);
    exchange.state(GIVEN, SERVER, SynSent, Established);
    exchange.segment(GIVEN, SERVER, TcpFlags::ACK, 8, Some(10), 0);
    exchange.state(SERVER, GIVEN, Listen, SynRecv);
    exchange.state(SERVER, GIVEN, SynRecv, Established);
}

/// A client that sends a SYN, which this host drops after a translation of its source.
fn translated_in_vain(exchange: &mut Exchange, given: u16) {
    exchange.segment(OTHER, SERVER, TcpFlags::SYN, 70, None, 0);
    exchange.event(&Event::Drop(dropped(exchange, given, SERVER, TcpFlags::SYN, 70)));
}

#[test]
fn a_syn_that_is_dropped_after_a_translation_is_its_senders() {
    let mut exchange = Exchange::new();
    translated_in_vain(&mut exchange, GIVEN);
    let [placed] = drops(exchange.placed())[..] else { panic!("one drop") };
    assert_eq!((placed.conn, placed.rel_seq), (Some(1), Some(0)));
    let (handshakes, _) = exchange.records();
    let [handshake] = &handshakes[..] else { panic!("one handshake: {handshakes:?}") };
    let expected = OpeningDrops { reason: name("NETFILTER_DROP"), of_synack: false, segments: 1, ends_of: None };
    assert_eq!(handshake.dropped, Some(expected));
}

#[test]
fn a_translation_to_the_ends_of_an_open_connection_is_told() {
    let mut exchange = Exchange::new();
    open(&mut exchange);
    translated_in_vain(&mut exchange, GIVEN);
    let [placed] = drops(exchange.placed())[..] else { panic!("one drop") };
    assert_eq!((placed.conn, placed.rel_seq), (Some(2), Some(0)), "it is not of the connection that has these ends");
    let (handshakes, _) = exchange.records();
    let failed = handshakes.iter().find(|record| record.conn == 2).expect("a handshake");
    let expected = OpeningDrops { reason: name("NETFILTER_DROP"), of_synack: false, segments: 1, ends_of: Some(1) };
    assert_eq!(failed.dropped, Some(expected));
    let said = "netfilter on this host dropped the SYN: its NAT had given it the ends of #1, which is open";
    assert!(failed.summary.contains(said), "{}", failed.summary);
}

#[test]
fn the_ends_of_a_connection_that_is_over_are_free() {
    let mut exchange = Exchange::new();
    exchange.local_connection(GIVEN, SERVER);
    translated_in_vain(&mut exchange, GIVEN);
    let [placed] = drops(exchange.placed())[..] else { panic!("one drop") };
    assert_eq!(placed.conn, Some(2));
    let (handshakes, _) = exchange.records();
    let failed = handshakes.iter().find(|record| record.conn == 2).expect("a handshake");
    assert_eq!(failed.dropped.map(|dropped| dropped.ends_of), Some(None));
}

#[test]
fn a_recording_that_names_the_senders_namespace_leads_to_the_same() {
    const ELSEWHERE: u32 = 9;
    for conn_netns in [None, Some(ELSEWHERE)] {
        let mut exchange = Exchange::new();
        open(&mut exchange);
        let syn = exchange.built(OTHER, SERVER, TcpFlags::SYN, 70, None);
        exchange.event(&Event::Segment(Segment { netns: Some(ELSEWHERE), ..syn }));
        let syn = DroppedSegment { conn_netns, ..dropped(&exchange, GIVEN, SERVER, TcpFlags::SYN, 70) };
        exchange.event(&Event::Drop(syn));
        let [placed] = drops(exchange.placed())[..] else { panic!("one drop") };
        assert_eq!((placed.conn, placed.conn_netns), (Some(2), Some(ELSEWHERE)));
        let (handshakes, _) = exchange.records();
        let failed = handshakes.iter().find(|record| record.conn == 2).expect("a handshake");
        assert_eq!(failed.dropped.and_then(|dropped| dropped.ends_of), Some(1));
    }
}

#[test]
fn a_dropped_syn_without_a_sender_is_nobodys() {
    for (isn, later) in [(71, 0), (70, 1_000_000_000)] {
        let mut exchange = Exchange::new();
        exchange.segment(OTHER, SERVER, TcpFlags::SYN, 70, None, 0);
        exchange.pass(later);
        exchange.event(&Event::Drop(dropped(&exchange, GIVEN, SERVER, TcpFlags::SYN, isn)));
        let [placed] = drops(exchange.placed())[..] else { panic!("one drop") };
        assert_eq!(placed.conn, None, "another number, or long after");
    }
}

/// A rule of the server's host rejects the first `rejected` of the SYNs with a reset, and nobody listens for the others.
fn rejected(syns: u32, rejected: u32) -> (Option<OpeningDrops>, String) {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    for syn in 0..syns {
        exchange.segment(CLIENT, SERVER, TcpFlags::SYN, ISN, None, 0);
        if syn < rejected {
            exchange.event(&Event::Drop(dropped(&exchange, CLIENT, SERVER, TcpFlags::SYN, ISN)));
        }
        exchange.pass(1_000_000_000);
    }
    exchange.segment(SERVER, CLIENT, TcpFlags::RST, 0, Some(ISN + 1), 0);
    exchange.with_error(ECONNREFUSED).state(CLIENT, SERVER, SynSent, Close);
    last_handshake(&exchange)
}

#[test]
fn a_rule_that_rejects_with_a_reset_drops_the_syn() {
    let (drops, sentence) = rejected(1, 1);
    assert_eq!(
        drops,
        Some(OpeningDrops { reason: name("NETFILTER_DROP"), of_synack: false, segments: 1, ends_of: None })
    );
    let expected = "three-way handshake, refused by a firewall rule: netfilter on this host dropped the SYN, and a reset \
                    answered it";
    assert_eq!(sentence, expected);
    let (drops, sentence) = rejected(2, 1);
    assert_eq!(drops, None);
    assert!(sentence.contains("refused: a reset answered the SYN, so nobody listens there"), "{sentence}");
}

#[test]
fn a_syn_that_gets_nowhere_tells_the_port_of_its_socket() {
    let mut exchange = Exchange::new();
    exchange.full_state(SOCKET, 0, SERVER, Close, SynSent);
    assert!(exchange.placed().is_empty());
    let syn = dropped(&exchange, CLIENT, SERVER, TcpFlags::SYN, ISN);
    exchange.event(&Event::Drop(DroppedSegment { socket: Some(SocketKey(SOCKET)), ..syn }));
    let [Correlated::State(state), Correlated::Drop(dropped)] = exchange.placed() else { panic!("both, in order") };
    assert_eq!((state.change.local.port, state.conn, dropped.conn), (CLIENT, Some(1), Some(1)));
}

#[test]
fn a_dropped_segment_begins_no_connection() {
    let mut exchange = Exchange::new();
    exchange.event(&Event::Drop(dropped(&exchange, CLIENT, SERVER, TcpFlags::SYN, ISN)));
    let [of_none] = drops(exchange.placed())[..] else { panic!("one") };
    assert_eq!((of_none.conn, of_none.since_start_ns, of_none.rel_seq), (None, None, None));
}

#[test]
fn its_number_is_relative_to_the_isn_of_its_sender() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, ISN, None, 0);
    exchange.event(&Event::Drop(dropped(&exchange, CLIENT, SERVER, TcpFlags::ACK, ISN + 1)));
    let [data] = drops(exchange.placed())[..] else { panic!("one") };
    assert_eq!((data.conn, data.rel_seq, data.late), (Some(1), Some(1), false));
}

#[test]
fn the_copy_of_a_packet_socket_says_nothing_of_the_segment() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, ISN, None, 0);
    let copy = DroppedSegment {
        reason: name("SOCKET_RCVBUFF"),
        location: Some(name("raw_rcv")),
        ..dropped(&exchange, CLIENT, SERVER, TcpFlags::SYN, ISN)
    };
    exchange.event(&Event::Drop(copy));
    assert_eq!(drops(exchange.placed()), []);
}

#[test]
fn the_sentence_names_netfilter_where_the_kernel_does() {
    let (dropped, sentence) = last_handshake(&in_vain(&["NETFILTER_DROP"; 3]));
    let expected = OpeningDrops { reason: name("NETFILTER_DROP"), of_synack: false, segments: 3, ends_of: None };
    assert_eq!(dropped, Some(expected));
    assert!(sentence.contains("; netfilter on this host dropped the SYN 3 times"), "{sentence}");
}

#[test]
fn any_other_reason_is_the_kernels_word() {
    let (dropped, sentence) = last_handshake(&in_vain(&["QDISC_DROP", "NETFILTER_DROP", "QDISC_DROP"]));
    assert_eq!(dropped.map(|drops| drops.segments), Some(2), "of the first reason");
    assert!(sentence.contains("; this host dropped the SYN twice (QDISC_DROP)"), "{sentence}");
}

#[test]
fn what_was_repeated_until_it_came_through_was_no_failure() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.event(&Event::Drop(dropped(&exchange, CLIENT, SERVER, TcpFlags::SYN, ISN)));
    exchange.pass(1_000_000_000);
    exchange.segment(CLIENT, SERVER, TcpFlags::SYN, ISN, None, 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::SYN, 900, Some(ISN + 1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, ISN + 1, Some(901), 0);
    let (dropped, sentence) = last_handshake(&exchange);
    assert_eq!(dropped, None, "{sentence}");
}
