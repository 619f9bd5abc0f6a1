//! Accurate ECN (RFC 9768): after a handshake that negotiates it, AE, CWR and ECE are not flags but the ACE field.

use crate::{
    correlate::table::connection::{AccurateEcn, Connection, Side},
    event::{Ace, Segment, SegmentNote},
    tcp::{TcpFlags, TcpHeader, TcpOption},
};

/// The three flags of a SYN that asks for it.
const ASKS: u8 = 0b111;

/// The three flags of a SYN,ACK that confirms it: the four values of the IP-ECN field of the SYN, and one that is
/// reserved (RFC 9768 §3.1.1, §3.1.3).
const CONFIRMS: [u8; 5] = [0b010, 0b011, 0b100, 0b101, 0b110];

/// Returns the ACE field of a segment, by which the connection is updated already; `None` while the three bits are
/// flags.
pub(super) fn ace(conn: &mut Connection, from: Side, segment: &Segment, note: Option<SegmentNote>) -> Option<Ace> {
    let header = &segment.header;
    let value = header.flags.ace();
    if header.has(TcpFlags::SYN) {
        negotiate(conn, from, header);
        return None;
    }
    if !conn.rare().is_some_and(|rare| rare.accurate_ecn.confirmed) {
        return None;
    }
    // Sent without a socket that could count: zeros are no counter.
    if value == 0 && (header.has(TcpFlags::RST) || is_in_time_wait(conn, from)) {
        return None;
    }
    let acks_synack = conn.end(from.other()).isn().is_some_and(|isn| isn.add(1) == header.ack);
    let fast_open = conn.fast_open();
    let AccurateEcn { confirmed, refused, spoke, unanswered, .. } = &mut conn.rare_mut().accurate_ecn;
    let (spoke, unanswered) = (spoke.of_mut(from), unanswered.of_mut(from.other()));
    let first = !std::mem::replace(spoke, true);
    if *unanswered == 0 {
        return Some(Ace::Counter(value));
    }
    if first && *refused && value == 0 {
        // Of two SYN,ACKs, the client got the one that does not confirm it first.
        *confirmed = false;
        return None;
    }
    if is_pure_ack(segment) && (acks_synack || first && fast_open) && note.is_none() {
        *unanswered -= 1;
        return Some(Ace::SynAck(value));
    }
    *unanswered = 0;
    Some(Ace::Counter(value))
}

/// Notes a SYN or a SYN,ACK.
fn negotiate(conn: &mut Connection, from: Side, header: &TcpHeader) {
    let value = header.flags.ace();
    // Not one that its receiver refuses.
    if conn.end(from).isn() != Some(header.seq) || conn.is_self_connect() {
        return;
    }
    if !header.has(TcpFlags::ACK) {
        if value == ASKS {
            conn.rare_mut().accurate_ecn.asked = true;
        }
    } else if conn.rare().is_some_and(|rare| rare.accurate_ecn.asked) {
        let accurate_ecn = &mut conn.rare_mut().accurate_ecn;
        if CONFIRMS.contains(&value) {
            accurate_ecn.confirmed = true;
            let unanswered = accurate_ecn.unanswered.of_mut(from);
            *unanswered = unanswered.saturating_add(1);
        } else {
            accurate_ecn.refused = true;
        }
    }
}

/// Returns true for a segment that only acknowledges, without SACK blocks: the one that answers a SYN,ACK
/// (RFC 9768 §3.2.2.1).
fn is_pure_ack(segment: &Segment) -> bool {
    let header = &segment.header;
    segment.length == 0
        && header.has(TcpFlags::ACK)
        && !header.flags.intersects(TcpFlags::FIN | TcpFlags::RST)
        && !header.options.iter().any(|option| matches!(option, TcpOption::Sack(_)))
}

/// Returns true if an end is past its own FIN and the other's: Linux answers for it without its socket.
fn is_in_time_wait(conn: &Connection, side: Side) -> bool {
    let fin_acked = conn.end(side).fin().is_some_and(|fin| fin.acked().is_some());
    conn.ended || fin_acked && conn.end(side.other()).fin().is_some()
}
