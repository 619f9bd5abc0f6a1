//! Facts about single events: retransmissions, late ones, states that outlive their socket.

use super::*;

#[test]
fn a_segment_sent_again_is_a_retransmission_in_every_phase() {
    let mut exchange = opened();
    exchange.segment(SERVER, CLIENT, SYN, 0, Some(1), 0);
    exchange.segment(CLIENT, SERVER, ACK, 1, Some(1), 10);
    exchange.segment(CLIENT, SERVER, ACK, 1, Some(1), 10);
    exchange.segment(CLIENT, SERVER, FIN, 11, Some(1), 0);
    exchange.segment(CLIENT, SERVER, FIN, 5, Some(1), 6);
    let again: Vec<_> = exchange::segments(exchange.placed()).iter().map(|segment| segment.retransmission).collect();
    assert_eq!(again, [false, false, false, true, false, true, false, true]);
}

#[test]
fn the_first_syn_ack_of_a_simultaneous_open_is_no_retransmission() {
    let mut exchange = Exchange::new();
    for (ack, again) in [(None, false), (Some(1), false), (Some(1), true)] {
        for (from, to) in [(CLIENT, SERVER), (SERVER, CLIENT)] {
            exchange.segment(from, to, SYN, 0, ack, 0);
            assert_eq!(exchange::segments(exchange.placed()).last().map(|segment| segment.retransmission), Some(again));
        }
    }
}

#[test]
fn what_goes_on_without_its_socket_is_told() {
    let of = |exchange: &Exchange| exchange::states(exchange.placed()).last().and_then(|state| state.continues_as);
    let close = |other_fin: bool, error: u32, old: TcpState| {
        let mut exchange = opened_here();
        exchange.state(CLIENT, SERVER, Established, FinWait1);
        exchange.segment(CLIENT, SERVER, FIN, 1, Some(1), 0);
        if other_fin {
            exchange.segment(SERVER, CLIENT, FIN, 1, Some(2), 0);
        }
        exchange.with_error(error).state(CLIENT, SERVER, old, Close);
        of(&exchange)
    };
    assert_eq!(close(false, 0, FinWait2), Some(FinWait2));
    assert_eq!(close(true, 0, FinWait2), Some(TimeWait));
    assert_eq!(close(true, 0, Closing), Some(TimeWait));
    assert_eq!(close(true, 0, LastAck), None);
    assert_eq!(close(true, 110, FinWait2), None);
    // close() of a half-closed socket that resets.
    for proof in [Proof { linger: true, ..Proof::default() }, Proof { unread: true, ..Proof::default() }] {
        let mut exchange = opened_here();
        exchange.state(CLIENT, SERVER, Established, FinWait1);
        exchange.segment(CLIENT, SERVER, FIN, 1, Some(1), 0);
        exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
        exchange.with_proof(proof).state(CLIENT, SERVER, FinWait2, Close);
        assert_eq!(of(&exchange), None);
    }
}

#[test]
fn what_is_forgotten_to_make_room_is_told() {
    let mut exchange = Exchange::new();
    exchange.connections().limit(NonZeroU32::new(8).expect("some"));
    for client in 1..=12 {
        exchange.segment(client, SERVER, SYN, 0, None, 0);
    }
    let evicted =
        |placed: &Correlated| if let Correlated::Evicted(evicted) = placed { Some(evicted.conn) } else { None };
    let evicted: Vec<_> = exchange.placed().iter().filter_map(evicted).collect();
    assert_eq!(evicted.len() as u64, exchange.totals().evicted);
    assert!(evicted.is_sorted() && !evicted.is_empty(), "{evicted:?}");
}

#[test]
fn what_comes_behind_the_last_record_is_late() {
    let mut exchange = Exchange::new();
    exchange.local_connection(CLIENT, SERVER);
    assert!(exchange::segments(exchange.placed()).iter().all(|segment| !segment.late));
    assert!(exchange::states(exchange.placed()).iter().all(|state| !state.late));
    exchange.pass(7);
    exchange.segment(CLIENT, SERVER, ACK, 1_009, Some(900_020), 0);
    let placed = exchange::segments(exchange.placed());
    let last = placed.last().expect("a segment");
    assert_eq!((last.conn, last.late, last.since_start_ns), (1, true, 17 + 7));
}
