//! Placing segments.

use super::keep_alive;
use crate::{
    correlate::{
        CorrelatedIcmp, CorrelatedSegment, Correlator, NO_NAMESPACE,
        receiver::{Accepted, Ack, Reset, ack_of, judge, signed_offset, timestamp},
        table::{
            connection::{Connection, Icmp, Key, Side},
            endpoint::{End, ResetContext},
            listeners::Listeners,
        },
    },
    event::{Direction, IcmpError, Segment, SegmentNote, SocketKey, icmp},
    tcp::{SeqNumber, TcpFlags, TcpHeader},
};

/// Segments whose numbers lie further than this from a connection's fit another generation better, if there is one.
const FAR: u32 = 1 << 28;

/// Further than this a sender is not ahead of what was seen of it, where all segments come, unless many were missed.
const AHEAD: u32 = 1 << 18;

/// Nearer than this is what was sent last, or comes next.
const NEAR: u32 = 1 << 16;

/// More generations of a four-tuple are not looked through.
const GENERATIONS: usize = 8;

/// Segments each way that are shown after a FIN.
const AFTER_FIN: u8 = 8;

impl Correlator {
    /// Finds the segment's connection or begins one; none for a copy.
    pub(in crate::correlate) fn place_segment(&mut self, segment: &Segment) -> Option<(CorrelatedSegment, u32)> {
        let netns = segment.netns.unwrap_or(self.netns);
        if let Some(first) = self.copies.as_mut().and_then(|copies| copies.first_of(segment)) {
            let (key, _) = Key::new(netns, segment.src, segment.dst);
            self.table.note_pass(key, if segment.netns.is_some() { first } else { netns });
            self.watch_syn(segment);
            return None;
        }
        let socket = segment.socket.and_then(|key| self.table.sockets.get(key)).map(|socket| socket.number.get());
        let (key, from) = Key::new(netns, segment.src, segment.dst);
        let key = self.key_of(key, segment.conn_netns);
        let at = self.connection_of(segment, &key, from);
        let key = self.table.get(at).and_then(|conn| conn.key).unwrap_or(key);
        self.watched.insert(netns);
        self.guess_roles(at, &key, from, &segment.header);
        let full = self.all_segments;
        let conn = self.table.get_mut(at)?;
        conn.learn_netns((netns != NO_NAMESPACE).then_some(key.netns));
        conn.last = segment.at;
        conn.has_segments = true;
        let answered = conn.end(from).sent_synack;
        let note = keep_alive::note(conn, from, segment);
        // The byte of a probe is none of the data.
        let probe = note == Some(SegmentNote::KeepAlive);
        let (retransmission, addition) = if probe { (false, None) } else { conn.end(from).retransmits(segment) };
        let late = conn.ended;
        let control = learn(conn, from, segment, full);
        conn.end_mut(from).note_run(addition);
        conn.shows_all |= full || !control;
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
            note,
            since_start_ns: segment.at.since(conn.first),
            retransmission,
            late,
        };
        if answers {
            self.translations.note(&mut self.table, at);
        }
        self.watch_syn(segment);
        Some((placed, at))
    }

    /// The connection of the segment that an ICMP error quotes.
    pub(in crate::correlate) fn place_quoted(&mut self, error: &IcmpError) -> (CorrelatedIcmp, u32) {
        let netns = error.netns.unwrap_or(self.netns);
        let (key, from) = Key::new(netns, error.src, error.dst);
        let key = self.key_of(key, error.conn_netns);
        let known = self.quoted(key, from);
        let at = known.unwrap_or_else(|| self.table.begin(Some(key), error.at));
        let mut placed = CorrelatedIcmp { error: *error, conn: 0, conn_netns: None, since_start_ns: 0, late: false };
        let Some(conn) = self.table.get_mut(at) else { return (placed, at) };
        conn.mid_life |= known.is_none();
        conn.last = error.at;
        let end = conn.end(from);
        // A socket whose SYN never got as far as an interface has sent nothing else: the kernel itself says that it cannot.
        let quotes_syn = if end.sent_syn { end.isn() == Some(SeqNumber(error.seq)) } else { end.had_socket };
        if quotes_syn && !conn.answered {
            conn.rare_mut().icmp.get_or_insert(Icmp {
                kind: icmp::kind(error.from, error.icmp_type, error.icmp_code),
                refuses: icmp::refuses(error.from, error.icmp_type, error.icmp_code),
            });
        }
        placed.conn = conn.number;
        placed.conn_netns = error.netns.map(|_| key.netns).filter(|&known| known != netns);
        placed.since_start_ns = error.at.since(conn.first);
        placed.late = conn.ended;
        (placed, at)
    }

    /// A connection that an error can mean; it may show the port of one whose SYN never got as far as an interface.
    fn quoted(&mut self, key: Key, from: Side) -> Option<u32> {
        let known = self.table.find(&key);
        if known.and_then(|at| self.table.get(at)).is_some_and(|conn| !conn.ended) {
            return known;
        }
        self.adopt_loose(key, from).or(known)
    }

    /// The only connection between these ends whose port is not known has this one, as something shows that its SYN must have
    /// caused; `client` is its side.
    fn adopt_loose(&mut self, key: Key, client: Side) -> Option<u32> {
        let [first, second] = key.ends;
        let (local, remote) = if client == Side::First { (first, second) } else { (second, first) };
        let (at, socket) = self.table.only_loose(local.addr, remote)?;
        self.table.get(at).filter(|conn| conn.netns() == Some(key.netns))?;
        self.bind_late(at, key, client, socket);
        Some(at)
    }

    /// The key by which the connection is known: recorded, or as was seen.
    pub(in crate::correlate) fn key_of(&self, key: Key, recorded: Option<u32>) -> Key {
        recorded.map_or_else(|| self.table.known_as(key), |netns| Key { netns, ..key })
    }

    /// A program may give a segment that comes in the socket that is to get it (bpf_sk_assign).
    fn is_sender(&self, socket: SocketKey, from: Side) -> bool {
        self.table.sockets.get(socket).is_some_and(|socket| socket.side() == from)
    }

    fn connection_of(&mut self, segment: &Segment, key: &Key, from: Side) -> u32 {
        let mut translated = None;
        // The socket itself is the surest join; what the stack sends without one has a socket of nobody's.
        if let Some(socket) = segment.socket
            && let Some(conn) = self.table.conn_of_socket(socket)
        {
            match self.table.get(conn).map(|conn| (conn.key, conn.loose())) {
                Some((Some(known), _)) if known.ends == key.ends && self.is_sender(socket, from) => {
                    self.table.note_pass(*key, known.netns);
                    return conn;
                }
                // Not after address translation: before and after it are two connections.
                Some((None, Some([local, remote]))) if local.addr == segment.src.addr && remote == segment.dst => {
                    self.bind_late(conn, *key, from, socket);
                    return conn;
                }
                _ if opens(&segment.header) => translated = self.table.get(conn).map(|conn| conn.number),
                _ => {}
            }
        }
        let Some(newest) = self.table.find(key) else {
            // An answer to a SYN that passed no interface that was watched by then, and came when its socket had waited in vain.
            let answers = segment.header.has(TcpFlags::ACK)
                && segment.header.flags.intersects(TcpFlags::SYN | TcpFlags::RST)
                && segment.direction != Some(Direction::Out);
            if let Some(at) = answers.then(|| self.adopt_loose(*key, from.other())).flatten() {
                return at;
            }
            let at = self.begin(segment, key, from);
            if let Some(conn) = self.table.get_mut(at).filter(|_| translated.is_some()) {
                conn.rare_mut().translated = translated;
            }
            return at;
        };
        let header = &segment.header;
        // A listener drops a SYN with FIN (tcp_rcv_state_process of net/ipv4/tcp_input.c): it takes no connection's place.
        let drops = header.has(TcpFlags::FIN) && self.table.get(newest).is_some_and(|conn| !conn.ended);
        if opens(header) && !drops {
            self.generation_of_syn(newest, segment, key, from)
        } else {
            self.nearest_generation(newest, from, header)
        }
    }

    /// The generation that a SYN belongs to, or begins. Whether the other end accepts it shows later: until then nothing but
    /// its answer belongs to the new one.
    fn generation_of_syn(&mut self, newest: u32, segment: &Segment, key: &Key, from: Side) -> u32 {
        let header = &segment.header;
        let Some(conn) = self.table.get(newest) else { return newest };
        let crosses = ack_of(header).is_none();
        if syn_belongs(conn, from, header) && !(crosses && self.was_challenged(newest, conn, from)) {
            return newest;
        }
        // One that was sent to a generation before, and comes late.
        let known = |conn: &Connection| match ack_of(header) {
            Some(ack) => answers_syn(conn, from, ack),
            None => {
                conn.end(from).syn_seen() && conn.end(from).isn() == Some(header.seq) && !conn.end(from).sent_synack
            }
        };
        let late = self.generations(newest).skip(1).find(|&at| self.table.get(at).is_some_and(known));
        if let Some(late) = late {
            return late;
        }
        // A SYN,ACK without a SYN opens nothing where both ends know a connection, or where it answers another SYN wrongly.
        let waits = !conn.answered && !conn.ended && conn.end(from.other()).sent_syn;
        if ack_of(header).is_some() && (waits || is_open(conn, from)) {
            return newest;
        }
        self.begin(segment, key, from)
    }

    /// Whether the end `from` has gone on with the generation before since the other end's SYN began this one: it has not
    /// accepted that SYN, and a SYN of its own does not cross it.
    fn was_challenged(&self, newest: u32, conn: &Connection, from: Side) -> bool {
        !conn.end(from).syn_seen() && self.has_gone_on_before(newest, conn)
    }

    /// Whether the generation before has gone on since the SYN with which this one has begun, and which nobody has answered.
    pub(in crate::correlate) fn has_gone_on_before(&self, newest: u32, conn: &Connection) -> bool {
        let syn = conn.ends.iter().filter_map(|end| Some(end.syn()?.last)).max();
        let before = self.answered_before(newest).and_then(|at| self.table.get(at));
        // What began in between, and a reset has refused, is no connection that goes on.
        let refused = |before: &Connection| {
            (before.mid_life || before.ack_at().is_none()) && before.ends.iter().any(|end| end.rst().is_some())
        };
        syn.zip(before).is_some_and(|(syn, before)| !conn.answered && before.last >= syn && !refused(before))
    }

    /// The generation that an answer of the end `from` without a socket belongs to. The newest may be nothing but a SYN that
    /// the other end has not accepted: then it is that of which something was seen last.
    pub(in crate::correlate) fn answered_generation(&self, key: &Key, from: Side) -> Option<u32> {
        let newest = self.table.find(key)?;
        let conn = self.table.get(newest)?;
        let before = self.answered_before(newest).filter(|_| !conn.answered);
        // Who has only just sent a SYN refuses what comes for the connection before.
        let later = |before: &Connection| conn.end(from).sent_syn || before.last > conn.last;
        Some(before.filter(|&at| self.table.get(at).is_some_and(later)).unwrap_or(newest))
    }

    /// The newest generation before this one that is more than a SYN which nobody has answered.
    fn answered_before(&self, newest: u32) -> Option<u32> {
        self.generations(newest).skip(1).find(|&at| self.table.get(at).is_some_and(|conn| conn.answered))
    }

    /// The generations of a four-tuple that are remembered, newest first.
    pub(in crate::correlate) fn generations(&self, newest: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(newest), |&at| self.table.previous(at)).take(GENERATIONS)
    }

    fn begin(&mut self, segment: &Segment, key: &Key, from: Side) -> u32 {
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
        at
    }

    /// Of the generations that a segment can belong to, the newest, unless the numbers of the one before are nearer: the
    /// challenge ACK to a new SYN still has the old connection's, and so has the reset that answers it.
    fn nearest_generation(&self, newest: u32, from: Side, header: &TcpHeader) -> u32 {
        if self.table.previous(newest).is_none() {
            return newest;
        }
        let distance = |conn: &Connection| conn.distance(from, header.seq, ack_of(header));
        // Where all segments come, an old duplicate is known by its numbers.
        let fits = |here: u32, there: u32| {
            here > FAR && there < here || self.all_segments && here > AHEAD && there < NEAR && there < here
        };
        let mut nearest = None;
        for at in self.generations(newest) {
            let Some(conn) = self.table.get(at).filter(|conn| can_be_of(conn, from, header)) else { continue };
            match (nearest, distance(conn)) {
                (None, here) => nearest = Some((at, here)),
                (Some((_, Some(here))), Some(there)) if fits(here, there) => return at,
                _ => break,
            }
        }
        // Where that is not enough, as of an end whose SYN,ACK was not seen, an exact number tells.
        let next = |end: &End, number| end.isn_known && end.next() == Some(number);
        let exact = |at: &u32| {
            let conn = self.table.get(*at);
            conn.is_some_and(|conn| {
                next(conn.end(from), header.seq) || ack_of(header).is_some_and(|ack| next(conn.end(from.other()), ack))
            })
        };
        let found = nearest.map(|(at, _)| at);
        // What fits nowhere does not go to a SYN that nobody has answered.
        let goes_on = |at: &u32| self.table.get(*at).is_some_and(|conn| conn.answered && !conn.ended);
        let known = || self.generations(newest).find(exact).or_else(|| self.generations(newest).find(goes_on));
        found.or_else(known).unwrap_or(newest)
    }

    /// Without a SYN: the end with a listener is the server, else the one with a port below 1024, else the first sender is
    /// the client.
    fn guess_roles(&mut self, at: u32, key: &Key, from: Side, header: &TcpHeader) {
        let Some(conn) = self.table.get_mut(at) else { return };
        if conn.client.is_none() {
            guess_server(conn, &self.listeners, key);
            let stack_answers = header.has(TcpFlags::RST);
            conn.client.get_or_insert(if stack_answers { from.other() } else { from });
            conn.client_guessed = true;
        }
    }
}

