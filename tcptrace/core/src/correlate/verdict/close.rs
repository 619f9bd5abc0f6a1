//! How a connection ended: decided from what is known of it, and nothing else.

use super::{handshake::ETIMEDOUT, reset};
use crate::{
    correlate::table::{
        connection::{Connection, Side},
        endpoint::{Closed, End, Fin},
    },
    event::{BootTime, Role},
    tcp::TcpState::{self, CloseWait, FinWait1, FinWait2, LastAck},
    verdict::{CloseKind, Reset, TimeWait},
};

/// How long segments that still belong to a close may come late, in nanoseconds.
const LATE: u64 = 1_000_000_000;

/// tcp_fin_timeout: how long an end that has closed waits for the other's FIN, in nanoseconds.
const FIN_TIMEOUT: u64 = 60_000_000_000;

/// When the close is over, as far as is known now: then it is to be written.
pub(in crate::correlate) fn deadline(conn: &Connection) -> Option<BootTime> {
    if conn.ended || !(conn.opened || conn.mid_life) {
        return None;
    }
    let [first, second] = &conn.ends;
    let closed = first.closed().max_at(second.closed());
    if first.open_sockets + second.open_sockets > 0 {
        // The other end has acknowledged its FIN and so is in TIME_WAIT: the end of that socket must have been missed.
        let known = closed.filter(|_| conn.ends.iter().any(knows_both_fins));
        return known.map(|_| conn.last.plus(FIN_TIMEOUT));
    }
    if first.had_socket && second.had_socket || conn.is_self_connect() && closed.is_some() {
        return closed;
    }
    let acked = |end: &End| end.fin().and_then(|fin| fin.acked);
    let rst = first.rst().max(second.rst()).map(|rst| rst.at);
    if let (Some(one), Some(other)) = (acked(first), acked(second)) {
        return Some(one.max(other).max(rst.unwrap_or_default()).plus(LATE));
    }
    if let Some(rst) = rst {
        return Some(rst.max(closed.unwrap_or_default()).plus(LATE));
    }
    let half = [(first, second), (second, first)]
        .into_iter()
        .find_map(|(end, other)| Some((end.closed().filter(|closed| closed.from == FinWait2)?, other.fin())));
    match (half, closed) {
        // Its own FIN was not seen, but states tell that it has been acknowledged.
        (Some((half, Some(fin))), _) => Some(half.at.max(fin.sent.last).plus(LATE)),
        // The kernel has put something smaller into the socket's place, which goes on waiting.
        (Some((half, None)), _) if conn.has_segments => Some(half.at.plus(FIN_TIMEOUT)),
        (_, Some(closed)) => Some(closed.plus(LATE)),
        // No socket here: one FIN without the other may be all that comes for a long time.
        (_, None) => None,
    }
}

trait MaxAt {
    fn max_at(self, other: Self) -> Option<BootTime>;
}

impl MaxAt for Option<Closed> {
    fn max_at(self, other: Self) -> Option<BootTime> {
        self.map(|closed| closed.at).max(other.map(|closed| closed.at))
    }
}

/// A close decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::correlate) struct Closing {
    pub(in crate::correlate) kind: CloseKind,
    pub(in crate::correlate) initiator: Option<Side>,
    pub(in crate::correlate) reset: Option<Reset>,
    pub(in crate::correlate) time_wait: Option<TimeWait>,
}

/// Decides how it ended; `over`: tracing ends before it has. None for a connection that is simply open.
pub(in crate::correlate) fn decide(conn: &Connection, over: bool) -> Option<Closing> {
    let fins = Fins::of(conn);
    let reset = accepted_reset(conn);
    let began = fins.first.is_some() || reset.is_some() || conn.ends.iter().any(|end| end.closed().is_some());
    if over && !began {
        return None;
    }
    let kind = kind(conn, &fins, reset.is_some(), over);
    let initiator = match kind {
        CloseKind::Simultaneous => None,
        CloseKind::Reset => first_of(fins.first.map(|(side, fin)| (side, fin.sent.first)), reset),
        CloseKind::Orderly | CloseKind::Unseen => by_states(conn),
        CloseKind::TimedOut | CloseKind::ThreeSegment | CloseKind::FourSegment | CloseKind::Unfinished => {
            fins.first.map(|(side, _)| side).or_else(|| by_states(conn))
        }
    };
    let time_wait = match kind {
        CloseKind::Simultaneous => Some(TimeWait::Both),
        CloseKind::ThreeSegment | CloseKind::FourSegment | CloseKind::Orderly => {
            initiator.map(|side| match conn.shown_role(side) {
                Role::Client => TimeWait::Client,
                Role::Server => TimeWait::Server,
            })
        }
        _ => None,
    };
    Some(Closing { kind, initiator, reset: reset::told(conn), time_wait })
}

