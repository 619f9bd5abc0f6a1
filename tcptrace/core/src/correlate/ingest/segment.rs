//! Placing segments.

use super::keep_alive;
use crate::{
    correlate::{
        CorrelatedSegment, Correlator, NO_NAMESPACE,
        table::{
            connection::{Connection, Icmp, Key, Side},
            listeners::Listeners,
        },
    },
    event::{Direction, IcmpError, Segment, icmp},
    tcp::{SeqNumber, TcpFlags, TcpHeader},
};

/// Segments whose numbers lie further than this from a connection's fit another generation better, if there is one.
const FAR: u32 = 1 << 28;

/// Segments each way that are shown after a FIN.
const AFTER_FIN: u8 = 8;

impl Correlator {
    /// Finds the segment's connection or begins one; none for a copy.
    pub(in crate::correlate) fn place_segment(&mut self, segment: &Segment) -> Option<(CorrelatedSegment, u32)> {
        if self.copies.as_mut().is_some_and(|copies| copies.is_copy(segment)) {
            self.watch_syn(segment);
            return None;
        }
        let socket = segment.socket.and_then(|key| self.table.sockets.get(key)).map(|socket| socket.number.get());
        let (key, from) = Key::new(self.netns, segment.src, segment.dst);
        let at = self.connection_of(segment, &key, from);
        self.guess_roles(at, &key, from, &segment.header);
        let netns = self.netns;
        let conn = self.table.get_mut(at)?;
        conn.learn_netns((netns != NO_NAMESPACE).then_some(netns));
        conn.last = segment.at;
        conn.has_segments = true;
        let answered = conn.end(from).sent_synack;
        let note = keep_alive::note(conn, from, segment);
        let control = learn(conn, from, segment);
        conn.shows_all |= !control;
        if key.is_self_connect() {
            conn.mirror();
        }
        let answers = !answered && conn.end(from).sent_synack;
        let placed = CorrelatedSegment {
            segment: *segment,
            conn: conn.number,
            socket,
            rel_seq: relative(conn, from, segment.header.seq),
            rel_ack: ack_of(&segment.header).map(|ack| relative(conn, from.other(), ack)),
            control,
            note,
        };
        if answers {
            self.translations.note(&mut self.table, at);
        }
        self.watch_syn(segment);
        Some((placed, at))
    }

    /// The connection of the segment that an ICMP error quotes.
    pub(in crate::correlate) fn place_quoted(&mut self, error: &IcmpError) -> (u64, u32) {
        let (key, from) = Key::new(self.netns, error.src, error.dst);
        let known = self.quoted(key, from);
        let at = known.unwrap_or_else(|| self.table.begin(Some(key), error.at));
        let Some(conn) = self.table.get_mut(at) else { return (0, at) };
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
        (conn.number, at)
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
        self.table.get(at).filter(|conn| conn.netns() == Some(self.netns))?;
        self.bind_late(at, key, client, socket);
        Some(at)
    }

