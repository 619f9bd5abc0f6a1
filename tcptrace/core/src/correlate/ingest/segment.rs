//! Assignment of segments to connections.

use super::{
    accurate_ecn,
    gaps::end_of,
    generation::{opens, revives},
    keep_alive,
    learn::learn,
    nat::is_sent_translated,
};
use crate::{
    correlate::{
        CorrelatedSegment, Correlator, NO_NAMESPACE,
        receiver::{ack_of, signed_offset},
        table::{
            connection::{Connection, Key, Recorded, Side},
            listeners::Listeners,
        },
    },
    event::{Direction, Segment, SegmentNote, SocketKey},
    tcp::{SeqNumber, TcpFlags, TcpHeader},
};

/// Time, in nanoseconds, after which a segment does not answer the one before: TCP answers at once, and few ways there and
/// back take as long.
const ANSWERED_WITHIN: u64 = 1_000_000_000;

impl Correlator {
    /// Finds the segment's connection or begins one; `None` for a copy.
    pub(in crate::correlate) fn place_segment(&mut self, segment: &Segment) -> Option<(CorrelatedSegment, u32)> {
        let netns = segment.netns.unwrap_or(self.watched.here);
        let half_translated =
            self.arrivals.as_mut().is_some_and(|arrivals| arrivals.is_half_translated(segment, netns));
        if half_translated && self.table.find(&self.key_of(Key::new(netns, segment.src, segment.dst).0, None)).is_none()
        {
            return None;
        }
        if let Some(first) = self.copies.as_mut().and_then(|copies| copies.first_of(segment)) {
            let (key, _) = Key::new(netns, segment.src, segment.dst);
            self.table.note_pass(key, if segment.netns.is_some() { first } else { netns });
            self.watch_syn(segment);
            return None;
        }
        let socket = segment.socket.and_then(|key| self.table.sockets.get(key)).map(|socket| socket.number.get());
        // Changed in place: a copy waits until the parts that were just written can be read as a whole.
        let (mut key, from) = Key::new(netns, segment.src, segment.dst);
        key.netns = segment.conn_netns.unwrap_or_else(|| self.table.known_in(&key));
        let by_ends = self.may_predict(segment).then(|| self.table.find(&key));
        if let Some(at) = by_ends.flatten()
            && let Some(placed) = self.place_predicted(segment, at, from)
        {
            return Some(placed);
        }
        let (at, sender) = self.connection_of(segment, &key, from, by_ends);
        if self.table.get(at).is_some_and(|conn| was_sent_before(conn, from, segment)) {
            return None;
        }
        // Its ends are these, whatever has found it.
        debug_assert!(self.table.get(at).and_then(Connection::key).is_none_or(|known| known.has_ends_of(&key)));
        key.netns = self.table.get(at).and_then(Connection::key_netns).unwrap_or(key.netns);
        self.watched.note(netns);
        self.guess_roles(at, &key, from, &segment.header);
        let kinds = self.kinds_in_capture(at, from, segment);
        let resets_replaced = self.resets_replaced(at, from, segment);
        let full = self.all_segments && kinds != Some(Recorded::Flagged);
        let conn = self.table.get_mut(at)?;
        if let Some(kinds) = kinds {
            conn.recorded = kinds;
        }
        conn.learn_netns((netns != NO_NAMESPACE).then_some(key.netns));
        if full && segment.at.since(conn.last) > ANSWERED_WITHIN {
            conn.last_from = None;
        }
        conn.last = segment.at;
        conn.note_encapsulation(segment.encapsulation);
        conn.has_segments = true;
        let answered = conn.end(from).sent_synack;
        let note = keep_alive::note(conn, from, segment);
        // The byte of a probe is not data.
        let probe = note == Some(SegmentNote::KeepAlive);
        let (retransmission, addition) = if probe { (false, None) } else { conn.end(from).retransmits(segment) };
        let late = conn.ended;
        let control = learn(conn, from, segment, full);
        if resets_replaced {
            conn.end_mut(from).note_replaced(segment.at);
        }
        if segment.socket.is_some() && self.watched.states_of.is_some() {
            let leaves = conn.end(from).leaves() || segment.direction == Some(Direction::Out);
            let left_out = self.watched.leaves_out_states(segment, leaves);
            conn.end_mut(from).set_states_left_out(left_out);
        }
        conn.end_mut(from).note_run(addition);
        let ace = accurate_ecn::ace(conn, from, segment, note);
        if kinds.is_none() && (full || !control) {
            conn.recorded = Recorded::All;
        }
        if key.is_self_connect() {
            conn.mirror();
        }
        let answers = !answered && conn.end(from).sent_synack;
        let placed = CorrelatedSegment {
            segment: *segment,
            conn: conn.number,
            conn_netns: segment.netns.and(conn.netns()).filter(|&known| known != netns),
            socket,
            rel_seq: relative(conn, from, segment.header.seq),
            rel_ack: ack_of(&segment.header).map(|ack| relative(conn, from.other(), ack)),
            control,
            ace,
            note,
            since_start_ns: segment.at.since(conn.first),
            retransmission,
            late,
        };
        if let Some(sender) = sender {
            self.table.tie(sender, at);
        }
        if answers {
            self.translations.note_answer(&mut self.table, at);
        } else if opens(&segment.header) && ack_of(&segment.header).is_none() {
            self.translations.note_syn(&mut self.table, at, netns, segment);
        }
        self.watch_syn(segment);
        Some((placed, at))
    }