fn kind(conn: &Connection, fins: &Fins, reset: bool, over: bool) -> CloseKind {
    let timed_out = |end: &End| end.closed().is_some_and(|closed| closed.error == Some(ETIMEDOUT));
    if conn.ends.iter().any(timed_out) {
        return CloseKind::TimedOut;
    }
    let all_acked = conn.ends.iter().all(|end| end.fin().is_some_and(|fin| fin.acked.is_some()));
    if reset && !all_acked {
        return CloseKind::Reset;
    }
    match (fins.first, fins.second) {
        (Some(_), Some((_, second))) if all_acked || !over => {
            let first_acks = fins.first.is_some_and(|(_, fin)| fin.acks_other);
            if !second.acks_other && !first_acks {
                CloseKind::Simultaneous
            } else if second.acked_before {
                CloseKind::FourSegment
            } else {
                CloseKind::ThreeSegment
            }
        }
        _ if closed_by_states(conn) => CloseKind::Orderly,
        _ if over => CloseKind::Unfinished,
        // Nobody here knows why the other end's FIN does not come.
        (Some((side, fin)), None) if fin.acked.is_some() && waited_alone(conn, side) => CloseKind::TimedOut,
        _ => CloseKind::Unseen,
    }
}

/// The end's socket here is gone, and the other end has none here.
fn waited_alone(conn: &Connection, side: Side) -> bool {
    conn.end(side).closed().is_some() && !conn.end(side.other()).had_socket
}

/// The FINs in the order in which they were first sent.
struct Fins {
    first: Option<(Side, Fin)>,
    second: Option<(Side, Fin)>,
}

impl Fins {
    fn of(conn: &Connection) -> Self {
        let fin = |side: Side| Some((side, conn.end(side).fin()?));
        let first = conn.first_fin.and_then(fin);
        Self { first, second: first.and_then(|(side, _)| fin(side.other())) }
    }
}

/// The reset that ended the connection: a socket here confirms it by closing, and where there is none nobody can.
fn accepted_reset(conn: &Connection) -> Option<(Side, BootTime)> {
    let had_socket = conn.ends.iter().any(|end| end.had_socket);
    let closed = conn.ends.iter().any(|end| end.closed().is_some());
    reset::first(conn).filter(|_| closed || !had_socket)
}

fn first_of(fin: Option<(Side, BootTime)>, reset: Option<(Side, BootTime)>) -> Option<Side> {
    match (fin, reset) {
        (Some((side, fin)), Some((_, reset))) if fin <= reset => Some(side),
        (_, Some((side, _))) | (Some((side, _)), None) => Some(side),
        (None, None) => None,
    }
}

/// The end that closed first by its states: it has been in FIN_WAIT1 and never in CLOSE_WAIT.
fn by_states(conn: &Connection) -> Option<Side> {
    [Side::First, Side::Second].into_iter().find(|&side| conn.end(side).entered(FinWait1).is_some()).or_else(|| {
        let passive = [Side::First, Side::Second].into_iter().find(|&side| conn.end(side).entered(CloseWait).is_some());
        passive.map(Side::other)
    })
}

/// Both FINs are certain from the states: a socket that has been in LAST_ACK and ended without an error has had the other's
/// FIN, and its own has been acknowledged. One in FIN_WAIT2 has had the latter; the other's FIN has to be seen.
fn closed_by_states(conn: &Connection) -> bool {
    let [first, second] = &conn.ends;
    [(first, second), (second, first)].into_iter().any(|(end, other)| {
        let half = end.closed().is_some_and(|closed| closed.from == FinWait2 && !failed(closed));
        knows_both_fins(end) || (half && other.fin().is_some())
    })
}

/// The socket has had the other end's FIN and the acknowledgement of its own.
fn knows_both_fins(end: &End) -> bool {
    end.closed().is_some_and(|closed| matches!(closed.from, LastAck | TcpState::Closing) && !failed(closed))
}

fn failed(closed: Closed) -> bool {
    closed.error.is_some_and(|error| error != 0)
}
