//! Captures of which a filter such as `tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0` has left only the segments that open and close
//! connections: neither acknowledgements nor data can be expected in them.

use crate::{
    correlate::{
        Correlator, NO_NAMESPACE,
        table::connection::Recorded,
        verdict::{handshake, progress},
    },
    tcp::{TcpFlags, TcpHeader},
};

/// Connections that have to be closed after a SYN,ACK, in a capture that has shown no ACK by then, before it is taken to have
/// none: a few may have lost theirs, or be forged.
const ENOUGH: usize = 4;

impl Correlator {
    /// Returns true if this segment, of the connection `at`, is one of a capture without ACKs.
    pub(super) fn lacks_acks(&mut self, at: u32, header: &TcpHeader) -> bool {
        if !self.all_segments || self.watched.here != NO_NAMESPACE || self.text_seen {
            return false;
        }
        if !header.flags.intersects(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST) {
            self.text_seen = true;
            self.expect_segments(Recorded::All);
            return false;
        }
        if self.closed_unacked.len() >= ENOUGH {
            return true;
        }
        let answered = self.table.get(at).is_some_and(|conn| conn.ends.iter().any(|end| end.sent_synack));
        if !header.has(TcpFlags::FIN) || !answered || self.closed_unacked.contains(&at) {
            return false;
        }
        self.closed_unacked.push(at);
        let enough = self.closed_unacked.len() >= ENOUGH;
        if enough {
            self.expect_segments(Recorded::Flagged);
        }
        enough
    }

    /// From now on, these are the segments that are expected of all connections.
    fn expect_segments(&mut self, recorded: Recorded) {
        let others: Vec<u32> =
            self.table.iter().filter(|(_, conn)| conn.recorded != recorded).map(|(at, _)| at).collect();
        for at in others {
            let Some(conn) = self.table.get_mut(at) else { continue };
            conn.recorded = recorded;
            let due = [handshake::deadline(conn), progress::due(conn)].into_iter().flatten().min();
            self.table.schedule(at, due);
        }
    }
}
