//! The connection that a socket belongs to when it is first seen.

use std::time::Duration;

use crate::{
    correlate::{
        Correlator,
        table::connection::{Connection, Key, Side},
    },
    event::StateChange,
    tcp::TcpState::{Close, Listen, SynRecv, SynSent},
};

/// Maximum time from the last event of an ended connection to the end of its other socket.
const LATE_STATE_CHANGE: Duration = Duration::from_secs(1);

/// Maximum time from the first child socket of a handshake to a second one made by another processor.
const TWIN_CHILD: Duration = Duration::from_secs(1);

impl Correlator {
    /// Returns the connection for a socket that has none yet, and the end that it is.
    pub(super) fn connect(&mut self, change: &StateChange, netns: u32) -> (u32, Side) {
        if change.local.port == 0 {
            // The port was never learnt: it is a connection nonetheless, found again by its socket.
            let at = self.table.begin(None, change.at);
            self.table.loosen(at, [change.local, change.remote], change.socket);
            return (at, Side::First);
        }
        let (key, side) = Key::new(netns, change.local, change.remote);
        let key = self.key_of(key, change.conn_netns);
        let newest = self.table.find(&key);
        // A listener's child belongs to the handshake just completed, which a SYN that nobody has accepted may follow.
        let completed = |&at: &u32| {
            let end = self.table.get(at).map(|conn| conn.end(side));
            end.is_some_and(|end| end.sent_synack && end.acked() > 0) && self.has_room(at, side, change)
        };
        let child = newest.filter(|_| change.old == Listen).and_then(|at| self.generations(at).find(completed));
        let known = child.or(newest.filter(|&at| self.has_room(at, side, change)));
        (known.unwrap_or_else(|| self.table.begin(Some(key), change.at)), side)
    }

    /// Returns true if the socket can be this end of that generation.
    fn has_room(&self, at: u32, side: Side, change: &StateChange) -> bool {
        let Some(conn) = self.table.get(at) else { return false };
        let end = conn.end(side);
        let taken = end.had_socket && !conn.is_self_connect() && !is_twin(conn, side, change);
        // A socket that existed before may end after the other end has ended the connection, and a listener's child may
        // result from an ACK that was still in flight.
        let completed = change.old == Listen && end.sent_synack && end.acked() > 0;
        let late = (completed || !matches!(change.old, Close | Listen)) && change.at < conn.last + LATE_STATE_CHANGE;
        if taken || (conn.ended && !late) {
            return false;
        }
        // An active open belongs to a handshake that has only begun: the other end's, or one whose SYN was seen first.
        // A SYN that was challenged has begun none.
        change.new != SynSent || !conn.answered && !self.has_gone_on_before(at, conn)
    }
}

/// Returns true if the socket is a second child of a handshake: two processors may each create one, from the ACK and
/// from data that follows at once; one of the two is closed again.
fn is_twin(conn: &Connection, side: Side, change: &StateChange) -> bool {
    let end = conn.end(side);
    let young = end.entered(SynRecv).is_some_and(|at| change.at < at + TWIN_CHILD);
    (change.old, change.new) == (Listen, SynRecv) && end.open_sockets == 1 && young && !conn.ended
}
