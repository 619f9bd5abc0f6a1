//! Whole exchanges as the events of a kernel.

use super::super::{
    doubted::{Line, down, show, up},
    *,
};
use crate::{
    correlate::tests::{exchange::State, hints::reset},
    event::{BootTime, Event, Hint, reset_reason::ResetReason},
};

/// An event of the client's or the server's socket, or a segment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// By the client or not: the state that it leaves, that it enters, its error.
    State(bool, State, State, u32),
    /// A process closes the socket with data unread: the state that it leaves.
    Unread(bool, State),
    Segment(Line),
    /// The kernel's reason for a reset that the client sends or not.
    Reset(bool, ResetReason),
}

pub(super) use Step::{Reset as Reason, Segment, State as Change, Unread};

impl Step {
    /// Returns true if the event is seen where the sockets of these ends are.
    pub(super) fn is_seen(self, client: bool, server: bool) -> bool {
        match self {
            Change(of_client, ..) | Unread(of_client, _) | Reason(of_client, _) => {
                if of_client {
                    client
                } else {
                    server
                }
            }
            Segment(_) => true,
        }
    }

    pub(super) fn happen(self, exchange: &mut Exchange) {
        let ends = |of_client| if of_client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        match self {
            Change(of_client, old, new, error) => {
                let (local, remote) = ends(of_client);
                exchange.with_error(error).state(local, remote, old, new);
            }
            Unread(of_client, old) => {
                let (local, remote) = ends(of_client);
                let proof = Proof { unread: true, ..Proof::default() };
                exchange.by(4).with_proof(proof).state(local, remote, old, Close);
            }
            Segment(line) => show(exchange, &[line]),
            Reason(of_client, reason) => {
                let (from, to) = ends(of_client);
                let at = BootTime(exchange.now());
                exchange.event(&Event::Hint(Hint { at, reason: Some(reason), ..reset(from, to) }));
            }
        }
    }
}

pub(super) const OPENED: [Step; 7] = [
    Change(true, Close, SynSent, 0),
    Segment((true, SYN, 0, None, 0)),
    Segment(down(SYN, 0, 1, 0)),
    Change(true, SynSent, Established, 0),
    Segment(up(ACK, 1, 1, 0)),
    Change(false, Listen, SynRecv, 0),
    Change(false, SynRecv, Established, 0),
];

pub(super) const CLOSED_BY_THE_SERVER: [Step; 6] = [
    Change(false, Established, FinWait1, 0),
    Segment(down(FIN, 19, 8, 0)),
    Change(true, Established, CloseWait, 0),
    Segment(up(ACK, 8, 20, 0)),
    Change(false, FinWait1, FinWait2, 0),
    Change(false, FinWait2, Close, 0),
];

pub(super) const EPIPE: u32 = 32;
pub(super) const ECONNRESET: u32 = 104;
pub(super) const ECONNREFUSED: u32 = 111;

/// The names and the events of exchanges that end in different ways.
pub(super) fn exchanges() -> Vec<(&'static str, Vec<Step>)> {
    let ends: [(&str, &[Step]); 6] = [
        (
            "four segments",
            &[
                Change(true, Established, FinWait1, 0),
                Segment(up(FIN, 8, 19, 0)),
                Change(false, Established, CloseWait, 0),
                Segment(down(ACK, 19, 9, 0)),
                Change(true, FinWait1, FinWait2, 0),
                Change(false, CloseWait, LastAck, 0),
                Segment(down(FIN, 19, 9, 0)),
                Segment(up(ACK, 9, 20, 0)),
                Change(true, FinWait2, Close, 0),
                Change(false, LastAck, Close, 0),
            ],
        ),
        (
            "three segments",
            &[
                Change(false, Established, FinWait1, 0),
                Segment(down(FIN, 19, 8, 0)),
                Change(true, Established, CloseWait, 0),
                Change(true, CloseWait, LastAck, 0),
                Segment(up(FIN, 8, 20, 0)),
                Change(false, FinWait1, FinWait2, 0),
                Segment(down(ACK, 20, 9, 0)),
                Change(false, FinWait2, Close, 0),
                Change(true, LastAck, Close, 0),
            ],
        ),
        (
            "simultaneous",
            &[
                Change(true, Established, FinWait1, 0),
                Change(false, Established, FinWait1, 0),
                Segment(up(FIN, 8, 19, 0)),
                Segment(down(FIN, 19, 8, 0)),
                Change(true, FinWait1, Closing, 0),
                Change(false, FinWait1, Closing, 0),
                Segment(up(ACK, 9, 20, 0)),
                Segment(down(ACK, 20, 9, 0)),
                Change(true, Closing, Close, 0),
                Change(false, Closing, Close, 0),
            ],
        ),
        (
            "aborted with data unread",
            &[
                Unread(false, Established),
                Segment(down(RST, 19, 8, 0)),
                Change(true, Established, Close, ECONNRESET),
                Reason(false, ResetReason::TcpAbortOnClose),
            ],
        ),
        (
            "aborted with data unread after a FIN",
            &[
                Change(true, Established, FinWait1, 0),
                Segment(up(FIN, 8, 19, 0)),
                Change(false, Established, CloseWait, 0),
                Segment(down(ACK, 19, 9, 0)),
                Change(true, FinWait1, FinWait2, 0),
                Change(true, FinWait2, Close, 0),
                Unread(false, CloseWait),
                Segment(down(RST, 19, 9, 0)),
                Reason(false, ResetReason::TcpAbortOnClose),
            ],
        ),
        (
            "data for an open socket that has closed",
            &[
                Change(false, Established, FinWait1, 0),
                Segment(down(FIN, 19, 8, 0)),
                Change(true, Established, CloseWait, 0),
                Segment(up(ACK, 8, 20, 30)),
                Change(false, FinWait1, Close, ECONNRESET),
                Reason(false, ResetReason::TcpAbortOnData),
                Segment((false, RST, 20, None, 0)),
                Change(true, CloseWait, Close, EPIPE),
            ],
        ),
    ];
    let late = [
        Segment(up(ACK, 8, 20, 30)),
        Reason(false, ResetReason::NoSocket),
        Segment((false, RST, 20, None, 0)),
        Change(true, CloseWait, Close, EPIPE),
    ];
    let mut exchanges: Vec<_> = ends.iter().map(|(name, end)| (*name, [&OPENED[..], end].concat())).collect();
    exchanges.push(("data for a socket that has gone", [&OPENED[..], &CLOSED_BY_THE_SERVER, &late].concat()));
    exchanges
}
