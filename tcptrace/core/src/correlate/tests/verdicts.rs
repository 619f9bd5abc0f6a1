//! Verdicts on whole exchanges.

mod attempts;
mod behind_reset;
mod borne_out;
mod closes;
mod crossing;
mod deferred;
mod doubted;
mod filtered;
mod forgotten;
mod gaps;
mod half_closed;
mod handshakes;
mod held_back;
mod hidden;
mod idle;
mod inferred;
mod late_port;
mod lost_events;
mod missed;
mod mutations;
mod reasons;
mod reset_causes;
mod resets;
mod sentences;
mod silence;
mod silent;
mod states_left_out;
mod syn_flags;
mod syn_recv;
mod timeouts;
mod too_late;
mod unanswered;
mod vantage;
mod why;

use super::{
    CLIENT, SERVER,
    exchange::{Exchange, State::*},
};
use crate::{
    correlate::Correlated,
    event::{Loss, LossSource, Proof, Role},
    tcp::TcpFlags,
    verdict::{
        Bytes, Close, CloseKind, Each, Handshake, HandshakeKind, Missing, OpeningRetransmissions, Outcome, Reset,
        ResetCause, TimeWait, WaitingFor,
    },
};

const SYN: TcpFlags = TcpFlags::SYN;
const FIN: TcpFlags = TcpFlags::FIN;
const RST: TcpFlags = TcpFlags::RST;
const ACK: TcpFlags = TcpFlags::ACK;
const SECOND: u64 = 1_000_000_000;

/// ISNs of the exchanges below.
const C: u32 = 1_000;
const S: u32 = 900_000;

fn only<T>(mut records: Vec<T>) -> T {
    assert_eq!(records.len(), 1, "exactly one record");
    records.remove(0)
}

/// The only handshake, which is the connection's last record.
fn failed(exchange: &mut Exchange) -> Handshake {
    let (handshakes, closes) = exchange.records();
    assert_eq!(closes, []);
    only(handshakes)
}

/// The only handshake and the only close.
fn whole(exchange: &mut Exchange) -> (Handshake, Close) {
    let (handshakes, closes) = exchange.records();
    (only(handshakes), only(closes))
}

/// SYN; SYN,ACK; ACK as a capture shows them.
fn opened() -> Exchange {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.pass(10_000);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.pass(20_000);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange
}

/// The server has closed and, once its FIN was acknowledged, its socket is gone; the client has not closed.
fn left_by_the_server() -> Exchange {
    let mut exchange = established();
    exchange.by(4).state(SERVER, CLIENT, Established, FinWait1);
    exchange.segment(SERVER, CLIENT, FIN, S + 1, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 2), 0);
    exchange.state(SERVER, CLIENT, FinWait1, FinWait2);
    exchange.state(SERVER, CLIENT, FinWait2, Close);
    exchange
}

fn bytes(client_to_server: u64, server_to_client: u64) -> Bytes {
    Bytes { client_to_server: Some(client_to_server), server_to_client: Some(server_to_client) }
}

/// A connection whose sockets are both here, established.
fn established() -> Exchange {
    let mut exchange = Exchange::new();
    establish(&mut exchange);
    exchange
}

/// Opens a connection whose sockets are both here.
fn establish(exchange: &mut Exchange) {
    exchange.state(CLIENT, SERVER, Close, SynSent);
    exchange.segment(CLIENT, SERVER, SYN, C, None, 0);
    exchange.segment(SERVER, CLIENT, SYN, S, Some(C + 1), 0);
    exchange.state(CLIENT, SERVER, SynSent, Established);
    exchange.segment(CLIENT, SERVER, ACK, C + 1, Some(S + 1), 0);
    exchange.state(SERVER, CLIENT, Listen, SynRecv);
    exchange.state(SERVER, CLIENT, SynRecv, Established);
}
