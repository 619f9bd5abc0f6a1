//! The sides of a translated connection, told as one: what is told of a side waits for the others, and then there is one block.

mod draw;
mod told;
mod verdict;

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt as _};

pub(super) use self::{draw::draw, told::Told, verdict::Verdict};

/// Sides that have been told and wait for others.
#[derive(Debug, Default)]
pub(super) struct Joints {
    /// By the number of the side that was told last.
    groups: HashMap<u64, Vec<Told<'static>>>,
    /// The groups of connections that have been told, and of those that are waited for.
    of: HashMap<u64, u64>,
}

impl Joints {
    /// Returns the number of sides that wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.groups.values().map(Vec::len).sum()
    }

    /// Adds what is told of a side. `is_pending` returns true if something like the verdict is to be told of a connection
    /// soon. Returns the groups that are to be shown now, in this order.
    pub(super) fn add(
        &mut self,
        told: Told<'_>,
        is_pending: impl Fn(&Verdict, u64) -> bool,
    ) -> Vec<Vec<Told<'static>>> {
        let told = told.into_owned();
        let conn = told.conn;
        let before = self.of.get(&conn).and_then(|key| self.groups.get(key));
        // It goes on before the others have come as far.
        let goes_on = before.is_some_and(|group| group.iter().any(|told| told.conn == conn));
        let before = if goes_on { self.take(conn) } else { None };

        let numbers: Vec<u64> = told.nat.iter().map(|side| side.conn).chain([conn]).collect();
        // Sides that were tied later than they were told may have begun several groups.
        let mut group: Vec<_> = numbers.iter().filter_map(|&number| self.take(number)).flatten().collect();
        group.push(told);
        group.sort_unstable_by_key(|told| told.conn);
        for told in &group {
            told.nat
                .iter()
                .map(|side| side.conn)
                .chain([told.conn])
                .for_each(|number| _ = self.of.insert(number, conn));
        }
        self.groups.insert(conn, group);
        before.into_iter().chain(self.settle(conn, is_pending)).collect()
    }

    /// Returns the group of a connection if it waits for nobody any more.
    pub(super) fn settle(
        &mut self,
        conn: u64,
        is_pending: impl Fn(&Verdict, u64) -> bool,
    ) -> Option<Vec<Told<'static>>> {
        let group = self.groups.get(self.of.get(&conn)?)?;
        let is_told = |number| group.iter().any(|told| told.conn == number);
        let waits_for =
            |told: &Told<'_>| told.nat.iter().any(|side| !is_told(side.conn) && is_pending(&told.verdict, side.conn));
        let waits = group.iter().any(waits_for);
        if waits { None } else { self.take(conn) }
    }

    /// Removes the group of a connection.
    pub(super) fn take(&mut self, conn: u64) -> Option<Vec<Told<'static>>> {
        let group = self.groups.remove(self.of.get(&conn)?)?;
        for told in &group {
            self.of.remove(&told.conn);
            told.nat.iter().for_each(|side| _ = self.of.remove(&side.conn));
        }
        Some(group)
    }

    /// Removes all groups, in the order of their numbers.
    pub(super) fn take_all(&mut self) -> Vec<Vec<Told<'static>>> {
        let keys: BTreeSet<u64> = self.groups.keys().copied().collect();
        let groups = keys.iter().filter_map(|key| self.groups.remove(key)).collect();
        self.of = HashMap::new();
        groups
    }
}
