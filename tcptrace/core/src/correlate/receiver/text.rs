//! Acceptance of text, with or without a FIN (RFC 9293 §3.10.7.4).

use super::{Accepted, Ack, HIDDEN, View, signed_offset, timestamp, to_signed};
use crate::{
    correlate::table::endpoint::End,
    event::Segment,
    tcp::{TcpFlags, TcpHeader},
};

impl View<'_> {
    pub(super) fn text(&self, segment: &Segment, ack: Ack) -> Accepted {
        if self.is_missing_fin(segment) && ack != Ack::Refused {
            return Accepted { ack, payload: Some(segment.length), fin: true, ..Accepted::NOTHING };
        }
        if self.is_over() { Accepted::NOTHING } else { self.text_of_open(segment, ack) }
    }

    /// Judges text of a connection that no reset has ended.
    pub(super) fn text_of_open(&self, segment: &Segment, ack: Ack) -> Accepted {
        let header = &segment.header;
        // Without ACK it is dropped (RFC 9293 §3.10.7.4).
        if ack == Ack::Refused || self.receiver_in_syn_sent() || self.is_old_duplicate(header) {
            return Accepted::NOTHING;
        }
        let flagged = header.has(TcpFlags::FIN);
        let Some(start) = signed_offset(self.own, header.seq) else {
            return Accepted { ack, payload: Some(segment.length), fin: flagged, ..Accepted::NOTHING };
        };
        let (acked, right) = (to_signed(self.own.acked()), self.right_edge());
        let length = i64::from(segment.length);
        let end = start + length + i64::from(flagged);
        // Wholly before RCV.NXT or beyond the window (RFC 9293 §3.10.7.4, first step). A probe of an idle end is one
        // before.
        if start > right || end < acked - 1 {
            return Accepted::NOTHING;
        }
        let last = match self.own.fin() {
            // Nothing follows a FIN that was accepted.
            Some(fin) if fin.acked().is_some() || self.full => to_signed(fin.end) - 1,
            _ => right,
        };
        let payload = length.min((last - start).max(0));
        let fin = flagged && self.accepts_fin(end, right);
        Accepted { ack, payload: Some(u32::try_from(payload).unwrap_or(0)), fin, ..Accepted::NOTHING }
    }

    /// Returns true if a reset was certainly accepted: neither end knows the connection any more.
    pub(super) fn is_over(&self) -> bool {
        let certain = |end: &End| end.rst().is_some_and(|rst| rst.seen && rst.context.certain);
        let open = self.own.open_sockets + self.other.open_sockets > 0;
        self.full && !open && (certain(self.own) || certain(self.other))
    }

    pub(super) fn is_old_duplicate(&self, header: &TcpHeader) -> bool {
        self.full && has_old_timestamp(self.own, timestamp(header))
    }

    /// Returns true if a FIN whose number ends at this offset can be the sender's: it must be the last of all its
    /// numbers.
    fn accepts_fin(&self, end: i64, right: i64) -> bool {
        match self.own.fin() {
            // If data passes unseen, a FIN beyond the window cannot be recognised before the right one follows.
            Some(known) if !self.full && known.acked().is_none() => {
                end > to_signed(self.own.acked()) && end <= to_signed(known.end)
            }
            Some(known) => end == to_signed(known.end),
            None => end > to_signed(self.own.acked()) && end <= right + 1,
        }
    }

    pub(super) fn right_edge(&self) -> i64 {
        right_edge(self.own, self.full)
    }
}

/// Returns true if a segment with this TSval is older than the last one of its sender (RFC 7323 §5, PAWS).
pub(in crate::correlate) fn has_old_timestamp(sender: &End, value: Option<u32>) -> bool {
    let older = |recent: u32, value: u32| value.wrapping_sub(recent).cast_signed() < 0;
    sender.ts_recent().zip(value).is_some_and(|(recent, value)| older(recent, value))
}

/// Returns the offset after the last number that fits into the receiver's window.
pub(in crate::correlate) fn right_edge(sender: &End, full: bool) -> i64 {
    let sent = to_signed(sender.sent);
    // Unseen segments may have moved the window.
    match sender.offered() {
        Some(offered) if full => to_signed(offered).max(sent),
        _ => sent + HIDDEN,
    }
}
