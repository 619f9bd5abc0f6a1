//! How a connection ended: decided from what is known of it, and nothing else.

use super::{
    connection::{Connection, Role, Side},
    end::{End, Fin},
    opening::{ECONNABORTED, ETIMEDOUT},
};
use crate::{
    event::BootTime,
    tcp::TcpState::{self, CloseWait, FinWait1, FinWait2, LastAck, TimeWait as InTimeWait},
    timeline::{CloseKind, Reset, ResetCause, Stay, TimeWait},
};

/// How long segments that still belong to a close may come late, in nanoseconds.
const LATE: u64 = 1_000_000_000;

/// tcp_fin_timeout: how long an end that has closed waits for the other's FIN, in nanoseconds.
const FIN_TIMEOUT: u64 = 60_000_000_000;

/// When the close is over, as far as is known now: then it is to be written.
pub(super) fn deadline(conn: &Connection) -> Option<BootTime> {
    if conn.ended || !(conn.opened || conn.mid_life) {
        return None;
    }
    let [first, second] = &conn.ends;
    if first.open_socket || second.open_socket {
        return None;
    }
    let closed = first.closed.max_at(second.closed);
    if first.had_socket && second.had_socket || conn.is_self_connect() && closed.is_some() {
        return closed;
    }
    let acked = |end: &End| end.fin.and_then(|fin| fin.acked);
    let rst = first.rst.max(second.rst);
    if let (Some(one), Some(other)) = (acked(first), acked(second)) {
        return Some(one.max(other).max(rst.unwrap_or_default()).plus(LATE));
    }
    if let Some(rst) = rst {
        return Some(rst.max(closed.unwrap_or_default()).plus(LATE));
    }
    let half = [first, second].into_iter().find_map(|end| end.closed.filter(|closed| closed.from == FinWait2));
    match (half, closed) {
        // The kernel has put something smaller into the socket's place, which goes on waiting.
        (Some(half), _) if conn.has_segments => Some(half.at.plus(FIN_TIMEOUT)),
        (_, Some(closed)) => Some(closed.plus(LATE)),
        // No socket here: one FIN without the other may be all that comes for a long time.
        (_, None) => None,
    }
}

trait MaxAt {
    fn max_at(self, other: Self) -> Option<BootTime>;
}

impl MaxAt for Option<super::end::Closed> {
    fn max_at(self, other: Self) -> Option<BootTime> {
        self.map(|closed| closed.at).max(other.map(|closed| closed.at))
    }
}

/// A close decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Closing {
    pub(super) kind: CloseKind,
    pub(super) initiator: Option<Side>,
    pub(super) reset: Option<Reset>,
    pub(super) time_wait: Option<TimeWait>,
}

/// Decides how it ended; `over`: tracing ends before it has. None for a connection that is simply open.
pub(super) fn decide(conn: &Connection, over: bool) -> Option<Closing> {
    let fins = Fins::of(conn);
    let reset = accepted_reset(conn);
    let began = fins.first.is_some() || reset.is_some() || conn.ends.iter().any(|end| end.closed.is_some());
    if over && !began {
        return None;
    }
    let kind = kind(conn, &fins, reset.is_some(), over);
    let initiator = match kind {
        CloseKind::Simultaneous | CloseKind::Unseen => None,
        CloseKind::Reset => first_of(fins.first.map(|(side, fin)| (side, fin.sent.first)), reset),
        CloseKind::Orderly => by_states(conn),
        CloseKind::TimedOut | CloseKind::ThreeSegment | CloseKind::FourSegment | CloseKind::Unfinished => {
            fins.first.map(|(side, _)| side).or_else(|| by_states(conn))
        }
    };
    let time_wait = match kind {
        CloseKind::Simultaneous => Some(TimeWait::Both),
        CloseKind::ThreeSegment | CloseKind::FourSegment | CloseKind::Orderly => {
            initiator.and_then(|side| conn.role(side)).map(|role| match role {
                Role::Client => TimeWait::Client,
                Role::Server => TimeWait::Server,
            })
        }
        _ => None,
    };
    let reset = any_reset(conn).and_then(|(side, _)| Some(Reset { by: conn.role(side)?, cause: cause(conn, side) }));
    Some(Closing { kind, initiator, reset, time_wait })
}

