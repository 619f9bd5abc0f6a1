//! Records what a segment shows of both ends, as far as its receiver accepts it.

use std::time::Duration;

use super::{
    claims::{settle_claim, settle_reached},
    doubted_resets::restore_doubted_resets,
    gaps,
};
use crate::{
    correlate::{
        receiver::{Accepted, Ack, Reset, ack_of, judge, new_behind_reset, signed_offset, timestamp},
        table::{
            connection::{Connection, Side},
            endpoint::{Claim, End, Reached, ResetContext, Sent},
        },
    },
    event::{Direction, Segment},
    tcp::{TcpFlags, TcpHeader, TcpOptions},
};

/// Time after which a SYN,ACK that was not acknowledged is sent again: a second (RFC 6298 §2.1), or three on old systems.
pub(super) const SENT_AGAIN_AFTER: Duration = Duration::from_secs(4);

/// Number of segments in each direction shown after a FIN.
const AFTER_FIN: u8 = 8;

/// Updates the connection with a segment. Returns true if the segment opens or closes it, by the kernel programs'
/// criteria.
pub(super) fn learn(conn: &mut Connection, from: Side, segment: &Segment, full: bool) -> bool {
    let Segment { header, length, at, .. } = segment;
    settle_claim(conn, from, segment, full);
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
    let crossing = header.seq.0 >> 30 != header.seq.add(*length).0 >> 30;
    flagged || completed || after_fin > 0 || crossing
}

/// Updates the connection with the parts of a segment that its receiver accepts.
pub(super) fn take(conn: &mut Connection, from: Side, segment: &Segment, accepted: &Accepted, full: bool) {
    let Segment { header, at, .. } = segment;
    let from_itself = conn.is_self_connect();
    let shift = if accepted.syn { 0 } else { conn.end(from).shift() };
    let window = u64::from(header.window) << shift;
    // A socket on this host that sends this has not accepted a reset before it.
    let goes_on = conn.end(from).open_sockets > 0 && conn.end(from).here;
    // Its first segment after its SYN acknowledges the SYN,ACK, whether that was seen or not.
    let own = conn.end(from);
    let follows = own.sent_syn && own.sent == 1 && own.isn().map(|isn| isn.add(1)) == Some(header.seq);
    let answers_unseen = full && follows && segment.length == 0 && !conn.mid_life;
    let other = conn.end_mut(from.other());
    let (acked_before, sent_before) = (other.acked(), other.sent);
    let mut acks_fin = false;
    if let (Ack::Valid(_), Some(ack)) = (accepted.ack, ack_of(header)) {
        acks_fin = other.acknowledged(ack, accepted.syn || answers_unseen, *at);
        acks_fin |= accepted.syn && other.close_by_syn(*at);
        // A SYN,ACK that was sent again acknowledges what its first copy did. The reset of a socket shows how far that has
        // received; the other end's has the number after everything sent, unless it answers a segment.
        let beyond = || other.rst().is_some_and(|rst| rst.has_ack && other.offset(ack) > rst.offset);
        if accepted.payload.is_some() && !accepted.syn || accepted.reset == Reset::Exact && beyond() {
            other.contradict_reset(ack, goes_on);
        }
        if accepted.reset == Reset::None {
            other.offer(window);
        }
    } else if accepted.syn {
        other.offer(window);
    }
    let reached = Reached { sent: other.sent, acked: other.acked(), acked_before };
    let one_unseen = other.sent == sent_before + 1 && other.acked() == other.sent && other.misses_one_number();
    let is_fin = one_unseen && !other.had_socket && accepted.reset == Reset::None;
    let (other_syn, other_acked) = (other.sent_syn, other.acked() >= 1);
    let acked = ack_of(header).filter(|_| matches!(accepted.ack, Ack::Valid(_))).map(|ack| other.offset(ack));
    if is_fin && conn.end(from).is_in_fin_wait2() {
        conn.rare_mut().acked_unseen_fin = Some((from.other(), *at));
    }
    let closed_before = conn.fins_acked();
    let first_syn = accepted.syn && ack_of(header).is_none() && !conn.ends.iter().any(|end| end.sent_syn);
    if first_syn && conn.mid_life && !conn.opened && !conn.end(from).spoke() {
        // Its answer was seen first, or an ICMP error that quotes it: its handshake was seen after all.
        conn.mid_life = false;
        conn.answered = conn.end(from.other()).sent_synack;
        conn.client = Some(from);
        conn.set_client_guessed(false);
    }
    restore_doubted_resets(conn, from, header, accepted.reset);
    let sent = conn.end(from).sent;
    let (acked_own, offset) = (conn.end(from).acked(), conn.end(from).offset(header.seq));
    let outgoing = segment.direction == Some(Direction::Out);
    let context = ResetContext {
        certain: acked_own == sent && offset <= sent,
        // If data passes unseen, any number may be right.
        stray: full && acked_own < offset && offset < sent,
        after_fin: conn.first_fin.is_some(),
        after_close: closed_before,
        answers: conn.last_from == Some(from.other()),
        first: conn.end(from.other()).rst().is_none_or(|rst| !rst.seen),
        proven: false,
        doubted: false,
        repeated: false,
        by_error: false,
        has_socket: outgoing && segment.socket.is_some(),
        outgoing,
        fast_close: header.has(TcpFlags::RST) && TcpOptions(header.options).closes_mptcp(),
        followed: false,
    };
    let ends = accepted.fin || accepted.reset == Reset::Exact;
    let first_to_end = ends && conn.ends.iter().all(|end| end.fin().is_none() && end.rst().is_none());
    if accepted.reset == Reset::None && conn.end(from).has_reset() {
        go_on_behind_reset(conn, from, segment, accepted, acked, full);
    }
    let own = conn.end_mut(from);
    let plain = segment.length == 0 && !accepted.fin && !accepted.syn && accepted.payload.is_some();
    let unsent = plain && !from_itself && own.contradict_fin(header.seq, acked.unwrap_or_default());
    let fin_before = own.fin().map(|fin| fin.end);
    own.send(header, accepted, *at, acks_fin, reached, context);
    let replaced = fin_before.is_some() && own.fin().map(|fin| fin.end) != fin_before;
    if first_to_end {
        let data = conn.ends.iter().filter_map(End::last_data).max();
        conn.end_mut(from).set_idle_ns(data.map(|data| at.since(data)));
    }
    let own = conn.end(from);
    let (own_syn, own_acked) = (own.sent_syn, own.acked() >= 1 || from_itself);
    if unsent && conn.first_fin == Some(from) {
        conn.first_fin = conn.end(from.other()).fin().map(|_| from.other());
    }
    if acks_fin && conn.first_fin.is_none() {
        // The FIN of a SYN counts once it is acknowledged.
        conn.first_fin = Some(from.other());
    }
    if accepted.fin {
        let other_closed = conn.end(from.other()).fin().is_some();
        let acked = conn.end(from).fin().filter(|fin| fin_before.is_none() && fin.acked().is_some()).map(|fin| fin.end);
        let answered = acked.is_some_and(|end| conn.end_mut(from.other()).has_acked_fin(end));
        let first = conn.first_fin.get_or_insert(from);
        if answered {
            *first = from;
        } else if replaced && other_closed {
            *first = from.other();
        }
    }
    if accepted.reset == Reset::Exact {
        conn.end_mut(from.other()).withdraw_unseen_reset(false);
    }
    if accepted.syn && acked.is_some() {
        conn.answered = true;
        let fin = conn.end(from.other()).syn().is_some_and(|syn| syn.fin);
        conn.set_fast_open(conn.fast_open() || acked.is_some_and(|acked| acked > 1 + u64::from(fin)) && other_syn);
    }
    let completes = if own_syn && other_syn {
        // A simultaneous open needs the acknowledgements of both SYNs.
        own_acked && other_acked && accepted.reset == Reset::None
    } else {
        let acks = acked.is_some_and(|acked| acked >= 1) && accepted.payload.is_some() && !accepted.syn;
        // The client acknowledges only a SYN,ACK that it received, whether that was seen or not.
        acks && conn.client == Some(from) && (own_syn || conn.answered)
    };
    if completes {
        conn.answered = true;
        if conn.ack_at().is_none() && accepted.payload == Some(0) && conn.rare().is_some_and(|rare| rare.defers) {
            conn.rare_mut().deferred = true;
        }
        // A FIN came later than the ACK, which is not in the capture.
        if !conn.lacks_acks() || !accepted.fin {
            let missed = full && follows_missed_ack(conn, from, segment);
            conn.complete(*at, missed);
        }
    }
    conn.last_from = Some(from);
    if !header.has(TcpFlags::RST) {
        conn.ends.iter_mut().for_each(End::note_more);
    }
}

