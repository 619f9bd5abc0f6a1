//! Placing segments.

use super::{
    Connections, PlacedSegment,
    connection::{Connection, Key, Side},
};
use crate::{
    event::{IcmpError, Segment},
    tcp::{SeqNumber, TcpFlags, TcpHeader},
};

/// Segments whose numbers lie further than this from a connection's fit another generation better, if there is one.
const FAR: u32 = 1 << 28;

impl Connections {
    /// Finds the segment's connection or begins one; none for a copy.
    pub(super) fn place_segment(&mut self, segment: &Segment) -> Option<PlacedSegment> {
        if self.copies.is_copy(segment) {
            return None;
        }
        let (key, from) = Key::new(self.netns, segment.src, segment.dst);
        let at = self.connection_of(segment, &key, from);
        self.guess_roles(at, &key, from, &segment.header);
        let conn = self.table.get_mut(at)?;
        conn.last = segment.at;
        conn.has_segments = true;
        learn(conn, from, &segment.header, segment.length);
        let placed = PlacedSegment {
            segment: *segment,
            conn: conn.number,
            rel_seq: relative(conn, from, segment.header.seq),
            rel_ack: ack_of(&segment.header).map(|ack| relative(conn, from.other(), ack)),
        };
        self.table.check_end(at, segment.at);
        Some(placed)
    }

    /// The connection of the segment that an ICMP error quotes.
    pub(super) fn place_quoted(&mut self, error: &IcmpError) -> u64 {
        let (key, _from) = Key::new(self.netns, error.src, error.dst);
        let at = self.table.find(&key).unwrap_or_else(|| self.table.begin(Some(key), error.at));
        self.table.get(at).map_or(0, |conn| conn.number)
    }

    fn connection_of(&mut self, segment: &Segment, key: &Key, from: Side) -> u32 {
        // The socket itself is the surest join; what the stack sends without one has a socket of nobody's.
        if let Some(socket) = segment.socket
            && let Some(conn) = self.table.conn_of_socket(socket)
        {
            match self.table.get(conn).map(|conn| conn.key) {
                Some(None) => {
                    self.bind_late(conn, *key, from, socket);
                    return conn;
                }
                Some(Some(known)) if known == *key => return conn,
                _ => {}
            }
        }
        let Some(newest) = self.table.find(key) else { return self.begin(segment, key, from) };
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
                _ => conn.answered = true,
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
            let guess = server_by_port(&self.listeners, key).map(Side::other);
            let stack_answers = header.has(TcpFlags::RST);
            conn.client = guess.or(Some(if stack_answers { from.other() } else { from }));
        }
    }
}

/// The end that is a server by its listener, or by its port.
pub(super) fn server_by_port(listeners: &std::collections::HashMap<(u32, u16), u32>, key: &Key) -> Option<Side> {
    let [first, second] = key.ends.map(|end| end.port);
    let which = |first: bool, second: bool| match (first, second) {
        (true, false) => Some(Side::First),
        (false, true) => Some(Side::Second),
        _ => None,
    };
    let listens = |port| listeners.contains_key(&(key.netns, port));
    which(listens(first), listens(second)).or_else(|| which(first < 1024, second < 1024))
}

/// Whether a segment with SYN belongs to this generation.
fn syn_belongs(conn: &Connection, from: Side, header: &TcpHeader) -> bool {
    let (own, other) = (conn.end(from), conn.end(from.other()));
    if own.syn_seen {
        return own.isn == Some(header.seq);
    }
    if conn.ended {
        return false;
    }
    match ack_of(header) {
        // A SYN,ACK answers the other's SYN. With Fast Open it acknowledges the SYN's data too.
        Some(ack) => !other.syn_seen || other.isn.is_some_and(|isn| ack.distance_from(isn) <= 1 << 16),
        // A first SYN where the connection has begun by its socket, or by the other's SYN: a simultaneous open.
        None => !conn.answered,
    }
}

/// Takes down what the header shows.
fn learn(conn: &mut Connection, from: Side, header: &TcpHeader, length: u32) {
    let (syn, fin, rst) = (header.has(TcpFlags::SYN), header.has(TcpFlags::FIN), header.has(TcpFlags::RST));
    let after = header.seq.add(length).add(u32::from(syn)).add(u32::from(fin));
    let own = conn.end_mut(from);
    if syn && !own.syn_seen {
        own.isn = Some(header.seq);
        own.syn_seen = true;
        own.next = after;
    } else if !rst || own.isn.is_none() {
        let first = *own.isn.get_or_insert(header.seq.add(u32::MAX));
        if own.next == SeqNumber::default() && !own.syn_seen {
            own.next = first;
        }
        if after.after(own.next) {
            own.next = after;
        }
    }
    if fin && own.fin.is_none() {
        own.fin = Some(after);
    }
    if let Some(ack) = ack_of(header) {
        acknowledge(conn, from.other(), ack, syn);
    }
    conn.answered |= syn && header.has(TcpFlags::ACK);
    conn.reset |= rst;
}

/// `ack` has been acknowledged to `side`.
fn acknowledge(conn: &mut Connection, side: Side, ack: SeqNumber, syn: bool) {
    let end = conn.end_mut(side);
    if end.isn.is_none() {
        // Of a SYN,ACK this is the other's ISN itself; later it only makes the next number relative.
        end.isn = Some(ack.add(u32::MAX));
        end.next = ack;
        end.syn_seen = syn && end.syn_seen;
    } else if ack.after(end.next) && ack.distance_from(end.next) < 1 << 30 {
        end.next = ack;
    }
    end.fin_acked |= end.fin.is_some_and(|fin| ack.at_or_after(fin));
}

fn ack_of(header: &TcpHeader) -> Option<SeqNumber> {
    header.has(TcpFlags::ACK).then_some(header.ack)
}

/// A number relative to an end's ISN.
fn relative(conn: &Connection, side: Side, number: SeqNumber) -> u32 {
    conn.end(side).isn.map_or(1, |isn| number.distance_from(isn))
}
