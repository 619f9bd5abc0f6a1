//! Keep-alive probes (RFC 9293 §3.8.4): an idle end sends the number before its next one, with one byte or none, so
//! that the other end must answer with the number it expects.

use crate::{
    correlate::table::connection::{Connection, Side},
    event::{Segment, SegmentNote},
    tcp::{SeqNumber, TcpFlags},
};

/// Returns the note if the segment, by which the connection is not updated yet, is a probe or its answer.
pub(in crate::correlate) fn note(conn: &mut Connection, from: Side, segment: &Segment) -> Option<SegmentNote> {
    let Segment { header, length, .. } = segment;
    let (own, other) = (conn.end(from), conn.end(from.other()));
    let plain = header.has(TcpFlags::ACK)
        && !header.flags.intersects(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST)
        && !conn.is_self_connect();
    // An end with data to send and no room for it at the other end probes the window in the same way.
    let probes =
        plain && *length <= 1 && !other.no_room() && is_idle(conn, from) && own.next() == Some(after(header.seq));
    let answers =
        plain && *length == 0 && other.probed() && own.next() == Some(header.seq) && other.next() == Some(header.ack);
    conn.end_mut(from.other()).set_probed(false);
    let own = conn.end_mut(from);
    own.set_probed(probes);
    if !header.has(TcpFlags::RST) {
        own.set_no_room(header.window == 0);
    }
    match (probes, answers) {
        (true, _) => Some(SegmentNote::KeepAlive),
        (false, true) => Some(SegmentNote::KeepAliveAnswer),
        (false, false) => None,
    }
}

/// Returns true if an end of an established connection has nothing in flight: a repeated number is not a
/// retransmission.
fn is_idle(conn: &Connection, side: Side) -> bool {
    let own = conn.end(side);
    let established = conn.ack_at().is_some() || conn.mid_life;
    let over = own.fin().is_some() || conn.ends.iter().any(|end| end.rst().is_some());
    established && !over && own.acked() == own.sent
}

fn after(number: SeqNumber) -> SeqNumber {
    number.add(1)
}
