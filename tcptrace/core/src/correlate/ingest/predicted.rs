//! Header prediction: the segment that an end of an open connection is expected to send next changes so little that no rule has
//! to be asked about it. Most segments of a capture are such. Linux has the same path (`tcp_rcv_established` of
//! net/ipv4/tcp_input.c).
//!
//! Nothing is decided here: a segment about which any rule might say more is left to the rules, which would say the same of those
//! that are taken.

use super::{generation::AHEAD, learn::crosses_quarter, segment::relative};
use crate::{
    correlate::{
        CorrelatedSegment, Correlator,
        receiver::{ack_of, has_old_timestamp, right_edge, signed_offset, timestamp},
        table::{
            connection::{Connection, Recorded, Side},
            endpoint::Addition,
        },
    },
    event::Segment,
    tcp::TcpFlags,
};

impl Correlator {
    /// Returns true if [`Self::place_predicted`] may place the segment.
    pub(in crate::correlate) fn may_predict(&self, segment: &Segment) -> bool {
        // Of sockets and namespaces there is more to learn, and of the first segments of a capture.
        let bare = segment.socket.is_none() && segment.netns.is_none();
        let plain = segment.header.flags.without(TcpFlags::PSH) == TcpFlags::ACK;
        self.predicts && self.reads_whole_capture() && plain && bare
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
    /// The numbers that its sender was seen to send then.
    addition: Option<Addition>,
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
        let start = signed_offset(own, header.seq)?;
        let fits = start + i64::from(*length) <= right_edge(own, true);
        if own.next() != Some(header.seq) || !fits || crosses_quarter(segment) {
            return None;
        }
        let (retransmission, addition) = own.retransmits(segment);
        let acked = other.acked_within_flight(header.ack)?;
        // Otherwise it might belong to the generation before.
        if conn.distance(from, header.seq, ack_of(header)).is_none_or(|distance| distance > AHEAD) {
            return None;
        }
        let timestamp = timestamp(header);
        if retransmission || has_old_timestamp(own, timestamp) {
            return None;
        }
        Some(Self { acked, addition, timestamp: timestamp.filter(|_| own.is_in_order(header.seq)) })
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
        own.note_run(self.addition);
        own.set_probed(false);
        own.set_no_room(header.window == 0);
        if let Some(value) = self.timestamp {
            own.note_timestamp(value);
        }
    }
}
