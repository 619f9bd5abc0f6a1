//! The generations of a four-tuple: to which of them a segment belongs.

use crate::{
    correlate::{
        Correlator,
        receiver::{ack_of, signed_offset, timestamp},
        table::{
            connection::{Connection, Key, Side},
            endpoint::End,
        },
        verdict::handshake::is_given_up_unseen,
    },
    event::Segment,
    tcp::{SeqNumber, TcpFlags, TcpHeader},
};

/// Maximum distance of a segment's numbers from those of a connection; beyond it, another generation that fits is
/// preferred.
const FAR: u32 = 1 << 28;

/// Maximum distance by which a sender is ahead of what was seen, if all segments are recorded and not many were missed.
pub(super) const AHEAD: u32 = 1 << 18;

/// Maximum distance from the numbers sent last or expected next for an exact match.
pub(super) const NEAR: u32 = 1 << 16;

/// Maximum number of generations of a four-tuple to search.
const GENERATIONS: usize = 8;

impl Correlator {
    /// Returns the generation that a SYN belongs to or begins. Whether the other end accepts it shows later: until then
    /// only its answer belongs to the new generation.
    pub(super) fn generation_of_syn(&mut self, newest: u32, segment: &Segment, key: &Key, from: Side) -> u32 {
        let header = &segment.header;
        let Some(conn) = self.table.get(newest) else { return newest };
        let crosses = ack_of(header).is_none();
        if syn_belongs(conn, from, segment) && !(crosses && self.was_challenged(newest, conn, from)) {
            return newest;
        }
        // A SYN sent to an earlier generation that arrives late.
        let known = |conn: &Connection| match ack_of(header) {
            Some(ack) => answers_syn(conn, from, ack) || repeats_synack(conn, from, header.seq, ack),
            None => {
                let own = conn.end(from);
                own.syn_seen() && own.isn() == Some(header.seq) && !(own.sent_synack && conn.ended)
            }
        };
        let late = || self.generations(newest).skip(1).find(|&at| self.table.get(at).is_some_and(known));
        // Not if it repeats the last attempt, which has ended: some clients retry with the same ISN again and again.
        let over = is_over(conn, from, segment);
        let retries = crosses && over && conn.end(from).syn_seen() && conn.end(from).isn() == Some(header.seq);
        if !retries && let Some(late) = late() {
            return late;
        }
        // A SYN,ACK without a SYN opens nothing if both ends know a connection, if it wrongly answers another SYN, or if its
        // sender itself waits for an answer. Of two ends whose SYNs cross, one may give up while the other waits on.
        let may_wait = |end: &End| end.sent_syn() && (!conn.ended || end.open_sockets > 0);
        let waits = !conn.answered && conn.ends.iter().any(may_wait);
        if ack_of(header).is_some() && (waits || is_open(conn, from)) {
            return newest;
        }
        self.begin(segment, key, from)
    }

    /// Returns true if the end `from` has continued the generation before since the other end's SYN began this one: it
    /// has not accepted that SYN, and a SYN of its own does not cross it.
    fn was_challenged(&self, newest: u32, conn: &Connection, from: Side) -> bool {
        let before = self.answered_before(newest).and_then(|at| self.table.get(at));
        // A SYN,ACK that it has not asked for, and has not answered, is no connection of its own.
        let known = before.map(|before| before.end(from)).is_some_and(|end| end.spoke() || end.had_socket);
        known && !conn.end(from).syn_seen() && self.has_gone_on_before(newest, conn)
    }

    /// Returns true if the generation before has continued since the unanswered SYN that began this one.
    pub(in crate::correlate) fn has_gone_on_before(&self, newest: u32, conn: &Connection) -> bool {
        let syn = conn.ends.iter().filter_map(|end| Some(end.syn()?.last)).max();
        let before = self.answered_before(newest).and_then(|at| self.table.get(at));
        // A connection attempt in between that a reset refused does not continue.
        let refused = |before: &Connection| {
            (before.mid_life || before.ack_at().is_none()) && before.ends.iter().any(|end| end.rst().is_some())
        };
        syn.zip(before).is_some_and(|(syn, before)| !conn.answered && before.last >= syn && !refused(before))
    }