/// Guesses the server by its listener, or by its port.
pub(in crate::correlate) fn guess_server(conn: &mut Connection, listeners: &Listeners, key: &Key) {
    let [first, second] = key.ends.map(|end| end.port);
    let which = |first: bool, second: bool| match (first, second) {
        (true, false) => Some(Side::First),
        (false, true) => Some(Side::Second),
        _ => None,
    };
    let listens = |port| listeners.listens(key.netns, port);
    let server = which(listens(first), listens(second)).or_else(|| which(first < 1024, second < 1024));
    conn.client = server.map(Side::other);
    conn.client_guessed = server.is_some();
}

/// Whether a segment without SYN can belong to a generation that has begun with one.
fn can_be_of(conn: &Connection, from: Side, header: &TcpHeader) -> bool {
    let (own, other) = (conn.end(from), conn.end(from.other()));
    if conn.mid_life {
        return true;
    }
    let ack = ack_of(header);
    // Before there is a SYN,ACK, only a reset that acknowledges the SYN can be an answer to it (RFC 9293 §3.10.7.3). Where the
    // SYN,ACK was not seen, its sender goes on behind the SYN.
    if !conn.answered && (own.sent_syn != other.sent_syn) {
        let answers =
            |ack| signed_offset(other, ack).is_some_and(|offset| offset >= 1 && offset.unsigned_abs() <= other.sent);
        let reset = header.has(TcpFlags::RST);
        let near = |next: SeqNumber| header.seq.distance_from(next) < if reset { 1 } else { NEAR };
        let goes_on = own.sent_syn && (reset || ack.is_some()) && own.next().is_some_and(near);
        return goes_on || reset && other.sent_syn && ack.is_some_and(answers);
    }
    // Nothing of a generation has a number below its ISN, or acknowledges the other's ISN.
    let behind =
        |end: &End, number, least| !end.isn_known || signed_offset(end, number).is_none_or(|offset| offset >= least);
    behind(own, header.seq, 0) && ack.is_none_or(|ack| behind(other, ack, 1))
}

