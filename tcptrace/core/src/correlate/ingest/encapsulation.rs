//! Connections with equal addresses and ports in different VLANs or tunnels.
//!
//! A capture may show both directions of one connection in different encapsulations: one direction with a tag, the
//! other without. So the encapsulation is no part of the key. It decides where the numbers allow for two connections.

use super::generation::opens;
use crate::{
    correlate::{
        Correlator,
        receiver::ack_of,
        table::connection::{Connection, Side},
    },
    event::Segment,
};

/// Minimum distance of numbers that belong to another connection. Not fewer bytes may be missing from a capture before the
/// other direction shows.
const ELSEWHERE: u32 = 1 << 24;

impl Correlator {
    /// Returns the newest connection of a four-tuple whose segments travel as this one does. If there is none, returns
    /// the newest of all if the segment may continue that one, else `None`.
    pub(super) fn newest_in_encapsulation(&self, newest: u32, segment: &Segment, from: Side) -> Option<u32> {
        let conn = self.table.get(newest)?;
        if conn.travels_in(segment.encapsulation) || !conn.has_segments {
            return Some(newest);
        }
        let goes_on = |at: &u32| {
            let conn = self.table.get(*at);
            conn.is_some_and(|conn| conn.travels_in(segment.encapsulation) && !conn.ended)
        };
        self.generations(newest).find(goes_on).or_else(|| continues(conn, from, segment).then_some(newest))
    }
}

/// Returns true if a segment in another encapsulation than all before it may be one of the connection.
fn continues(conn: &Connection, from: Side, segment: &Segment) -> bool {
    let header = &segment.header;
    if conn.ended {
        return true;
    }
    if opens(header) && ack_of(header).is_none() {
        // It is sent again, or the two SYNs cross.
        return conn.end(from).isn() == Some(header.seq) || !conn.end(from).syn_seen() && !conn.answered;
    }
    conn.distance(from, header.seq, ack_of(header)).is_none_or(|distance| distance < ELSEWHERE)
}
