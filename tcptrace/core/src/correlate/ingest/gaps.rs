//! Segments that their receiver would refuse by all that was seen of both ends, but which it acknowledges: those beyond
//! its window follow a gap of the capture, and a FIN without ACK or with an old timestamp reached a lenient receiver.

use super::{generation::NEAR, learn::take};
use crate::{
    correlate::{
        receiver::{Accepted, Ack, Reset, ack_of, may_be_accepted, signed_offset},
        table::connection::{Connection, Side},
    },
    event::Segment,
    tcp::{SeqNumber, TcpFlags},
};

/// Keeps a segment that its receiver drops as a whole, by what was seen, if it may have accepted it nevertheless.
pub(super) fn keep(conn: &mut Connection, from: Side, segment: &Segment, full: bool) {
    let again = |kept: Segment| kept.header.seq == segment.header.seq && end_of(&kept) == end_of(segment);
    if may_be_accepted(conn, from, segment, full) && !conn.end(from).kept().is_some_and(again) {
        conn.end_mut(from).keep(*segment);
    }
}

/// Accepts the segment that was kept of the other end, if this one of the end `from` acknowledges it: it has numbers next to
/// those of it in both directions, which nothing else that was seen explains.
pub(super) fn settle(conn: &mut Connection, from: Side, segment: &Segment) {
    let header = &segment.header;
    let Some(kept) = conn.end(from.other()).kept() else { return };
    if header.flags.intersects(TcpFlags::SYN | TcpFlags::RST) {
        return;
    }
    let (own, sender) = (conn.end(from), conn.end(from.other()));
    let Some((end, ack)) = signed_offset(sender, end_of(&kept)).zip(ack_of(header)) else { return };
    if u64::try_from(end).is_ok_and(|end| end <= sender.sent) {
        return conn.end_mut(from.other()).drop_kept();
    }
    let ahead = signed_offset(sender, ack).and_then(|ack| u64::try_from(ack).ok()).is_some_and(|ack| ack > sender.sent);
    let gap = signed_offset(sender, kept.header.seq).is_some_and(|start| start.unsigned_abs() > sender.sent);
    let follows = |kept_ack| are_near(header.seq, kept_ack, own.room());
    // Behind a gap, others may be on their way.
    let acknowledges = ack == end_of(&kept) || gap && end_of(&kept).distance_from(ack) <= sender.room().max(NEAR);
    if ahead && acknowledges && ack_of(&kept.header).is_none_or(follows) {
        conn.end_mut(from.other()).drop_kept();
        accept(conn, from.other(), &kept);
    }
}

/// Accepts the segment that was kept of an end, if the other end has acknowledged exactly that in a segment captured before
/// it, `claim`.
pub(super) fn settle_by_claim(conn: &mut Connection, from: Side, claim: &Segment) {
    let Some(kept) = conn.end(from).kept() else { return };
    let follows = |kept_ack| are_near(claim.header.seq, kept_ack, conn.end(from.other()).room());
    if ack_of(&claim.header) == Some(end_of(&kept)) && ack_of(&kept.header).is_none_or(follows) {
        conn.end_mut(from).drop_kept();
        accept(conn, from, &kept);
    }
}

/// Returns the number after everything in a segment.
pub(super) fn end_of(segment: &Segment) -> SeqNumber {
    segment.header.seq.add(segment.length).add(u32::from(segment.header.has(TcpFlags::FIN)))
}

/// Takes a segment of the end `from` later than it came.
pub(super) fn take_late(conn: &mut Connection, from: Side, segment: &Segment, accepted: &Accepted, full: bool) {
    let (_, addition) = conn.end(from).retransmits(segment);
    take(conn, from, segment, accepted, full);
    conn.end_mut(from).note_run(addition);
}

/// Returns true if two numbers of an end are within this window of it, whichever is the later one.
fn are_near(one: SeqNumber, other: SeqNumber, room: u32) -> bool {
    one.distance_from(other).min(other.distance_from(one)) <= room.max(NEAR)
}

fn accept(conn: &mut Connection, from: Side, segment: &Segment) {
    let acked = ack_of(&segment.header).map(|ack| conn.end(from.other()).offset(ack));
    let accepted = Accepted {
        syn: false,
        reset: Reset::None,
        ack: acked.map_or(Ack::Refused, Ack::Valid),
        payload: Some(segment.length),
        fin: segment.header.has(TcpFlags::FIN),
    };
    take_late(conn, from, segment, &accepted, true);
}
