//! Who sent a reset, and why, where something proves it.

use super::handshake::{ECONNABORTED, ETIMEDOUT};
use crate::{
    correlate::table::{
        connection::{Connection, Side},
        endpoint::{Closed, End},
    },
    event::{BootTime, reset_reason::ResetReason},
    tcp::TcpState::{FinWait1, FinWait2},
    verdict::{Reset, ResetCause},
};

/// The first reset that counts, and who sent it.
pub(in crate::correlate) fn first(conn: &Connection) -> Option<(Side, BootTime)> {
    let resets = [Side::First, Side::Second].into_iter().filter_map(|side| Some((side, conn.end(side).rst()?.at)));
    resets.min_by_key(|&(_, at)| at)
}

/// What the records say of it.
pub(in crate::correlate) fn told(conn: &Connection) -> Option<Reset> {
    let (side, _) = first(conn)?;
    Some(Reset { by: conn.shown_role(side), cause: cause(conn, side) })
}

/// Why an end sent its reset.
fn cause(conn: &Connection, side: Side) -> ResetCause {
    let own = conn.end(side);
    if let Some(cause) = by_socket(own, conn.end(side.other())).or_else(|| by_kernel(conn, side)) {
        return cause;
    }
    // Its own FIN said that it has closed, its socket is gone or orphaned, and more came than the FIN acknowledged.
    let more = late_bytes(conn, side).is_some_and(|bytes| bytes > 0);
    let gone = own.closed().is_some_and(|closed| matches!(closed.from, FinWait1 | FinWait2));
    if more && gone && own.had_socket {
        return ResetCause::DataAfterClose;
    }
    if has_forgotten(conn, side) { ResetCause::NoConnection } else { ResetCause::Unknown }
}

/// What the socket of the end was like when it was closed.
fn by_socket(own: &End, other: &End) -> Option<ResetCause> {
    let closed = own.closed()?;
    match closed.error {
        Some(ECONNABORTED) => return Some(ResetCause::Killed),
        // Of all that gives up by a timer, only keep-alive resets (tcp_keepalive_timer of net/ipv4/tcp_timer.c).
        Some(ETIMEDOUT) => return Some(ResetCause::Keepalive),
        _ => {}
    }
    let proof = closed.proof;
    match closed.by_process || aborted_half_closed(own, other, closed) {
        // It closes with whatever had come by then, and nobody could have read that.
        true if proof.unaccepted => Some(ResetCause::ListenerClosed),
        true if proof.unread => Some(ResetCause::UnreadData),
        true if proof.linger => Some(ResetCause::Linger),
        _ => None,
    }
}

/// Whether close() ended a socket that shutdown() had half-closed before. Nobody's context tells, but without the other end's
/// FIN the kernel closes it by itself only when it is an orphan, and an orphan neither lingers nor has anything to read.
fn aborted_half_closed(own: &End, other: &End, closed: Closed) -> bool {
    let half_closed = matches!(closed.from, FinWait1 | FinWait2) && closed.error.is_none_or(|error| error == 0);
    half_closed && other.fin().is_none() && own.rst().is_some_and(|rst| rst.has_ack)
}

/// What the kernel said as it sent the reset.
fn by_kernel(conn: &Connection, side: Side) -> Option<ResetCause> {
    let own = conn.end(side);
    let hint = own.reset_hint()?;
    if hint.queue_full {
        return Some(ResetCause::Overflow);
    }
    let late = late_bytes(conn, side).is_some_and(|bytes| bytes > 0);
    match hint.reason? {
        ResetReason::TcpAbortOnClose => Some(ResetCause::UnreadData),
        ResetReason::TcpKeepaliveTimeout => Some(ResetCause::Keepalive),
        ResetReason::TcpAbortOnData => Some(ResetCause::DataAfterClose),
        ResetReason::NoSocket | ResetReason::TcpTimewaitSocket if late => Some(ResetCause::DataAfterClose),
        ResetReason::NoSocket if !conn.answered => Some(ResetCause::NoListener),
        // From the beginning on, nothing was seen by which it would have closed.
        ResetReason::NoSocket if own.fin().is_none() && !own.had_socket && !conn.mid_life => {
            Some(ResetCause::NoConnection)
        }
        _ => None,
    }
}

/// The end has had the connection, has not closed it as far as anybody saw, and does not know it any more. A socket that is
/// there acknowledges what it has when it resets (tcp_send_active_reset of net/ipv4/tcp_output.c).
fn has_forgotten(conn: &Connection, side: Side) -> bool {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let seen_whole = !conn.mid_life && conn.ack_at().is_some();
    let Some(rst) = own.rst().filter(|rst| !rst.has_ack && seen_whole && own.fin().is_none() && !own.had_socket) else {
        return false;
    };
    // Where nothing but the handshake was exchanged, it may never have had it: its accept queue may be full.
    own.sent > 1 || other.acked() > 1 || rst.offset > 1
}

/// Payload that came for an end after it had closed.
pub(in crate::correlate) fn late_bytes(conn: &Connection, side: Side) -> Option<u64> {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let fin = own.fin()?;
    Some(other.sent.saturating_sub(fin.other_sent + u64::from(other.fin().is_some())))
}
