//! Sentences state no more than was seen: each row is an exchange and its sentence.

use super::*;
use crate::event::{Event, Hint, reset_reason::ResetReason};

/// An exchange, and a part of its sentence.
type Row = (fn(&mut Exchange), &'static str);

const ETIMEDOUT: u32 = 110;

fn syn(exchange: &mut Exchange) {
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, 7, None, 0);
    exchange.pass(SECOND - 2);
}

/// The client's socket times out.
fn gives_up(exchange: &mut Exchange) {
    exchange.with_error(ETIMEDOUT).state(CLIENT, SERVER, SynSent, Close);
}

/// The client's application closes first.
fn cancels(exchange: &mut Exchange) {
    exchange.by(5).state(CLIENT, SERVER, SynSent, Close);
}

/// The kernel states why the server answers the SYN by a reset; the SYN,ACK was not seen.
fn refuses(exchange: &mut Exchange, hint: Hint) {
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.event(&Event::Hint(hint));
    exchange.segment(SERVER, CLIENT, RST, 0, Some(C + 1), 0);
}

fn hint() -> Hint {
    super::super::hints::reset(SERVER, CLIENT)
}

/// Every way in which a client waits without success, with every answer that may have been seen.
const IN_VAIN: [Row; 9] = [
    (
        |exchange| {
            syn(exchange);
            gives_up(exchange);
        },
        "timed out after one SYN, 1.000 s without an answer",
    ),
    (
        |exchange| {
            syn(exchange);
            exchange.segment(SERVER, CLIENT, SYN, S, Some(8), 0);
            gives_up(exchange);
        },
        "timed out after one SYN, 1.000 s, although the server's SYN,ACK was seen",
    ),
    (
        |exchange| {
            syn(exchange);
            exchange.icmp(CLIENT, SERVER);
            gives_up(exchange);
        },
        "timed out after one SYN, 1.000 s, although an ICMP error was seen: port unreachable",
    ),
    (
        |exchange| {
            syn(exchange);
            exchange.segment(SERVER, CLIENT, SYN, S, None, 0);
            exchange.state(CLIENT, SERVER, SynSent, SynRecv);
            exchange.with_error(ETIMEDOUT).state(CLIENT, SERVER, SynRecv, Close);
        },
        "timed out after one SYN, 1.000 s, although the server's own SYN was seen: none acknowledged the client's",
    ),
    (
        |exchange| {
            syn(exchange);
            cancels(exchange);
        },
        "cancelled by the client's application after 1.000 s and one SYN without an answer",
    ),
    (
        |exchange| {
            syn(exchange);
            exchange.segment(SERVER, CLIENT, SYN, S, Some(8), 0);
            cancels(exchange);
        },
        "cancelled by the client's application after 1.000 s and one SYN, although the server's SYN,ACK was seen",
    ),
    (
        |exchange| {
            syn(exchange);
            exchange.pass(100 * SECOND);
        },
        "unanswered: waiting for the server's SYN,ACK after one SYN",
    ),
    (
        |exchange| {
            syn(exchange);
            exchange.segment(SERVER, CLIENT, SYN, S, Some(8), 0);
            exchange.pass(100 * SECOND);
        },
        "unanswered: waiting for the client's ACK after one SYN",
    ),
    (
        |exchange| {
            syn(exchange);
            exchange.segment(SERVER, CLIENT, SYN, S, Some(8), 0);
            exchange.with_error(103).state(CLIENT, SERVER, SynSent, Close);
        },
        "cancelled: the client's socket was destroyed from outside after 1.000 s and one SYN, although the server's \
         SYN,ACK was seen",
    ),
];

