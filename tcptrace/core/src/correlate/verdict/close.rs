//! Verdicts on closes, decided only from the state of the connection.

mod due;
mod initiator;
mod time_wait;
mod unseen;

pub(in crate::correlate) use self::due::{deadline, is_over_if_replaced, missing_ends};
pub(super) use self::{
    due::has_stray_reset,
    unseen::{has_unseen_fin, may_have_closed, may_have_closed_first, missed_fin},
};
use self::{
    initiator::{by_fins, by_states, first_of},
    time_wait::time_wait,
};
use super::{
    handshake::{ETIMEDOUT, timed_out},
    reset,
};
use crate::{
    correlate::table::{
        connection::{Connection, Side},
        endpoint::{Closed, End, Fin},
    },
    event::{BootTime, Counters},
    tcp::{
        StateSet,
        TcpState::{self, CloseWait, FinWait1, FinWait2, LastAck},
    },
    verdict::{CloseKind, Reset, ResetCause, TimeWait},
};

/// Returns the FIN of `sender`, unless something before it is seen to be missing, for which `receiver` then waits.
fn in_order_fin(conn: &Connection, receiver: &End, sender: &End) -> Option<Fin> {
    let all_seen = conn.shows_all() && receiver.spoke();
    sender.fin().filter(|fin| !all_seen || fin.acked().is_some() || sender.acked() + 1 >= fin.end)
}

/// A decided close.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::correlate) struct Closing {
    pub(in crate::correlate) kind: CloseKind,
    pub(in crate::correlate) initiator: Option<Side>,
    pub(in crate::correlate) reset: Option<Reset>,
    pub(in crate::correlate) time_wait: Option<TimeWait>,
}

/// Accepts the reset that is the last segment of a capture's connection, if its number is ahead of everything seen, in the
/// window. A receiver that expected another number would have answered with a challenge ACK (RFC 5961 §3.2); one that
/// accepted it sends nothing any more.
pub(in crate::correlate) fn accept_last_reset(conn: &mut Connection) {
    let last = conn.last;
    let had_socket = conn.ends.iter().any(|end| end.had_socket);
    if let Some(from) = conn.last_from.filter(|_| !had_socket && !conn.is_self_connect()) {
        conn.end_mut(from).accept_reset_behind_gap(last);
    }
}

/// Decides how the connection ended, or with `over` that it had not when tracing ended. `None` for a connection that is
/// open.
pub(in crate::correlate) fn decide(conn: &Connection, over: bool) -> Option<Closing> {
    let fins = Fins::of(conn);
    let reset = accepted_reset(conn);
    if over && fins.first.is_none() && reset.is_none() && !closes_by_states(conn) {
        return None;
    }
    let kind = kind(conn, &fins, reset, over);
    let initiator = match kind {
        CloseKind::Simultaneous => None,
        CloseKind::Reset => first_of(conn, &fins, reset),
        CloseKind::Orderly if conn.lacks_acks() => fins.first.map(|(side, _)| side),
        CloseKind::Orderly => by_states(conn),
        CloseKind::Unseen => by_states(conn).or_else(|| by_fins(conn, &fins)),
        // A FIN that comes after an end has given up closes nothing any more.
        CloseKind::TimedOut if began_too_late(conn, &fins) => None,
        CloseKind::TimedOut | CloseKind::ThreeSegment | CloseKind::FourSegment | CloseKind::Unfinished => {
            if fins.first.is_some() { by_fins(conn, &fins) } else { by_states(conn) }
        }
    };
    let told = match kind {
        // A reset that comes when an end has given up, from either of them, is not why it did.
        CloseKind::TimedOut => closed_window(conn).or_else(|| {
            let seen = reset.or_else(|| reset::first(conn)).map(|(side, _)| side);
            seen.or_else(|| reset::unanswered_probes(conn)).map(|side| reset::told_of(conn, side))
        }),
        // A reset that was only challenged does not count.
        _ => reset.map(|(side, _)| reset::told_of(conn, side)),
    };
    Some(Closing { kind, initiator, reset: told, time_wait: time_wait(conn, kind, initiator) })
}

fn kind(conn: &Connection, fins: &Fins, reset: Option<(Side, BootTime)>, over: bool) -> CloseKind {
    if conn.ends.iter().any(|end| timed_out(end).is_some()) {
        return CloseKind::TimedOut;
    }
    let all_acked = conn.fins_acked();
    if let Some((side, at)) = reset {
        // Acknowledgements after the reset came too late.
        let after_close = match conn.end(side).rst() {
            Some(rst) if rst.seen => rst.context.after_close,
            _ => {
                all_acked
                    && conn
                        .ends
                        .iter()
                        .all(|end| end.fin().and_then(|fin| fin.acked()).is_some_and(|acked| acked <= at))
            }
        };
        if !after_close {
            return CloseKind::Reset;
        }
    }
    match (fins.first, fins.second) {
        (Some(_), Some((_, second))) if all_acked || !over || conn.lacks_acks() => {
            let first_acks = fins.first.is_some_and(|(_, fin)| fin.acks_other);
            if !second.acks_other && !first_acks {
                CloseKind::Simultaneous
            } else if conn.lacks_acks() {
                CloseKind::Orderly
            } else if second.acked_before {
                CloseKind::FourSegment
            } else {
                CloseKind::ThreeSegment
            }
        }
        _ if closed_by_states(conn) => CloseKind::Orderly,
        _ if over => CloseKind::Unfinished,
        // No end on this host knows why the other end's FIN does not come.
        (Some((side, fin)), None) if fin.acked().is_some() && waited_alone(conn, side) => CloseKind::TimedOut,
        _ => CloseKind::Unseen,
    }
}

