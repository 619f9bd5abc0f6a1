//! How far a handshake or a close has got, and when it is told that it does not get on.

use crate::{
    correlate::table::{
        connection::{Connection, Side},
        endpoint::End,
    },
    event::{BootTime, StateChange},
    tcp::TcpState::{self, Close, Closing, FinWait2, TimeWait},
};

/// How long after the beginning of a handshake or a close it is told that it is not finished, in nanoseconds.
const TOLD_AFTER: [u64; 1] = [1_000_000_000];

/// How long the record of what looks finished may take after the last event, in nanoseconds: segments that come late, and
/// still belong to it, are waited for.
const RECORD: u64 = 2_000_000_000;

/// What is not finished.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Handshake,
    Close,
}

/// When it is to be told that the connection does not get on; none for one that is open, or of which it was told.
pub(in crate::correlate) fn due(conn: &Connection) -> Option<BootTime> {
    let after = *TOLD_AFTER.get(usize::from(conn.stalls))?;
    let (_, began) = phase(conn)?;
    let from = conn.rare().and_then(|rare| rare.stalled_from).unwrap_or(began);
    let due = from.plus(after);
    // Nothing more is awaited but the record, which comes by itself.
    Some(if is_over(conn) { due.max(conn.last.plus(RECORD)) } else { due })
}

/// There is news about why it does not get on: it is told again.
pub(in crate::correlate) fn tell_again(conn: &mut Connection, at: BootTime) {
    conn.stalls = 0;
    conn.rare_mut().stalled_from = Some(at);
}

/// The record of the handshake was written.
pub(in crate::correlate) fn begin_close(conn: &mut Connection) {
    conn.stalls = 0;
    let last = conn.last;
    if close_began(conn).is_some() {
        conn.rare_mut().stalled_from = Some(last);
    } else if conn.rare().is_some() {
        conn.rare_mut().stalled_from = None;
    }
}

/// The kernel puts something smaller into the place of a socket that nobody has open any more (tcp_time_wait of
/// net/ipv4/tcp_minisocks.c), and calls that CLOSE: the state in which that stays. To be asked before the change is noted.
pub(in crate::correlate) fn continues_as(conn: &Connection, side: Side, change: &StateChange) -> Option<TcpState> {
    let peer = conn.end(side.other());
    let failed = change.error.is_some_and(|error| error != 0);
    let aborted = failed || conn.ends.iter().any(|end| end.rst().is_some());
    match (change.old, change.new) {
        (FinWait2, Close) if !aborted && peer.fin().is_none() => Some(FinWait2),
        (FinWait2 | Closing, Close) if !aborted => Some(TimeWait),
        _ => None,
    }
}

/// What is not finished, and when it began; none where the connection is simply open, or over.
pub(super) fn phase(conn: &Connection) -> Option<(Phase, BootTime)> {
    if conn.ended {
        None
    } else if conn.opened || conn.mid_life {
        Some((Phase::Close, close_began(conn)?))
    } else {
        Some((Phase::Handshake, conn.first))
    }
}

/// When the first thing was seen that ends a connection.
fn close_began(conn: &Connection) -> Option<BootTime> {
    let of = |end: &End| {
        if !end.closing {
            return None;
        }
        let by_state =
            end.states().find(|&(state, at)| state.belongs_to_close() && at != BootTime(0)).map(|(_, at)| at);
        let fin = end.fin().map(|fin| fin.sent.first);
        let rst = end.rst().filter(|rst| rst.seen).map(|rst| rst.at);
        [by_state, fin, rst].into_iter().flatten().min()
    };
    let [first, second] = &conn.ends;
    [of(first), of(second)].into_iter().flatten().min()
}

/// Nothing more is awaited.
fn is_over(conn: &Connection) -> bool {
    let [first, second] = &conn.ends;
    let acked = |end: &End| end.fin().is_some_and(|fin| fin.acked.is_some());
    let gone = |end: &End| !end.had_socket || end.closed().is_some_and(|closed| closed.from != FinWait2);
    let sockets = first.had_socket || second.had_socket;
    conn.ends.iter().any(|end| end.rst().is_some())
        || acked(first) && acked(second)
        || sockets && gone(first) && gone(second)
}
