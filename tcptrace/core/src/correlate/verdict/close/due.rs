//! The time at which the record of a close is due.

use super::{in_order_fin, knows_both_fins};
use crate::{
    correlate::{
        table::{
            connection::Connection,
            endpoint::{Closed, End},
        },
        verdict::{drops::RETRANSMISSION, reset},
    },
    event::BootTime,
    tcp::TcpState::{self, FinWait2},
};

/// Maximum delay of segments that still belong to a close, in nanoseconds.
const LATE_SEGMENTS: u64 = 1_000_000_000;

/// tcp_fin_timeout: how long an end that has closed waits for the other's FIN, in nanoseconds.
const FIN_TIMEOUT: u64 = 60_000_000_000;

/// Returns the time at which the record of the close is due, as far as is known.
pub(in crate::correlate) fn deadline(conn: &Connection) -> Option<BootTime> {
    if conn.ended || !(conn.opened || conn.mid_life) {
        return None;
    }
    let due = ended_at(conn);
    // The socket's report of a reset precedes the reset.
    match reset::awaited(conn) {
        Some(until) => due.map(|due| {
            if conn.ends.iter().any(|end| end.rst().is_some_and(|rst| rst.seen)) { due } else { due.max(until) }
        }),
        None => due,
    }
}

/// Returns the time after which no more segments of the connection are expected.
fn ended_at(conn: &Connection) -> Option<BootTime> {
    let [first, second] = &conn.ends;
    let closed = first.closed().max_at(second.closed());
    // Where ACKs are not captured, the FINs are the last of it.
    let acked = |end: &End| end.fin().and_then(|fin| fin.acked().or(conn.lacks_acks().then_some(fin.sent.last)));
    if first.open_sockets + second.open_sockets > 0 {
        // The other end acknowledged its FIN and so is in TIME_WAIT: the end of that socket must have been missed.
        let known = closed.filter(|_| conn.ends.iter().any(knows_both_fins)).map(|_| conn.last.plus(FIN_TIMEOUT));
        // Both FINs are acknowledged: the state changes that follow at once must have been missed.
        let acked = acked(first).zip(acked(second)).map(|(one, other)| one.max(other).max(conn.last).plus(FIN_TIMEOUT));
        return [known, acked].into_iter().flatten().min();
    }
    if first.had_socket && second.had_socket || conn.is_self_connect() && closed.is_some() {
        return closed;
    }
    let rst = first.rst().max(second.rst()).map(|rst| rst.at);
    if let (Some(one), Some(other)) = (acked(first), acked(second)) {
        return Some(one.max(other).max(rst.unwrap_or_default()).plus(LATE_SEGMENTS));
    }
    if let Some(rst) = rst {
        if has_stray_reset(conn) {
            return Some(conn.last.plus(RETRANSMISSION));
        }
        return Some(rst.max(closed.unwrap_or_default()).plus(LATE_SEGMENTS));
    }
    let half = [(first, second), (second, first)].into_iter().find_map(|(end, other)| {
        let waits = |closed: &Closed| closed.from == FinWait2 && !closed.aborted_in_fin_wait();
        Some((end.closed().filter(waits)?, in_order_fin(conn, end, other)))
    });
    match (half, closed) {
        // Its own FIN was not seen, but its states show that it was acknowledged.
        (Some((half, Some(fin))), _) => Some(half.at.max(fin.sent.last).plus(LATE_SEGMENTS)),
        // The kernel replaced the socket by a smaller one, which goes on waiting.
        (Some((half, None)), _) if conn.has_segments => Some(half.at.plus(FIN_TIMEOUT)),
        (_, Some(closed)) => Some(closed.plus(LATE_SEGMENTS)),
        // No socket on this host: after one FIN, the other one may not come for a long time.
        (_, None) => None,
    }
}

/// Returns true if the connection, which has begun to close, is over once another one with the same ends is established: no
/// socket on this host is open or, if there was only a FIN, can tell.
pub(in crate::correlate) fn is_over_if_replaced(conn: &Connection) -> bool {
    let any = |is: fn(&End) -> bool| conn.ends.iter().any(is);
    let reset = any(|end| end.rst().is_some()) && !any(|end| end.open_sockets > 0);
    let closed = any(|end| end.fin().is_some()) && !any(|end| end.had_socket);
    (reset || closed) && !conn.ended && (conn.opened || conn.mid_life)
}

/// Returns true if a stray reset counts, and no socket on this host tells more of it: what is outstanding is sent
/// again, unless the reset was accepted.
pub(in crate::correlate::verdict) fn has_stray_reset(conn: &Connection) -> bool {
    conn.ends.iter().any(End::has_stray_reset) && !conn.ends.iter().any(|end| end.had_socket)
}

/// Returns the minimum number of state changes that are missing at the end of the connection's sockets, if it must be
/// over at time `now`: both FINs are acknowledged, the last of them a while ago, and neither was sent again. `over`:
/// tracing ends.
pub(in crate::correlate) fn missing_ends(conn: &Connection, now: BootTime, over: bool) -> Option<u64> {
    let acked = |end: &End| end.fin().is_some_and(|fin| fin.acked().is_some_and(|acked| acked >= fin.sent.last));
    let late = !over || now.since(conn.last) >= LATE_SEGMENTS;
    let must_be_over = late && !conn.is_self_connect() && conn.ends.iter().all(acked);
    let open = conn.ends.iter().filter(|end| end.open_sockets > 0 && must_be_over);
    let missing = open.filter_map(|end| end.states().last().map(|(state, _)| state.changes_to(TcpState::Close))).sum();
    (missing > 0).then_some(missing)
}

trait MaxAt {
    fn max_at(self, other: Self) -> Option<BootTime>;
}

impl MaxAt for Option<Closed> {
    fn max_at(self, other: Self) -> Option<BootTime> {
        self.map(|closed| closed.at).max(other.map(|closed| closed.at))
    }
}