    /// The key by which the connection is known: recorded, or as was seen.
    pub(in crate::correlate) fn key_of(&self, key: Key, recorded: Option<u32>) -> Key {
        recorded.map_or_else(|| self.table.known_as(key), |netns| key.within(netns))
    }

    /// A program may give a segment that comes in the socket that is to get it (bpf_sk_assign).
    fn is_sender(&self, socket: SocketKey, from: Side) -> bool {
        self.table.sockets.get(socket).is_some_and(|socket| socket.side() == from)
    }

    /// Returns the connection of a segment, and that of the socket that sent it with these ends instead of its own; `by_ends`:
    /// the newest one of its four-tuple, if that has been looked up.
    fn connection_of(
        &mut self,
        segment: &Segment,
        key: &Key,
        from: Side,
        by_ends: Option<Option<u32>>,
    ) -> (u32, Option<u32>) {
        let mut sender = None;
        // The socket is the most certain match; segments that the stack sends on its own have one without a connection.
        if let Some(socket) = segment.socket
            && let Some(conn) = self.table.conn_of_socket(socket)
        {
            match self.table.get(conn).map(|conn| (conn.key(), conn.loose())) {
                Some((Some(known), _)) if known.has_ends_of(key) && self.refuses_older(conn, from, &segment.header) => {
                }
                Some((Some(known), _)) if known.has_ends_of(key) && self.is_sender(socket, from) => {
                    self.table.note_pass(*key, known.netns);
                    return (conn, None);
                }
                // Not after address translation: before and after it are two connections.
                Some((None, Some([local, remote]))) if local.addr == segment.src.addr && remote == segment.dst => {
                    self.bind_late(conn, *key, from, socket);
                    return (conn, None);
                }
                _ => {
                    let translated = self.table.get(conn).is_some_and(|conn| is_sent_translated(conn, key, segment));
                    sender = translated.then_some(conn);
                }
            }
        }
        let found = by_ends.unwrap_or_else(|| self.table.find(key));
        (self.connection_by_ends(segment, key, from, found), sender)
    }

    /// Returns true if a socket that waits for the answer to its SYN refuses, by a reset with another number, a segment of the
    /// connection before, which the other end still has (RFC 9293 §3.5.1): the reset is meant for that one.
    fn refuses_older(&self, at: u32, from: Side, header: &TcpHeader) -> bool {
        let refuses = header.has(TcpFlags::RST) && ack_of(header).is_none();
        let waits = |conn: &Connection| !conn.answered && conn.end(from).next() != Some(header.seq);
        refuses && self.table.get(at).is_some_and(waits)
    }

