//! Reports of sockets that make no progress.

use super::{
    CLIENT, SERVER,
    exchange::{self, Exchange, State, State::*},
    stalled::{stalls, waits},
};
use crate::{
    correlate::Correlated,
    event::{BootTime, Event, SocketReport},
    tcp::TcpFlags,
    verdict::{Awaited, Stalled, Turn},
};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1000 * MILLISECOND;
const ACK: TcpFlags = TcpFlags::ACK;
const SYN: TcpFlags = TcpFlags::SYN;

/// A report of the client's socket without any trouble.
fn fine(state: State) -> SocketReport {
    SocketReport {
        at: BootTime(0),
        asked: BootTime(0),
        netns: None,
        conn_netns: None,
        local: exchange::end(CLIENT),
        remote: exchange::end(SERVER),
        state,
        unaccepted: false,
        unacked_bytes: 0,
        acked_bytes: Some(17),
        retransmissions: 0,
        window_closed: false,
        segment_size: Some(1448),
        stuck_ns: 0,
    }
}

/// A report of the socket at `local`, which no process has accepted.
pub(super) fn unaccepted(local: u16, remote: u16) -> SocketReport {
    let (local, remote) = (exchange::end(local), exchange::end(remote));
    SocketReport { local, remote, unaccepted: true, ..fine(Established) }
}

/// A report after this many timeouts, the first of 200 ms.
fn unanswered(bytes: u32, retransmissions: u32) -> SocketReport {
    let stuck_ns = 200 * MILLISECOND * ((1 << retransmissions) - 1);
    SocketReport { unacked_bytes: bytes, retransmissions, stuck_ns, ..fine(Established) }
}

fn answer(exchange: &mut Exchange, report: SocketReport) {
    let at = BootTime(exchange.now());
    exchange.event(&Event::Report(SocketReport { at, asked: at, ..report }));
}

fn reports(exchange: &Exchange) -> usize {
    exchange.placed().iter().filter(|placed| matches!(placed, Correlated::Report(_))).count()
}

#[track_caller]
fn only(exchange: &Exchange) -> Stalled {
    let stalls = stalls(exchange);
    let [stalled] = stalls.as_slice() else { panic!("{stalls:?}") };
    stalled.clone()
}

fn opened() -> Exchange {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, 0, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, 0, Some(1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, 1, Some(1), 0);
    exchange.pass(5 * SECOND);
    exchange
}

#[test]
fn data_that_nobody_acknowledges_is_told_at_a_second_ten_and_sixty() {
    let mut exchange = opened();
    for second in 0..80_u32 {
        exchange.pass(SECOND);
        let retransmissions = (second + 1).ilog2() + 2;
        answer(&mut exchange, unanswered(14, retransmissions));
    }
    let stalls = stalls(&exchange);
    let levels: Vec<_> = stalls.iter().map(|stalled| stalled.at.since(stalled.since) / SECOND).collect();
    assert_eq!(levels, [1, 10, 60], "{stalls:?}");
    let sentence = "14 B of the client are not acknowledged after 3 retransmission timeouts";
    assert_eq!(waits(&stalls[0]), (sentence, Some(Awaited::DataAck), Some(Turn::Network)));
    assert_eq!((stalls[0].unacked_bytes, stalls[0].retransmissions), (Some(14), Some(3)));
    assert_eq!(stalls[0].word(), "stalled");
    assert!(stalls.iter().is_sorted_by_key(|stalled| stalled.retransmissions));
    // The first one, and those that made a stall due.
    assert_eq!(reports(&exchange), 4);
}

#[test]
fn segments_of_full_size_are_told() {
    let mut exchange = opened();
    answer(&mut exchange, unanswered(1448, 3));
    let sentence =
        "1448 B of the client are not acknowledged after 3 retransmission timeouts; its segments have up to 1448 B";
    assert_eq!(only(&exchange).summary, sentence);
}