    /// Returns true if a segment of the end `from` is the reset by which it refuses what comes of this connection while it
    /// waits for the answer to a newer SYN.
    pub(super) fn resets_replaced(&self, at: u32, from: Side, segment: &Segment) -> bool {
        if !segment.header.has(TcpFlags::RST) || segment.header.has(TcpFlags::ACK) {
            return false;
        }
        let key = self.table.get(at).and_then(Connection::key);
        let newest = key.and_then(|key| self.table.find(&key)).filter(|&newest| newest != at);
        let waits = |conn: &Connection| conn.end(from).sent_syn() && !conn.answered && !conn.ended;
        newest.and_then(|newest| self.table.get(newest)).is_some_and(waits)
    }

    /// Returns the generation that an answer of the end `from` without a socket belongs to. The newest may consist only
    /// of a SYN that the other end has not accepted: then it is the one seen last.
    pub(in crate::correlate) fn answered_generation(&self, key: &Key, from: Side) -> Option<u32> {
        let newest = self.table.find(key)?;
        let conn = self.table.get(newest)?;
        let before = self.answered_before(newest).filter(|_| !conn.answered);
        // An end that has just sent a SYN refuses segments of the connection before.
        let later = |before: &Connection| conn.end(from).sent_syn() || before.last > conn.last;
        Some(before.filter(|&at| self.table.get(at).is_some_and(later)).unwrap_or(newest))
    }

    /// Returns the newest generation before this one that consists of more than an unanswered SYN.
    fn answered_before(&self, newest: u32) -> Option<u32> {
        self.generations(newest).skip(1).find(|&at| self.table.get(at).is_some_and(|conn| conn.answered))
    }

    /// Returns the known generations of a four-tuple, newest first.
    pub(in crate::correlate) fn generations(&self, newest: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(newest), |&at| self.table.previous(at)).take(GENERATIONS)
    }

    /// Of the generations that a segment can belong to, returns the newest, unless the numbers of the one before are
    /// nearer: the challenge ACK to a new SYN still has the old connection's numbers, and so has the reset that answers
    /// it.
    pub(super) fn nearest_generation(&self, newest: u32, from: Side, segment: &Segment) -> u32 {
        let Segment { header, encapsulation, .. } = segment;
        let distance = |conn: &Connection| conn.distance(from, header.seq, ack_of(header));
        // Nearly always its numbers are close enough to those of the newest. The one before is not even looked at then: it is
        // no longer in any cache.
        let is_close = |conn: &Connection| {
            conn.answered && can_be_of(conn, from, header) && distance(conn).is_none_or(|here| here <= AHEAD)
        };
        if self.table.get(newest).is_some_and(is_close) || self.table.previous(newest).is_none() {
            return newest;
        }
        let travels = |conn: &Connection| conn.travels_in(*encapsulation);
        let together = self.table.get(newest).is_some_and(travels);
        // If all segments are recorded, an old duplicate is recognised by its numbers. A SYN that nobody has answered may
        // be forged in the window of the connection that goes on.
        let unanswered = self.table.get(newest).is_some_and(|conn| !conn.answered);
        // What follows the SYN acknowledges the other end's new ISN, which is nowhere near the numbers of the one before.
        let asked = self.table.get(newest).is_some_and(|conn| conn.end(from).sent_syn());
        let fits = |at: u32, here: u32, before: &Connection, there: u32| {
            let old = self.all_segments && here > AHEAD && there < NEAR;
            // A connection that has ended does not go on, even if the ISN is the same.
            let open = !before.ended && before.ends.iter().all(|end| end.rst().is_none());
            let goes_on = there <= here || asked && acks_near(before.end(from.other()), header);
            at == newest && unanswered && open && goes_on || (here > FAR || old) && there < here
        };
        let mut nearest = None;
        for at in self.generations(newest) {
            let Some(conn) = self.table.get(at).filter(|conn| can_be_of(conn, from, header)) else { continue };
            if together && !travels(conn) {
                continue;
            }
            match (nearest, distance(conn)) {
                (None, here) => nearest = Some((at, here)),
                (Some((found, Some(here))), Some(there)) if fits(found, here, conn, there) => return at,
                // Nobody has answered it: it may be forged, and hide the one before.
                _ if !conn.answered => {}
                _ => break,
            }
        }
        // If that is not enough, as for an end whose SYN,ACK was not seen, an exact number decides.
        let next = |end: &End, number| end.isn_known() && end.next() == Some(number);
        let exact = |at: &u32| {
            let conn = self.table.get(*at);
            conn.is_some_and(|conn| {
                next(conn.end(from), header.seq) || ack_of(header).is_some_and(|ack| next(conn.end(from.other()), ack))
            })
        };
        let found = nearest.map(|(at, _)| at);
        // A segment that fits nowhere does not belong to an unanswered SYN.
        let goes_on = |at: &u32| self.table.get(*at).is_some_and(|conn| conn.answered && !conn.ended);
        let known = || self.generations(newest).find(exact).or_else(|| self.generations(newest).find(goes_on));
        found.or_else(known).unwrap_or(newest)
    }
}

