//! Connections that pass several network namespaces of one host.

use super::{
    exchange::{State, end},
    *,
};
use crate::{
    correlate::Unanswered,
    event::{AcceptQueue, Direction, Hint, HintName, Segment, SocketKey, SocketReport},
};

/// The namespaces of two pods; the bridge between them is in [`HERE`].
const POD_A: u32 = 71;
const POD_B: u32 = 72;
const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const FIN: TcpFlags = TcpFlags::FIN;

/// The path of a segment: namespace, interface, direction.
type Way = [(u32, u32, Direction)];

const THERE: &Way =
    &[(POD_A, 2, Direction::Out), (HERE, 11, Direction::In), (HERE, 12, Direction::Out), (POD_B, 2, Direction::In)];
const BACK: &Way =
    &[(POD_B, 2, Direction::Out), (HERE, 12, Direction::In), (HERE, 11, Direction::Out), (POD_A, 2, Direction::In)];

/// A segment passes all of these; the first as it leaves its socket, which only that observation names.
fn pass(exchange: &mut Exchange, way: &Way, (src, dst): (u16, u16), flags: TcpFlags, seq: u32, ack: Option<u32>) {
    for (index, &(netns, ifindex, direction)) in way.iter().enumerate() {
        let built = exchange.built(src, dst, flags, seq, ack);
        let socket = (index == 0).then_some(SocketKey(u64::from(src) << 32 | u64::from(netns)));
        exchange.event(&Event::Segment(Segment {
            netns: Some(netns),
            socket,
            ifindex,
            direction: Some(direction),
            ..built
        }));
    }
}

fn state(exchange: &mut Exchange, netns: u32, local: u16, remote: u16, old: State, new: State) {
    exchange.in_namespace(netns).state(local, remote, old, new);
}

/// The client in one pod, the server in the other one.
fn between_pods(exchange: &mut Exchange, client: u16, isns: (u32, u32)) {
    let (there, back) = ((client, SERVER), (SERVER, client));
    let (c, s) = isns;
    state(exchange, POD_A, client, SERVER, Close, SynSent);
    pass(exchange, THERE, there, SYN, c, None);
    pass(exchange, BACK, back, SYN, s, Some(c + 1));
    state(exchange, POD_A, client, SERVER, SynSent, Established);
    pass(exchange, THERE, there, ACK, c + 1, Some(s + 1));
    state(exchange, POD_B, SERVER, client, Listen, SynRecv);
    state(exchange, POD_B, SERVER, client, SynRecv, Established);
    state(exchange, POD_A, client, SERVER, Established, FinWait1);
    pass(exchange, THERE, there, FIN, c + 1, Some(s + 1));
    state(exchange, POD_B, SERVER, client, Established, CloseWait);
    pass(exchange, BACK, back, ACK, s + 1, Some(c + 2));
    state(exchange, POD_A, client, SERVER, FinWait1, FinWait2);
    state(exchange, POD_A, client, SERVER, FinWait2, Close);
    state(exchange, POD_B, SERVER, client, CloseWait, LastAck);
    pass(exchange, BACK, back, FIN, s + 1, Some(c + 2));
    pass(exchange, THERE, there, ACK, c + 2, Some(s + 2));
    state(exchange, POD_B, SERVER, client, LastAck, Close);
}

#[test]
fn who_listens_and_who_holds_a_socket_is_known_by_namespace() {
    let mut exchange = Exchange::new();
    exchange.in_namespace(POD_B).listener_owner(SERVER, Some(7));
    // Other connections with the same addresses and ports.
    exchange.in_namespace(HERE).listener_owner(SERVER, Some(8));
    exchange.in_namespace(POD_A).listener_owner(SERVER, Some(9));
    between_pods(&mut exchange, CLIENT, (1_000, 900_000));
    let (handshakes, _) = exchange.records();
    let [handshake] = &handshakes[..] else { panic!("{handshakes:?}") };
    assert_eq!((handshake.client.pid, handshake.server.pid), (None, Some(7)));

    let mut exchange = Exchange::new();
    exchange.in_namespace(POD_A).owner(CLIENT, SERVER, 5);
    exchange.in_namespace(HERE).owner(CLIENT, SERVER, 6);
    pass(&mut exchange, THERE, (CLIENT, SERVER), FIN, 1_000, Some(900_000));
    let placed = exchange.finish_all();
    let owners = placed.iter().filter_map(|placed| match placed {
        Correlated::Owner(owner) => Some((owner.owner.netns, owner.owner.process?.pid)),
        _ => None,
    });
    assert_eq!(owners.collect::<Vec<_>>(), [(Some(POD_A), 5)]);
}

