//! Pairs of connections before and after an address translation: different ends, the same sequence numbers.

use crate::{
    correlate::table::{
        Table,
        connection::{Connection, Place},
    },
    event::BootTime,
};

/// Number of handshakes remembered. Both sides of a translation are seen within the time it takes to pass a host.
const SLOTS: usize = 1024;

/// Handshakes answered lately, by the ISNs of both ends.
#[derive(Debug)]
pub(in crate::correlate) struct Translations {
    slots: Box<[Option<Answered>]>,
}

/// An answered handshake: its ISNs, its connection and that one's number, and the time of its SYN,ACK.
type Answered = (Isns, Place, u64, BootTime);

/// ISNs of the client and of the server.
type Isns = (u32, u32);

/// Maximum time between both sides of a translation, in nanoseconds; equal ISNs later belong to another connection.
const SAME_MOMENT: u64 = 1_000_000_000;

impl Default for Translations {
    fn default() -> Self {
        Self { slots: vec![None; SLOTS].into_boxed_slice() }
    }
}

impl Translations {
    /// Notes that the connection at `at` was answered: the later-numbered of the two sides of a translation refers to
    /// the other.
    pub(in crate::correlate) fn note(&mut self, table: &mut Table, at: u32) {
        let Some((conn, place)) = table.get(at).zip(table.place(at)) else { return };
        let (number, now) = (conn.number, conn.last);
        let Some(isns) = isns(conn) else { return };
        // Both are random; the remainder is below the length.
        let index = (isns.0 ^ isns.1) as usize % SLOTS;
        let Some(slot) = self.slots.get_mut(index) else { return };
        match *slot {
            Some((known, other, other_number, at))
                if known == isns && other_number != number && now.since(at) < SAME_MOMENT =>
            {
                let (first, second) = if other_number < number { (other_number, place) } else { (number, other) };
                if let Some(second) = table.resolve(second)
                    && let Some(conn) = table.get_mut(second)
                {
                    conn.rare_mut().translated = Some(first);
                }
            }
            _ => *slot = Some((isns, place, number, now)),
        }
    }
}

fn isns(conn: &Connection) -> Option<Isns> {
    let (client, server) = conn.roles();
    let known = client.isn_known && server.isn_known;
    Some((client.isn().filter(|_| known)?.0, server.isn()?.0))
}
