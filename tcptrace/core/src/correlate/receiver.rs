//! Whether the end that a segment is sent to accepts it (RFC 9293 §3.10.7, RFC 5961): the one place that says so.
//!
//! The receiver's variables are bounded by what was seen of both ends. RCV.NXT lies between what it has acknowledged and what
//! the sender has sent, SND.NXT is at least what it was seen to send. Where the kernel programs record control segments
//! alone, data passes unseen, and numbers up to [`HIDDEN`] ahead may be right. Where every segment is recorded, a number
//! ahead of all that was seen is a forgery or stands behind a gap of the capture: what follows decides.

#[cfg(feature = "mutants")]
pub mod mutants;

use super::table::{
    connection::{Connection, Side},
    endpoint::End,
};
use crate::{
    event::Segment,
    tcp::{SeqNumber, TcpFlags, TcpHeader, TcpOptions},
};

/// How far ahead of what was seen numbers may be where data is not recorded: the kernel programs record a segment whenever
/// the sequence number crosses a multiple of this, which is also the largest window (RFC 7323 §2.3).
const HIDDEN: i64 = 1 << 30;

/// The parts of a segment that its receiver accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) struct Accepted {
    /// Its SYN.
    pub(in crate::correlate) syn: bool,
    /// Its reset.
    pub(in crate::correlate) reset: Reset,
    /// Its acknowledgement.
    pub(in crate::correlate) ack: Ack,
    /// How many bytes of its payload, counted from the first, lie in the receiver's window; none where it drops the segment.
    pub(in crate::correlate) payload: Option<u32>,
    /// Its FIN.
    pub(in crate::correlate) fin: bool,
}

/// What becomes of a reset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) enum Reset {
    /// The segment is none.
    None,
    /// It has the number that the receiver expects, and ends the connection.
    Exact,
    /// It is within the window: RFC 5961 §3.2 asks for a challenge ACK, older receivers accept it.
    InWindow,
    /// The receiver drops it.
    Refused,
}

/// What becomes of an acknowledgement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) enum Ack {
    /// The segment has none, or one that the receiver drops.
    Refused,
    /// It acknowledges what was sent: the offset from the receiver's ISN.
    Valid(u64),
    /// It acknowledges more than was seen to be sent, up to this offset: there is a gap, or it is forged.
    Ahead(u64),
}

impl Accepted {
    /// A segment of which nothing counts.
    const NOTHING: Self = Self { syn: false, reset: Reset::None, ack: Ack::Refused, payload: None, fin: false };
}

/// Judges a segment that the end `from` sends; `full`: every segment of the connection is recorded.
pub(in crate::correlate) fn judge(conn: &Connection, from: Side, segment: &Segment, full: bool) -> Accepted {
    let accepted = by_rules(conn, from, segment, full);
    #[cfg(feature = "mutants")]
    let accepted = mutants::alter(conn, from, segment, full, accepted);
    accepted
}

fn by_rules(conn: &Connection, from: Side, segment: &Segment, full: bool) -> Accepted {
    let header = &segment.header;
    let view = View { conn, own: conn.end(from), other: conn.end(from.other()), full };
    if conn.is_self_connect() {
        return view.trusted(segment);
    }
    let ack = view.ack(header);
    // RFC 9293 §3.10.7: in every state a reset is looked at before the SYN.
    if header.has(TcpFlags::RST) {
        let reset = view.reset(header, ack);
        return Accepted { reset, ack: ack_of_reset(reset, ack), ..Accepted::NOTHING };
    }
    if header.has(TcpFlags::SYN) {
        return view.syn(segment, ack);
    }
    view.text(segment, ack)
}

/// What is known of the sender and of the receiver.
struct View<'a> {
    conn: &'a Connection,
    own: &'a End,
    other: &'a End,
    full: bool,
}

