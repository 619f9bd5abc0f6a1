//! The sender of a reset, and the reason for it if something proves one.

mod cause;
mod forged;

use self::cause::{cause, has_late_data, is_aborted_in_syn_recv, proof};
pub(in crate::correlate) use self::cause::{has_no_socket, late_bytes};
pub(super) use self::{cause::aborted_half_closed, forged::is_forged};
use super::{
    close::is_silent,
    handshake::{ECONNABORTED, ECONNRESET, timed_out},
};
use crate::{
    correlate::table::{
        connection::{Connection, Side},
        endpoint::{Closed, End},
    },
    event::{BootTime, Proof, reset_reason::ResetReason},
    tcp::TcpState::{CloseWait, Established, FinWait1, FinWait2, LastAck, SynRecv},
    verdict::Reset,
};

/// Maximum time, in nanoseconds, from a socket's change to CLOSE to its reset, which the kernel sends afterwards
/// (tcp_close of net/ipv4/tcp.c).
const RESET_FOLLOWS: u64 = 50_000_000;

/// Returns the first reset that counts: its sender and its time.
pub(in crate::correlate) fn first(conn: &Connection) -> Option<(Side, BootTime)> {
    first_of(conn, SIDES)
}

/// Returns the first reset that the other end's socket does not show to have been without effect.
pub(super) fn first_with_effect(conn: &Connection) -> Option<(Side, BootTime)> {
    first_of(conn, SIDES.into_iter().filter(|&side| !had_no_effect(conn, side)))
}

/// Returns the first reset of these ends.
fn first_of(conn: &Connection, sides: impl IntoIterator<Item = Side>) -> Option<(Side, BootTime)> {
    let resets = sides.into_iter().filter_map(|side| Some((side, conn.end(side).rst()?)));
    // Of two at the same time the first to be placed counts: the order is that of the events, not of their times.
    let seen = resets.min_by_key(|(_, rst)| (rst.at, !rst.context.first)).map(|(side, rst)| (side, rst.at));
    seen.or_else(|| proven(conn))
}

/// Returns true if the reset ended neither its sender's socket, which had closed in peace before, nor the other end's: that
/// is open still, or ended later without the error that a reset leaves (tcp_reset of net/ipv4/tcp_input.c).
fn had_no_effect(conn: &Connection, side: Side) -> bool {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let peaceful = |closed: Closed| {
        closed.from == FinWait2 && closed.error.is_none_or(|error| error == 0) && closed.proof == Proof::default()
    };
    // Data that meets what has replaced its sender's socket ends that.
    let unharmed = |closed: Closed| closed.error == Some(0) && !has_late_data(conn, side);
    own.closed().is_some_and(peaceful) && (other.open_sockets > 0 || other.closed().is_some_and(unharmed))
}

const SIDES: [Side; 2] = [Side::First, Side::Second];

/// Returns the end whose socket proves that it sent a reset, which was not seen.
fn proven(conn: &Connection) -> Option<(Side, BootTime)> {
    SIDES.into_iter().find_map(|side| {
        let closed = conn.end(side).closed().filter(|closed| resets(conn, side, closed))?;
        Some((side, closed.at))
    })
}

/// Returns true if a socket that ended like this sent a reset (tcp_close, tcp_disconnect and tcp_abort of
/// net/ipv4/tcp.c).
fn resets(conn: &Connection, side: Side, closed: &Closed) -> bool {
    let open = matches!(closed.from, SynRecv | Established | FinWait1 | FinWait2 | CloseWait);
    if !(open || closed.aborted_with_unsent()) || is_silent(conn, side) {
        return false;
    }
    closed.error == Some(ECONNABORTED) || is_aborted_in_syn_recv(closed) || proof(conn, side, closed).is_some()
}

/// Returns the time until which to wait for the reset of a socket whose end proves one.
pub(in crate::correlate) fn awaited(conn: &Connection) -> Option<BootTime> {
    let until = |side: Side| {
        let end = conn.end(side);
        let closed = end.closed()?;
        // A reset attributed to the other end may be this one's.
        let other_unseen = conn.end(side.other()).rst().is_some_and(|rst| !rst.seen);
        let undecided = closed.error == Some(ECONNRESET) && other_unseen && matches!(closed.from, FinWait1 | FinWait2);
        // No close() in peace ends a socket in these states. Without BTF nothing tells why it did.
        let untold = closed.error.is_none() && matches!(closed.from, Established | CloseWait);
        let unproven = untold && conn.end(side.other()).rst().is_none() && !is_silent(conn, side);
        let wanted = end.rst().is_none() && (undecided || unproven || resets(conn, side, &closed));
        wanted.then(|| closed.at.plus(RESET_FOLLOWS))
    };
    SIDES.into_iter().filter_map(until).max()
}

/// Returns the reset as records describe it.
pub(in crate::correlate) fn told(conn: &Connection) -> Option<Reset> {
    first(conn).map(|(side, _)| told_of(conn, side))
}

/// Returns the reset of an end as records describe it.
pub(super) fn told_of(conn: &Connection, side: Side) -> Reset {
    Reset { by: conn.shown_role(side), cause: cause(conn, side) }
}

/// Returns the end that gave up since its keep-alive probes were not answered, as its kernel says: its reset need not have
/// left, as without a neighbour to send it to.
pub(super) fn unanswered_probes(conn: &Connection) -> Option<Side> {
    let says = |end: &End| end.reset_hint().is_some_and(|hint| hint.reason == Some(ResetReason::TcpKeepaliveTimeout));
    SIDES.into_iter().find(|&side| timed_out(conn.end(side)).is_some() && says(conn.end(side)))
}

/// Returns the properties of the socket that proves why it sent a reset, as a process closed it.
pub(in crate::correlate) fn evidence(conn: &Connection, side: Side) -> Option<Proof> {
    let closed = conn.end(side).closed()?;
    let aborted = closed.aborted_with_unsent() || aborted_half_closed(conn, side, &closed);
    let closed = (closed.by_process || aborted || closed.proof.linger2).then_some(closed)?;
    Some(closed.proof).filter(|proof| !proof.is_empty())
}

/// Returns the nanoseconds from the close of an end, by its FIN or else by its socket's state, to its reset at `at`.
pub(in crate::correlate) fn closed_before(conn: &Connection, side: Side, at: BootTime) -> Option<u64> {
    let own = conn.end(side);
    let by_state = || own.entered(FinWait1).or(own.entered(LastAck)).filter(|&entered| entered != BootTime(0));
    let closed = own.fin().map(|fin| fin.sent.first).or_else(by_state)?;
    (closed <= at).then(|| at.since(closed))
}

/// Returns true if the other end had received an end's FIN when it sent the data that the reset answers, false
/// if they crossed; `None` if that is unknown.
pub(in crate::correlate) fn close_known(conn: &Connection, side: Side, at: BootTime) -> Option<bool> {
    let own = conn.end(side);
    let fin = own.fin()?;
    // A reset without ACK has the number that the data acknowledges.
    let acked_fin = own.rst().filter(|rst| rst.seen && !rst.has_ack).map(|rst| rst.offset >= fin.end);
    // Where the socket is, data that arrives in order is answered at once: what was acknowledged before was known when it
    // was sent.
    let before = || own.had_socket.then(|| fin.acked().is_some_and(|acked| acked <= at));
    acked_fin.or_else(before)
}
