//! The sides of one connection before and after an address translation: other ends, the same sequence numbers.
//!
//! Proofs that two connections are sides of one, in the order in which they show:
//!
//! - the socket of one sends a segment with the ends of the other;
//! - a SYN passes this host, and leaves it with other ends: the same ISN and the same timestamp, which the kernel draws for
//!   each connection, or, without timestamps, the same ISN and one of the two ends, at another place. A side is answered
//!   only after the side behind it, so no SYN is tied to one that has been answered before;
//! - both ISNs are the same, and the sides were opened and answered in that order.
//!
//! Programs that make up segments use the same numbers again and again: what is older than a moment, was seen at the same
//! place, or is answered in another order is not tied.

use std::time::Duration;

use crate::{
    correlate::{
        receiver::{ack_of, timestamp},
        table::{
            Table,
            connection::{Connection, Key, Place},
        },
    },
    event::{BootTime, Direction, Endpoint, Segment},
    tcp::{SeqNumber, TcpFlags},
};

/// Number of buckets; times [`WAYS`], that of connections remembered. All sides are seen within the time it takes to pass a
/// host.
const BUCKETS: usize = 512;

/// Number of slots in a bucket; a new connection replaces the oldest.
const WAYS: usize = 4;

/// Maximum time between two sides; equal ISNs later belong to another connection.
const SAME_MOMENT: Duration = Duration::from_secs(1);

/// Maximum time that a SYN takes to the place where this host drops it.
const PASSES_HOST: Duration = Duration::from_millis(100);

/// Network namespace, interface index and direction.
type Spot = (u32, u32, Option<Direction>);

/// A SYN.
#[derive(Clone, Copy, Debug)]
struct Syn {
    isn: SeqNumber,
    timestamp: Option<u32>,
    ends: [Endpoint; 2],
    spot: Spot,
    at: BootTime,
    conn: Place,
}

/// Connections whose SYN was seen lately, by its ISN.
#[derive(Debug)]
pub(in crate::correlate) struct Translations {
    buckets: Box<[[Option<Syn>; WAYS]]>,
}

impl Default for Translations {
    fn default() -> Self {
        Self { buckets: vec![[None; WAYS]; BUCKETS].into_boxed_slice() }
    }
}

impl Translations {
    /// Notes a SYN of the connection at `at`, and ties the connection to the side from which the SYN was translated.
    pub(in crate::correlate) fn note_syn(&mut self, table: &mut Table, at: u32, netns: u32, segment: &Segment) {
        let Some(conn) = table.place(at) else { return };
        let Segment { src, dst, ifindex, direction, header, at: now, .. } = *segment;
        let spot = (netns, ifindex, direction);
        let syn = Syn { isn: header.seq, timestamp: timestamp(&header), ends: [src, dst], spot, at: now, conn };
        let Some(bucket) = self.bucket(header.seq) else { return };
        for known in bucket.iter().flatten().filter(|known| is_same_syn(known, &syn)) {
            if let Some(other) = table.resolve(known.conn)
                && table.get(other).is_some_and(|conn| !conn.answered && !conn.ended)
            {
                table.tie(other, at);
            }
        }
        let own = |slot: &Option<Syn>| slot.is_some_and(|known| known.conn == conn);
        let oldest = |slot: &Option<Syn>| slot.map_or(BootTime(0), |known| known.at);
        let slot = match bucket.iter().position(own) {
            Some(index) => bucket.get_mut(index),
            None => bucket.iter_mut().min_by_key(|slot| oldest(slot)),
        };
        if let Some(slot) = slot {
            *slot = Some(syn);
        }
    }

