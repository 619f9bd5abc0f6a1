//! Stalls of a close.

use super::{Stalling, Waits, state, times};
use crate::{
    correlate::{
        table::{
            connection::{Connection, Side},
            endpoint::{Closed, Sent},
        },
        verdict::{
            close::{holds_fin, is_silent, may_have_closed},
            handshake::timed_out,
            reset,
        },
    },
    event::{SocketReport, StuckOn},
    tcp::TcpState::{Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck},
    text::Errno,
    verdict::Awaited,
};

impl Stalling<'_> {
    pub(super) fn close(self) -> Waits {
        let waits = self.closing();
        // No program can close what it has not accepted. An earlier report may have been about the time before.
        let stuck = |report: &SocketReport| {
            report.unacked_bytes > 0 || report.state == CloseWait && report.stuck() == Some(StuckOn::Accept)
        };
        let stuck = |side: Side| self.conn.report(side).is_some_and(|noted| stuck(&noted.report));
        let stuck = [Side::First, Side::Second].into_iter().filter(|&side| stuck(side));
        match stuck.filter_map(|side| self.reported_at(side)).next() {
            Some(stuck) => Waits { summary: format!("{}; {}", waits.summary, stuck.summary), ..stuck },
            None => waits,
        }
    }

    fn closing(self) -> Waits {
        let conn = self.conn;
        let client = conn.client_side();
        let sides = [client, client.other()];
        if let Some(side) = sides.into_iter().find(|&side| conn.end(side).rst().is_some()) {
            let by = conn.shown_role(side).word();
            if self.lossless && reset::is_forged(conn, side) {
                return Waits::nothing_known(format!(
                    "a reset came in the {by}'s name, whose socket is still open: something else sent it, as a firewall does"
                ));
            }
            return Waits::nothing_known(format!("the {by} sent a reset; the end of the connection was not seen yet"));
        }
        match sides.map(|side| has_closed(conn, side)) {
            [true, true] => self.both_closed(sides),
            [true, false] => self.half_closed(client),
            [false, true] => self.half_closed(client.other()),
            [false, false] => Waits::nothing_known("waiting for the end of the connection"),
        }
    }

    /// Returns the awaited step if one end has closed and the other has not.
    fn half_closed(self, side: Side) -> Waits {
        let conn = self.conn;
        let (closed, open) = (conn.end(side), conn.end(side.other()));
        let (closer, peer) = (conn.shown_role(side), conn.shown_role(side).other());
        let mut summary = format!("the {} closed its side", closer.word());
        if closed.fin().is_none() && state(conn, side) == Some(FinWait1) {
            if !(closed.spoke() && self.lossless) {
                // No segments of this end are seen, so nothing can be said about its FIN.
                summary += &format!(": {FinWait1}; the {} has not", peer.word());
                summary += &state(conn, side.other()).map_or_else(String::new, |state| format!(": {state}"));
                return Waits::nothing_known(summary);
            }
            summary += ", but its FIN was not seen to leave";
            let waiting_for = match (open.no_room(), self.unacked_of(closed)) {
                (true, Some(_)) => Awaited::Window,
                (false, Some(1..)) => Awaited::DataAck,
                _ => Awaited::Fin,
            };
            if waiting_for != Awaited::Fin {
                summary += ": data before it is still to be sent";
            }
            // Without its data in view, nothing tells what holds the FIN back.
            let turn = (waiting_for == Awaited::Window).then(|| peer.into());
            return Waits { waiting_for: Some(waiting_for), turn, ..Waits::nothing_known(summary) };
        }
        let in_peer = state(conn, side.other());
        // Nothing tells the other end of it: the reset, if there was one, has not been seen to arrive.
        let ended = match closed.closed() {
            _ if is_silent(conn, side) => Some("was closed without a segment (TCP_REPAIR)".to_owned()),
            Some(Closed { error: Some(error), .. }) if timed_out(closed).is_some() => {
                Some(format!("gave up ({})", Errno(error)))
            }
            Some(Closed { from: Established | CloseWait, .. }) if closed.fin().is_none() => {
                Some("ended without a FIN".to_owned())
            }
            _ => None,
        };
        if let Some(ended) = ended {
            let has = in_peer.map_or_else(String::new, |state| format!(": {state}"));
            let (closer, peer) = (closer.word(), peer.word());
            return Waits::nothing_known(format!("the {closer}'s socket {ended}; the {peer} has not closed{has}"));
        }
        if !closed.had_socket && !open.spoke() && in_peer.is_none() {
            // As in the capture of one direction: the answer may have passed elsewhere.
            let sent = closed.fin().map(|fin| fin.sent);
            summary += &format!("; no answer of the {} was seen; {}", peer.word(), times("FIN", sent));
            return match sent {
                Some(sent) => self.ack_of(side, sent, summary),
                None => Waits::nothing_known(summary),
            };
        }
        let unknown = may_have_closed(conn, side.other());
        summary += &match unknown {
            true => format!("; whether the {} has is unknown: what it sent last was not seen", peer.word()),
            false => format!("; the {} has not", peer.word()),
        };
        if let Some(state) = in_peer {
            let by_ack = if open.had_socket { "" } else { ", as its ACK shows" };
            summary += &format!(": {state}{by_ack}");
        }
        // A half-closed connection on which the other end still sends is one that its program uses.
        let sends = !unknown && reset::late_bytes(conn, side).is_some_and(|bytes| bytes > 0);
        if sends {
            // Data that was not recorded may have been on its way when the FIN was sent.
            let since = if conn.shows_all() { "since" } else { "that the FIN does not acknowledge" };
            summary += &format!(", and has sent data {since}");
        }
        match closed.fin() {
            Some(fin) if fin.acked().is_none() => {
                summary += &format!("; {}, and is not acknowledged", times("FIN", Some(fin.sent)));
                self.ack_of(side, fin.sent, summary)
            }
            fin if unknown => Waits { sent: fin.map(|fin| fin.sent), ..Waits::nothing_known(summary) },
            fin => Waits {
                summary,
                waiting_for: Some(if in_peer == Some(CloseWait) && !sends { Awaited::Close } else { Awaited::Fin }),
                turn: Some(peer.into()),
                since: fin.and_then(|fin| fin.acked()),
                sent: fin.map(|fin| fin.sent),
                timeouts: None,
            },
        }
    }

    fn both_closed(self, sides: [Side; 2]) -> Waits {
        let unacked = |side: Side| Some((side, self.conn.end(side).fin().filter(|fin| fin.acked().is_none())?.sent));
        if self.lossless && sides.into_iter().all(|side| holds_fin(self.conn, side)) {
            let summary = "both ends closed, but their FINs were not seen to leave";
            return Waits { waiting_for: Some(Awaited::Fin), ..Waits::nothing_known(summary) };
        }
        let Some((side, sent)) = sides.into_iter().find_map(unacked) else {
            return Waits::nothing_known("both ends closed; waiting for the last of it");
        };
        let (role, times) = (self.conn.shown_role(side), times("FIN", Some(sent)));
        let summary = format!("both ends closed; waiting for the ACK of the {}'s FIN; {times}", role.word());
        self.ack_of(side, sent, summary)
    }

    /// Waits for the acknowledgement of the end's FIN. If that is sent again, none has come; if not, one may have passed where
    /// it was not seen, unless the socket is on this host.
    fn ack_of(self, side: Side, sent: Sent, summary: String) -> Waits {
        let (own, other) = (self.conn.end(side), self.conn.end(side.other()));
        let waits = Waits::answer(Awaited::Ack, self.conn.shown_role(side).other(), Some(sent), summary);
        let sees_all = own.had_socket || own.here || !self.conn.shows_all();
        if sent.count() > 1 || other.spoke() && sees_all {
            waits
        } else {
            Waits { waiting_for: None, turn: None, ..waits }
        }
    }
}

/// Returns true if an end has closed its side: by its FIN, by its own state, or by that of the other end's socket.
fn has_closed(conn: &Connection, side: Side) -> bool {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let own_state = own.states().last().map(|(state, _)| state);
    own.fin().is_some()
        || other.has_received_fin()
        || matches!(own_state, Some(FinWait1 | FinWait2 | Closing | LastAck | Close))
}