#[test]
fn a_socket_that_makes_no_progress_is_known_by_its_namespace() {
    let mut exchange = Exchange::new();
    state(&mut exchange, POD_A, CLIENT, SERVER, Close, SynSent);
    pass(&mut exchange, THERE, (CLIENT, SERVER), SYN, 1_000, None);
    pass(&mut exchange, BACK, (SERVER, CLIENT), SYN, 900_000, Some(1_001));
    state(&mut exchange, POD_A, CLIENT, SERVER, SynSent, Established);
    pass(&mut exchange, THERE, (CLIENT, SERVER), ACK, 1_001, Some(900_001));
    state(&mut exchange, POD_B, SERVER, CLIENT, Listen, SynRecv);
    state(&mut exchange, POD_B, SERVER, CLIENT, SynRecv, Established);
    exchange.pass(2_000_000_000);
    // Nobody accepts it; another connection with the same ends is in another namespace.
    for netns in [POD_B, 73] {
        let (at, netns) = (BootTime(exchange.now()), Some(netns));
        let unaccepted = reports::unaccepted(SERVER, CLIENT);
        exchange.event(&Event::Report(SocketReport { at, asked: at, netns, ..unaccepted }));
    }
    let told = exchange.finish_all();
    let numbers = told.iter().filter_map(|placed| match placed {
        Correlated::Report(told) => Some((told.report.netns, told.conn, told.conn_netns)),
        _ => None,
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [(Some(POD_B), 1, Some(POD_A)), (Some(73), 2, None)]);
}

#[test]
fn the_listener_is_asked_for_where_the_syn_arrives() {
    const SECOND: u64 = 1_000_000_000;
    let mut exchange = Exchange::new();
    exchange.connections().want_owners();
    state(&mut exchange, POD_A, CLIENT, SERVER, Close, SynSent);
    pass(&mut exchange, THERE, (CLIENT, SERVER), SYN, 1_000, None);
    exchange.pass(SECOND);
    pass(&mut exchange, THERE, (CLIENT, SERVER), SYN, 1_000, None);
    let asked = Unanswered { netns: Some(POD_B), local: end(SERVER), remote: end(CLIENT) };
    assert_eq!(exchange.connections().poll_unanswered(), Some(asked));
    // What is known of it is about the one connection that there is.
    let queue = AcceptQueue { length: 1, limit: 0 };
    exchange.event(&Event::Hint(Hint {
        state: Some(Listen),
        queue_full: true,
        queue: Some(queue),
        ..Hint::new(BootTime(exchange.now()), Some(POD_B), end(SERVER), end(CLIENT), HintName::AcceptQueue)
    }));
    exchange.pass(2 * SECOND);
    pass(&mut exchange, &THERE[..3], (CLIENT, SERVER), SYN, 1_000, None);
    assert_eq!(exchange.connections().poll_unanswered(), None, "this one leaves, and is not seen to arrive");
    exchange.with_error(110);
    state(&mut exchange, POD_A, CLIENT, SERVER, SynSent, Close);
    let (handshakes, _) = exchange.records();
    let [handshake] = &handshakes[..] else { panic!("{handshakes:?}") };
    assert_eq!(handshake.accept_queue, Some(queue), "{handshake:?}");
}

#[test]
fn two_pods_on_one_bridge_have_one_connection_with_both_sockets() {
    let mut exchange = Exchange::new();
    between_pods(&mut exchange, CLIENT, (1_000, 900_000));
    assert_eq!(exchange::segments(exchange.placed()).len(), 7, "each once, however many interfaces it passes");
    let (handshakes, closes) = exchange.records();
    assert_eq!(exchange.totals(), Totals { numbered: 1, ended: 1, evicted: 0 });
    let [handshake] = &handshakes[..] else { panic!("{handshakes:?}") };
    assert_eq!((handshake.netns, &handshake.missing), (Some(POD_A), &vec![]));
    assert_eq!((handshake.client.netns, handshake.server.netns), (Some(POD_A), Some(POD_B)));
    let [close] = &closes[..] else { panic!("{closes:?}") };
    assert_eq!((close.client.netns, close.server.netns, &close.missing), (Some(POD_A), Some(POD_B), &vec![]));
}

#[test]
fn what_is_in_another_namespace_says_under_which_its_connection_is_known() {
    let mut exchange = Exchange::new();
    between_pods(&mut exchange, CLIENT, (1_000, 900_000));
    let placed = exchange.finish();
    for state in exchange::states(&placed) {
        let elsewhere = state.change.netns == Some(POD_B);
        assert_eq!(state.conn_netns, elsewhere.then_some(POD_A), "{state:?}");
    }
    for segment in exchange::segments(&placed) {
        let elsewhere = segment.segment.netns == Some(POD_B);
        assert_eq!(segment.conn_netns, elsewhere.then_some(POD_A), "{segment:?}");
    }
}

#[test]
fn a_recording_says_the_same() {
    let mut exchange = Exchange::new();
    between_pods(&mut exchange, CLIENT, (1_000, 900_000));
    recorded::check(&mut exchange);
}

#[test]
fn equal_ends_in_two_namespaces_are_two_connections() {
    let mut exchange = Exchange::new();
    for (netns, isn) in [(POD_A, 1_000), (POD_B, 7_000)] {
        state(&mut exchange, netns, CLIENT, SERVER, Close, SynSent);
        pass(&mut exchange, &[(netns, 1, Direction::Out)], (CLIENT, SERVER), SYN, isn, None);
    }
    for (netns, isn) in [(POD_A, 1_000), (POD_B, 7_000)] {
        pass(&mut exchange, &[(netns, 1, Direction::Out)], (SERVER, CLIENT), SYN, isn + 500, Some(isn + 1));
        state(&mut exchange, netns, CLIENT, SERVER, SynSent, Established);
        pass(&mut exchange, &[(netns, 1, Direction::Out)], (CLIENT, SERVER), ACK, isn + 1, Some(isn + 501));
        state(&mut exchange, netns, SERVER, CLIENT, Listen, SynRecv);
        state(&mut exchange, netns, SERVER, CLIENT, SynRecv, Established);
    }
    let (handshakes, _) = exchange.records();
    assert_eq!(exchange.totals().numbered, 2);
    let ends: Vec<_> = handshakes.iter().map(|one| (one.conn, one.netns, one.client.isn)).collect();
    assert_eq!(ends, [(1, Some(POD_A), Some(1_000)), (2, Some(POD_B), Some(7_000))]);
}

/// Where the pod itself is not watched, the socket that sent a segment identifies its connection.
#[test]
fn a_segment_that_comes_out_of_a_pod_belongs_to_the_connection_of_its_socket() {
    let mut exchange = Exchange::new();
    let socket = SocketKey(u64::from(CLIENT) << 32 | u64::from(POD_A));
    state(&mut exchange, POD_A, CLIENT, SERVER, Established, FinWait1);
    let built = exchange.built(CLIENT, SERVER, FIN, 1_000, Some(900_000));
    let segment = Segment { netns: Some(HERE), socket: Some(socket), direction: Some(Direction::In), ..built };
    exchange.event(&Event::Segment(segment));
    pass(&mut exchange, &[(HERE, 1, Direction::Out)], (SERVER, CLIENT), ACK, 900_000, Some(1_001));
    exchange.finish();
    assert_eq!(exchange.totals().numbered, 1);
}

/// A BPF program may assign an incoming segment to the socket that is to receive it.
#[test]
fn a_socket_that_did_not_send_the_segment_tells_nothing() {
    let mut exchange = Exchange::new();
    let socket = SocketKey(u64::from(SERVER) << 32 | u64::from(POD_B));
    state(&mut exchange, POD_B, SERVER, CLIENT, Established, CloseWait);
    let built = exchange.built(CLIENT, SERVER, FIN, 1_000, Some(900_000));
    let segment = Segment { netns: Some(HERE), socket: Some(socket), direction: Some(Direction::In), ..built };
    exchange.event(&Event::Segment(segment));
    exchange.finish();
    assert_eq!(exchange.totals().numbered, 2);
}

#[test]
fn four_tuples_that_are_used_again_pass_the_same_namespaces() {
    let mut exchange = Exchange::new();
    between_pods(&mut exchange, CLIENT, (1_000, 900_000));
    exchange.pass(30_000_000_000);
    between_pods(&mut exchange, CLIENT, (500_000_000, 600_000_000));
    exchange.finish();
    assert_eq!(exchange.totals(), Totals { numbered: 2, ended: 2, evicted: 0 });
}

/// A SYN whose port was changed by address translation does not change the port of its socket.
#[test]
fn the_port_of_a_socket_is_its_own_whatever_its_syn_shows() {
    let mut exchange = Exchange::new();
    let key = 77;
    exchange.full_state(key, 0, SERVER, Close, SynSent);
    let built = exchange.built(50_000, SERVER, SYN, 1_000, None);
    let syn = Segment { socket: Some(SocketKey(key)), socket_port: Some(CLIENT), ..built };
    exchange.event(&Event::Segment(syn));
    let placed = exchange.finish();
    let states = exchange::states(&placed);
    assert_eq!(states.first().map(|state| state.change.local), Some(end(CLIENT)));
}

#[test]
fn a_syn_that_passes_no_interface_of_a_namespace_that_is_covered_has_not_left() {
    for covered in [false, true] {
        let mut exchange = Exchange::new();
        if covered {
            exchange.connections().cover_netns(POD_A);
        }
        state(&mut exchange, POD_A, CLIENT, SERVER, Close, SynSent);
        exchange.pass(1_000_000_000);
        state(&mut exchange, POD_A, CLIENT, SERVER, SynSent, Close);
        let (handshakes, _) = exchange.records();
        let [handshake] = handshakes.as_slice() else { panic!("{handshakes:?}") };
        assert_eq!(handshake.syn_left, covered.then_some(false), "{covered}");
        assert_eq!(handshake.no_segments.is_some(), !covered, "{covered}");
    }
}