/// Returns true if no end closed its side before a socket on this host timed out.
fn began_too_late(conn: &Connection, fins: &Fins) -> bool {
    let by_states = || {
        let side = by_states(conn)?;
        conn.end(side).entered(FinWait1).or(conn.end(side.other()).entered(CloseWait))
    };
    let began = fins.first.map(|(_, fin)| fin.sent.first).or_else(by_states);
    began.is_some_and(|began| conn.ends.iter().filter_map(timed_out).any(|closed| closed.at < began))
}

/// Returns the reset cause of an end that timed out while the other end's window was closed: the other end had
/// acknowledged everything that it accepted (tcp_probe_timer of net/ipv4/tcp_timer.c). Its last segment tells that, or where
/// that was not recorded, the socket that gave up.
fn closed_window(conn: &Connection) -> Option<Reset> {
    let timed_out = |side: &Side| {
        let closed = conn.end(*side).closed().filter(|closed| closed.error == Some(ETIMEDOUT));
        let by_socket = |counters: Counters| counters.peer_window == Some(0);
        closed.is_some_and(|closed| conn.end(side.other()).no_room() || closed.counters.is_some_and(by_socket))
    };
    let side = [Side::First, Side::Second].into_iter().find(timed_out)?;
    Some(Reset { by: conn.shown_role(side), cause: ResetCause::ZeroWindow })
}

/// Returns true if the end's socket on this host is gone, and the other end has none here.
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

/// Returns true if the other end's socket was seen to its end without a state that a FIN leads to: it did not accept
/// this FIN.
fn refused_by_states(conn: &Connection, side: Side) -> bool {
    let other = conn.end(side.other());
    let Some(closed) = other.closed().filter(|_| !conn.lost_states() && !conn.is_self_connect()) else { return false };
    let led_on = [CloseWait, LastAck, TcpState::Closing].into_iter().any(|state| other.entered(state).is_some());
    // In FIN_WAIT2 the kernel replaces the socket by a smaller one, which accepts a FIN without a state change.
    !led_on && !is_replaced(&closed) && closed.from != FinWait1
}

/// Returns the reset that ended the connection: a socket on this host confirms it by closing; without one, it counts
/// unconfirmed.
fn accepted_reset(conn: &Connection) -> Option<(Side, BootTime)> {
    let had_socket = conn.ends.iter().any(|end| end.had_socket);
    let closed = conn.ends.iter().any(|end| end.closed().is_some());
    reset::first_with_effect(conn).filter(|_| closed || !had_socket)
}

/// Returns true if a socket on this host is in a state of the close, or was: a FIN that waits behind data, or that nothing
/// carries, is not seen.
fn closes_by_states(conn: &Connection) -> bool {
    conn.ends.iter().any(|end| end.has_entered(StateSet::OF_CLOSE))
}

/// Returns true if the end has closed its side, and its FIN was not seen to leave although its segments are watched.
pub(super) fn holds_fin(conn: &Connection, side: Side) -> bool {
    let end = conn.end(side);
    let state = end.states().last().map(|(state, _)| state);
    state == Some(FinWait1) && end.fin().is_none() && end.spoke() && !conn.lost_states()
}

/// Returns true if close() took the end's socket away without sending anything, as TCP_REPAIR makes it do.
pub(super) fn is_silent(conn: &Connection, side: Side) -> bool {
    conn.end(side).closed().is_some_and(|closed| closed.by_process && closed.proof.repair)
}

/// Returns true if states prove both FINs: a socket that was in LAST_ACK and ended without an error received the
/// other's FIN, and its own was acknowledged. One in FIN_WAIT2 has the latter; the other's FIN must be seen.
fn closed_by_states(conn: &Connection) -> bool {
    let [first, second] = &conn.ends;
    let unseen = [Side::First, Side::Second].into_iter().any(|side| has_unseen_fin(conn, side));
    let by_socket = |(end, other): (&End, &End)| {
        let half = end.closed().is_some_and(|closed| is_replaced(&closed));
        // A socket on this host that still waits for the ACK of its FIN shows that none has arrived.
        knows_both_fins(end) || (half && in_order_fin(conn, end, other).is_some() && other.open_sockets == 0)
    };
    unseen || [(first, second), (second, first)].into_iter().any(by_socket)
}

/// Returns true if the socket received the other end's FIN and the ACK of its own.
fn knows_both_fins(end: &End) -> bool {
    let peaceful = |closed: &Closed| !failed(*closed) && !closed.aborted_with_unsent();
    end.closed().filter(peaceful).is_some_and(|closed| matches!(closed.from, LastAck | TcpState::Closing))
}

/// Returns true if the kernel has replaced a socket in FIN_WAIT2 by a smaller one.
fn is_replaced(closed: &Closed) -> bool {
    closed.from == FinWait2 && !failed(*closed) && !closed.aborted_in_fin_wait()
}

fn failed(closed: Closed) -> bool {
    closed.error.is_some_and(|error| error != 0)
}