    /// Returns the connection of a segment, or begins one; `found`: the newest one of its four-tuple.
    fn connection_by_ends(&mut self, segment: &Segment, key: &Key, from: Side, found: Option<u32>) -> u32 {
        let Some(newest) = found.and_then(|at| self.newest_in_encapsulation(at, segment, from)) else {
            if found.is_some() {
                return self.begin(segment, key, from);
            }
            // An answer to a SYN that passed no traced interface, arriving after its socket timed out.
            let answers = segment.header.has(TcpFlags::ACK)
                && segment.header.flags.intersects(TcpFlags::SYN | TcpFlags::RST)
                && segment.direction != Some(Direction::Out);
            if let Some(at) = answers.then(|| self.adopt_loose(*key, from.other())).flatten() {
                return at;
            }
            return self.begin(segment, key, from);
        };
        let header = &segment.header;
        if let Some(given_up) = self.table.get(newest).filter(|conn| revives(conn, from, header)) {
            let client = given_up.client;
            let at = self.begin(segment, key, from);
            if let Some(conn) = self.table.get_mut(at) {
                conn.client = client;
            }
            return at;
        }
        // A listener drops a SYN with FIN (tcp_rcv_state_process of net/ipv4/tcp_input.c): it replaces no connection.
        let drops = header.has(TcpFlags::FIN) && self.table.get(newest).is_some_and(|conn| !conn.ended);
        if opens(header) && !drops {
            self.generation_of_syn(newest, segment, key, from)
        } else {
            self.nearest_generation(newest, from, segment)
        }
    }

    pub(super) fn begin(&mut self, segment: &Segment, key: &Key, from: Side) -> u32 {
        let at = self.table.begin(Some(*key), segment.at);
        if let Some(conn) = self.table.get_mut(at) {
            match (segment.header.has(TcpFlags::SYN), segment.header.has(TcpFlags::ACK)) {
                (true, false) => conn.client = Some(from),
                (true, true) => conn.client = Some(from.other()),
                _ => {
                    conn.answered = true;
                    conn.mid_life = true;
                }
            }
        }
        if segment.header.has(TcpFlags::RST) {
            self.learn_early_reset(at, *key, from, segment.at);
        }
        at
    }

    /// Guesses the roles without a SYN: the end with a listener is the server, else the one with a port below 1024,
    /// else the first sender is the client.
    fn guess_roles(&mut self, at: u32, key: &Key, from: Side, header: &TcpHeader) {
        let Some(conn) = self.table.get_mut(at) else { return };
        if conn.client.is_none() {
            guess_server(conn, &self.listeners, key);
            let stack_answers = header.has(TcpFlags::RST);
            conn.client.get_or_insert(if stack_answers { from.other() } else { from });
            conn.set_client_guessed(true);
        }
    }
}

/// Guesses the server by its listener, or by its port.
pub(in crate::correlate) fn guess_server(conn: &mut Connection, listeners: &Listeners, key: &Key) {
    let [first, second] = key.ends().map(|end| end.port);
    let which = |first: bool, second: bool| match (first, second) {
        (true, false) => Some(Side::First),
        (false, true) => Some(Side::Second),
        _ => None,
    };
    let listens = |port| listeners.listens(key.netns, port);
    let server = which(listens(first), listens(second)).or_else(|| which(first < 1024, second < 1024));
    conn.client = server.map(Side::other);
    conn.set_client_guessed(server.is_some());
}

/// Returns true if a segment that arrives has nothing that its sender's socket was not seen to send, and is no copy of what
/// left: the network duplicated it, or split what had left as one. The sender has not sent it again. A reset in its name may
/// be forged.
fn was_sent_before(conn: &Connection, from: Side, segment: &Segment) -> bool {
    let Segment { header, length, .. } = segment;
    let own = conn.end(from);
    let arrives = segment.direction == Some(Direction::In) && own.leaves() && !conn.is_self_connect();
    if !arrives || header.has(TcpFlags::RST) {
        return false;
    }
    if header.has(TcpFlags::SYN) {
        let sent = if header.has(TcpFlags::ACK) { own.sent_synack } else { own.sent_syn() };
        return sent && own.isn() == Some(header.seq);
    }
    let has_text = *length > 0 || header.has(TcpFlags::FIN);
    let reached = signed_offset(own, end_of(segment)).and_then(|end| u64::try_from(end).ok());
    let fin = || !header.has(TcpFlags::FIN) || own.fin().map(|fin| fin.end) == reached;
    has_text && reached.is_some_and(|end| end <= own.sent) && fin()
}

/// Returns a number relative to an end's ISN.
pub(super) fn relative(conn: &Connection, side: Side, number: SeqNumber) -> u32 {
    conn.end(side).isn().map_or(1, |isn| number.distance_from(isn))
}
