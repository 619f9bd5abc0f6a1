//! The sides of a translated connection, drawn as one block: the content of a side is held until that of the others is known.

mod content;
mod draw;
mod verdict;

pub(super) use self::{content::SideContent, draw::draw, verdict::Verdict};

use super::tied::TiedGroups;

/// Sides that are ready to be drawn and wait for others. Their groups include the sides waited for.
#[derive(Debug, Default)]
pub(super) struct PendingSides(TiedGroups<Vec<SideContent<'static>>>);

impl PendingSides {
    /// Returns the number of sides that wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
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
        let before = self.0.get(conn);
        // The next record of a side came before those of the others: its group is drawn without them.
        let goes_on = before.is_some_and(|group| group.iter().any(|content| content.conn == conn));
        let before = if goes_on { self.take(conn) } else { None };

        // Sides that were linked after their records were added may have begun several groups.
        let mut group: Vec<_> = content.conns().filter_map(|number| self.take(number)).flatten().collect();
        group.push(content);
        group.sort_unstable_by_key(|content| content.conn);
        self.0.insert(group.iter().flat_map(SideContent::conns).collect(), group);
        before.into_iter().chain(self.settle(conn, is_pending)).collect()
    }

    /// Removes and returns the group of a connection if it waits for no other side.
    pub(super) fn settle(
        &mut self,
        conn: u64,
        is_pending: impl Fn(&Verdict, u64) -> bool,
    ) -> Option<Vec<SideContent<'static>>> {
        let group = self.0.get(conn)?;
        let is_here = |number| group.iter().any(|content| content.conn == number);
        let waits_for = |content: &SideContent<'_>| {
            content.nat.iter().any(|side| !is_here(side.conn) && is_pending(&content.verdict, side.conn))
        };
        let waits = group.iter().any(waits_for);
        if waits { None } else { self.take(conn) }
    }

    /// Removes the group of a connection.
    pub(super) fn take(&mut self, conn: u64) -> Option<Vec<SideContent<'static>>> {
        self.0.take(conn)
    }

    /// Removes all groups, in the order of their numbers.
    pub(super) fn take_all(&mut self) -> Vec<Vec<SideContent<'static>>> {
        self.0.take_all()
    }
}