fn kind(conn: &Connection, fins: &Fins, reset: bool, over: bool) -> CloseKind {
    let timed_out = |end: &End| end.closed.is_some_and(|closed| closed.error == Some(ETIMEDOUT));
    if conn.ends.iter().any(timed_out) {
        return CloseKind::TimedOut;
    }
    let all_acked = conn.ends.iter().all(|end| end.fin.is_some_and(|fin| fin.acked.is_some()));
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
        (Some((side, fin)), None) if fin.acked.is_some() && conn.end(side).closed.is_some() => CloseKind::TimedOut,
        _ => CloseKind::Unseen,
    }
}

/// The FINs in the order in which they were first sent.
struct Fins {
    first: Option<(Side, Fin)>,
    second: Option<(Side, Fin)>,
}

impl Fins {
    fn of(conn: &Connection) -> Self {
        let fin = |side: Side| Some((side, conn.end(side).fin?));
        let first = conn.first_fin.and_then(fin);
        Self { first, second: first.and_then(|(side, _)| fin(side.other())) }
    }
}

/// The first reset and who sent it.
fn any_reset(conn: &Connection) -> Option<(Side, BootTime)> {
    let resets = [Side::First, Side::Second].into_iter().filter_map(|side| Some((side, conn.end(side).rst?)));
    resets.min_by_key(|&(_, at)| at)
}

/// The reset that ended the connection: a socket here confirms it by closing, and where there is none nobody can.
fn accepted_reset(conn: &Connection) -> Option<(Side, BootTime)> {
    let had_socket = conn.ends.iter().any(|end| end.had_socket);
    let closed = conn.ends.iter().any(|end| end.closed.is_some());
    any_reset(conn).filter(|_| closed || !had_socket)
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

/// Both FINs are certain from the states alone: a socket that has been in LAST_ACK and ended without an error has had the
/// other's FIN, and its own has been acknowledged.
fn closed_by_states(conn: &Connection) -> bool {
    conn.ends.iter().any(|end| {
        let ended = end.closed.filter(|closed| matches!(closed.from, LastAck | TcpState::Closing));
        ended.is_some_and(|closed| closed.error.is_none_or(|error| error == 0))
    })
}

/// Why an end sent its reset, where something proves it.
fn cause(conn: &Connection, side: Side) -> ResetCause {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let closed_first = own.closed.filter(|closed| closed.by_process);
    if own.closed.is_some_and(|closed| closed.error == Some(ECONNABORTED)) {
        return ResetCause::Killed;
    }
    if let Some(closed) = own.closed
        && closed.proof.unread
        && closed_first.is_some()
    {
        return ResetCause::UnreadData;
    }
    if let Some(closed) = own.closed
        && closed.proof.linger
        && closed_first.is_some()
    {
        return ResetCause::Linger;
    }
    // Its own FIN said that it has closed, its socket is gone or orphaned, and more came than the FIN acknowledged.
    let more = own.fin.is_some_and(|fin| other.sent > fin.other_sent + u64::from(other.fin.is_some()));
    let gone = own.closed.is_some_and(|closed| matches!(closed.from, FinWait1 | FinWait2));
    if more && gone && own.had_socket { ResetCause::DataAfterClose } else { ResetCause::Unknown }
}

/// The states of an end, as the protocol has them: when the kernel replaces a socket in FIN_WAIT2, that state goes on until
/// the other end's FIN comes.
pub(super) fn states(conn: &Connection, side: Side) -> Vec<Stay> {
    let end = conn.end(side);
    let mut entered = end.states.clone();
    if let Some(closed) = end.closed
        && closed.from == FinWait2
    {
        entered.pop();
        if let Some(fin) = conn.end(side.other()).fin {
            entered.push((InTimeWait, fin.sent.first.max(closed.at)));
        }
    }
    let until = entered.iter().skip(1).map(|&(_, at)| Some(at)).chain([None]);
    let stay = |(&(state, since), until): (&(TcpState, BootTime), Option<BootTime>)| Stay {
        state,
        ns: until.filter(|_| since != BootTime(0)).map(|until| until.since(since)),
    };
    entered.iter().zip(until).map(stay).collect()
}
