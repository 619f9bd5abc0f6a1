//! The reason for a reset, if something proves one.

use super::is_forged;
use crate::{
    correlate::{
        table::{
            connection::{Connection, Side},
            endpoint::{Closed, End, Fin, Rst},
        },
        verdict::{
            close::{is_silent, may_have_closed},
            handshake::{ECONNABORTED, ECONNRESET, is_given_up, timed_out},
        },
    },
    event::{BootTime, reset_reason::ResetReason},
    tcp::TcpState::{FinWait1, FinWait2, SynRecv},
    verdict::ResetCause,
};

/// Returns true if the socket ended in SYN_RECV by an abort of its own: a peaceful close() leads to FIN_WAIT1, and what the
/// network does leaves an error.
pub(super) fn is_aborted_in_syn_recv(closed: &Closed) -> bool {
    closed.from == SynRecv && closed.error == Some(0)
}

/// Returns the reason for an end's reset.
pub(super) fn cause(conn: &Connection, side: Side) -> ResetCause {
    let own = conn.end(side);
    // Why its socket ended later is another matter.
    if is_forged(conn, side) {
        return ResetCause::Forged;
    }
    if vanished_before(conn, side) {
        return ResetCause::NoConnection;
    }
    if let Some(cause) = by_socket(conn, side).or_else(|| by_kernel(conn, side)) {
        return cause;
    }
    // Without proof from a socket: a reset without ACK answers a segment, and has that one's acknowledgement as its
    // number.
    let answers = own.rst().is_some_and(|rst| !rst.has_ack);
    let gone = own.closed().is_some_and(|closed| matches!(closed.from, FinWait1 | FinWait2)) || !own.had_socket;
    if own.fin().is_some() && answers && gone {
        if has_late_data(conn, side) || has_crossed(conn, side) {
            return ResetCause::DataAfterClose;
        }
        // A FIN alone does not abort a socket that is still there.
        let aborted = own.reset_hint().is_some_and(|hint| hint.reason == Some(ResetReason::TcpAbortOnData));
        if met_by_late_fin(conn, side) && !aborted {
            return ResetCause::LateFin;
        }
    }
    if has_late_data(conn, side) && gone && own.had_socket {
        return ResetCause::DataAfterClose;
    }
    if has_forgotten(conn, side) { ResetCause::NoConnection } else { ResetCause::Unknown }
}

/// Returns the reason by the state of the end's socket when it closed.
fn by_socket(conn: &Connection, side: Side) -> Option<ResetCause> {
    let own = conn.end(side);
    let closed = own.closed()?;
    let before = |rst: Rst| rst.at <= closed.at;
    match closed.error {
        Some(ECONNABORTED) => return Some(ResetCause::Killed),
        // Of the timers that give up, only keep-alive sends a reset, and it does so before the socket ends
        // (tcp_keepalive_timer of net/ipv4/tcp_timer.c).
        _ if timed_out(own).is_some() && own.rst().is_some_and(before) => return Some(ResetCause::Keepalive),
        _ => {}
    }
    proof(conn, side, &closed)
}

/// Returns the reason that the socket itself proves: a process closed it with unread or lingering data, or its FIN_WAIT2
/// ended at once.
pub(super) fn proof(conn: &Connection, side: Side, closed: &Closed) -> Option<ResetCause> {
    let proof = closed.proof;
    if is_silent(conn, side) {
        return None;
    }
    let aborted =
        is_aborted_in_syn_recv(closed) || closed.aborted_with_unsent() || aborted_half_closed(conn, side, closed);
    match closed.by_process || aborted {
        // It closes with whatever data had arrived by then, which nobody could have read.
        true if proof.unaccepted => Some(ResetCause::ListenerClosed),
        true if proof.unread => Some(ResetCause::UnreadData),
        true if proof.linger => Some(ResetCause::Linger),
        _ if proof.linger2 => Some(ResetCause::Linger2),
        _ => None,
    }
}