/// Notes that the end `from`, of which a reset was seen, sends a segment that acknowledges the other end's numbers up
/// to the offset `acked`.
fn go_on_behind_reset(
    conn: &mut Connection,
    from: Side,
    segment: &Segment,
    accepted: &Accepted,
    acked: Option<u64>,
    full: bool,
) {
    let other = conn.end(from.other());
    let (confirmed, elsewhere) = (other.closed().is_some(), !other.had_socket && !other.here);
    let new_behind_reset = new_behind_reset(conn, from, segment, full);
    let own = conn.end_mut(from);
    match accepted.payload {
        _ if confirmed => {}
        Some(payload) => {
            let end = segment.header.seq.add(payload + u32::from(accepted.fin));
            own.goes_on_behind_reset(Some(end), acked.unwrap_or_default(), elsewhere);
        }
        // The other end has it already.
        None if is_old(own, segment) => own.goes_on_behind_reset(None, 0, elsewhere),
        // Nobody takes it any more, but it is what an end sends that has not reset.
        None if new_behind_reset.is_some() => own.goes_on_behind_reset(new_behind_reset, 0, elsewhere),
        None => {}
    }
}

/// Returns true if a segment of the client that shows the handshake to be complete came after its ACK, which was not seen: it has
/// sent or received more, or the SYN,ACK would have been sent again.
fn follows_missed_ack(conn: &Connection, from: Side, segment: &Segment) -> bool {
    let (own, other) = (conn.end(from), conn.end(from.other()));
    let Some(synack) = other.synack().filter(|_| !conn.fast_open() && !own.had_socket && !own.here) else {
        return false;
    };
    let begins = signed_offset(own, segment.header.seq).and_then(|start| u64::try_from(start).ok());
    let sent_more = begins.is_some_and(|start| start > own.syn().map_or(1, Sent::end_of_syn));
    let received_more = ack_of(&segment.header).is_some_and(|ack| other.offset(ack) > synack.end_of_syn());
    let too_late = conn.may_lack_acks() && synack.again() == 0 && segment.at > synack.first + SENT_AGAIN_AFTER;
    sent_more || received_more || too_late
}

/// Returns true if a SYN,ACK has another ISN than the SYN of its sender: that SYN was not the end's own, or of another
/// connection.
fn replaces_syn(own: &End, header: &TcpHeader) -> bool {
    own.sent_syn && !own.sent_synack && own.isn() != Some(header.seq)
}

/// Returns true if a segment that the other end drops lies before what it has acknowledged: it was sent again.
fn is_old(own: &End, segment: &Segment) -> bool {
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
