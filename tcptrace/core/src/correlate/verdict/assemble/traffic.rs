//! Figures of a connection's traffic: bytes, idle time and round-trip times.

use crate::{
    correlate::{
        table::{
            connection::{Connection, Side},
            endpoint::End,
        },
        verdict::close,
    },
    tcp::TcpState,
    verdict::{Bytes, Close, CloseKind, Rtt},
};

/// Returns the payload bytes sent: the sequence numbers used, less SYN and FIN. If not all segments are recorded, a FIN
/// or a reset shows how far the end had got, its own by its number or the other's by its acknowledgement; after the other's
/// FIN, it may have sent more once its segments are not recorded any more. If only states show that there was a FIN, it is
/// unknown whether the last number counts it. If a capture shows neither, a single number that was not seen and comes last may
/// be that of a FIN: it is no proof of a byte.
pub(super) fn bytes(conn: &Connection, side: Side, shows_all: bool) -> Option<u64> {
    let (end, other) = (conn.end(side), conn.end(side.other()));
    let fin = end.fin().is_some_and(|fin| end.sent >= fin.end);
    let may_be_fin = end.misses_one_number() && close::may_have_closed(conn, side);
    let by_own = end.fin().is_some() || end.rst().is_some_and(|rst| rst.seen);
    let by_other = other.fin().is_some() && end.after_fin > 0 || other.rst().is_some_and(|rst| rst.seen && rst.has_ack);
    let sent_fin = [TcpState::FinWait1, TcpState::LastAck].into_iter().any(|state| end.entered(state).is_some());
    let by_states = sent_fin || other.has_received_fin() || close::has_unseen_fin(conn, side);
    // A FIN that was not seen would follow data that has not been sent.
    let unsent = shows_all && end.saw_last_number();
    let known = end.isn_known() && (end.fin().is_some() || !by_states || unsent);
    (known && (by_own || by_other || shows_all)).then(|| end.sent.saturating_sub(1 + u64::from(fin || may_be_fin)))
}

/// Returns the time from the last data to the first FIN or reset: as the first socket to leave ESTABLISHED tells, or, where
/// no socket of this host is known, as the segments show if all are recorded.
pub(super) fn idle_ns(conn: &Connection, close: &Close, shows_data: bool) -> Option<u64> {
    let ended = |end: &End| end.fin().is_some() || end.rst().is_some();
    if close.kind == CloseKind::TimedOut && !conn.ends.iter().any(ended) {
        return None;
    }
    if !conn.ends.iter().any(|end| end.had_socket) {
        return conn.ends.iter().find_map(End::idle_ns).filter(|_| shows_data);
    }
    let Bytes { client_to_server, server_to_client } = close.bytes;
    let no_data = client_to_server == Some(0) && server_to_client == Some(0);
    let (_, counters) = conn.ends.iter().filter_map(End::left).min_by_key(|&(at, _)| at)?;
    // Data that came only after the first FIN, which counts the SYN, the data and itself.
    let first_fin = conn.first_fin.and_then(|side| conn.end(side).fin());
    let only_later = first_fin.is_some_and(|fin| fin.end <= 2 && fin.other_sent <= 1);
    let idle = counters.idle_ns.filter(|_| !no_data && !only_later);
    // Sockets count in ticks of the kernel's clock.
    idle.map(|idle| close.duration_ns.map_or(idle, |lasted| idle.min(lasted)))
}

/// Returns the round-trip times.
pub(super) fn rtt(conn: &Connection) -> Rtt {
    let (client, server) = conn.roles();
    let told = client.last_counters().or_else(|| server.last_counters()).unwrap_or_default();
    let again = [client, server].into_iter().any(|end| end.reopened() || end.has_reopened());
    let of_socket = client.seen_to_enter(TcpState::SynSent).zip(client.seen_to_enter(TcpState::Established));
    // The client's ACK may have waited for data, or may not be that of a listener's socket.
    let plain = !conn.mid_life && !conn.is_deferred() && !conn.fast_open();
    let of_segments = conn.began().zip(conn.seen_ack_at()).filter(|_| client.syn_seen() && server.syn_seen());
    let times = of_socket.or(of_segments).filter(|_| plain && !again);
    Rtt {
        handshake_ns: times.map(|(from, to)| to.since(from)),
        smoothed_ns: told.smoothed_rtt_ns,
        min_ns: told.min_rtt_ns,
    }
}