/// Returns true if close() ended a socket that shutdown() had half-closed before. No task tells, but without the other
/// end's FIN the kernel closes a socket by itself only if it is orphaned, and an orphan neither lingers nor has
/// anything to read.
pub(in crate::correlate::verdict) fn aborted_half_closed(conn: &Connection, side: Side, closed: &Closed) -> bool {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let half_closed = matches!(closed.from, FinWait1 | FinWait2) && closed.error.is_none_or(|error| error == 0);
    half_closed && other.fin().is_none() && own.rst().is_some_and(|rst| rst.has_ack)
}

/// Returns the reason that the kernel gave when it sent the reset.
fn by_kernel(conn: &Connection, side: Side) -> Option<ResetCause> {
    let own = conn.end(side);
    let hint = own.reset_hint()?;
    if hint.queue_full {
        // With tcp_abort_on_overflow the request itself is dropped (tcp_check_req of net/ipv4/tcp_minisocks.c).
        let given_up = matches!(hint.reason, None | Some(ResetReason::InvalidSyn | ResetReason::NotSpecified));
        return Some(if given_up { ResetCause::Overflow } else { ResetCause::QueueFull });
    }
    let late = has_late_data(conn, side);
    match hint.reason? {
        // What ends an MPTCP connection at once resets its subflows for this reason, whatever its own is
        // (mptcp_do_fastclose of net/mptcp/protocol.c): unread data, SO_LINGER 0, an orphan that has waited too long.
        ResetReason::TcpAbortOnClose if !own.rst().is_some_and(|rst| rst.context.fast_close) => {
            Some(ResetCause::UnreadData)
        }
        ResetReason::TcpAbortOnLinger => Some(ResetCause::Linger2),
        ResetReason::TcpKeepaliveTimeout => Some(ResetCause::Keepalive),
        ResetReason::TcpAbortOnMemory => Some(ResetCause::OutOfMemory),
        // The kernel gives the same reason if TCP_LINGER2 is negative, which the socket shows as it closes; the error is
        // set only if data arrived.
        ResetReason::TcpAbortOnData => {
            let by_data = own.closed().is_some_and(|closed| closed.error == Some(ECONNRESET));
            let answers_data = own.rst().is_some_and(|rst| rst.context.answers) && conn.end(side.other()).data_seen();
            (late || by_data || answers_data).then_some(ResetCause::DataAfterClose)
        }
        ResetReason::NoSocket | ResetReason::TcpTimewaitSocket if late => Some(ResetCause::DataAfterClose),
        ResetReason::NoSocket if met_by_late_fin(conn, side) => Some(ResetCause::LateFin),
        ResetReason::NoSocket if !conn.answered => Some(ResetCause::NoListener),
        // Its socket had given up before, without telling the other end.
        ResetReason::NoSocket if gave_up_before(own) => Some(ResetCause::NoConnection),
        // Nothing was seen that would have closed it. A listener gives the latter reason if it has no request for an ACK.
        ResetReason::NoSocket | ResetReason::TcpFlags if own.fin().is_none() && !own.had_socket => {
            Some(if queue_is_full(conn) { ResetCause::QueueFull } else { ResetCause::NoConnection })
        }
        _ => None,
    }
}

/// Returns true if an end that resets has no socket for the connection, as its kernel says or its socket shows. A firewall may
/// reset in its name, too.
pub(in crate::correlate) fn has_no_socket(conn: &Connection, side: Side) -> bool {
    let own = conn.end(side);
    let hint = own.reset_hint().and_then(|hint| hint.reason);
    matches!(hint, Some(ResetReason::NoSocket | ResetReason::TcpFlags))
        || vanished_before(conn, side)
        || gave_up_before(own)
}

/// Returns true if the end's socket had gone before its reset without a word to the other end: TCP_REPAIR was on as its process
/// closed it.
fn vanished_before(conn: &Connection, side: Side) -> bool {
    let own = conn.end(side);
    let before = own.closed().zip(own.rst()).is_some_and(|(closed, rst)| closed.at <= rst.at);
    before && is_silent(conn, side)
}

