//! Segments that the rules refuse by what was seen, although the receiver may have accepted them, or has.

use super::{Ack, HIDDEN, View, ack_of, new_behind_reset, signed_offset, to_signed};
use crate::{
    correlate::table::connection::{Connection, Side},
    event::Segment,
    tcp::TcpFlags,
};

/// Returns true if a segment that its receiver refuses, by what was seen of both ends, may have been accepted nevertheless: it is
/// beyond the window, as behind a gap of the capture, a FIN in the window without ACK or with an old timestamp, or behind a reset
/// that it may not have accepted.
pub(in crate::correlate) fn may_be_accepted(conn: &Connection, from: Side, segment: &Segment, full: bool) -> bool {
    let header = &segment.header;
    let view = View { conn, own: conn.end(from), other: conn.end(from.other()), full };
    let flagged = header.has(TcpFlags::FIN);
    let takes = segment.length > 0 || flagged;
    if !full || !takes || header.flags.intersects(TcpFlags::SYN | TcpFlags::RST) || conn.is_self_connect() {
        return false;
    }
    if view.is_over() {
        return new_behind_reset(conn, from, segment, full).is_some();
    }
    if view.receiver_in_syn_sent() || view.own.fin().is_some() {
        return false;
    }
    let Some(start) = signed_offset(view.own, header.seq) else { return false };
    let acceptable = ack_of(header).is_none() || view.ack(header) != Ack::Refused;
    let ahead = start - to_signed(view.own.sent);
    if start > view.right_edge() {
        acceptable && ack_of(header).is_some() && !view.is_old_duplicate(header) && ahead < HIDDEN
    } else {
        acceptable && flagged && start >= to_signed(view.own.acked())
    }
}

impl View<'_> {
    /// Returns true if the segment is a FIN up to the last number of its sender, which was acknowledged before it was captured.
    pub(super) fn is_missing_fin(&self, segment: &Segment) -> bool {
        let header = &segment.header;
        let end = || signed_offset(self.own, header.seq.add(segment.length).add(1));
        let known = self.own.fin().is_some() || self.own.saw_last_number() || self.own.sent != self.own.acked();
        self.full && header.has(TcpFlags::FIN) && !known && end() == Some(to_signed(self.own.sent))
    }
}
