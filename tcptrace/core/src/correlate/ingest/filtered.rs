//! Captures of which a filter such as `tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0` has left only the segments that open and close
//! connections: neither acknowledgements nor data can be expected in them.
//!
//! Until a capture shows any other segment, it may be one of these. Numbers ahead of what was seen decide: something was
//! sent that is not in the capture.

use std::collections::BTreeSet;

use super::{gaps, learn::SENT_AGAIN_AFTER};
use crate::{
    correlate::{
        Correlator, NO_NAMESPACE,
        receiver::{ack_of, ahead_by, judge},
        table::{
            connection::{Connection, Recorded, Side},
            endpoint::End,
        },
        verdict::{handshake, progress},
    },
    event::{BootTime, Segment},
    tcp::TcpFlags,
};

/// Connections that have to begin to close after a SYN,ACK, in a capture that has shown no ACK by then, before it is taken to
/// have none: a few may have lost theirs, or be forged.
const ENOUGH: usize = 4;

/// As many are enough if their numbers are ahead.
const ENOUGH_AHEAD: usize = 2;

/// The largest window without scaling: as much may be on its way at once.
const FIRST_WINDOW: u64 = 65_535;

/// No end is taken to send faster than 100 Gbit/s.
const BYTES_PER_NANOSECOND: u64 = 13;

/// Maximum number of closing segments to remember: retransmissions add nothing.
const MOST: usize = 16;

/// What a capture has shown so far about the kinds of segments in it.
#[derive(Debug, Default)]
pub(in crate::correlate) struct Kinds {
    /// True if a segment was seen that has none of these flags.
    text_seen: bool,
    /// True if none is expected.
    lacks_acks: bool,
    /// The first segments that close connections.
    closings: Vec<Closing>,
}

impl Kinds {
    /// Notes one more closing segment. Returns true if no ACKs are expected any more.
    fn note(&mut self, new: Closing) -> bool {
        let fits = |before: &Closing| (before.ahead || new.ahead) && before.is_continued_by(&new);
        let fitting = self.closings.iter().any(fits);
        if self.closings.len() < MOST {
            self.closings.push(new);
        }
        let all: BTreeSet<u64> = self.closings.iter().map(|closing| closing.conn).collect();
        let ahead: BTreeSet<u64> =
            self.closings.iter().filter(|closing| closing.ahead).map(|closing| closing.conn).collect();
        fitting || all.len() >= ENOUGH || ahead.len() >= ENOUGH_AHEAD
    }
}

/// A segment that closes a connection, after a SYN,ACK.
#[derive(Clone, Copy, Debug)]
struct Closing {
    at: u32,
    conn: u64,
    from: Side,
    segment: Segment,
    /// True if its numbers are ahead of what was seen.
    ahead: bool,
    /// True if they are, and it is not likely to be forged.
    certain: bool,
}

impl Closing {
    /// Returns true if a segment of the other end begins where this one acknowledges, and acknowledges this one; either will do
    /// if one of them is certain.
    fn is_continued_by(&self, other: &Self) -> bool {
        let (header, answer) = (&self.segment.header, &other.segment.header);
        let begins = ack_of(header) == Some(answer.seq);
        let acks = ack_of(answer).is_some_and(|ack| ack == header.seq || ack == gaps::end_of(&self.segment));
        let fits = begins && acks || (begins || acks) && (self.certain || other.certain);
        self.conn == other.conn && self.from != other.from && fits
    }
}

impl Correlator {
    /// Returns which segments of the connection `at` are in the capture, as far as is known when this one comes; `None` for
    /// events of a kernel.
    pub(super) fn kinds_in_capture(&mut self, at: u32, from: Side, segment: &Segment) -> Option<Recorded> {
        if !self.reads_capture() {
            return None;
        }
        if self.kinds.text_seen {
            return Some(Recorded::All);
        }
        let flags = segment.header.flags;
        if !flags.intersects(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST) {
            self.kinds.text_seen = true;
            self.kinds.closings = Vec::new();
            self.expect_segments(Recorded::All);
            return Some(Recorded::All);
        }
        if self.kinds.lacks_acks {
            return Some(Recorded::Flagged);
        }
        if let Some(closing) = self.closing(at, from, segment)
            && self.kinds.note(closing)
        {
            self.expect_no_acks();
            return Some(Recorded::Flagged);
        }
        Some(Recorded::Undecided)
    }

    /// Returns true if the events are those of a capture that has shown a segment without SYN, FIN and RST, so that all are in it.
    pub(super) fn reads_whole_capture(&self) -> bool {
        self.reads_capture() && self.kinds.text_seen
    }