impl View<'_> {
    /// A socket connected to itself has one number space for both ends.
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

    /// The receiver has sent its SYN and waits for the sender's.
    fn receiver_in_syn_sent(&self) -> bool {
        self.other.sent_syn && !self.other.sent_synack && !self.own.syn_seen() && !self.conn.answered
    }

    /// The sender has sent its SYN, and the receiver has not answered yet.
    fn sender_in_syn_sent(&self) -> bool {
        self.own.sent_syn && !self.own.sent_synack && !self.other.syn_seen() && !self.conn.answered
    }

    fn ack(&self, header: &TcpHeader) -> Ack {
        let Some(ack) = ack_of(header) else { return Ack::Refused };
        let Some(offset) = signed_offset(self.other, ack) else {
            // Nothing is known of the receiver's numbers.
            return Ack::Valid(1);
        };
        let sent = to_signed(self.other.sent);
        // RFC 5961 §5.2: older than the largest window is no delayed acknowledgement.
        let before_all = self.other.isn_known && offset < 1;
        if before_all || offset < to_signed(self.other.acked()) - HIDDEN {
            return Ack::Refused;
        }
        let valid = Ack::Valid(u64::try_from(offset).unwrap_or(0));
        if offset <= sent {
            return valid;
        }
        if self.other.fin().is_some_and(|fin| offset > to_signed(fin.end) && fin.acked.is_some()) {
            return Ack::Refused;
        }
        if offset - sent >= HIDDEN {
            return Ack::Refused;
        }
        // Before its handshake is complete an end has sent what was seen, and no more.
        if self.receiver_in_syn_sent() {
            return Ack::Refused;
        }
        // What an end sends that was never seen to speak passes elsewhere.
        if !self.other.spoke || !self.other.isn_known && !self.other.data_seen {
            return valid;
        }
        let opening = !self.conn.mid_life && self.conn.ack_at().is_none() && !self.conn.opened;
        if opening && !self.full {
            return Ack::Refused;
        }
        if self.full { Ack::Ahead(offset.unsigned_abs()) } else { valid }
    }

    fn reset(&self, header: &TcpHeader, ack: Ack) -> Reset {
        if self.receiver_in_syn_sent() {
            return if matches!(ack, Ack::Valid(_)) && ack_of(header).is_some() {
                Reset::Exact
            } else {
                Reset::Refused
            };
        }
        // With it the sender refuses a segment that was no answer to its SYN (RFC 9293 §3.5, figure 9).
        if self.sender_in_syn_sent() {
            return Reset::Refused;
        }
        let Some(offset) = signed_offset(self.own, header.seq) else { return Reset::Exact };
        let (acked, sent) = (to_signed(self.own.acked()), to_signed(self.own.sent));
        // One in answer to a segment has the number that this acknowledged; one of an open socket has SND.NXT.
        if (acked..=sent).contains(&offset) {
            return Reset::Exact;
        }
        if self.resets_behind_fin(offset) {
            return Reset::Exact;
        }
        let hidden = !self.full && !self.own.data_seen;
        if hidden && (sent..sent + HIDDEN).contains(&offset) {
            return Reset::Exact;
        }
        if (acked..=self.right_edge()).contains(&offset) { Reset::InWindow } else { Reset::Refused }
    }

    /// Where the other end has acknowledged the sender's FIN, and its own is not, Linux takes a reset with the FIN's number:
    /// the sender has sent it without its FIN (tcp_reset_check of net/ipv4/tcp_input.c).
    fn resets_behind_fin(&self, offset: i64) -> bool {
        let closing = self.other.fin().is_none_or(|fin| fin.acked.is_none());
        closing && self.own.fin().is_some_and(|fin| fin.acked.is_some() && offset == to_signed(fin.end) - 1)
    }

    fn syn(&self, segment: &Segment, ack: Ack) -> Accepted {
        let header = &segment.header;
        let answers = ack_of(header).is_some();
        // Only what was sent can be acknowledged; RFC 9293 §3.10.7.3 has such a SYN,ACK answered by a reset.
        let valid = !answers || matches!(ack, Ack::Valid(_));
        // In a synchronised state a SYN is answered by a challenge ACK (RFC 5961 §4.2). A SYN cookie has another ISN each time;
        // which one the other end has got shows when it acknowledges it.
        let cookie = answers && self.conn.ack_at().is_none();
        let same = !self.own.syn_seen() || self.own.isn() == Some(header.seq);
        let dropped = header.has(TcpFlags::FIN) && self.conn.answered;
        let syn = valid && (same || cookie) && !dropped;
        let ack = if syn { ack } else { Ack::Refused };
        Accepted { syn, ack, payload: (syn && same).then_some(segment.length), ..Accepted::NOTHING }
    }

    fn text(&self, segment: &Segment, ack: Ack) -> Accepted {
        let header = &segment.header;
        // RFC 9293 §3.10.7.4: without ACK it is dropped.
        if ack == Ack::Refused || self.receiver_in_syn_sent() || self.is_over() || self.is_old_duplicate(header) {
            return Accepted::NOTHING;
        }
        let flagged = header.has(TcpFlags::FIN);
        let Some(start) = signed_offset(self.own, header.seq) else {
            return Accepted { ack, payload: Some(segment.length), fin: flagged, ..Accepted::NOTHING };
        };
        let (acked, right) = (to_signed(self.own.acked()), self.right_edge());
        let length = i64::from(segment.length);
        let end = start + length + i64::from(flagged);
        // RFC 9293 §3.10.7.4, first: wholly before RCV.NXT or beyond the window. A probe of an idle end is one before.
        if start > right || end < acked - 1 {
            return Accepted::NOTHING;
        }
        let last = match self.own.fin() {
            // Nothing comes behind a FIN that was accepted.
            Some(fin) if fin.acked.is_some() || self.full => to_signed(fin.end) - 1,
            _ => right,
        };
        let payload = length.min((last - start).max(0));
        let fin = flagged && self.accepts_fin(end, right);
        Accepted { ack, payload: Some(u32::try_from(payload).unwrap_or(0)), fin, ..Accepted::NOTHING }
    }

    /// A reset has been accepted for certain: neither end knows the connection any more.
    fn is_over(&self) -> bool {
        let certain = |end: &End| end.rst().is_some_and(|rst| rst.seen && rst.context.certain);
        let open = self.own.open_sockets + self.other.open_sockets > 0;
        self.full && !open && (certain(self.own) || certain(self.other))
    }

    /// Whether its timestamp is older than the last one (RFC 7323 §5, PAWS).
    fn is_old_duplicate(&self, header: &TcpHeader) -> bool {
        let older = |recent: u32, value: u32| value.wrapping_sub(recent).cast_signed() < 0;
        self.full && self.own.ts_recent().zip(timestamp(header)).is_some_and(|(recent, value)| older(recent, value))
    }

    /// Whether a FIN whose number ends at this offset can be the sender's: it is the last of all its numbers.
    fn accepts_fin(&self, end: i64, right: i64) -> bool {
        match self.own.fin() {
            Some(known) => end == to_signed(known.end),
            None => end > to_signed(self.own.acked()) && end <= right + 1,
        }
    }

    /// The offset behind the last number that the receiver has offered room for.
    fn right_edge(&self) -> i64 {
        let sent = to_signed(self.own.sent);
        // What passes unseen may have moved the window.
        match self.own.offered() {
            Some(offered) if self.full => to_signed(offered).max(sent),
            _ => sent + HIDDEN,
        }
    }
}

/// How much a reset acknowledges: beyond SYN_SENT its receiver does not look (RFC 9293 §3.10.7.4), but the socket that sends it
/// says how far the other end's data had come.
fn ack_of_reset(reset: Reset, ack: Ack) -> Ack {
    match (reset, ack) {
        (Reset::Exact, Ack::Ahead(offset)) => Ack::Valid(offset),
        (Reset::Exact, ack) => ack,
        _ => Ack::Refused,
    }
}

/// The offset of a number from an end's ISN, below 0 for one before it; none while nothing is known of its numbers.
pub(in crate::correlate) fn signed_offset(end: &End, number: SeqNumber) -> Option<i64> {
    let ahead = number.distance_from(end.next()?).cast_signed();
    Some(to_signed(end.sent) + i64::from(ahead))
}

pub(in crate::correlate) fn ack_of(header: &TcpHeader) -> Option<SeqNumber> {
    header.has(TcpFlags::ACK).then_some(header.ack)
}

/// TSval of the timestamps option (RFC 7323 §3.2).
pub(in crate::correlate) fn timestamp(header: &TcpHeader) -> Option<u32> {
    TcpOptions(header.options).timestamp().map(|timestamp| timestamp.value)
}

fn to_signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}
