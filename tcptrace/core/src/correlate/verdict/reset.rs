//! Who sent a reset, and why, where something proves it.

use super::handshake::{ECONNABORTED, ECONNRESET, ETIMEDOUT};
use crate::{
    correlate::table::{
        connection::{Connection, Side},
        endpoint::{Closed, End, Rst},
    },
    event::{BootTime, reset_reason::ResetReason},
    tcp::TcpState::{CloseWait, Established, FinWait1, FinWait2, SynRecv},
    verdict::{Reset, ResetCause},
};

/// How long after its socket has gone to CLOSE an end's reset may come, in nanoseconds: the kernel sends it behind the change
/// (tcp_close of net/ipv4/tcp.c).
const RESET_FOLLOWS: u64 = 50_000_000;

/// The first reset that counts, who sent it, and when.
pub(in crate::correlate) fn first(conn: &Connection) -> Option<(Side, BootTime)> {
    let resets = SIDES.into_iter().filter_map(|side| Some((side, conn.end(side).rst()?)));
    // Of two at the same time, the one that came first: the order of the events, not their times, is the order.
    let seen = resets.min_by_key(|(_, rst)| (rst.at, !rst.context.first)).map(|(side, rst)| (side, rst.at));
    seen.or_else(|| proven(conn))
}

const SIDES: [Side; 2] = [Side::First, Side::Second];

/// The end whose socket says that it has sent a reset, which was not seen.
fn proven(conn: &Connection) -> Option<(Side, BootTime)> {
    SIDES.into_iter().find_map(|side| {
        let closed = conn.end(side).closed().filter(|closed| resets(conn, side, closed))?;
        Some((side, closed.at))
    })
}

/// Whether a socket that ended like this has sent a reset (tcp_close, tcp_disconnect and tcp_abort of net/ipv4/tcp.c).
fn resets(conn: &Connection, side: Side, closed: &Closed) -> bool {
    if !matches!(closed.from, SynRecv | Established | FinWait1 | FinWait2 | CloseWait) {
        return false;
    }
    closed.error == Some(ECONNABORTED) || proof(conn, side, closed).is_some()
}

/// Until when the reset of a socket that has ended with the proof of one is waited for.
pub(in crate::correlate) fn awaited(conn: &Connection) -> Option<BootTime> {
    let until = |side: Side| {
        let end = conn.end(side);
        let closed = end.closed()?;
        // What looks like the other end's reset may be its own.
        let other_unseen = conn.end(side.other()).rst().is_some_and(|rst| !rst.seen);
        let undecided = closed.error == Some(ECONNRESET) && other_unseen && matches!(closed.from, FinWait1 | FinWait2);
        let wanted = end.rst().is_none() && (undecided || resets(conn, side, &closed));
        wanted.then(|| closed.at.plus(RESET_FOLLOWS))
    };
    SIDES.into_iter().filter_map(until).max()
}

/// The records' words for it.
pub(in crate::correlate) fn told(conn: &Connection) -> Option<Reset> {
    first(conn).map(|(side, _)| told_of(conn, side))
}

/// The records' words for the reset that an end has sent.
pub(super) fn told_of(conn: &Connection, side: Side) -> Reset {
    Reset { by: conn.shown_role(side), cause: cause(conn, side) }
}

/// Why an end sent its reset.
fn cause(conn: &Connection, side: Side) -> ResetCause {
    let own = conn.end(side);
    if let Some(cause) = by_socket(conn, side).or_else(|| by_kernel(conn, side)) {
        return cause;
    }
    // Without a socket's word, a reset without ACK answers a segment: it has that one's acknowledgement as its number.
    let answers = own.rst().is_some_and(|rst| !rst.has_ack);
    let gone = own.closed().is_some_and(|closed| matches!(closed.from, FinWait1 | FinWait2)) || !own.had_socket;
    if own.fin().is_some() && answers && gone {
        if has_late_data(conn, side) {
            return ResetCause::DataAfterClose;
        }
        if met_by_late_fin(conn, side) {
            return ResetCause::LateFin;
        }
    }
    if has_late_data(conn, side) && gone && own.had_socket {
        return ResetCause::DataAfterClose;
    }
    if has_forgotten(conn, side) { ResetCause::NoConnection } else { ResetCause::Unknown }
}

/// The state of the end's socket when it was closed.
fn by_socket(conn: &Connection, side: Side) -> Option<ResetCause> {
    let own = conn.end(side);
    let closed = own.closed()?;
    let before = |rst: Rst| rst.at <= closed.at;
    match closed.error {
        Some(ECONNABORTED) => return Some(ResetCause::Killed),
        // Of all that gives up by a timer, only keep-alive resets, and it does so before its socket ends (tcp_keepalive_timer of
        // net/ipv4/tcp_timer.c).
        Some(ETIMEDOUT) if own.rst().is_some_and(before) => return Some(ResetCause::Keepalive),
        _ => {}
    }
    proof(conn, side, &closed)
}

/// The proof of a reset that the socket itself gives: a process ended it with something in it.
fn proof(conn: &Connection, side: Side, closed: &Closed) -> Option<ResetCause> {
    let proof = closed.proof;
    match closed.by_process || aborted_half_closed(conn, side, closed) {
        // It closes with whatever had come by then, and nobody could have read that.
        true if proof.unaccepted => Some(ResetCause::ListenerClosed),
        true if proof.unread => Some(ResetCause::UnreadData),
        true if proof.linger => Some(ResetCause::Linger),
        _ => None,
    }
}

