//! Reasons of a close: the end of the processes, and lost data.

use super::*;
use crate::event::{Counters, Exit};

const KILLED: Exit = Exit { signal: Some(9), code: None };

#[test]
fn a_killed_process_with_data_unread() {
    let mut exchange = established();
    exchange.by(12).exiting(KILLED).with_proof(Proof { unread: true, ..Proof::default() });
    exchange.counting(Counters { unread_bytes: Some(18), unsent_bytes: Some(0), ..Counters::default() });
    exchange.state(SERVER, CLIENT, Established, Close);
    exchange.segment(SERVER, CLIENT, RST | ACK, S + 1, Some(C + 23), 0);
    exchange.with_error(104);
    exchange.state(CLIENT, SERVER, Established, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.reset, Some(Reset { by: Role::Server, cause: ResetCause::UnreadData }));
    assert_eq!((close.server.exit, close.client.exit), (Some(KILLED), None));
    assert_eq!((close.server.unread_bytes, close.server.unsent_bytes), (Some(18), Some(0)));
    let start = "reset by the server: it closed with 18 bytes unread; its process was killed by signal 9; ";
    assert!(close.summary.starts_with(start), "{}", close.summary);
}

#[test]
fn data_unsent_behind_a_closed_window() {
    let mut exchange = established();
    exchange.by(12).exiting(KILLED);
    exchange.counting(Counters { unsent_bytes: Some(3_791_873), peer_window: Some(0), ..Counters::default() });
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.by(13).with_proof(Proof { unread: true, ..Proof::default() });
    exchange.counting(Counters { unread_bytes: Some(1), ..Counters::default() });
    exchange.state(SERVER, CLIENT, Established, Close);
    exchange.segment(SERVER, CLIENT, RST | ACK, S + 1, Some(C + 23), 0);
    exchange.with_error(104);
    exchange.counting(Counters { unsent_bytes: Some(3_791_873), peer_window: Some(0), ..Counters::default() });
    exchange.state(CLIENT, SERVER, FinWait1, Close);
    let (_, close) = whole(&mut exchange);
    assert_eq!((close.client.unsent_bytes, close.server.unsent_bytes), (Some(3_791_873), None));
    let start = "reset by the server: it closed with 1 byte unread; the client's process was killed by signal 9";
    assert!(close.summary.starts_with(start), "{}", close.summary);
    assert!(close.summary.contains("; the client had 3.8 MB unsent behind a closed window"), "{}", close.summary);
}

/// A reset from a closed end after the other one has timed out is not the reason for that time-out.
#[test]
fn a_reset_behind_a_time_out_does_not_hide_the_closed_window() {
    let no_room = || Counters { unsent_bytes: Some(3_791_873), peer_window: Some(0), ..Counters::default() };
    for by in [SERVER, CLIENT] {
        let mut exchange = established();
        exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 100);
        exchange.counting(no_room());
        exchange.with_error(110).state(CLIENT, SERVER, Established, Close);
        exchange.pass(SECOND / 10);
        if by == SERVER {
            exchange.with_proof(Proof { unread: true, ..Proof::default() }).state(SERVER, CLIENT, Established, Close);
            exchange.segment(SERVER, CLIENT, RST | ACK, S + 1, Some(C + 101), 0);
        } else {
            exchange.segment(SERVER, CLIENT, ACK, S + 1, Some(C + 101), 10);
            exchange.segment(CLIENT, SERVER, RST, C + 101, None, 0);
            exchange.with_error(104).state(SERVER, CLIENT, Established, Close);
        }
        let (_, close) = whole(&mut exchange);
        assert_eq!(close.kind, CloseKind::TimedOut);
        assert_eq!(close.reset, Some(Reset { by: Role::Client, cause: ResetCause::ZeroWindow }));
        assert!(close.summary.starts_with("timed out: the other end's window was closed (0 B)"), "{}", close.summary);
    }
}

