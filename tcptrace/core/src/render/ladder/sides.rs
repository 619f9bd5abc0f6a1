//! The sides of a translated connection, drawn as one block: the content of a side is held until that of the others is known.

mod content;
mod draw;
mod verdict;

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt as _};

pub(super) use self::{content::SideContent, draw::draw, verdict::Verdict};

/// Sides that are ready to be drawn and wait for others.
#[derive(Debug, Default)]
pub(super) struct PendingSides {
    /// Groups by the number of the connection that was added last.
    groups: HashMap<u64, Vec<SideContent<'static>>>,
    /// Keys of `groups` by connection, for the connections added and for those waited for.
    of: HashMap<u64, u64>,
}

impl PendingSides {
    /// Returns the number of sides that wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.groups.values().map(Vec::len).sum()
    }

    /// Adds the content of a side. `is_pending` returns true if a record of the same kind as the verdict is expected soon for a
    /// connection. Returns the groups to be drawn now, in this order.
    pub(super) fn add(
        &mut self,
        content: SideContent<'_>,
        is_pending: impl Fn(&Verdict, u64) -> bool,
    ) -> Vec<Vec<SideContent<'static>>> {
        let content = content.into_owned();
        let conn = content.conn;
        let before = self.of.get(&conn).and_then(|key| self.groups.get(key));
        // The next record of a side came before those of the others: its group is drawn without them.
        let goes_on = before.is_some_and(|group| group.iter().any(|content| content.conn == conn));
        let before = if goes_on { self.take(conn) } else { None };

        let numbers: Vec<u64> = content.nat.iter().map(|side| side.conn).chain([conn]).collect();
        // Sides that were linked after their records were added may have begun several groups.
        let mut group: Vec<_> = numbers.iter().filter_map(|&number| self.take(number)).flatten().collect();
        group.push(content);
        group.sort_unstable_by_key(|content| content.conn);
        for content in &group {
            content
                .nat
                .iter()
                .map(|side| side.conn)
                .chain([content.conn])
                .for_each(|number| _ = self.of.insert(number, conn));
        }
        self.groups.insert(conn, group);
        before.into_iter().chain(self.settle(conn, is_pending)).collect()
    }

    /// Removes and returns the group of a connection if it waits for no other side.
    pub(super) fn settle(
        &mut self,
        conn: u64,
        is_pending: impl Fn(&Verdict, u64) -> bool,
    ) -> Option<Vec<SideContent<'static>>> {
        let group = self.groups.get(self.of.get(&conn)?)?;
        let is_here = |number| group.iter().any(|content| content.conn == number);
        let waits_for = |content: &SideContent<'_>| {
            content.nat.iter().any(|side| !is_here(side.conn) && is_pending(&content.verdict, side.conn))
        };
        let waits = group.iter().any(waits_for);
        if waits { None } else { self.take(conn) }
    }

    /// Removes the group of a connection.
    pub(super) fn take(&mut self, conn: u64) -> Option<Vec<SideContent<'static>>> {
        let group = self.groups.remove(self.of.get(&conn)?)?;
        for content in &group {
            self.of.remove(&content.conn);
            content.nat.iter().for_each(|side| _ = self.of.remove(&side.conn));
        }
        Some(group)
    }

    /// Removes all groups, in the order of their numbers.
    pub(super) fn take_all(&mut self) -> Vec<Vec<SideContent<'static>>> {
        let keys: BTreeSet<u64> = self.groups.keys().copied().collect();
        let groups = keys.iter().filter_map(|key| self.groups.remove(key)).collect();
        self.of = HashMap::new();
        groups
    }
}