/// Whether a segment asks for a connection: a reset with SYN does not (RFC 9293 §3.10.7.2).
fn opens(header: &TcpHeader) -> bool {
    header.has(TcpFlags::SYN) && !header.has(TcpFlags::RST)
}

/// Whether both ends know the connection, as far as was seen. Of an end that was never seen to speak nobody can tell.
fn is_open(conn: &Connection, from: Side) -> bool {
    let closed = conn.ends.iter().all(|end| end.fin().is_some());
    conn.answered && !conn.ended && !closed && conn.end(from.other()).spoke
}

/// Whether a SYN,ACK with this acknowledgement answers the generation's SYN, however late, and whatever its own ISN: a SYN
/// cookie has another each time. With Fast Open it acknowledges the SYN's data too.
fn answers_syn(conn: &Connection, from: Side, ack: SeqNumber) -> bool {
    let other = conn.end(from.other());
    other.isn_known && other.isn().is_some_and(|isn| (1..=1 << 16).contains(&ack.distance_from(isn)))
}

/// Whether a segment with SYN belongs to this generation.
fn syn_belongs(conn: &Connection, from: Side, header: &TcpHeader) -> bool {
    let (own, other) = (conn.end(from), conn.end(from.other()));
    match ack_of(header) {
        Some(ack) if other.isn_known => answers_syn(conn, from, ack),
        // What ended is not begun again: some clients try again with the same ISN.
        _ if own.syn_seen() => own.isn() == Some(header.seq) && !(conn.ended && ack_of(header).is_none()),
        // Its answer was captured before it.
        None if !conn.ended && !own.spoke && own.isn() == Some(header.seq) => true,
        // Its handshake had been over, and another begins.
        Some(_) if conn.mid_life && own.isn().is_some_and(|isn| isn != header.seq) => false,
        // A first SYN where the connection has begun by its socket, or by the other's SYN: a simultaneous open.
        Some(_) => !conn.ended,
        None => !conn.ended && !conn.answered,
    }
}

