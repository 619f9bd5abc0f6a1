//! The model of the receiver: decides whether the end that a segment is sent to accepts it (RFC 9293 §3.10.7, RFC
//! 5961). No other module does.
//!
//! The receiver's variables are bounded by what was seen of both ends. RCV.NXT lies between what it has acknowledged
//! and what the sender has sent; SND.NXT is at least what it was seen to send. If the kernel programs record only
//! control segments, data passes unseen, and numbers up to [`HIDDEN`] ahead may be right. If every segment is recorded,
//! a number ahead of everything seen is either forged or follows a gap of the capture: later segments decide.

#[cfg(feature = "mutants")]
pub mod mutants;

mod accepted;
mod lenient;
mod reset;
mod text;

pub(in crate::correlate) use self::{
    accepted::{Accepted, Ack, Reset},
    lenient::may_be_accepted,
    text::{has_old_timestamp, right_edge},
};
use super::table::{
    connection::{Connection, Side},
    endpoint::{End, Sent},
};
use crate::{
    event::Segment,
    tcp::{SeqNumber, TcpFlags, TcpHeader, TcpOptions, TcpState},
};

/// Maximum distance of numbers ahead of what was seen if data is not recorded: the kernel programs record a segment
/// whenever the sequence number crosses a multiple of this, which is also the largest window (RFC 7323 §2.3).
const HIDDEN: i64 = 1 << 30;

/// Judges a segment that the end `from` sends; `full`: every segment of the connection is recorded.
pub(in crate::correlate) fn judge(conn: &Connection, from: Side, segment: &Segment, full: bool) -> Accepted {
    let accepted = by_rules(conn, from, segment, full);
    #[cfg(feature = "mutants")]
    let accepted = mutants::alter(conn, from, segment, full, accepted);
    accepted
}

/// Returns the number after text beyond everything seen that its receiver would have accepted, had no reset ended the
/// connection before.
pub(in crate::correlate) fn new_behind_reset(
    conn: &Connection,
    from: Side,
    segment: &Segment,
    full: bool,
) -> Option<SeqNumber> {
    let header = &segment.header;
    let view = View { conn, own: conn.end(from), other: conn.end(from.other()), full };
    if header.flags.intersects(TcpFlags::SYN | TcpFlags::RST) || conn.is_self_connect() || !view.is_over() {
        return None;
    }
    let ack = view.ack(header);
    let Accepted { payload: Some(payload), fin, ack: Ack::Valid(_), .. } = view.text_of_open(segment, ack) else {
        return None;
    };
    let end = header.seq.add(payload + u32::from(fin));
    signed_offset(view.own, end).is_some_and(|offset| offset > to_signed(view.own.sent)).then_some(end)
}

/// Returns by how much the number of a segment, and that which it acknowledges, are ahead of what was seen to be sent; `None` for
/// one that is too far ahead.
pub(in crate::correlate) fn ahead_by(conn: &Connection, from: Side, header: &TcpHeader) -> [Option<u64>; 2] {
    let ahead = |end: &End, number| {
        let ahead = signed_offset(end, number).map_or(0, |offset| offset - to_signed(end.sent));
        (ahead < HIDDEN).then(|| u64::try_from(ahead).unwrap_or(0))
    };
    let acked = ack_of(header).map_or(Some(0), |ack| ahead(conn.end(from.other()), ack));
    [ahead(conn.end(from), header.seq), acked]
}