    fn connection_of(&mut self, segment: &Segment, key: &Key, from: Side) -> u32 {
        let mut translated = None;
        // The socket itself is the surest join; what the stack sends without one has a socket of nobody's.
        if let Some(socket) = segment.socket
            && let Some(conn) = self.table.conn_of_socket(socket)
        {
            match self.table.get(conn).map(|conn| (conn.key, conn.loose())) {
                Some((Some(known), _)) if known == *key => return conn,
                // Not after address translation: before and after it are two connections.
                Some((None, Some([local, remote]))) if local.addr == segment.src.addr && remote == segment.dst => {
                    self.bind_late(conn, *key, from, socket);
                    return conn;
                }
                _ if segment.header.has(TcpFlags::SYN) => translated = self.table.get(conn).map(|conn| conn.number),
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
        if header.has(TcpFlags::SYN) {
            let fits = self.table.get(newest).is_some_and(|conn| syn_belongs(conn, from, header));
            if fits { newest } else { self.begin(segment, key, from) }
        } else {
            self.nearest_generation(newest, from, header)
        }
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

    /// Of the newest generation and the one before, the one whose numbers are nearer: the challenge ACK to a new SYN
    /// still has the old connection's.
    fn nearest_generation(&self, newest: u32, from: Side, header: &TcpHeader) -> u32 {
        let distance = |at| self.table.get(at)?.distance(from, header.seq, ack_of(header));
        let (Some(previous), Some(here)) = (self.table.previous(newest), distance(newest)) else { return newest };
        match distance(previous) {
            Some(there) if here > FAR && there < here => previous,
            _ => newest,
        }
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

/// Whether a segment with SYN belongs to this generation.
fn syn_belongs(conn: &Connection, from: Side, header: &TcpHeader) -> bool {
    let (own, other) = (conn.end(from), conn.end(from.other()));
    match ack_of(header) {
        // A SYN,ACK answers the other's SYN, however late, and whatever its own ISN: a SYN cookie has another each time. With
        // Fast Open it acknowledges the SYN's data too.
        Some(ack) if other.syn_seen() => other.isn().is_some_and(|isn| ack.distance_from(isn) <= 1 << 16),
        _ if own.syn_seen() => own.isn() == Some(header.seq),
        // A first SYN where the connection has begun by its socket, or by the other's SYN: a simultaneous open.
        Some(_) => !conn.ended,
        None => !conn.ended && !conn.answered,
    }
}

/// Takes down what the segment shows. Returns whether it is one of those that open and close the connection, as the kernel
/// programs choose them.
fn learn(conn: &mut Connection, from: Side, segment: &Segment) -> bool {
    let Segment { header, length, at, .. } = segment;
    let (syn, ack) = (header.has(TcpFlags::SYN), ack_of(header));
    let acked_before = conn.ack_at().is_some();
    let stray = is_stray_reset(conn, from, header);
    let from_itself = conn.is_self_connect();
    let other = conn.end_mut(from.other());
    let fin_acked_before = other.fin().is_none_or(|fin| fin.acked.is_some());
    let acks_fin = !stray && ack.is_some_and(|ack| other.acknowledged(ack, syn, *at));
    let (other_sent, other_syn, other_acked) = (other.sent, other.sent_syn, other.acked() >= 1);
    let acked = ack.map(|ack| other.offset(ack));
    let own = conn.end_mut(from);
    if !stray {
        own.send(header, *length, *at, acks_fin, other_sent);
    }
    // SYN and FIN are sent by the end itself whenever a socket stands behind them: resets and the like are the stack's.
    own.here |= (syn || header.has(TcpFlags::FIN)) && segment.socket.is_some();
    let (own_syn, own_acked) = (own.sent_syn, own.acked() >= 1 || from_itself);
    if header.has(TcpFlags::FIN) {
        conn.first_fin.get_or_insert(from);
    }
    if syn && ack.is_some() {
        conn.answered = true;
        conn.fast_open |= acked.is_some_and(|acked| acked > 1) && other_syn;
    }
    let completes = if own_syn && other_syn {
        // A simultaneous open takes the acknowledgement of both.
        own_acked && other_acked
    } else {
        let acks = acked.is_some_and(|acked| acked >= 1) && !syn && !header.has(TcpFlags::RST);
        acks && conn.client == Some(from) && (own_syn || conn.answered)
    };
    if completes {
        conn.complete(*at);
    }
    let completed = (!acked_before && conn.ack_at().is_some()) || (!fin_acked_before && acks_fin);
    let after_fin = conn.end(from).after_fin;
    conn.end_mut(from).after_fin = after_fin.saturating_sub(1);
    if header.has(TcpFlags::FIN) {
        conn.ends.iter_mut().for_each(|end| end.after_fin = AFTER_FIN);
    }
    let flagged = header.flags.intersects(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST);
    let crossing = header.seq.0 >> 30 != header.seq.add(*length).0 >> 30;
    flagged || completed || after_fin > 0 || crossing
}

/// Whether a reset that comes instead of a SYN,ACK does not answer the SYN (RFC 9293 §3.10.7.3).
fn is_stray_reset(conn: &Connection, from: Side, header: &TcpHeader) -> bool {
    let other = conn.end(from.other());
    let answers = |ack| (1..=other.sent).contains(&other.offset(ack));
    header.has(TcpFlags::RST) && !conn.answered && other.sent_syn && !ack_of(header).is_some_and(answers)
}

fn ack_of(header: &TcpHeader) -> Option<SeqNumber> {
    header.has(TcpFlags::ACK).then_some(header.ack)
}

/// A number relative to an end's ISN.
fn relative(conn: &Connection, side: Side, number: SeqNumber) -> u32 {
    conn.end(side).isn().map_or(1, |isn| number.distance_from(isn))
}
