//! What was seen of a handshake, and what was not.

use super::{ECONNREFUSED, ECONNRESET, Opened, established::stays_in_opening};
use crate::{
    correlate::table::{connection::Connection, endpoint::End},
    tcp::TcpState::{SynRecv, SynSent},
    verdict::{HandshakeKind, Missing, Outcome, WaitingFor},
};

/// Returns the kind of the handshake, as far as it got.
pub(in crate::correlate) fn kind(conn: &Connection) -> HandshakeKind {
    let (client, server) = conn.roles();
    if conn.mid_life {
        HandshakeKind::Unseen
    } else if (client.sent_syn() && server.sent_syn()) || client.entered(SynRecv).is_some() {
        HandshakeKind::Simultaneous
    } else if conn.fast_open() {
        HandshakeKind::FastOpen
    } else {
        HandshakeKind::ThreeWay
    }
}

/// Returns the parts of a normal handshake that were not seen, given its outcome.
pub(in crate::correlate) fn missing(conn: &Connection, opened: &Opened, syn_left: Option<bool>) -> Vec<Missing> {
    // There was nothing to see.
    let (client, server) = conn.roles();
    if opened.outcome == Outcome::NoPort || is_unsent(client) {
        return Vec::new();
    }
    if !conn.has_segments {
        return vec![Missing::Interface];
    }
    let established = opened.outcome == Outcome::Established;
    let simultaneous = client.sent_syn() && server.sent_syn();
    let answered = established || opened.waiting_for == Some(WaitingFor::Ack);
    let wanted = [
        (syn_left.is_none(), Missing::Syn),
        (answered && !server.sent_synack && !simultaneous, Missing::Synack),
        (established && conn.seen_ack_at().is_none() && !simultaneous, Missing::Ack),
        (established && stays_in_opening(conn), Missing::States),
    ];
    wanted.into_iter().filter(|(missing, _)| *missing).map(|(_, what)| what).collect()
}

/// Returns true if the client's socket ended before it sent a SYN, since that waited for data (TCP_FASTOPEN_CONNECT).
pub(in crate::correlate) fn is_unsent(client: &End) -> bool {
    client.closed().is_some_and(|closed| closed.proof.deferred)
}

/// Returns true if the SYN was answered by a reset that does not acknowledge it, and by nothing else: the client ignores that
/// (RFC 9293 §3.10.7.3).
pub(in crate::correlate) fn is_ignored_reset(conn: &Connection) -> bool {
    let (client, server) = conn.roles();
    client.sent_syn() && !server.sent_syn() && !server.sent_synack && server.has_sent_reset() && server.rst().is_none()
}

/// Returns true if a SYN of the client was seen; false if the client's socket is on this host and its segments are
/// `watched`, but the SYN passed no interface. `None` if neither is known, as where something answered the SYN that did
/// not come from this host itself.
pub(in crate::correlate) fn syn_left(conn: &Connection, watched: bool) -> Option<bool> {
    let side = conn.client_side();
    let (client, server) = conn.roles();
    if client.sent_syn() {
        return Some(true);
    }
    let began = client.seen_to_enter(SynSent).is_some();
    let by_reset = server.rst().is_none_or(|rst| rst.seen && rst.context.outgoing);
    let own = conn.endpoint(side).map(|own| own.addr);
    let by_icmp = conn.icmp().is_none_or(|icmp| Some(icmp.from) == own);
    let unseen = server.rst().is_none() && conn.icmp().is_none();
    let refused = client.closed().is_some_and(|closed| matches!(closed.error, Some(ECONNREFUSED | ECONNRESET)));
    let answered = server.sent_synack || conn.answered || !by_reset || !by_icmp || unseen && refused;
    (began && watched && !answered).then_some(false)
}
