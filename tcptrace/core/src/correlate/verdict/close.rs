//! How a connection ended: decided from what is known of it, and nothing else.

use super::{handshake::ETIMEDOUT, reset, state_times};
use crate::{
    correlate::table::{
        connection::{Connection, Side},
        endpoint::{Closed, End, Fin},
    },
    event::{BootTime, Proof},
    tcp::TcpState::{self, CloseWait, FinWait1, FinWait2, LastAck},
    verdict::{CloseKind, Reset, ResetCause, TimeWait},
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
    let due = ended_at(conn);
    // What a socket says of its reset comes before the reset.
    match reset::awaited(conn) {
        Some(until) => due.map(|due| {
            if conn.ends.iter().any(|end| end.rst().is_some_and(|rst| rst.seen)) { due } else { due.max(until) }
        }),
        None => due,
    }
}

/// When nothing more of the connection is expected.
fn ended_at(conn: &Connection) -> Option<BootTime> {
    let [first, second] = &conn.ends;
    let closed = first.closed().max_at(second.closed());
    let acked = |end: &End| end.fin().and_then(|fin| fin.acked);
    if first.open_sockets + second.open_sockets > 0 {
        // The other end has acknowledged its FIN and so is in TIME_WAIT: the end of that socket must have been missed.
        let known = closed.filter(|_| conn.ends.iter().any(knows_both_fins)).map(|_| conn.last.plus(FIN_TIMEOUT));
        // Both FINs are acknowledged: the states that follow at once must have been missed.
        let acked = acked(first).zip(acked(second)).map(|(one, other)| one.max(other).max(conn.last).plus(FIN_TIMEOUT));
        return [known, acked].into_iter().flatten().min();
    }
    if first.had_socket && second.had_socket || conn.is_self_connect() && closed.is_some() {
        return closed;
    }
    let rst = first.rst().max(second.rst()).map(|rst| rst.at);
    if let (Some(one), Some(other)) = (acked(first), acked(second)) {
        return Some(one.max(other).max(rst.unwrap_or_default()).plus(LATE));
    }
    if let Some(rst) = rst {
        return Some(rst.max(closed.unwrap_or_default()).plus(LATE));
    }
    let half = [(first, second), (second, first)].into_iter().find_map(|(end, other)| {
        Some((end.closed().filter(|closed| closed.from == FinWait2)?, in_order_fin(conn, end, other)))
    });
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

/// The FIN of `sender`, unless something before it is seen to be missing: then `receiver` waits for that.
fn in_order_fin(conn: &Connection, receiver: &End, sender: &End) -> Option<Fin> {
    let all_seen = conn.shows_all && receiver.spoke;
    sender.fin().filter(|fin| !all_seen || fin.acked.is_some() || sender.acked() + 1 >= fin.end)
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
    let kind = kind(conn, &fins, reset, over);
    let initiator = match kind {
        CloseKind::Simultaneous => None,
        CloseKind::Reset => first_of(conn, &fins, reset),
        CloseKind::Orderly | CloseKind::Unseen => by_states(conn),
        CloseKind::TimedOut | CloseKind::ThreeSegment | CloseKind::FourSegment | CloseKind::Unfinished => {
            fins.first.map(|(side, _)| side).or_else(|| by_states(conn))
        }
    };
    // A reset that was only challenged is none.
    let counts = reset.or_else(|| reset::first(conn).filter(|_| kind == CloseKind::TimedOut));
    let given_up = || closed_window(conn).filter(|_| kind == CloseKind::TimedOut);
    let told = counts.map(|(side, _)| reset::told_of(conn, side)).or_else(given_up);
    Some(Closing { kind, initiator, reset: told, time_wait: time_wait(conn, kind, initiator) })
}

/// Who holds TIME_WAIT: where a socket was seen to its end, its states say so, else the close's kind does.
fn time_wait(conn: &Connection, kind: CloseKind, initiator: Option<Side>) -> Option<TimeWait> {
    let by_kind = |side: Side| match kind {
        CloseKind::Simultaneous => true,
        CloseKind::ThreeSegment | CloseKind::FourSegment | CloseKind::Orderly => initiator == Some(side),
        CloseKind::Reset | CloseKind::TimedOut | CloseKind::Unfinished | CloseKind::Unseen => false,
    };
    let orderly = by_kind(Side::First) || by_kind(Side::Second);
    let holds = |side: Side| {
        let end = conn.end(side);
        // Where a FIN_WAIT2 went on without its socket, nothing but the other end's FIN tells that TIME_WAIT came.
        let tells = |closed: &Closed| closed.from != FinWait2 || conn.end(side.other()).fin().is_some();
        let seen = end.closed().filter(|closed| orderly && !failed(*closed) && tells(closed));
        let by_states = seen.map(|_| state_times::ends_in_time_wait(conn, side));
        // Who resets out of TIME_WAIT does not hold it any more.
        let left = end.rst().is_some();
        by_states.unwrap_or_else(|| by_kind(side)) && !left
    };
    let client = conn.client_side();
    match (holds(client), holds(client.other())) {
        (true, true) => Some(TimeWait::Both),
        (true, false) => Some(TimeWait::Client),
        (false, true) => Some(TimeWait::Server),
        (false, false) => None,
    }
}

fn kind(conn: &Connection, fins: &Fins, reset: Option<(Side, BootTime)>, over: bool) -> CloseKind {
    let timed_out = |end: &End| end.closed().is_some_and(|closed| closed.error == Some(ETIMEDOUT));
    if conn.ends.iter().any(timed_out) {
        return CloseKind::TimedOut;
    }
    let all_acked = conn.ends.iter().all(|end| end.fin().is_some_and(|fin| fin.acked.is_some()));
    if let Some((side, at)) = reset {
        // What was acknowledged after it was acknowledged too late.
        let after_close = match conn.end(side).rst() {
            Some(rst) if rst.seen => rst.context.after_close,
            _ => {
                all_acked
                    && conn.ends.iter().all(|end| end.fin().and_then(|fin| fin.acked).is_some_and(|acked| acked <= at))
            }
        };
        if !after_close {
            return CloseKind::Reset;
        }
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

/// An end that has given up while the other end's window was closed: the other end had acknowledged all that it took
/// (tcp_probe_timer of net/ipv4/tcp_timer.c). No reset is sent then.
fn closed_window(conn: &Connection) -> Option<Reset> {
    let timed_out = |side: &Side| {
        let closed = conn.end(*side).closed();
        closed.is_some_and(|closed| closed.error == Some(ETIMEDOUT)) && conn.end(side.other()).no_room
    };
    let side = [Side::First, Side::Second].into_iter().find(timed_out)?;
    Some(Reset { by: conn.shown_role(side), cause: ResetCause::ZeroWindow })
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
        let fin = |side: Side| Some((side, conn.end(side).fin().filter(|_| !refused_by_states(conn, side))?));
        let by_order = conn.first_fin.into_iter().flat_map(|side| [side, side.other()]);
        let mut fins = by_order.filter_map(fin);
        Self { first: fins.next(), second: fins.next() }
    }
}

/// The other end's socket was seen to its end and never was in a state that a FIN leads to: it has not accepted this one.
fn refused_by_states(conn: &Connection, side: Side) -> bool {
    let other = conn.end(side.other());
    let Some(closed) = other.closed().filter(|_| !conn.lost_states && !conn.is_self_connect()) else { return false };
    let led_on = [CloseWait, LastAck, TcpState::Closing].into_iter().any(|state| other.entered(state).is_some());
    // In FIN_WAIT2 the kernel replaces the socket by something smaller, which accepts a FIN without a word.
    !led_on && !(closed.from == FinWait2 && !failed(closed)) && closed.from != FinWait1
}

/// The reset that ended the connection: a socket here confirms it by closing, and where there is none nobody can.
fn accepted_reset(conn: &Connection) -> Option<(Side, BootTime)> {
    let had_socket = conn.ends.iter().any(|end| end.had_socket);
    let closed = conn.ends.iter().any(|end| end.closed().is_some());
    // A socket that had closed in peace before has not reset; the one that this was sent to has to say that it was accepted.
    let open = |side: Side| {
        let (own, other) = (conn.end(side), conn.end(side.other()));
        let peaceful = |closed: Closed| closed.from == FinWait2 && !failed(closed) && closed.proof == Proof::default();
        other.open_sockets > 0 && own.closed().is_some_and(peaceful)
    };
    reset::first(conn).filter(|&(side, _)| (closed || !had_socket) && !open(side))
}

/// Who began: the sender of the first FIN, if there was one before the reset.
fn first_of(conn: &Connection, fins: &Fins, reset: Option<(Side, BootTime)>) -> Option<Side> {
    let (side, at) = reset?;
    let seen = conn.end(side).rst().filter(|rst| rst.seen);
    let before = |fin: &Fin| seen.map_or(fin.sent.first <= at, |rst| rst.context.after_fin);
    let by_fin = fins.first.filter(|(_, fin)| before(fin)).map(|(side, _)| side);
    // Where segments are not watched, a state tells that a FIN was to be sent.
    let seen = |side: &Side| conn.end(*side).entered(FinWait1).is_some_and(|at| at != BootTime(0));
    let by_state = by_states(conn).filter(seen).filter(|_| !conn.has_segments);
    by_fin.or(by_state).or(Some(side))
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
        // A socket here that still waits for the acknowledgement of its FIN shows that this has not come.
        knows_both_fins(end) || (half && in_order_fin(conn, end, other).is_some() && other.open_sockets == 0)
    })
}

/// The socket has had the other end's FIN and the acknowledgement of its own.
fn knows_both_fins(end: &End) -> bool {
    end.closed().is_some_and(|closed| matches!(closed.from, LastAck | TcpState::Closing) && !failed(closed))
}

fn failed(closed: Closed) -> bool {
    closed.error.is_some_and(|error| error != 0)
}
