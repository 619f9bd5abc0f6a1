//! Captures of which a filter such as `tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0` has left only the segments that open and close
//! connections: neither acknowledgements nor data can be expected in them.

use std::time::Duration;

use crate::{
    correlate::{
        Correlator, NO_NAMESPACE,
        table::{connection::Recorded, endpoint::End},
        verdict::{handshake, progress},
    },
    event::BootTime,
    tcp::{TcpFlags, TcpHeader},
};

/// Time within which a SYN,ACK is acknowledged, or sent again (RFC 6298 §2.1).
const ACKED_WITHIN: Duration = Duration::from_secs(1);

impl Correlator {
    /// Returns true if this segment, and all before it, are of a capture and open or close a connection.
    pub(super) fn lacks_acks(&mut self, header: &TcpHeader) -> bool {
        let text = !header.flags.intersects(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST);
        if text && !self.text_seen {
            self.text_seen = true;
            self.expect_acks();
        }
        self.all_segments && self.watched.here == NO_NAMESPACE && !self.text_seen
    }

    /// Returns true if so much of such a capture was seen that data must have passed unseen: two connections were answered, or
    /// this one a while ago. Before that, a number ahead of everything seen may be forged.
    pub(super) fn is_filtered(&self, at: u32, now: BootTime) -> bool {
        let synack = |end: &End| end.synack().filter(|sent| sent.count() == 1).map(|sent| sent.first);
        let answered = self.table.get(at).and_then(|conn| conn.ends.iter().filter_map(synack).max());
        self.unacked_openings > 1 || answered.is_some_and(|answered| now >= answered + ACKED_WITHIN)
    }

    /// From now on, what is not seen of a connection is missing.
    fn expect_acks(&mut self) {
        let lacking: Vec<u32> = self.table.iter().filter(|(_, conn)| conn.lacks_acks()).map(|(at, _)| at).collect();
        for at in lacking {
            let Some(conn) = self.table.get_mut(at) else { continue };
            conn.recorded = Recorded::All;
            let due = [handshake::deadline(conn), progress::due(conn)].into_iter().flatten().min();
            self.table.schedule(at, due);
        }
    }
}
