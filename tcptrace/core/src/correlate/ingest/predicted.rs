//! Header prediction: the segment that an end of an open connection is expected to send next changes so little that no rule has
//! to be asked about it. Most segments of a capture are such. Linux has the same path (`tcp_rcv_established` of
//! net/ipv4/tcp_input.c).
//!
//! Nothing is decided here: a segment about which any rule might say more is left to the rules, which would say the same of those
//! that are taken.

use super::{generation::AHEAD, segment::relative};
use crate::{
    correlate::{
        CorrelatedSegment, Correlator, NO_NAMESPACE,
        receiver::{ack_of, timestamp},
        table::connection::{Connection, Recorded, Side},
    },
    event::Segment,
    tcp::TcpFlags,
};

impl Correlator {
    /// Returns true if [`Self::place_predicted`] may place the segment.
    pub(in crate::correlate) fn may_predict(&self, segment: &Segment) -> bool {
        // Of sockets and namespaces there is more to learn, and of the first segments of a capture.
        let of_capture = self.all_segments && self.watched.here == NO_NAMESPACE && self.kinds.text_seen;
        let plain = segment.header.flags.without(TcpFlags::PSH) == TcpFlags::ACK;
        self.predicts && of_capture && plain && segment.socket.is_none() && segment.netns.is_none()
    }

    /// Places the segment if it is the one that the end `from` of the connection `at` was expected to send next. Otherwise
    /// nothing changes.
    pub(in crate::correlate) fn place_predicted(
        &mut self,
        segment: &Segment,
        at: u32,
        from: Side,
    ) -> Option<(CorrelatedSegment, u32)> {
        let conn = self.table.get_mut(at)?;
        let expected = Expected::of(conn, from, segment)?;
        expected.take(conn, from, segment);
        let placed = CorrelatedSegment {
            segment: *segment,
            conn: conn.number,
            conn_netns: None,
            socket: None,
            rel_seq: relative(conn, from, segment.header.seq),
            rel_ack: Some(relative(conn, from.other(), segment.header.ack)),
            control: false,
            ace: None,
            note: None,
            since_start_ns: segment.at.since(conn.first),
            retransmission: false,
            late: false,
        };
        Some((placed, at))
    }
}

/// What an expected segment brings.
#[derive(Clone, Copy, Debug)]
struct Expected {
    /// Offset from the other end's ISN of what it acknowledges.
    acked: u64,
    /// Its TSval, if the other end has acknowledged everything before it.
    timestamp: Option<u32>,
}

impl Expected {
    /// Returns what a segment of the end `from` brings; `None` if it is not the expected one.
    fn of(conn: &Connection, from: Side, segment: &Segment) -> Option<Self> {
        let Segment { header, length, .. } = segment;
        let is_open = conn.ack_at().is_some() && (conn.opened || conn.mid_life && !conn.missed_ack()) && !conn.ended;
        let usual = conn.answered && conn.client.is_some() && conn.travels_in(segment.encapsulation);
        // Their flags are a counter.
        let counts = conn.rare().is_some_and(|rare| rare.accurate_ecn.confirmed);
        if !is_open || !usual || counts || conn.is_self_connect() {
            return None;
        }
        let (own, other) = (conn.end(from), conn.end(from.other()));
        if !own.is_ordinary() || !other.is_ordinary() || own.after_fin > 0 || other.probed() {
            return None;
        }
        if !own.may_send_next(header.seq, *length) {
            return None;
        }
        let acked = other.acked_within_flight(header.ack)?;
        // Otherwise it might belong to the generation before.
        if conn.distance(from, header.seq, ack_of(header)).is_none_or(|distance| distance > AHEAD) {
            return None;
        }
        let timestamp = timestamp(header);
        let older = |recent: u32, value: u32| value.wrapping_sub(recent).cast_signed() < 0;
        if own.ts_recent().zip(timestamp).is_some_and(|(recent, value)| older(recent, value)) {
            return None;
        }
        Some(Self { acked, timestamp: timestamp.filter(|_| own.is_in_order(header.seq)) })
    }

    fn take(self, conn: &mut Connection, from: Side, segment: &Segment) {
        let Segment { header, length, at, .. } = segment;
        conn.last = *at;
        conn.last_from = Some(from);
        conn.recorded = Recorded::All;
        let window = u64::from(header.window) << conn.end(from).shift();
        conn.end_mut(from.other()).take_expected_ack(self.acked, window);
        let own = conn.end_mut(from);
        own.send_expected(*length, *at);
        own.set_probed(false);
        own.set_no_room(header.window == 0);
        if let Some(value) = self.timestamp {
            own.note_timestamp(value);
        }
    }
}
