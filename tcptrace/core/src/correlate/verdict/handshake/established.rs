//! When a connection counts as established, and what proves it.

use super::ACK_LATE;
use crate::{
    correlate::{
        table::{
            connection::{Connection, Side},
            endpoint::End,
        },
        verdict::drops,
    },
    event::BootTime,
    tcp::{
        StateSet,
        TcpState::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynRecv, SynSent},
    },
};

/// Returns true if the server's segments prove that it was established: it sent more than its SYN,ACK, or acknowledged
/// more than the SYN. Where ACKs are not captured, the client's FIN proves it.
pub(super) fn proven_open(conn: &Connection) -> bool {
    let (client, server) = conn.roles();
    let by_fin = conn.lacks_acks() && client.fin().is_some();
    server.sent_synack && !conn.fast_open() && (server.sent_more_than_syn() || client.acked_more_than_syn() || by_fin)
}

/// Returns the time at which the last of the ends on this host reached ESTABLISHED; `None` if one has not, or none is
/// here.
pub(in crate::correlate::verdict) fn reached(conn: &Connection) -> Option<BootTime> {
    let here = |end: &&End| end.has_states() && !conn.is_self_connect() || end.had_socket;
    let mut reached = None;
    for side in [Side::First, Side::Second] {
        let end = conn.end(side);
        if here(&end) {
            reached = reached.max(Some(established_at(conn, end).or_else(|| established_by_segments(conn, side))?));
        }
    }
    reached
}

/// Returns the time at which segments show that an end was established whose states are not reported: a filter may
/// exclude them, and after an address translation they belong to another connection. The client shows it by its ACK,
/// which may also belong to another connection, and either end by sending or acknowledging more than a SYN.
fn established_by_segments(conn: &Connection, side: Side) -> Option<BootTime> {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let by_ack = side == conn.client_side() && conn.ack_at().is_some();
    let proven = by_ack || own.sent_more_than_syn() || other.acked() > 1;
    (proven && !own.had_socket).then(|| conn.ack_at().unwrap_or(conn.first))
}

/// Returns the time at which a socket was established, even if it entered another state at once. A server that closes
/// in SYN_RECV is established when the client's ACK arrives, without such a state change (tcp_close of net/ipv4/tcp.c;
/// Fast Open).
fn established_at(conn: &Connection, end: &End) -> Option<BootTime> {
    const EVIDENCE: StateSet = StateSet::of(&[Established, FinWait1, FinWait2, CloseWait, LastAck, Closing]);
    if !end.has_entered(EVIDENCE) {
        return None;
    }
    let closed_early = end.entered(FinWait1).filter(|_| end.entered(SynRecv).is_some());
    let acked = || conn.ack_at().or_else(|| end.entered(FinWait2)).or_else(|| end.entered(Closing));
    // States that only an established socket enters: the change before them may be missing.
    let later = || [CloseWait, LastAck, FinWait2, Closing].into_iter().find_map(|state| end.entered(state));
    let closed = || end.entered(FinWait1).filter(|_| end.entered(SynRecv).is_none());
    end.entered(Established).or_else(|| closed_early.and_then(|_| acked())).or_else(later).or_else(closed)
}

/// Returns true if the connection counts as established, as its ends on this host have been since `reached`.
pub(super) fn established(conn: &Connection, reached: Option<BootTime>, now: BootTime, over: bool) -> bool {
    match reached {
        Some(at) => {
            let nothing_more = !conn.has_segments && !awaits_other_end(conn);
            conn.ack_at().is_some() || nothing_more || over || now >= at.plus(ACK_LATE)
        }
        None => {
            let elsewhere = !conn.ends.iter().any(End::has_states);
            elsewhere && (conn.ack_at().is_some() || proven_open(conn))
        }
    }
}

/// Returns true if both ends are on this host and the states of one are still to come. Segments show that as well, if
/// there are any. Behind an address translation, they are those of another side.
fn awaits_other_end(conn: &Connection) -> bool {
    let local = conn.key().is_some_and(|key| {
        let [first, second] = key.ends().map(|end| end.addr);
        first == second || first.is_loopback()
    });
    local && !conn.is_self_connect() && conn.other_sides().is_empty() && conn.ends.iter().any(|end| !end.had_socket)
}

/// Returns true if the handshake was completed, but a socket on this host was not seen to leave the state before: the change
/// must have been missed.
pub(super) fn stays_in_opening(conn: &Connection) -> bool {
    let stays = |end: &End| {
        let last = end.states().last().map(|(state, _)| state);
        end.open_sockets > 0 && matches!(last, Some(SynSent | SynRecv))
    };
    let reached = |end: &End| established_at(conn, end).is_some() || stays(end);
    let known = conn.ends.iter().all(|end| if end.had_socket { reached(end) } else { !end.has_states() });
    // The ACK may not have arrived: this host dropped it, or the SYN,ACK was sent again. With Fast Open there is a socket before it.
    let arrived = |acked| conn.ends.iter().all(|end| end.synack().is_none_or(|synack| synack.last <= acked));
    let acked = conn.ack_at().is_some_and(arrived) && drops::until(conn, conn.last, 0).is_none();
    acked && !conn.fast_open() && known && conn.ends.iter().any(stays)
}
