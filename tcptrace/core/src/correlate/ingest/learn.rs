//! Records what a segment shows of both ends, as far as its receiver accepts it.

mod accepted;

use std::time::Duration;

pub(super) use self::accepted::take;
use super::{
    behind_reset::refuse_reset_before,
    claims::{settle_claim, settle_reached},
    gaps,
};
use crate::{
    correlate::{
        receiver::{Ack, Reset, ack_of, judge, signed_offset, timestamp},
        table::{
            connection::{Connection, Side},
            endpoint::{Claim, End},
        },
    },
    event::{Direction, Segment},
    tcp::{TcpFlags, TcpHeader},
};

/// Time after which a SYN,ACK that was not acknowledged is sent again: a second (RFC 6298 §2.1), or three on old systems.
pub(super) const SENT_AGAIN_AFTER: Duration = Duration::from_secs(4);

/// Number of segments in each direction shown after a FIN.
const AFTER_FIN: u8 = 8;

/// Updates the connection with a segment. Returns true if the segment opens or closes it, by the kernel programs'
/// criteria.
pub(super) fn learn(conn: &mut Connection, from: Side, segment: &Segment, full: bool) -> bool {
    let Segment { header, at, .. } = segment;
    settle_claim(conn, from, segment, full);
    refuse_reset_before(conn, from, segment);
    gaps::settle(conn, from, segment);
    refuse_ack_beyond(conn, from, segment);
    if conn.ack_at().is_none()
        && let Some(ack) = ack_of(header)
    {
        conn.end_mut(from.other()).choose_isn(ack);
    }
    let mut accepted = judge(conn, from, segment, full);
    if accepted.reset == Reset::RefusesSynAck {
        conn.answered = false;
        conn.end_mut(from.other()).withdraw_synack();
    }
    if accepted.syn && ack_of(header).is_some() && replaces_syn(conn.end(from), header) {
        // No SYN of the end's own crossed the other's: it has answered that one as a listener.
        conn.end_mut(from).withdraw_syn();
        conn.client = Some(from.other());
        accepted = judge(conn, from, segment, full);
    }
    let acked_before = conn.ack_at().is_some();
    let other_fin_acked = conn.end(from.other()).fin().is_none_or(|fin| fin.acked().is_some());
    if let Ack::Ahead(offset) = accepted.ack {
        conn.end_mut(from).claim(Claim { segment: *segment, offset, likely: false });
    } else if accepted.is_nothing() && acks_fin_again(conn, from, segment) {
        conn.end_mut(from).set_acked_fin(true);
    } else {
        take(conn, from, segment, &accepted, full);
        if full
            && accepted.payload.is_some()
            && let Some(value) = timestamp(header)
            && conn.end(from).is_in_order(header.seq)
        {
            conn.end_mut(from).note_timestamp(value);
        }
    }
    if accepted.is_nothing() {
        gaps::keep(conn, from, segment, full);
    }
    settle_reached(conn, from, segment, full);
    // SYN and FIN are sent by the end itself only if it has a socket: resets and the like come from the stack.
    if header.flags.intersects(TcpFlags::SYN | TcpFlags::FIN) && segment.socket.is_some() {
        let end = conn.end_mut(from);
        end.here = true;
        end.set_leaves(end.leaves() || segment.direction == Some(Direction::Out));
        conn.learn_end_netns(from, segment.netns);
    }
    let acks_fin = conn.end(from.other()).fin().is_some_and(|fin| fin.acked() == Some(*at));
    let completed = (!acked_before && conn.ack_at().is_some()) || (!other_fin_acked && acks_fin);
    let after_fin = conn.end(from).after_fin;
    conn.end_mut(from).after_fin = after_fin.saturating_sub(1);
    if header.has(TcpFlags::FIN) {
        conn.ends.iter_mut().for_each(|end| end.after_fin = AFTER_FIN);
    }
    let flagged = header.flags.intersects(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST);
    flagged || completed || after_fin > 0 || crosses_quarter(segment)
}

/// Returns true if the numbers of a segment cross a multiple of 2^30: the kernel programs record those, too.
pub(super) fn crosses_quarter(segment: &Segment) -> bool {
    let Segment { header, length, .. } = segment;
    header.seq.0 >> 30 != header.seq.add(*length).0 >> 30
}

/// Returns true if a SYN,ACK has another ISN than the SYN of its sender: that SYN was not the end's own, or of another
/// connection.
fn replaces_syn(own: &End, header: &TcpHeader) -> bool {
    own.sent_syn() && !own.sent_synack && own.isn() != Some(header.seq)
}

/// Returns true if a segment that the other end drops lies before what it has acknowledged: it was sent again.
pub(super) fn is_old(own: &End, segment: &Segment) -> bool {
    let Segment { header, length, .. } = segment;
    let text = ack_of(header).is_some() && !header.has(TcpFlags::SYN);
    text && signed_offset(own, header.seq.add(*length)).is_some_and(|end| end >= 1 && end.unsigned_abs() < own.acked())
}

/// Returns true if a segment acknowledges exactly the other end's FIN, and is data sent again that the other end has
/// already: it is dropped with its acknowledgement, but its sender has received the FIN.
fn acks_fin_again(conn: &Connection, from: Side, segment: &Segment) -> bool {
    let Segment { header, length, .. } = segment;
    let (own, other) = (conn.end(from), conn.end(from.other()));
    let starts = signed_offset(own, header.seq).is_some_and(|start| start >= 1);
    let acks = ack_of(header).zip(other.fin()).is_some_and(|(ack, fin)| other.offset(ack) == fin.end);
    *length > 0 && starts && acks && is_old(own, segment)
}

/// Handles a segment of the end `from` whose socket is on this host: without data it has the number that the socket
/// sends next, so an acknowledgement of more was not accepted, nor was the FIN that came with it.
fn refuse_ack_beyond(conn: &mut Connection, from: Side, segment: &Segment) {
    let own = conn.end(from);
    let odd = segment.header.flags.intersects(TcpFlags::SYN | TcpFlags::RST) || segment.length > 0;
    if odd || segment.socket.is_none() || own.fin().is_some() || conn.is_self_connect() {
        return;
    }
    let next = signed_offset(own, segment.header.seq).and_then(|next| u64::try_from(next).ok());
    // A probe of an idle end is one before.
    if let Some(next) = next.filter(|&next| next >= 1 && next + 1 < own.acked()) {
        conn.end_mut(from).has_sent_only(next);
        if conn.end_mut(from.other()).withdraw_fin(next) && conn.first_fin == Some(from.other()) {
            conn.first_fin = None;
        }
    }
}
