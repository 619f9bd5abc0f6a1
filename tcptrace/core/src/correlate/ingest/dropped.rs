//! Assignment of dropped segments to connections.

use crate::{
    correlate::{
        Correlated, CorrelatedDrop, Correlator,
        table::connection::{Connection, Key, LaterDrops, SentAgain, Side},
        verdict::{drops::RETRANSMISSION, progress, stalled},
    },
    event::DroppedSegment,
    tcp::{SeqNumber, TcpFlags},
    verdict::OpeningDrops,
};

impl Correlator {
    /// Finds the connection of a dropped segment, which begins none: what a firewall keeps out of this host is no connection
    /// of it. The segment may tell the port of a connection whose SYN got to no interface.
    pub(in crate::correlate) fn place_drop(
        &mut self,
        segment: &DroppedSegment,
        emit: &mut dyn FnMut(Correlated),
    ) -> Option<u32> {
        let netns = segment.netns.unwrap_or(self.watched.here);
        let (key, from) = Key::new(netns, segment.src, segment.dst);
        // Where it was dropped, other connections than its own may have these ends.
        let there = self.table.find(&self.table.known_as(key));
        let key = self.key_of(key, segment.conn_netns);
        let known = self.quoted(key, from);
        let (found, ends_of) = match self.translated(known.or(there), from, segment) {
            Some((at, ends_of)) => (Some(at), ends_of),
            None => (known, None),
        };
        let from =
            found.filter(|_| found != known).and_then(|at| self.table.get(at)).map_or(from, Connection::client_side);
        if let Some(conn) = found.and_then(|at| self.table.get_mut(at)) {
            match segment.flags.contains(TcpFlags::SYN) {
                true if !conn.opened && !is_answered(segment) => note_opening(conn, segment, ends_of),
                // Nothing answers a reset.
                false if !conn.ended && !segment.flags.contains(TcpFlags::RST) => note_later(conn, from, segment),
                _ => {}
            }
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
        emit(Correlated::Drop(placed));
        let (gaps, watched) = (self.table.gaps, &self.watched);
        if let Some(conn) = found.and_then(|at| self.table.get_mut(at))
            && is_due(conn, from)
        {
            emit(Correlated::Stalled(Box::new(stalled::record(conn, segment.at, gaps, watched))));
        }
        found
    }
}

impl Correlator {
    /// Returns the connection of a dropped SYN that has other ends after an address translation, and the number of the open
    /// connection to which those belong, if there is one. `known` is the connection with these ends.
    fn translated(&mut self, known: Option<u32>, from: Side, segment: &DroppedSegment) -> Option<(u32, Option<u64>)> {
        let isn = SeqNumber(segment.seq);
        if !segment.flags.contains(TcpFlags::SYN) || segment.flags.contains(TcpFlags::ACK) {
            return None;
        }
        let conn = known.and_then(|at| self.table.get(at));
        if conn.is_some_and(|conn| conn.end(from).isn() == Some(isn)) {
            return None;
        }
        let open = conn.filter(|conn| conn.opened && !conn.ended).map(|conn| conn.number);
        let at = self.translations.waiting(&self.table, isn, [segment.src, segment.dst], segment.at)?;
        (known != Some(at)).then_some((at, open))
    }
}

/// Returns true for a SYN,ACK that came again to a socket which has had one before, and answers with an ACK (RFC 5961 §4).
fn is_answered(segment: &DroppedSegment) -> bool {
    segment.flags.contains(TcpFlags::ACK) && segment.reason.as_str() == "TCP_INVALID_SYN"
}

/// Counts a SYN or a SYN,ACK that was dropped. The first one decides what is counted.
fn note_opening(conn: &mut Connection, segment: &DroppedSegment, ends_of: Option<u64>) {
    let of_synack = segment.flags.contains(TcpFlags::ACK);
    let first = OpeningDrops { reason: segment.reason, of_synack, segments: 0, ends_of };
    let drops = conn.rare_mut().drops.get_or_insert(first);
    if (drops.reason, drops.of_synack) == (segment.reason, of_synack) {
        drops.segments = drops.segments.saturating_add(1);
    }
}

/// Counts a segment without SYN that was dropped. After a pause as long as no sender makes before it sends again, the next one
/// is the first of others.
fn note_later(conn: &mut Connection, from: Side, segment: &DroppedSegment) {
    let (seq, fin) = (segment.seq, segment.length == 0);
    let once = SentAgain { seq, fin, times: 0, first: segment.at, told: 0 };
    let first = LaterDrops { reason: segment.reason, segments: 0, last: segment.at, again: once };
    let drops = conn.rare_mut().later_drops.of_mut(from);
    let goes_on = drops.filter(|drops| segment.at.since(drops.last) <= RETRANSMISSION);
    let mut counted = goes_on.unwrap_or(first);
    if counted.reason == segment.reason {
        (counted.segments, counted.last) = (counted.segments.saturating_add(1), segment.at);
        // An ACK has the same number as the one before, too, and waits for nothing.
        if segment.length > 0 || segment.flags.contains(TcpFlags::FIN) {
            let again = if counted.again.seq == seq { counted.again } else { once };
            counted.again = SentAgain { times: again.times.saturating_add(1), ..again };
        }
    }
    *drops = Some(counted);
}

/// Notes that a stall is reported, if the established connection makes no progress: a segment of this end has been dropped for
/// long each time that it was sent. Its socket tells more of that if the kernel was asked about it.
fn is_due(conn: &mut Connection, from: Side) -> bool {
    let reported = conn.report(from).is_some_and(|noted| noted.report.stuck().is_some());
    if reported || !progress::is_open(conn) {
        return false;
    }
    let Some(drops) = conn.rare_mut().later_drops.of_mut(from) else { return false };
    let SentAgain { times, first, told, .. } = drops.again;
    let due = times > 1 && drops.last.since(first) >= progress::stall_level(told);
    drops.again.told += u32::from(due);
    due
}