#[test]
fn progress_ends_a_stall() {
    let mut exchange = opened();
    answer(&mut exchange, unanswered(14, 1));
    answer(&mut exchange, fine(Established));
    exchange.pass(SECOND);
    // Other sockets are of no interest to the correlator.
    answer(&mut exchange, fine(Established));
    assert_eq!((stalls(&exchange).len(), reports(&exchange)), (0, 2));
    // Between two queries something was acknowledged.
    exchange.pass(20 * SECOND);
    answer(&mut exchange, unanswered(14, 1));
    exchange.pass(20 * SECOND);
    answer(&mut exchange, SocketReport { acked_bytes: Some(18), ..unanswered(14, 1) });
    assert_eq!(stalls(&exchange).len(), 0);
    exchange.pass(SECOND);
    answer(&mut exchange, SocketReport { acked_bytes: Some(18), ..unanswered(14, 3) });
    assert_eq!(only(&exchange).at.since(only(&exchange).since), 1400 * MILLISECOND);
}

#[test]
fn what_happened_after_the_kernel_was_asked_makes_a_report_void() {
    let mut exchange = opened();
    let asked = BootTime(exchange.now() - 1);
    exchange.segment(SERVER, CLIENT, ACK, 1, Some(1), 0);
    exchange.event(&Event::Report(SocketReport { at: BootTime(exchange.now()), asked, ..unanswered(14, 3) }));
    assert_eq!((stalls(&exchange).len(), reports(&exchange)), (0, 0));
}

#[test]
fn a_closed_window_is_the_receivers_turn() {
    let mut exchange = opened();
    answer(
        &mut exchange,
        SocketReport { window_closed: true, unacked_bytes: 3_791_873, stuck_ns: 2 * SECOND, ..fine(Established) },
    );
    let stalled = only(&exchange);
    let sentence = "the server's receive window is closed; 3791873 B of the client wait for it";
    assert_eq!(waits(&stalled), (sentence, Some(Awaited::Window), Some(Turn::Server)));
    assert_eq!((stalled.unacked_bytes, stalled.retransmissions), (Some(3_791_873), Some(0)));
}

#[test]
fn what_nobody_accepts_waits_in_the_queue_since_it_was_established() {
    let mut exchange = opened();
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    let waiting = SocketReport {
        local: exchange::end(SERVER),
        remote: exchange::end(CLIENT),
        unaccepted: true,
        ..fine(Established)
    };
    exchange.pass(500 * MILLISECOND);
    answer(&mut exchange, waiting);
    assert_eq!(stalls(&exchange).len(), 0);
    exchange.pass(600 * MILLISECOND);
    answer(&mut exchange, waiting);
    let stalled = only(&exchange);
    let sentence = "no process of the server has accepted it: it waits in the accept queue";
    assert_eq!(waits(&stalled), (sentence, Some(Awaited::Accept), Some(Turn::Server)));
    assert_eq!((stalled.at.since(stalled.since) / MILLISECOND, stalled.word()), (1100, "stalled"));
    assert_eq!(stalled.retransmissions, None);
}

#[test]
fn what_its_client_leaves_in_the_queue_is_not_for_the_program_to_close() {
    let mut exchange = opened();
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    exchange.pass(100 * MILLISECOND);
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(CLIENT, SERVER, TcpFlags::FIN, 1, Some(1), 0);
    exchange.state(SERVER, CLIENT, Established, CloseWait);
    exchange.segment(SERVER, CLIENT, ACK, 1, Some(2), 0);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    let in_server = SocketReport { local: exchange::end(SERVER), remote: exchange::end(CLIENT), ..fine(CloseWait) };
    exchange.pass(900 * MILLISECOND);
    answer(&mut exchange, SocketReport { unaccepted: true, ..in_server });
    exchange.pass(200 * MILLISECOND);
    exchange.timeout();
    let half_closed = "the client closed its side; the server has not: CLOSE_WAIT";
    let stalls = stalls(&exchange);
    let last = stalls.last().expect("it is told");
    let sentence = format!("{half_closed}; no process of the server has accepted it: it waits in the accept queue");
    assert_eq!(waits(last), (sentence.as_str(), Some(Awaited::Accept), Some(Turn::Server)), "{stalls:#?}");
}