fn by_rules(conn: &Connection, from: Side, segment: &Segment, full: bool) -> Accepted {
    let header = &segment.header;
    let view = View { conn, own: conn.end(from), other: conn.end(from.other()), full };
    if conn.is_self_connect() {
        return view.trusted(segment);
    }
    let ack = view.ack(header);
    // In every state a reset is checked before the SYN (RFC 9293 §3.10.7).
    if header.has(TcpFlags::RST) {
        // It cannot acknowledge what was not sent.
        let ack = if view.sender_in_syn_sent() { Ack::Refused } else { ack };
        let reset = view.reset(header, ack);
        // What was refused since a reset ended the connection, its sender has not received.
        let ack = if view.is_over() { Ack::Refused } else { ack_of_reset(reset, ack) };
        return Accepted { reset, ack, ..Accepted::NOTHING };
    }
    if header.has(TcpFlags::SYN) {
        return view.syn(segment, ack);
    }
    view.text(segment, ack)
}

/// State of the sender and of the receiver.
struct View<'a> {
    conn: &'a Connection,
    own: &'a End,
    other: &'a End,
    full: bool,
}

impl View<'_> {
    /// Judges a segment of a socket connected to itself, which has one number space for both ends.
    fn trusted(&self, segment: &Segment) -> Accepted {
        let header = &segment.header;
        let ack = ack_of(header).map_or(Ack::Refused, |ack| Ack::Valid(self.other.offset(ack)));
        let (rst, syn) = (header.has(TcpFlags::RST), header.has(TcpFlags::SYN) && !header.has(TcpFlags::RST));
        Accepted {
            syn,
            reset: if rst { Reset::Exact } else { Reset::None },
            ack,
            payload: (!rst).then_some(segment.length),
            fin: header.has(TcpFlags::FIN) && !rst,
        }
    }

    /// Returns true if the receiver has sent its SYN and waits for the sender's.
    fn receiver_in_syn_sent(&self) -> bool {
        self.other.sent_syn() && !self.other.sent_synack && !self.own.syn_seen() && !self.conn.answered
    }

    /// Returns true if the sender has sent its SYN, and the receiver has not answered yet.
    fn sender_in_syn_sent(&self) -> bool {
        self.own.sent_syn() && !self.own.sent_synack && !self.other.syn_seen() && !self.conn.answered
    }

    /// Returns the offset up to which the receiver may be acknowledged, by what was seen of it. A SYN that is also a FIN is
    /// acknowledged whole by a reset, and by stacks that do not drop it.
    fn sent_by_receiver(&self) -> u64 {
        let fin = || self.other.syn().filter(|syn| syn.fin).map_or(0, Sent::end_of_syn);
        if self.receiver_in_syn_sent() { self.other.sent.max(fin()) } else { self.other.sent }
    }

    /// Returns true if the handshake is not known to be complete.
    fn opening(&self) -> bool {
        let acked = self.conn.ack_at().is_some() || self.conn.lacks_acks() && self.conn.answered;
        let by_states = || self.conn.ends.iter().any(|end| end.entered(TcpState::Established).is_some());
        !self.conn.mid_life && !acked && !self.conn.opened && !by_states()
    }

    fn ack(&self, header: &TcpHeader) -> Ack {
        let Some(ack) = ack_of(header) else { return Ack::Refused };
        let Some(offset) = signed_offset(self.other, ack) else {
            // Nothing is known of the receiver's numbers.
            return if self.is_far_behind_syn(header, 0) { Ack::Ahead(1) } else { Ack::Valid(1) };
        };
        let sent = to_signed(self.sent_by_receiver());
        // Older than the largest window, it is not a delayed acknowledgement (RFC 5961 §5.2).
        let before_all = self.other.isn_known() && offset < 1;
        if before_all || offset < to_signed(self.other.acked()) - HIDDEN {
            return Ack::Refused;
        }
        let valid = Ack::Valid(u64::try_from(offset).unwrap_or(0));
        if offset <= sent {
            return valid;
        }
        if self.other.fin().is_some_and(|fin| offset > to_signed(fin.end) && fin.acked().is_some()) {
            return Ack::Refused;
        }
        if offset - sent >= HIDDEN {
            return Ack::Refused;
        }
        // Before its handshake is complete, an end has sent no more than was seen.
        if self.receiver_in_syn_sent() {
            return Ack::Refused;
        }
        // The data of an end without any segments passes elsewhere.
        if !self.other.spoke() || !self.other.isn_known() && !self.other.data_seen() {
            let far = self.is_far_behind_syn(header, offset - sent);
            return if far { Ack::Ahead(offset.unsigned_abs()) } else { valid };
        }
        if self.opening() && !self.full {
            return Ack::Refused;
        }
        if self.full { Ack::Ahead(offset.unsigned_abs()) } else { valid }
    }

    /// Returns true if the sender's SYN or SYN,ACK is all that was seen of both ends, and this number, or that which it
    /// acknowledges, `acked` ahead of what was seen, is beyond the largest window that a SYN offers (RFC 7323 §2.2):
    /// there is a gap, or it is forged.
    #[inline(never)]
    fn is_far_behind_syn(&self, header: &TcpHeader, acked: i64) -> bool {
        let alone = self.sender_in_syn_sent() || self.own.sent_synack && self.own.sent == 1 && !self.other.spoke();
        let ahead = signed_offset(self.own, header.seq).map(|offset| offset - to_signed(self.own.sent));
        self.full && alone && ahead.max(Some(acked)).is_some_and(|ahead| ahead > i64::from(u16::MAX))
    }

    fn syn(&self, segment: &Segment, ack: Ack) -> Accepted {
        let header = &segment.header;
        let answers = ack_of(header).is_some();
        // Only data that was sent can be acknowledged; any other SYN,ACK is answered by a reset (RFC 9293 §3.10.7.3).
        let valid = !answers || matches!(ack, Ack::Valid(_));
        // In a synchronised state a SYN is answered by a challenge ACK (RFC 5961 §4.2). SYN cookies have another ISN
        // each time; the other end's acknowledgement shows which one it received. An end that opens the connection itself
        // answers with the ISN of its SYN (RFC 9293 §3.10.7.3).
        let listens = !self.own.sent_syn() || self.other.syn_seen();
        let cookie = answers && self.conn.ack_at().is_none() && listens;
        let same = !self.own.syn_seen() || self.own.isn() == Some(header.seq);
        let dropped = header.has(TcpFlags::FIN) && self.conn.answered;
        let syn = valid && (same || cookie) && !dropped;
        let ack = if syn { ack } else { Ack::Refused };
        // The rest of a SYN,ACK is processed once its receiver is established (RFC 9293 §3.10.7.3).
        let fin = syn && same && answers && header.has(TcpFlags::FIN);
        Accepted { syn, ack, fin, payload: (syn && same).then_some(segment.length), ..Accepted::NOTHING }
    }
}

/// Returns the acknowledgement of a reset. Beyond SYN_SENT its receiver ignores it (RFC 9293 §3.10.7.4), but the socket
/// that sends it states how much it has received.
fn ack_of_reset(reset: Reset, ack: Ack) -> Ack {
    match (reset, ack) {
        (Reset::Exact, Ack::Ahead(offset)) => Ack::Valid(offset),
        (Reset::Exact, ack) => ack,
        _ => Ack::Refused,
    }
}

/// Returns the offset of a number from an end's ISN, negative for one before it; `None` if none of its numbers is
/// known.
pub(in crate::correlate) fn signed_offset(end: &End, number: SeqNumber) -> Option<i64> {
    let ahead = number.distance_from(end.next()?).cast_signed();
    Some(to_signed(end.sent) + i64::from(ahead))
}

pub(in crate::correlate) fn ack_of(header: &TcpHeader) -> Option<SeqNumber> {
    header.has(TcpFlags::ACK).then_some(header.ack)
}

/// Returns the TSval of the timestamps option (RFC 7323 §3.2).
pub(in crate::correlate) fn timestamp(header: &TcpHeader) -> Option<u32> {
    TcpOptions(header.options).timestamp().map(|timestamp| timestamp.value)
}

fn to_signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}