/// Returns true if a segment without SYN can belong to a generation that began with one.
fn can_be_of(conn: &Connection, from: Side, header: &TcpHeader) -> bool {
    let (own, other) = (conn.end(from), conn.end(from.other()));
    if conn.mid_life {
        return true;
    }
    let ack = ack_of(header);
    // Before the SYN,ACK, only what acknowledges the SYN can answer it (RFC 9293 §3.10.7.3). If the SYN,ACK was not seen,
    // its sender continues after the SYN.
    if !conn.answered && (own.sent_syn() != other.sent_syn()) {
        let answers =
            |ack| signed_offset(other, ack).is_some_and(|offset| offset >= 1 && offset.unsigned_abs() <= other.sent);
        let reset = header.has(TcpFlags::RST);
        // A reset without ACK may answer a challenge ACK, with the number of the connection before.
        let exact = reset && ack.is_none();
        let near = |next: SeqNumber| header.seq.distance_from(next) < if exact { 1 } else { NEAR };
        let goes_on = own.sent_syn() && (reset || ack.is_some()) && own.next().is_some_and(near);
        // An ACK of the SYN may overtake the SYN,ACK.
        return goes_on || other.sent_syn() && ack.is_some_and(answers);
    }
    // No segment of a generation has a number below its ISN, or acknowledges the other's ISN.
    let behind =
        |end: &End, number, least| !end.isn_known() || signed_offset(end, number).is_none_or(|offset| offset >= least);
    behind(own, header.seq, 0) && ack.is_none_or(|ack| behind(other, ack, 1))
}

/// Returns true if a segment acknowledges a number near those that an end sent last.
fn acks_near(end: &End, header: &TcpHeader) -> bool {
    let near = |ack: SeqNumber, next: SeqNumber| ack.distance_from(next).min(next.distance_from(ack)) < NEAR;
    ack_of(header).zip(end.next()).is_some_and(|(ack, next)| near(ack, next))
}

/// Returns true if a segment requests a connection: a reset with SYN does not (RFC 9293 §3.10.7.2).
pub(super) fn opens(header: &TcpHeader) -> bool {
    header.has(TcpFlags::SYN) && !header.has(TcpFlags::RST)
}

/// Returns true if a segment shows that a handshake goes on whose record says that it was not answered: its answer comes after all,
/// or what follows one that was not seen. The connection continues as another one.
pub(super) fn revives(conn: &Connection, from: Side, header: &TcpHeader) -> bool {
    let (own, other) = (conn.end(from), conn.end(from.other()));
    let failed = |end: &End| end.has_states() || end.has_sent_reset();
    let given_up = conn.ended && conn.ack_at().is_none() && conn.icmp().is_none() && !conn.ends.iter().any(failed);
    if !given_up || header.has(TcpFlags::RST) {
        return false;
    }
    let follows = |ack| own.next().is_none_or(|next| next == header.seq) && other.next().is_none_or(|next| next == ack);
    ack_of(header).is_some_and(|ack| match header.has(TcpFlags::SYN) {
        true => !own.sent_synack && answers_syn(conn, from, ack),
        false => follows(ack),
    })
}