/// Whether close() ended a socket that shutdown() had half-closed before. Nobody's context tells, but without the other end's
/// FIN the kernel closes it by itself only when it is an orphan, and an orphan neither lingers nor has anything to read.
fn aborted_half_closed(conn: &Connection, side: Side, closed: &Closed) -> bool {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let half_closed = matches!(closed.from, FinWait1 | FinWait2) && closed.error.is_none_or(|error| error == 0);
    half_closed && other.fin().is_none() && own.rst().is_some_and(|rst| rst.has_ack)
}

/// The kernel's word as it sent the reset.
fn by_kernel(conn: &Connection, side: Side) -> Option<ResetCause> {
    let own = conn.end(side);
    let hint = own.reset_hint()?;
    if hint.queue_full {
        // With tcp_abort_on_overflow the request itself is given up (tcp_check_req of net/ipv4/tcp_minisocks.c).
        let given_up = matches!(hint.reason, None | Some(ResetReason::InvalidSyn | ResetReason::NotSpecified));
        return Some(if given_up { ResetCause::Overflow } else { ResetCause::QueueFull });
    }
    let late = has_late_data(conn, side);
    match hint.reason? {
        ResetReason::TcpAbortOnClose => Some(ResetCause::UnreadData),
        ResetReason::TcpKeepaliveTimeout => Some(ResetCause::Keepalive),
        // The kernel gives the same reason where TCP_LINGER2 is negative; the error is there only where data came.
        ResetReason::TcpAbortOnData => {
            let by_data = own.closed().is_some_and(|closed| closed.error == Some(ECONNRESET));
            let answers_data = own.rst().is_some_and(|rst| rst.context.answers) && conn.end(side.other()).data_seen;
            (late || by_data || answers_data).then_some(ResetCause::DataAfterClose)
        }
        ResetReason::NoSocket | ResetReason::TcpTimewaitSocket if late => Some(ResetCause::DataAfterClose),
        ResetReason::NoSocket if met_by_late_fin(conn, side) => Some(ResetCause::LateFin),
        ResetReason::NoSocket if !conn.answered => Some(ResetCause::NoListener),
        // Its socket had given up before, without a word to the other end.
        ResetReason::NoSocket if gave_up_before(own) => Some(ResetCause::NoConnection),
        // From the beginning on, nothing was seen by which it would have closed.
        ResetReason::NoSocket if own.fin().is_none() && !own.had_socket && !conn.mid_life => {
            Some(if queue_is_full(conn) { ResetCause::QueueFull } else { ResetCause::NoConnection })
        }
        _ => None,
    }
}

/// Whether the end's socket had ended with a time-out before its reset.
fn gave_up_before(own: &End) -> bool {
    let timed_out = own.closed().filter(|closed| closed.error == Some(ETIMEDOUT));
    timed_out.zip(own.rst()).is_some_and(|(closed, rst)| closed.at <= rst.at)
}

/// The listener's accept queue was full when the kernel was asked.
fn queue_is_full(conn: &Connection) -> bool {
    conn.rare().and_then(|rare| rare.queue).is_some_and(crate::event::AcceptQueue::is_full)
}

/// The end has had the connection, has not closed it as far as anybody saw, and does not know it any more: its reset answers a
/// segment of the other end, whose acknowledgement is its number (tcp_v4_send_reset of net/ipv4/tcp_ipv4.c). A socket that is
/// there acknowledges what it has when it resets (tcp_send_active_reset of net/ipv4/tcp_output.c).
fn has_forgotten(conn: &Connection, side: Side) -> bool {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let seen_whole = !conn.mid_life && conn.ack_at().is_some();
    let Some(rst) = own.rst().filter(|rst| !rst.has_ack && seen_whole && own.fin().is_none() && !own.had_socket) else {
        return false;
    };
    // An end that has just acknowledged the other's data knows the connection.
    let answers = rst.context.answers || !conn.shows_all && other.had_socket;
    let number = !conn.shows_all || rst.offset == own.acked();
    // Where nothing but the handshake was exchanged, it may never have had it: its accept queue may be full.
    answers && number && (own.sent > 1 || other.acked() > 1 || rst.offset > 1)
}

/// Whether data came for an end that had closed.
fn has_late_data(conn: &Connection, side: Side) -> bool {
    late_bytes(conn, side).is_some_and(|bytes| bytes > 0)
}

/// The other end's FIN came when the end had sent its own, had it acknowledged and forgot the connection: FIN_WAIT2 lasts no
/// longer than tcp_fin_timeout. No data came with it.
fn met_by_late_fin(conn: &Connection, side: Side) -> bool {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let acked = own.fin().and_then(|fin| fin.acked);
    let unanswered = other.fin().filter(|fin| fin.acked.is_none());
    let follows = |fin: BootTime| own.rst().is_some_and(|rst| rst.at >= fin);
    acked.zip(unanswered).is_some_and(|(acked, fin)| fin.sent.first > acked && follows(fin.sent.first))
        && !has_late_data(conn, side)
}

/// Payload that came for an end after it had closed.
pub(in crate::correlate) fn late_bytes(conn: &Connection, side: Side) -> Option<u64> {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let fin = own.fin()?;
    Some(other.sent.saturating_sub(fin.other_sent + u64::from(other.fin().is_some())))
}
