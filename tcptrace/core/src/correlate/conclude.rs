//! Emission of verdicts once they are certain, and the timers of those that the passing of time decides.

use super::{
    Correlated, Correlator, Evicted, NO_NAMESPACE,
    ingest::claims,
    state_gaps::Placed,
    table::connection::Connection,
    verdict::{
        assemble::{self, Seen},
        close,
        handshake::{self, Decision},
        progress, stalled,
    },
};
use crate::event::BootTime;

impl Correlator {
    /// Emits the records of a connection that are complete by `now`, and schedules its next timer.
    pub(super) fn settle(&mut self, at: u32, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        // Fast path: most events are data of an open connection, where nothing is decided and no timer is armed.
        if let Some(conn) = self.table.get(at)
            && conn.is_undisturbed()
        {
            debug_assert!(close::deadline(conn).is_none());
            debug_assert!(progress::due(conn).is_none());
            return self.table.schedule(at, None);
        }
        let opens_by = self.write_handshake(at, now, false, emit);
        let mut next = opens_by.or_else(|| self.table.get(at).and_then(close::deadline));
        // A handshake that was due has been emitted above, so this is the close.
        if next.is_some_and(|due| due <= now) {
            self.write_close(at, now, false, emit);
            next = None;
        }
        let stalls = self.emit_stalled(at, Some(now), emit);
        self.table.schedule(at, [next, stalls].into_iter().flatten().min());
    }

    /// Emits the record of the handshake once that is decided. Returns the time by which it will be.
    pub(super) fn write_handshake(
        &mut self,
        at: u32,
        now: BootTime,
        over: bool,
        emit: &mut dyn FnMut(Correlated),
    ) -> Option<BootTime> {
        let (gaps, watched) = (self.table.gaps, &self.watched);
        let conn = self.table.get_mut(at)?;
        let opened = match handshake::decide(conn, now, over) {
            Decision::Decided(opened) => opened,
            Decision::By(time) => return time,
        };
        let record = assemble::handshake(conn, Some(opened), gaps, watched);
        conn.opened = true;
        progress::begin_close(conn);
        let last = record.failure().is_some();
        // In a capture, the states follow from the times of the segments.
        if !last && watched.here != NO_NAMESPACE {
            conn.forget_opening();
        }
        emit(Correlated::Handshake(Box::new(record)));
        if last {
            self.table.end(at, now);
        } else {
            self.write_replaced(at, now, emit);
        }
        None
    }

    /// Emits the closes of the generations before an established one that had begun to close, and the handshakes of those whose
    /// ACK may have been missed: a four-tuple has one connection at a time (RFC 9293 §3.3.1), so that what still comes of
    /// them is old, and no evidence that they go on.
    fn write_replaced(&mut self, at: u32, now: BootTime, emit: &mut dyn FnMut(Correlated)) {
        let Some(conn) = self.table.get(at).filter(|conn| conn.follows_open()) else { return };
        let encapsulation = conn.encapsulation();
        let waits = |conn: &Connection| !conn.ended && handshake::may_miss_ack(conn);
        let over =
            |conn: &Connection| (close::is_over_if_replaced(conn) || waits(conn)) && conn.travels_in(encapsulation);
        let before = self.generations(at).skip(1).filter(|&at| self.table.get(at).is_some_and(over));
        for before in before.collect::<Vec<_>>() {
            if self.table.get(before).is_some_and(waits) {
                self.write_handshake(before, now, true, emit);
            } else {
                self.write_close(before, now, false, emit);
            }
        }
    }

    pub(super) fn write_close(&mut self, at: u32, now: BootTime, over: bool, emit: &mut dyn FnMut(Correlated)) {
        let (gaps, watched, all) = (self.table.gaps, &self.watched, self.all_segments);
        let Some(conn) = self.table.get_mut(at) else { return };
        if over && all {
            close::accept_last_reset(conn);
            claims::take_last_fin(conn);
        }
        let Some(closing) = close::decide(conn, over) else { return };
        if let Some(missing) = close::missing_ends(conn, now, over) {
            self.state_gaps.find(conn.number, missing);
            if let Some(Placed { conn, loss }) = self.state_gaps.place(now) {
                emit(Correlated::StateGap(loss, conn));
            }
        }
        if conn.mid_life && !conn.opened {
            conn.opened = true;
            emit(Correlated::Handshake(Box::new(assemble::handshake(conn, None, gaps, watched))));
        }
        let seen = Seen { all, data: all && !self.hides_data };
        emit(Correlated::Close(Box::new(assemble::close(conn, &closing, gaps, watched, seen))));
        conn.forget_evidence();
        self.table.end(at, now);
    }

    /// Reports that a connection stalls, if that is due by `now` or if tracing ends (`now` is `None`). Returns the time
    /// of the next such report.
    pub(super) fn emit_stalled(
        &mut self,
        at: u32,
        now: Option<BootTime>,
        emit: &mut dyn FnMut(Correlated),
    ) -> Option<BootTime> {
        let (gaps, watched) = (self.table.gaps, &self.watched);
        let conn = self.table.get_mut(at)?;
        let due = progress::due(conn)?;
        if now.is_some_and(|now| now < due) {
            return Some(due);
        }
        progress::count_stall(conn);
        let at = now.unwrap_or(conn.last);
        emit(Correlated::Stalled(Box::new(stalled::record(conn, at, gaps, watched))));
        progress::due(conn)
    }

    /// Reports the connections evicted to make room for the new one.
    pub(super) fn tell_evicted(&mut self, emit: &mut dyn FnMut(Correlated)) {
        let at = self.now;
        self.table.evicted.drain(..).for_each(|conn| emit(Correlated::Evicted(Evicted { at, conn })));
    }

    /// Returns the time at which the next stall is due to be reported.
    #[cfg(test)]
    pub(crate) fn next_stall(&self) -> Option<BootTime> {
        self.table.iter().filter_map(|(_, conn)| progress::due(conn)).min()
    }
}
