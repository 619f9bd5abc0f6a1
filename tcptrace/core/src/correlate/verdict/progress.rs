//! Progress of a handshake or a close, and the times at which stalls are reported.

use super::{
    close,
    drops::RETRANSMISSION,
    handshake::{is_not_awaited, may_miss_ack, out_of_order_until, reached},
};
use crate::{
    correlate::table::{
        connection::{Connection, Side},
        endpoint::End,
    },
    event::{BootTime, Counters, StateChange},
    tcp::{
        StateSet,
        TcpState::{self, Close, Closing, FinWait2, TimeWait},
    },
};

/// Times after its beginning at which a stall is reported, in nanoseconds.
const STALL_REPORTS: [u64; 3] = [1_000_000_000, 10_000_000_000, 60_000_000_000];

/// Time between later reports of the same stall, in nanoseconds.
const LATER_REPORTS: u64 = 600_000_000_000;

/// Maximum time, in nanoseconds, from the last event of a finished phase to its record, which waits for late segments.
const MAX_RECORD_DELAY: u64 = 2_000_000_000;

/// The unfinished part of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Handshake,
    Close,
}

/// Returns the time after its beginning at which a stall that was reported `told` times is reported again, in nanoseconds.
pub(in crate::correlate) fn stall_level(told: u32) -> u64 {
    let [.., last] = STALL_REPORTS;
    let later = || last + LATER_REPORTS * (u64::from(told) + 1 - STALL_REPORTS.len() as u64);
    STALL_REPORTS.get(told as usize).copied().unwrap_or_else(later)
}

/// Returns the time at which a stall of the handshake or of the close is to be reported; `None` if the connection is open.
pub(in crate::correlate) fn due(conn: &Connection) -> Option<BootTime> {
    // What was acknowledged is not in the capture.
    let is_open = conn.opened || conn.mid_life;
    if conn.ended || conn.may_lack_acks() && (is_open || is_not_awaited(conn)) {
        return None;
    }
    // It is not waited for any longer, but may have come.
    if conn.stalls > 0 && may_miss_ack(conn) {
        return None;
    }
    // It is established, and only its record waits.
    let by_states = || conn.has_segments && reached(conn).is_some();
    if !is_open && (out_of_order_until(conn).is_some() || by_states()) {
        return None;
    }
    let due = stalled_from(conn)?.plus(stall_level(conn.stalls.into()));
    // Only the record is still to come, which needs no event.
    if !is_over(conn) {
        return Some(due);
    }
    let wait = if close::has_stray_reset(conn) { RETRANSMISSION } else { 0 };
    Some(due.max(conn.last.plus(wait + MAX_RECORD_DELAY)))
}

/// Returns the time from which the stalls of the handshake or of the close count.
fn stalled_from(conn: &Connection) -> Option<BootTime> {
    let (_, began) = phase(conn)?;
    Some(conn.rare().and_then(|rare| rare.stalled_from).unwrap_or(began))
}

/// Notes a report, so that the next one is due later.
pub(in crate::correlate) fn count_stall(conn: &mut Connection) {
    if let Some(more) = conn.stalls.checked_add(1) {
        conn.stalls = more;
    } else if let Some(from) = stalled_from(conn) {
        // The numbers have run out: time does not.
        conn.rare_mut().stalled_from = Some(from.plus(LATER_REPORTS));
    }
}

/// Leaves out the reports of a stall that are due by `now`.
pub(in crate::correlate) fn leave_out_stalls(conn: &mut Connection, now: BootTime) {
    if let Some(due) = due(conn).filter(|&due| due <= now)
        && let Some(from) = stalled_from(conn)
    {
        let left_out = now.since(due) / LATER_REPORTS + 1;
        conn.rare_mut().stalled_from = Some(from.plus(left_out.saturating_mul(LATER_REPORTS)));
    }
}

/// Schedules another report, since the reason for the stall is known now.
pub(in crate::correlate) fn tell_again(conn: &mut Connection, at: BootTime) {
    conn.stalls = 0;
    conn.rare_mut().stalled_from = Some(at);
}

/// Starts counting stalls anew, after the record of the handshake.
pub(in crate::correlate) fn begin_close(conn: &mut Connection) {
    conn.stalls = 0;
    let last = conn.last;
    if close_began(conn).is_some() {
        conn.rare_mut().stalled_from = Some(last);
    } else if conn.rare().is_some() {
        conn.rare_mut().stalled_from = None;
    }
}

/// Returns the state in which the kernel keeps an orphaned connection after it replaced the socket by a smaller one and
/// reported CLOSE (tcp_time_wait of net/ipv4/tcp_minisocks.c). To be called before the change is noted.
pub(in crate::correlate) fn continues_as(conn: &Connection, side: Side, change: &StateChange) -> Option<TcpState> {
    let peer = conn.end(side.other());
    let failed = change.error.is_some_and(|error| error != 0);
    let aborted = failed || conn.ends.iter().any(|end| end.rst().is_some());
    match (change.old, change.new) {
        // close() ends it at once, with a reset, if it lingers for no time or nobody has read what came.
        (FinWait2, Close) if change.task.is_some() || change.proof.linger2 => None,
        (FinWait2, Close) if peer.fin().is_none() && (change.proof.linger || change.proof.unread) => None,
        (FinWait2, Close) if !aborted && peer.fin().is_none() => Some(FinWait2),
        (Closing, Close) if change.counters.is_some_and(Counters::has_unsent) => None,
        (FinWait2 | Closing, Close) if !aborted => Some(TimeWait),
        _ => None,
    }
}

/// Returns true if the connection is established, as far as is known, and nobody has closed it.
pub(in crate::correlate) fn is_open(conn: &Connection) -> bool {
    !conn.ended && phase(conn).is_none()
}

/// Returns the unfinished phase and its beginning; `None` if the connection is open or over.
pub(super) fn phase(conn: &Connection) -> Option<(Phase, BootTime)> {
    if conn.ended {
        None
    } else if conn.opened || conn.mid_life {
        Some((Phase::Close, close_began(conn)?))
    } else {
        Some((Phase::Handshake, conn.first))
    }
}

/// Returns the time of the first event that closes a connection.
fn close_began(conn: &Connection) -> Option<BootTime> {
    let of = |end: &End| {
        if !end.closing() {
            return None;
        }
        let closes = |&(state, at): &(TcpState, BootTime)| state.belongs_to_close() && at != BootTime(0);
        let by_state = if end.has_entered(StateSet::OF_CLOSE) { end.states().find(closes) } else { None };
        let by_state = by_state.map(|(_, at)| at);
        let fin = end.fin().map(|fin| fin.sent.first);
        let rst = end.rst().filter(|rst| rst.seen).map(|rst| rst.at);
        [by_state, fin, rst].into_iter().flatten().min()
    };
    let [first, second] = &conn.ends;
    [of(first), of(second)].into_iter().flatten().min()
}

/// Returns true if no further event is awaited.
fn is_over(conn: &Connection) -> bool {
    let [first, second] = &conn.ends;
    let acked = |end: &End| end.fin().is_some_and(|fin| fin.acked().is_some());
    let gone = |end: &End| !end.had_socket || end.closed().is_some_and(|closed| closed.from != FinWait2);
    let sockets = first.had_socket || second.had_socket;
    conn.ends.iter().any(|end| end.rst().is_some())
        || acked(first) && acked(second)
        || sockets && gone(first) && gone(second)
}