/// Takes down what the segment shows. Returns whether it is one of those that open and close the connection, as the kernel
/// programs choose them.
fn learn(conn: &mut Connection, from: Side, segment: &Segment, full: bool) -> bool {
    let Segment { header, length, at, .. } = segment;
    settle_claim(conn, from, header, full);
    if conn.ack_at().is_none()
        && let Some(ack) = ack_of(header)
    {
        conn.end_mut(from.other()).choose_isn(ack);
    }
    let accepted = judge(conn, from, segment, full);
    let acked_before = conn.ack_at().is_some();
    let other_fin_acked = conn.end(from.other()).fin().is_none_or(|fin| fin.acked.is_some());
    if let Ack::Ahead(offset) = accepted.ack {
        conn.end_mut(from).claim(*segment, offset);
    } else {
        take(conn, from, segment, &accepted);
        if full
            && accepted.payload.is_some()
            && let Some(value) = timestamp(header)
            && conn.end(from).is_in_order(header.seq)
        {
            conn.end_mut(from).note_timestamp(value);
        }
    }
    // SYN and FIN are sent by the end itself whenever a socket stands behind them: resets and the like are the stack's.
    let own = conn.end_mut(from);
    own.here |= header.flags.intersects(TcpFlags::SYN | TcpFlags::FIN) && segment.socket.is_some();
    let acks_fin = conn.end(from.other()).fin().is_some_and(|fin| fin.acked == Some(*at));
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

/// Takes down those parts of a segment that its receiver accepts.
fn take(conn: &mut Connection, from: Side, segment: &Segment, accepted: &Accepted) {
    let Segment { header, at, .. } = segment;
    let from_itself = conn.is_self_connect();
    let shift = if accepted.syn { 0 } else { conn.end(from).shift() };
    let window = u64::from(header.window) << shift;
    // A socket here that sends this has not accepted a reset before it.
    let goes_on = conn.end(from).open_sockets > 0 && conn.end(from).here;
    let other = conn.end_mut(from.other());
    let mut acks_fin = false;
    if let (Ack::Valid(_), Some(ack)) = (accepted.ack, ack_of(header)) {
        acks_fin = other.acknowledged(ack, accepted.syn, *at);
        if accepted.payload.is_some() {
            other.contradict_reset(ack, goes_on);
        }
        if accepted.reset == Reset::None {
            other.offer(window);
        }
    } else if accepted.syn {
        other.offer(window);
    }
    let (other_sent, other_syn, other_acked) = (other.sent, other.sent_syn, other.acked() >= 1);
    let acked = ack_of(header).filter(|_| matches!(accepted.ack, Ack::Valid(_))).map(|ack| other.offset(ack));
    let closed_before = conn.ends.iter().all(|end| end.fin().is_some_and(|fin| fin.acked.is_some()));
    let first_syn = accepted.syn && ack_of(header).is_none() && !conn.ends.iter().any(|end| end.sent_syn);
    if first_syn && conn.mid_life && !conn.opened && !conn.end(from).spoke {
        // Seen first was its answer, or an ICMP error that quotes it: its handshake shows after all.
        conn.mid_life = false;
        conn.answered = conn.end(from.other()).sent_synack;
        conn.client = Some(from);
        conn.client_guessed = false;
    }
    let certain = conn.end(from).acked() == conn.end(from).sent;
    let context = ResetContext {
        certain,
        after_fin: conn.first_fin.is_some(),
        after_close: closed_before,
        answers: conn.last_from == Some(from.other()),
        first: conn.end(from.other()).rst().is_none_or(|rst| !rst.seen),
        proven: false,
        doubted: false,
        by_error: false,
    };
    let confirmed = conn.end(from.other()).closed().is_some();
    let own = conn.end_mut(from);
    if let (Reset::None, Some(payload), false) = (accepted.reset, accepted.payload, confirmed) {
        own.goes_on_behind_reset(header.seq.add(payload + u32::from(accepted.fin)));
    }
    own.send(header, accepted, *at, acks_fin, other_sent, context);
    let (own_syn, own_acked) = (own.sent_syn, own.acked() >= 1 || from_itself);
    if accepted.fin {
        conn.first_fin.get_or_insert(from);
    }
    if accepted.reset == Reset::Exact {
        conn.end_mut(from.other()).withdraw_unseen_reset(false);
    }
    if accepted.syn && acked.is_some() {
        conn.answered = true;
        conn.fast_open |= acked.is_some_and(|acked| acked > 1) && other_syn;
    }
    let completes = if own_syn && other_syn {
        // A simultaneous open takes the acknowledgement of both.
        own_acked && other_acked
    } else {
        let acks = acked.is_some_and(|acked| acked >= 1) && accepted.payload.is_some() && !accepted.syn;
        // The client acknowledges only a SYN,ACK that it has got, whether that was seen or not.
        acks && conn.client == Some(from) && (own_syn || conn.answered)
    };
    if completes {
        conn.answered = true;
        conn.complete(*at);
    }
    conn.last_from = Some(from);
}

/// A segment of the end `from` comes behind one of either end that acknowledged more than was seen to be sent: whether it did
/// so rightly shows now.
fn settle_claim(conn: &mut Connection, from: Side, header: &TcpHeader, full: bool) {
    // The number of a SYN is that of another connection, or has been seen before.
    if header.has(TcpFlags::SYN) {
        return;
    }
    if let Some((claim, offset)) = conn.end(from.other()).claimed() {
        // The end itself goes on behind the number: it has sent what was not seen.
        let start = signed_offset(conn.end(from), header.seq);
        let room = conn.end(from).room().max(NEAR);
        let beyond = |start: i64| start >= 0 && (offset..=offset + u64::from(room)).contains(&start.unsigned_abs());
        let exact = |start: i64| start >= 0 && start.unsigned_abs() == offset;
        let proven = start.is_some_and(|start| if header.has(TcpFlags::RST) { exact(start) } else { beyond(start) });
        conn.end_mut(from.other()).settle_claim();
        if proven {
            confirm(conn, from.other(), &claim, full);
        }
    }
    if let Some((claim, offset)) = conn.end(from).claimed() {
        // It says so again, and the other end has not contradicted.
        let again = ack_of(header).and_then(|ack| signed_offset(conn.end(from.other()), ack));
        let near = offset..=offset + u64::from(conn.end(from.other()).room().max(NEAR));
        let proven =
            !header.has(TcpFlags::RST) && again.is_some_and(|again| again >= 0 && near.contains(&again.unsigned_abs()));
        conn.end_mut(from).settle_claim();
        if proven {
            confirm(conn, from, &claim, full);
        }
    }
}

/// There is a gap, and the segment was right.
fn confirm(conn: &mut Connection, from: Side, claim: &Segment, full: bool) {
    if let Some(ack) = ack_of(&claim.header) {
        conn.end_mut(from.other()).acknowledged(ack, false, claim.at);
    }
    let accepted = judge(conn, from, claim, full);
    if !matches!(accepted.ack, Ack::Ahead(_)) {
        take(conn, from, claim, &accepted);
    }
}

/// A number relative to an end's ISN.
fn relative(conn: &Connection, side: Side, number: SeqNumber) -> u32 {
    conn.end(side).isn().map_or(1, |isn| number.distance_from(isn))
}
