//! The sides of a translated connection: connections with different endpoints that refer to one another.

use super::{
    Table,
    connection::{Connection, Place},
};
use crate::verdict::TranslatedSide;

/// Maximum number of other sides: one host that translates destination and source shows three sides, and two such hosts
/// in a row show five.
const MOST: usize = 5;

/// Another side: its form in records, and its place.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct OtherSide {
    pub(in crate::correlate) told: TranslatedSide,
    place: Place,
}

impl Connection {
    /// Returns the other sides that are known, in the order in which they were tied.
    pub(in crate::correlate) fn other_sides(&self) -> &[OtherSide] {
        self.rare().map_or(&[], |rare| &rare.other_sides)
    }

    fn is_tied_to(&self, number: u64) -> bool {
        self.number == number || self.other_sides().iter().any(|side| side.told.conn == number)
    }

    /// Returns this connection as the others name it; `None` as long as its ends are not known.
    fn as_side(&self, place: Place) -> Option<OtherSide> {
        let side = self.client_side();
        let (client, server) = (self.endpoint(side)?.into(), self.endpoint(side.other())?.into());
        self.key().map(|_| OtherSide { told: TranslatedSide { conn: self.number, client, server }, place })
    }
}

impl Table {
    /// Ties two connections that are sides of one, and with each all connections tied to the other.
    pub(in crate::correlate) fn tie(&mut self, one: u32, another: u32) {
        let Some(number) = self.get(another).map(|conn| conn.number) else { return };
        if self.get(one).is_none_or(|conn| conn.is_tied_to(number)) {
            return;
        }
        let side = |at: u32| self.get(at)?.as_side(self.place(at)?);
        let Some((first, second)) = side(one).zip(side(another)) else { return };
        // With the same ends it is no translation: the capture has the exchange twice.
        if (first.told.client, first.told.server) == (second.told.client, second.told.server) {
            return;
        }
        let mut all = vec![first, second];
        all.extend([one, another].into_iter().filter_map(|at| self.get(at)).flat_map(Connection::other_sides));
        // More are a forgery, or a generator of equal segments.
        if all.len() > MOST + 1 {
            return;
        }
        all.sort_unstable_by_key(|side| side.told.conn);
        for member in &all {
            let Some(conn) = self.resolve(member.place).and_then(|at| self.get_mut(at)) else { continue };
            for other in &all {
                if !conn.is_tied_to(other.told.conn) {
                    conn.rare_mut().other_sides.push(*other);
                }
            }
        }
    }
}