/// Returns true if the end's socket had timed out before its reset, or had ended by an ICMP error.
fn gave_up_before(own: &End) -> bool {
    own.closed().filter(|&closed| is_given_up(closed)).zip(own.rst()).is_some_and(|(closed, rst)| closed.at <= rst.at)
}

/// Returns true if the listener's accept queue was full when the kernel was asked.
fn queue_is_full(conn: &Connection) -> bool {
    conn.rare().and_then(|rare| rare.queue).is_some_and(crate::event::AcceptQueue::is_full)
}

/// Returns true if the end had the connection, was not seen to close it, and no longer knows it: its reset answers a
/// segment of the other end and takes its number from that one's acknowledgement (tcp_v4_send_reset of
/// net/ipv4/tcp_ipv4.c). An existing socket acknowledges what it received when it resets (tcp_send_active_reset of
/// net/ipv4/tcp_output.c). One that asks for another connection between the same ends has none.
fn has_forgotten(conn: &Connection, side: Side) -> bool {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let Some(rst) = own.rst().filter(|rst| !rst.has_ack && own.fin().is_none() && !own.had_socket) else {
        return false;
    };
    let seen_whole = !conn.mid_life && conn.ack_at().is_some();
    // An end that has just acknowledged the other's data knows the connection.
    let answers = rst.context.answers || !conn.shows_all() && other.had_socket;
    let number = !conn.shows_all() || rst.offset == own.acked();
    // It may have ended the connection itself before, by a FIN that was not seen or a reset that was not accepted.
    let ended =
        may_have_closed(conn, side) || other.has_received_fin() || own.has_reset_before() || own.has_overtaken_reset();
    // If only the handshake was exchanged, it may never have had the connection: its accept queue may have been full.
    let had_it = seen_whole && (own.sent > 1 || other.acked() > 1 || rst.offset > 1);
    !ended && (rst.context.replaced || had_it && answers && number)
}

/// Returns true if data arrived for an end that had closed.
pub(super) fn has_late_data(conn: &Connection, side: Side) -> bool {
    late_bytes(conn, side).is_some_and(|bytes| bytes > 0)
}

/// Returns true if data of the other end crossed the end's FIN: the end's reset, which has no ACK, has the number of that
/// FIN, so that what it answers did not acknowledge the FIN. An acknowledgement alone is not answered by a reset then.
fn has_crossed(conn: &Connection, side: Side) -> bool {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let Some((fin, rst)) = own.fin().zip(own.rst()) else { return false };
    // The FIN of a SYN acknowledges nothing.
    let outstanding = other.sent > fin.acks().max(1) + u64::from(other.fin().is_some());
    !rst.has_ack && rst.offset + 1 == fin.end && (outstanding || !conn.shows_all())
}

/// Returns true if the other end's FIN arrived after the end had sent its own, got it acknowledged and forgot the
/// connection: FIN_WAIT2 lasts at most tcp_fin_timeout. No data came with it, and none before it is lost.
fn met_by_late_fin(conn: &Connection, side: Side) -> bool {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let acked = own.fin().and_then(|fin| fin.acked());
    // An end of which nothing but its reset and its FIN is recorded need not show what it has received.
    let received = |fin: &Fin| !conn.shows_all() || other.acked() + 1 >= fin.end;
    let unanswered = other.fin().filter(|fin| fin.acked().is_none() && received(fin));
    let follows = |fin: BootTime| own.rst().is_some_and(|rst| rst.at >= fin);
    acked.zip(unanswered).is_some_and(|(acked, fin)| fin.sent.first > acked && follows(fin.sent.first))
        && !has_late_data(conn, side)
}

/// Returns the payload bytes that arrived for an end after it had closed.
pub(in crate::correlate) fn late_bytes(conn: &Connection, side: Side) -> Option<u64> {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let fin = own.fin()?;
    // The FIN of a SYN comes before the other end's SYN.
    Some(other.sent.saturating_sub(fin.other_sent.max(1) + u64::from(other.fin().is_some())))
}