/// Returns true if both ends know the connection, as far as was seen; unknown for an end without segments.
fn is_open(conn: &Connection, from: Side) -> bool {
    let closed = conn.ends.iter().all(|end| end.fin().is_some());
    conn.answered && !conn.ended && !closed && conn.end(from.other()).spoke()
}

/// Returns true if a SYN,ACK with this acknowledgement answers the generation's SYN, however late and whatever its own
/// ISN: SYN cookies differ each time. With Fast Open it also acknowledges the SYN's data.
fn answers_syn(conn: &Connection, from: Side, ack: SeqNumber) -> bool {
    let other = conn.end(from.other());
    other.isn_known() && other.isn().is_some_and(|isn| (1..=1 << 16).contains(&ack.distance_from(isn)))
}

/// Returns true if a SYN,ACK with these numbers is one of the generation's, sent again. The SYN that it answers may not
/// have been seen: the ISNs of another connection would be different (RFC 9293 §3.4.1).
fn repeats_synack(conn: &Connection, from: Side, seq: SeqNumber, ack: SeqNumber) -> bool {
    let (own, other) = (conn.end(from), conn.end(from.other()));
    own.sent_synack && own.isn() == Some(seq) && other.isn().is_some_and(|isn| isn.add(1) == ack)
}

/// Time, in nanoseconds, after which a SYN is no copy of one that the network has delayed.
const DELAYED: u64 = 100_000_000;

/// Returns true if a SYN with the ISN of this generation begins another one, since both ends have closed or one has reset. Its
/// timestamp shows that, if it is newer than all of its sender's (RFC 6191). Without any, it comes some time later: small
/// devices use one number for all connections.
fn follows_close(conn: &Connection, from: Side, segment: &Segment) -> bool {
    let times = conn.end(from).ts_recent().zip(timestamp(&segment.header));
    if let Some((recent, value)) = times {
        return conn.fins_acked() && value.wrapping_sub(recent).cast_signed() > 0;
    }
    let reset = |end: &End| end.rst().is_some_and(|rst| rst.seen && rst.context.certain);
    let closed = conn.fins_acked() || conn.opened && conn.ends.iter().any(reset);
    closed && segment.at.since(conn.last) > DELAYED
}

/// Returns true if a SYN with the ISN of this generation begins another one.
fn is_over(conn: &Connection, from: Side, segment: &Segment) -> bool {
    conn.ended || follows_close(conn, from, segment) || is_given_up_unseen(conn, segment.at)
}

/// Returns true if a segment with SYN belongs to this generation.
fn syn_belongs(conn: &Connection, from: Side, segment: &Segment) -> bool {
    let header = &segment.header;
    let (own, other) = (conn.end(from), conn.end(from.other()));
    match ack_of(header) {
        Some(ack) if other.isn_known() => answers_syn(conn, from, ack),
        // An ended connection does not begin again: some clients retry with the same ISN.
        _ if own.syn_seen() => {
            let again = ack_of(header).is_none() && is_over(conn, from, segment);
            own.isn() == Some(header.seq) && !again
        }
        // Its answer was captured before it.
        None if !conn.ended && (own.isn_known() || !own.spoke()) && own.isn() == Some(header.seq) => true,
        // Its handshake was over before tracing began, and this is another one.
        Some(_) if conn.mid_life && own.isn().is_some_and(|isn| isn != header.seq) => false,
        // A first SYN of a connection that began with its socket, or with the other's SYN: a simultaneous open.
        Some(_) => !conn.ended,
        None => !conn.ended && !conn.answered,
    }
}