#[test]
fn a_connection_of_which_nothing_else_was_seen_is_told() {
    let mut exchange = Exchange::new();
    answer(&mut exchange, fine(Established));
    answer(&mut exchange, SocketReport { state: SynSent, ..unanswered(0, 3) });
    assert_eq!(exchange.totals().numbered, 0);
    answer(&mut exchange, unanswered(14, 3));
    let stalled = only(&exchange);
    assert_eq!((stalled.state.client, stalled.state.server), (Some(Established), None));
    assert_eq!(stalled.summary, "14 B of the client are not acknowledged after 3 retransmission timeouts");
    // Its end is reported like any other.
    exchange.with_error(110).state(CLIENT, SERVER, Established, Close);
    let (handshakes, closes) = exchange.records();
    assert_eq!((handshakes.len(), closes.len(), exchange.totals().numbered), (1, 1, 1));
}

#[test]
fn data_before_a_fin_is_told_with_the_close() {
    let mut exchange = opened();
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.pass(400 * MILLISECOND);
    answer(&mut exchange, SocketReport { state: FinWait1, ..unanswered(14, 1) });
    exchange.pass(SECOND);
    exchange.timeout();
    let stalled = only(&exchange);
    let sentence = "the client closed its side, but its FIN was not seen to leave; \
                    14 B of the client are not acknowledged after one retransmission timeout";
    assert_eq!(waits(&stalled), (sentence, Some(Awaited::DataAck), Some(Turn::Network)));
}

#[test]
fn what_a_closed_socket_waits_for_is_told_as_soon_as_it_is_known() {
    let mut exchange = opened();
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.pass(SECOND + 100 * MILLISECOND);
    exchange.timeout();
    let sentence = "the client closed its side, but its FIN was not seen to leave";
    assert_eq!(waits(&only(&exchange)), (sentence, Some(Awaited::Fin), None));
    let closed = SocketReport { state: FinWait1, unacked_bytes: 14, window_closed: true, ..fine(FinWait1) };
    answer(&mut exchange, closed);
    exchange.pass(SECOND + 100 * MILLISECOND);
    exchange.timeout();
    let sentence = "the client closed its side, but its FIN was not seen to leave; \
                    the server's receive window is closed; 14 B of the client wait for it";
    let stalls = stalls(&exchange);
    assert_eq!(stalls.last().map(waits), Some((sentence, Some(Awaited::Window), Some(Turn::Server))));
    // Once is enough.
    exchange.pass(SECOND);
    exchange.timeout();
    assert_eq!((stalls.len(), super::stalled::stalls(&exchange).len()), (2, 2));
}

#[test]
fn timeouts_of_a_syn_that_reaches_no_interface_are_counted_by_the_socket() {
    let rows = [
        (1, "; the client's retransmission timer has expired once"),
        (2, "; the client's retransmission timer has expired 2 times"),
    ];
    for (timeouts, told) in rows {
        let mut exchange = Exchange::new();
        exchange.state(CLIENT, SERVER, Close, SynSent);
        exchange.pass(100 * MILLISECOND);
        answer(&mut exchange, SocketReport { state: SynSent, ..unanswered(0, timeouts) });
        exchange.pass(SECOND);
        exchange.timeout();
        let stalled = only(&exchange);
        let sentence = format!("waiting for the client's SYN, which was not seen to leave{told}");
        assert_eq!(waits(&stalled), (&*sentence, Some(Awaited::SynAck), Some(Turn::Client)));
        assert_eq!(stalled.retransmissions, Some(timeouts));
    }
}

#[test]
fn a_server_whose_queue_takes_no_ack_is_in_syn_recv() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, 0, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, 0, Some(1), 0);
    exchange.segment(CLIENT, SERVER, ACK, 1, Some(1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.pass(100 * MILLISECOND);
    let request = SocketReport {
        local: exchange::end(SERVER),
        remote: exchange::end(CLIENT),
        state: SynRecv,
        ..unanswered(0, 1)
    };
    answer(&mut exchange, request);
    exchange.pass(SECOND);
    answer(&mut exchange, SocketReport { retransmissions: 2, ..request });
    let stalled = only(&exchange);
    let sentence = "the server does not take the client's ACK: it is in SYN_RECV, and has sent its SYN,ACK 3 times";
    assert_eq!(waits(&stalled), (sentence, Some(Awaited::Accept), Some(Turn::Server)));
}