    fn reads_capture(&self) -> bool {
        self.all_segments && self.watched.here == NO_NAMESPACE
    }

    /// Decides at the end of a capture which segments are in it, if nothing has shown that before.
    pub(in crate::correlate) fn decide_kinds(&mut self) {
        if !self.reads_capture() || self.kinds.text_seen || self.kinds.lacks_acks {
            return;
        }
        let closings = &self.kinds.closings;
        // What follows it would contradict it, were it forged.
        let last = |closing: &Closing| {
            let conn = self.table.get(closing.at).filter(|conn| conn.number == closing.conn && !conn.ended);
            let ends = |other: &Closing| conn.is_some_and(|conn| conn.last == other.segment.at);
            closing.certain && closings.iter().any(|other| other.conn == closing.conn && ends(other))
        };
        if closings.iter().any(last) {
            self.expect_no_acks();
        } else {
            self.expect_segments(Recorded::All);
        }
    }

    /// Returns what a segment shows about the capture, if it closes a connection after a SYN,ACK.
    fn closing(&self, at: u32, from: Side, segment: &Segment) -> Option<Closing> {
        let conn = self.table.get(at)?;
        let header = &segment.header;
        let synack = conn.ends.iter().find_map(End::synack)?;
        let most = most_sent(conn, segment.at, synack.first);
        let [Some(own), Some(acked)] = ahead_by(conn, from, header) else { return None };
        let ahead = own + acked > 0 && own.max(acked) <= most;
        // A SYN,ACK that had not been acknowledged would have been sent again.
        let acknowledged = synack.again() == 0 && segment.at > synack.first + SENT_AGAIN_AFTER;
        let certain = ahead && (own > 0 && acked > 0 || acknowledged);
        let closes = header.has(TcpFlags::FIN) || header.has(TcpFlags::RST) && ahead;
        let closing = Closing { at, conn: conn.number, from, segment: *segment, ahead, certain };
        (closes && !header.has(TcpFlags::SYN)).then_some(closing)
    }

    /// From now on, ACKs are not expected: the closing segments that were held to what was seen are judged again.
    fn expect_no_acks(&mut self) {
        self.kinds.lacks_acks = true;
        self.expect_segments(Recorded::Flagged);
        for Closing { at, conn: number, from, segment, ahead, .. } in std::mem::take(&mut self.kinds.closings) {
            if let Some(conn) = self.table.get_mut(at).filter(|conn| ahead && conn.number == number && !conn.ended) {
                judge_again(conn, from, &segment);
                self.table.schedule(at, Some(self.now));
            }
        }
    }

    /// From now on, these are the segments that are expected of all connections.
    fn expect_segments(&mut self, recorded: Recorded) {
        let others: Vec<u32> =
            self.table.iter().filter(|(_, conn)| conn.recorded != recorded).map(|(at, _)| at).collect();
        for at in others {
            let Some(conn) = self.table.get_mut(at) else { continue };
            conn.recorded = recorded;
            let due = [handshake::deadline(conn), progress::due(conn)].into_iter().flatten().min();
            self.table.schedule(at, due);
        }
    }
}

/// Returns how many bytes an end may have sent between the SYN,ACK and `at`: a window for each round trip, which takes as long as
/// the SYN's. Until the first is over, the windows of SYN and SYN,ACK hold, which are never scaled (RFC 7323 §2.2).
fn most_sent(conn: &Connection, at: BootTime, synack: BootTime) -> u64 {
    let time = at.since(synack);
    let by_rate = FIRST_WINDOW.saturating_add(time.saturating_mul(BYTES_PER_NANOSECOND));
    let round_trip = conn.ends.iter().find_map(End::syn).map(|syn| synack.since(syn.last)).filter(|&time| time > 0);
    let shift = conn.ends.iter().map(End::shift).max().unwrap_or(0);
    let by_window = round_trip.map(|round_trip| match time / round_trip {
        0 => FIRST_WINDOW,
        trips => (FIRST_WINDOW << shift).saturating_mul(1 + trips),
    });
    by_window.map_or(by_rate, |most| most.min(by_rate))
}

/// Takes a segment that was ahead of what was seen, now that more is known to have been sent.
fn judge_again(conn: &mut Connection, from: Side, segment: &Segment) {
    let end = conn.end_mut(from);
    end.settle_claim();
    end.drop_kept();
    end.forget_refused_reset();
    let accepted = judge(conn, from, segment, false);
    gaps::take_late(conn, from, segment, &accepted, false);
}
