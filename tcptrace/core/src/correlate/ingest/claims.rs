//! Acknowledgements of more than was seen to be sent: the segments that follow decide about them.

use super::{gaps, generation::NEAR};
use crate::{
    correlate::{
        receiver::{Ack, ack_of, judge, signed_offset},
        table::{
            connection::{Connection, Side},
            endpoint::Claim,
        },
    },
    event::Segment,
    tcp::{TcpFlags, TcpHeader},
};

/// Handles a segment of the end `from` that follows one of either end that acknowledged more than was seen to be sent:
/// it shows whether that acknowledgement was right.
pub(super) fn settle_claim(conn: &mut Connection, from: Side, segment: &Segment, full: bool) {
    let header = &segment.header;
    // The number of a SYN is that of another connection, or has been seen before.
    if header.has(TcpFlags::SYN) {
        return;
    }
    if let Some(claim) = conn.end(from.other()).claimed() {
        // The end itself continues after the number: it has sent data that was not seen.
        let start = signed_offset(conn.end(from), header.seq).and_then(|start| u64::try_from(start).ok());
        let reset = header.has(TcpFlags::RST);
        // While the connection is opened, the reset refuses the acknowledgement (RFC 9293 §3.10.7.4, SYN-RECEIVED).
        let answered = conn.ack_at().is_some() || conn.mid_life;
        let exact = start == Some(claim.offset) && (!reset || answered);
        let room = u64::from(conn.end(from).room().max(NEAR));
        let beyond = start.is_some_and(|start| (claim.offset..=claim.offset + room).contains(&start)) && !reset;
        if reaches(conn, from, segment, &claim) {
            // See `settle_reached`.
        } else if exact {
            conn.end_mut(from.other()).settle_claim();
            confirm(conn, from.other(), &claim.segment, full);
        } else if beyond {
            // It may have sent as much or not: the next acknowledgement decides.
            conn.end_mut(from.other()).claim(Claim { likely: true, ..claim });
        } else if !claim.likely {
            conn.end_mut(from.other()).settle_claim();
        }
    }
    // An end on this host has sent no more than was seen.
    let here = conn.end(from.other()).here && conn.end(from.other()).open_sockets > 0;
    if let Some(claim) = conn.end(from).claimed().filter(|claim| claim.likely || !here) {
        // It repeats the acknowledgement, and the other end has not contradicted it.
        let again = ack_of(header).and_then(|ack| signed_offset(conn.end(from.other()), ack));
        let near = claim.offset..=claim.offset + u64::from(conn.end(from.other()).room().max(NEAR));
        let repeated = match again {
            Some(again) => u64::try_from(again).is_ok_and(|again| near.contains(&again)),
            // Nothing is known of the other end's numbers.
            None => follows(header, &claim.segment.header),
        };
        let reset = header.has(TcpFlags::RST);
        // One that was sent before it, and has been overtaken, acknowledges less.
        let older = claim.segment.header.seq.after(header.seq);
        if claim.likely && older && !repeated {
            return;
        }
        conn.end_mut(from).settle_claim();
        if if reset { claim.likely } else { repeated && !contradicts(segment, &claim.segment) } {
            confirm(conn, from, &claim.segment, full);
        }
    }
}

/// Handles a segment of the end `from`, after it was taken: the other end's acknowledgement of exactly that may have been captured
/// before it.
pub(super) fn settle_reached(conn: &mut Connection, from: Side, segment: &Segment, full: bool) {
    let Some(claim) = conn.end(from.other()).claimed().filter(|claim| reaches(conn, from, segment, claim)) else {
        return;
    };
    gaps::settle_by_claim(conn, from, &claim.segment);
    if conn.end(from).sent == claim.offset {
        conn.end_mut(from.other()).settle_claim();
        let at = claim.segment.at.max(segment.at);
        confirm(conn, from.other(), &Segment { at, ..claim.segment }, full);
    }
}

/// Returns true if the last number of a segment of the end `from` is the last one that the other end's claim acknowledges.
fn reaches(conn: &Connection, from: Side, segment: &Segment, claim: &Claim) -> bool {
    let end = signed_offset(conn.end(from), gaps::end_of(segment)).and_then(|end| u64::try_from(end).ok());
    let flags = segment.header.flags;
    let text =
        !flags.intersects(TcpFlags::SYN | TcpFlags::RST) && (segment.length > 0 || flags.contains(TcpFlags::FIN));
    text && end == Some(claim.offset)
}

/// Takes the last FIN of a capture, which acknowledges more than was seen to be sent: what is missing was not captured. One that
/// the other end refused would have been answered by a challenge ACK.
pub(in crate::correlate) fn take_last_fin(conn: &mut Connection) {
    let last = conn.last;
    // No end acknowledges what a socket of this host has not sent.
    if conn.ends.iter().any(|end| end.had_socket || end.here) {
        return;
    }
    let is_open = |side: &Side| conn.end(*side).fin().is_none() && !conn.end(*side).has_sent_reset();
    let open = [Side::First, Side::Second].into_iter().filter(is_open);
    for side in open.collect::<Vec<_>>() {
        let claim = conn.end(side).claimed().filter(|claim| {
            let Claim { segment, likely, .. } = claim;
            !likely && segment.at == last && segment.header.has(TcpFlags::FIN)
        });
        if let Some(claim) = claim {
            conn.end_mut(side).settle_claim();
            confirm(conn, side, &claim.segment, true);
        }
    }
}

/// Returns true if a segment has numbers a little after those of another one of the same end, in both directions.
fn follows(header: &TcpHeader, before: &TcpHeader) -> bool {
    let acks = ack_of(header).zip(ack_of(before)).is_some_and(|(ack, before)| ack.distance_from(before) < NEAR);
    acks && header.seq.distance_from(before.seq) < NEAR
}

/// Returns true if an acknowledgement alone, which has the number that its sender sends next, acknowledges more than an earlier
/// segment of the same end, but has a number within that one's text. A probe of an idle end is one before.
fn contradicts(segment: &Segment, before: &Segment) -> bool {
    let Segment { header, length, .. } = segment;
    let alone = *length == 0 && !header.flags.intersects(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST);
    let later = ack_of(header).zip(ack_of(&before.header)).is_some_and(|(ack, before)| ack.after(before));
    alone && later && gaps::end_of(before).after(header.seq.add(1))
}

/// Accepts the claim: there is a gap, and the segment was right.
fn confirm(conn: &mut Connection, from: Side, claim: &Segment, full: bool) {
    if let Some(ack) = ack_of(&claim.header) {
        conn.end_mut(from.other()).has_sent_unseen(ack);
    }
    let accepted = judge(conn, from, claim, full);
    if !matches!(accepted.ack, Ack::Ahead(_)) {
        gaps::take_late(conn, from, claim, &accepted, full);
    }
}