#[test]
fn a_process_that_exits_by_itself_is_named_at_the_end_that_closed_first() {
    let exited = |code| Exit { signal: None, code: Some(code) };
    for (code, said) in [(0, "; its process was exiting; "), (3, "; its process was exiting with status 3; ")] {
        let mut exchange = established();
        exchange.by(12).exiting(exited(code));
        exchange.state(CLIENT, SERVER, Established, FinWait1);
        exchange.segment(CLIENT, SERVER, FIN, C + 23, Some(S + 1), 0);
        exchange.state(SERVER, CLIENT, Established, CloseWait);
        exchange.by(13).exiting(exited(1));
        exchange.state(SERVER, CLIENT, CloseWait, LastAck);
        exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 24), 0);
        exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
        exchange.state(CLIENT, SERVER, FinWait2, Close);
        exchange.segment(CLIENT, SERVER, ACK, C + 24, Some(S + 2), 0);
        exchange.state(SERVER, CLIENT, LastAck, Close);
        let (_, close) = whole(&mut exchange);
        assert_eq!((close.client.exit, close.server.exit), (Some(exited(code)), Some(exited(1))));
        assert!(close.summary.contains(said) && !close.summary.contains("server's process"), "{}", close.summary);
    }
}

#[test]
fn retransmissions_of_syn_and_fin_are_not_those_of_data() {
    let sent_again = |count| Counters { retransmissions: Some(count), ..Counters::default() };
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.counting(sent_again(1));
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.counting(sent_again(4));
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(CLIENT, SERVER, FIN, C + 23, Some(S + 1), 0);
    exchange.segment(CLIENT, SERVER, FIN, C + 23, Some(S + 1), 0);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 24), 0);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.counting(Counters { smoothed_rtt_ns: Some(7), min_rtt_ns: Some(5), ..sent_again(5) });
    exchange.state(CLIENT, SERVER, FinWait2, Close);
    exchange.segment(CLIENT, SERVER, ACK, C + 24, Some(S + 2), 0);
    let (_, close) = whole(&mut exchange);
    assert_eq!(close.data_retransmissions, Each { client: Some(3), server: None });
    assert_eq!((close.rtt.handshake_ns, close.rtt.smoothed_ns, close.rtt.min_ns), (None, Some(7), Some(5)));
}

#[test]
fn an_accepted_socket_has_the_user_who_accepted_it() {
    let mut exchange = Exchange::new();
    exchange.of_user(1000).state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.of_user(0).state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
    exchange.of_user(33).by(12).state(SERVER, CLIENT, Established, Close);
    exchange.segment(SERVER, CLIENT, RST | ACK, S + 1, Some(C + 1), 0);
    exchange.with_error(104).state(CLIENT, SERVER, Established, Close);
    let (handshake, close) = whole(&mut exchange);
    assert_eq!(handshake.client.uid, Some(1000));
    assert_eq!((close.client.uid, close.server.uid), (Some(1000), Some(33)));
}

#[test]
fn the_process_of_the_end_that_closed_first_is_named_first() {
    let mut exchange = established();
    exchange.by(12).exiting(KILLED);
    exchange.state(SERVER, CLIENT, Established, FinWait1);
    exchange.segment(SERVER, CLIENT, FIN | ACK, S + 1, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 2), 0);
    exchange.by(13).exiting(KILLED);
    exchange.state(CLIENT, SERVER, CloseWait, LastAck);
    exchange.segment(CLIENT, SERVER, FIN | ACK, C + 1, Some(S + 2), 0);
    exchange.state(SERVER, CLIENT, FinWait1, FinWait2);
    exchange.segment(SERVER, CLIENT, ACK, S + 2, Some(C + 2), 0);
    exchange.state(SERVER, CLIENT, FinWait2, Close);
    exchange.state(CLIENT, SERVER, LastAck, Close);
    let (_, close) = whole(&mut exchange);
    let words = "; its process was killed by signal 9; the client's process was killed by signal 9; ";
    assert!(close.summary.contains(words), "{}", close.summary);
}

#[test]
fn a_client_that_was_ended_as_it_waited_for_an_answer_says_so() {
    for (exit, words) in [
        (KILLED, "one SYN without an answer; its process was killed by signal 9"),
        (Exit { signal: None, code: Some(1) }, "one SYN without an answer; its process was exiting with status 1"),
    ] {
        let mut exchange = Exchange::new();
        exchange.state(CLIENT, SERVER, Close, SynSent);
        exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
        exchange.pass(SECOND);
        exchange.by(12).exiting(exit).state(CLIENT, SERVER, SynSent, Close);
        let handshake = failed(&mut exchange);
        assert_eq!((handshake.outcome, handshake.client.exit), (Some(Outcome::Cancelled), Some(exit)));
        assert!(handshake.summary.ends_with(words), "{}", handshake.summary);
    }
}