/// Every reason for which a SYN is refused.
const REFUSED: [Row; 4] = [
    (
        |exchange| refuses(exchange, Hint { reason: None, ..hint() }),
        "refused: a reset answered the SYN, so nobody listens there or a firewall says so",
    ),
    (|exchange| refuses(exchange, hint()), "refused: nobody listens there"),
    (
        |exchange| refuses(exchange, Hint { queue_full: true, reason: Some(ResetReason::InvalidSyn), ..hint() }),
        "refused by the server: the accept queue is full",
    ),
    (
        |exchange| {
            exchange.state(CLIENT, SERVER, Close, SynSent);
            exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
            exchange.with_error(111).state(CLIENT, SERVER, SynSent, Close);
        },
        "refused: by a reset or an ICMP error, which was not seen",
    ),
];

#[test]
fn a_handshake_that_failed_says_what_was_seen() {
    for (row, (play, expected)) in IN_VAIN.into_iter().chain(REFUSED).enumerate() {
        let mut exchange = Exchange::new();
        play(&mut exchange);
        let summary = failed(&mut exchange).summary;
        let rest = summary.strip_prefix("three-way handshake, ").or(summary.strip_prefix("simultaneous open, "));
        assert_eq!(rest, Some(expected), "row {row}");
    }
}

/// The close by the states of both ends, the client first, with these FINs seen and acknowledged.
fn by_states(client_fin: bool, server_fin: bool, acked: bool) -> Close {
    let mut exchange = established();
    exchange.by(4).state(CLIENT, SERVER, Established, FinWait1);
    if client_fin {
        exchange.segment(CLIENT, SERVER, FIN, C + 1, Some(S + 1), 0);
    }
    exchange.state(SERVER, CLIENT, Established, CloseWait);
    exchange.state(CLIENT, SERVER, FinWait1, FinWait2);
    exchange.by(5).state(SERVER, CLIENT, CloseWait, LastAck);
    if server_fin {
        exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 2), 0);
    }
    if acked {
        exchange.segment(CLIENT, SERVER, ACK, C + 2, Some(S + 2), 0);
    }
    exchange.state(CLIENT, SERVER, FinWait2, Close);
    exchange.state(SERVER, CLIENT, LastAck, Close);
    let (_, close) = whole(&mut exchange);
    close
}

#[test]
fn only_the_fins_that_were_not_seen_are_said_not_to_have_been() {
    let summary = |client, server| by_states(client, server, true).summary;
    assert!(summary(false, false).contains("as the states show; the FINs were not seen"), "{}", summary(false, false));
    assert!(
        summary(true, false).contains("as the states show; the server's FIN was not seen"),
        "{}",
        summary(true, false)
    );
    assert!(
        summary(false, true).contains("as the states show; the client's FIN was not seen"),
        "{}",
        summary(false, true)
    );
    assert!(!summary(true, true).contains("states show"), "{}", summary(true, true));
}

/// Data that reaches the server after it has closed: `length` bytes, with or without the client's FIN after them.
fn late(length: u32, fin: bool) -> String {
    let mut exchange = opened();
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    exchange.segment(CLIENT, SERVER, if fin { FIN } else { ACK }, C + 1, Some(S + 2), length);
    exchange.segment(SERVER, CLIENT, RST, S + 2, None, 0);
    whole(&mut exchange).1.summary
}

#[test]
fn only_what_may_be_a_close_notify_is_harmless_and_nobody_writes_behind_his_fin() {
    let harmless = "harmless";
    let epipe = "further writes fail with EPIPE";
    for (length, fin, wanted, unwanted) in [
        (31, true, harmless, epipe),
        (24, false, harmless, "while it closed too"),
        // A request of as many bytes is no alert.
        (22, true, "still sent 22 B before it closed too", harmless),
        (22, true, "still sent 22 B before it closed too", epipe),
        (22, false, epipe, harmless),
        (5_000, true, "still sent 5000 B before it closed too", epipe),
        (5_000, false, epipe, harmless),
    ] {
        let summary = late(length, fin);
        assert!(summary.contains(wanted) && !summary.contains(unwanted), "{length} {fin}: {summary}");
    }
}