    /// Ties the connection at `at`, which has just been answered, to the sides that were answered with the same number before
    /// it.
    pub(in crate::correlate) fn note_answer(&mut self, table: &mut Table, at: u32) {
        let Some((client, server, now, began)) = table.get(at).and_then(answered) else { return };
        let Some(bucket) = self.bucket(client) else { return };
        for known in bucket.iter().flatten().filter(|known| known.isn == client && is_same_moment(known.at, now)) {
            let Some(other) = table.resolve(known.conn).filter(|&other| other != at) else { continue };
            // It lies behind, so it was opened later.
            let behind =
                |conn| answered(conn).is_some_and(|(_, answer, _, opened)| answer == server && opened >= began);
            if table.get(other).is_some_and(behind) {
                table.tie(at, other);
            }
        }
    }

    /// Returns the only connection whose SYN, with this ISN and one of these ends, left just before and is not answered: what
    /// was seen of it since, with other ends, is that SYN after an address translation.
    pub(in crate::correlate) fn waiting(
        &mut self,
        table: &Table,
        isn: SeqNumber,
        ends: [Endpoint; 2],
        now: BootTime,
    ) -> Option<u32> {
        let bucket = self.bucket(isn)?;
        let same = |known: &&Syn| {
            let one_end = known.ends.iter().zip(&ends).any(|(known, end)| known == end);
            known.isn == isn && one_end && now < known.at + PASSES_HOST && known.at < now + PASSES_HOST
        };
        let waits = |at: &u32| table.get(*at).is_some_and(|conn| !conn.answered && !conn.opened && !conn.ended);
        let mut found =
            bucket.iter().flatten().filter(same).filter_map(|known| table.resolve(known.conn)).filter(waits);
        let only = found.next()?;
        found.all(|other| other == only).then_some(only)
    }

    fn bucket(&mut self, isn: SeqNumber) -> Option<&mut [Option<Syn>; WAYS]> {
        // ISNs are random; the remainder is below the length.
        self.buckets.get_mut(isn.0 as usize % BUCKETS)
    }
}

/// Returns true if both times are close together; those of a capture may run backwards.
fn is_same_moment(one: BootTime, other: BootTime) -> bool {
    other < one + SAME_MOMENT && one < other + SAME_MOMENT
}

/// Returns true if the later SYN can be the earlier one after an address translation.
fn is_same_syn(before: &Syn, syn: &Syn) -> bool {
    let same = before.isn == syn.isn
        && before.timestamp == syn.timestamp
        && before.conn != syn.conn
        && is_same_moment(before.at, syn.at);
    let (_, _, direction) = syn.spot;
    let moved = before.spot != syn.spot;
    // A scanner sends the same number to every port, and without a timestamp.
    let (from, to) = (before.ends, syn.ends);
    let one_end = from.iter().zip(&to).any(|(from, to)| from == to);
    let same_hosts = from.iter().zip(&to).all(|(from, to)| from.addr == to.addr);
    match direction {
        Some(_) => same && moved && (syn.timestamp.is_some() || one_end),
        // Nothing shows that it passed a host. Two other ports of the same hosts are those of a scanner, which repeats its
        // timestamp as well.
        None => same && syn.timestamp.is_some() && (one_end || !same_hosts),
    }
}

/// Returns both ISNs of a connection that has been answered, the time of its last event, and that of its SYN.
fn answered(conn: &Connection) -> Option<(SeqNumber, SeqNumber, BootTime, BootTime)> {
    let (client, server) = conn.roles();
    let known = client.isn_known() && server.isn_known() && server.sent_synack;
    let client_isn = client.isn().filter(|_| known)?;
    Some((client_isn, server.isn()?, conn.last, conn.syn_at()?))
}

/// Returns true if the segment, which has other ends than the connection of its socket, was sent by that socket: one that
/// comes in may name the socket that is to get it.
pub(super) fn is_sent_translated(conn: &Connection, key: &Key, segment: &Segment) -> bool {
    let opens = segment.header.has(TcpFlags::SYN) && ack_of(&segment.header).is_none();
    let leaves = segment.direction == Some(Direction::Out);
    !conn.ended && conn.key().is_some_and(|known| !known.has_ends_of(key)) && (leaves || opens)
}
