//! Assignment of dropped segments to connections.

use crate::{
    correlate::{
        CorrelatedDrop, Correlator,
        table::connection::{Connection, Key},
    },
    event::DroppedSegment,
    tcp::{SeqNumber, TcpFlags},
    verdict::OpeningDrops,
};

impl Correlator {
    /// Finds the connection of a dropped segment, which begins none: what a firewall keeps out of this host is no connection
    /// of it. The segment may tell the port of a connection whose SYN got to no interface.
    pub(in crate::correlate) fn place_drop(&mut self, segment: &DroppedSegment) -> (CorrelatedDrop, Option<u32>) {
        let netns = segment.netns.unwrap_or(self.watched.here);
        let (key, from) = Key::new(netns, segment.src, segment.dst);
        let key = self.key_of(key, segment.conn_netns);
        let found = self.quoted(key, from);
        if let Some(conn) = found.and_then(|at| self.table.get_mut(at))
            && !conn.opened
            && segment.flags.contains(TcpFlags::SYN)
        {
            note(conn, segment);
        }
        let conn = found.and_then(|at| self.table.get(at));
        let isn = conn.and_then(|conn| conn.end(from).isn());
        let placed = CorrelatedDrop {
            segment: *segment,
            conn: conn.map(|conn| conn.number),
            conn_netns: segment.netns.and(conn.and_then(Connection::netns)).filter(|&known| known != netns),
            rel_seq: isn.map(|isn| SeqNumber(segment.seq).distance_from(isn)),
            since_start_ns: conn.map(|conn| segment.at.since(conn.first)),
            late: conn.is_some_and(|conn| conn.ended),
        };
        (placed, found)
    }
}

/// Counts a SYN or a SYN,ACK that was dropped. The first one decides what is counted.
fn note(conn: &mut Connection, segment: &DroppedSegment) {
    let of_synack = segment.flags.contains(TcpFlags::ACK);
    let first = OpeningDrops { reason: segment.reason, of_synack, segments: 0 };
    let drops = conn.rare_mut().drops.get_or_insert(first);
    if (drops.reason, drops.of_synack) == (segment.reason, of_synack) {
        drops.segments = drops.segments.saturating_add(1);
    }
}
