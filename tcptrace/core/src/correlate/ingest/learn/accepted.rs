//! Updates from the parts of a segment that its receiver accepts.

use super::SENT_AGAIN_AFTER;
use crate::{
    correlate::{
        ingest::{behind_reset::go_on_behind_reset, doubted_resets::restore_doubted_resets},
        receiver::{Accepted, Ack, Reset, ack_of, signed_offset},
        table::{
            connection::{Connection, Side},
            endpoint::{End, Reached, ResetContext, Sent},
        },
    },
    event::{BootTime, Direction, Segment},
    tcp::{TcpFlags, TcpOptions},
};

/// Updates the connection with the parts of a segment that its receiver accepts.
pub(in crate::correlate::ingest) fn take(
    conn: &mut Connection,
    from: Side,
    segment: &Segment,
    accepted: &Accepted,
    full: bool,
) {
    let Segment { header, at, .. } = segment;
    let from_itself = conn.is_self_connect();
    let shift = if accepted.syn { 0 } else { conn.end(from).shift() };
    let window = u64::from(header.window) << shift;
    // A socket on this host that sends this has not accepted a reset before it.
    let goes_on = conn.end(from).open_sockets > 0 && conn.end(from).here;
    // Its first segment after its SYN acknowledges the SYN,ACK, whether that was seen or not.
    let own = conn.end(from);
    let follows = own.sent_syn() && own.sent == 1 && own.isn().map(|isn| isn.add(1)) == Some(header.seq);
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
    let (other_syn, other_acked) = (other.sent_syn(), other.acked() >= 1);
    let acked = ack_of(header).filter(|_| matches!(accepted.ack, Ack::Valid(_))).map(|ack| other.offset(ack));
    if is_fin && conn.end(from).is_in_fin_wait2() {
        conn.rare_mut().acked_unseen_fin = Some((from.other(), *at));
    }
    let closed_before = conn.fins_acked();
    let first_syn = accepted.syn && ack_of(header).is_none() && !conn.ends.iter().any(End::sent_syn);
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
        with_ack: header.has(TcpFlags::ACK),
        by_error: false,
        has_socket: outgoing && segment.socket.is_some(),
        outgoing,
        fast_close: header.has(TcpFlags::RST) && TcpOptions(header.options).closes_mptcp(),
        replaced: false,
        outlived: false,
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
    let (own_syn, own_acked) = (own.sent_syn(), own.acked() >= 1 || from_itself);
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
            || full && accepted.reset == Reset::Exact && has_missed_ack(conn, *at)
    };
    if completes {
        conn.answered = true;
        if conn.ack_at().is_none() && accepted.payload == Some(0) && conn.rare().is_some_and(|rare| rare.defers) {
            conn.rare_mut().deferred = true;
        }
        // A FIN came later than the ACK, which is not in the capture.
        if !conn.lacks_acks() || !accepted.fin {
            let missed = full && (header.has(TcpFlags::RST) || follows_missed_ack(conn, from, segment));
            conn.complete(*at, missed);
        }
    }
    conn.last_from = Some(from);
    if !header.has(TcpFlags::RST) {
        conn.ends.iter_mut().for_each(End::note_more);
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
    let has_more = segment.length > 0 || segment.header.has(TcpFlags::FIN);
    let too_late = (has_more || conn.may_lack_acks()) && has_missed_ack(conn, segment.at);
    sent_more || received_more || too_late
}

/// Returns true if the ACK has come, but was not seen: the SYN,ACK would have been sent again by now. Of an end that has a socket
/// on this host, the states tell.
fn has_missed_ack(conn: &Connection, now: BootTime) -> bool {
    let elsewhere = !conn.fast_open() && !conn.ends.iter().any(|end| end.had_socket || end.here);
    conn.sole_synack_at().is_some_and(|synack| elsewhere && now > synack + SENT_AGAIN_AFTER)
}
