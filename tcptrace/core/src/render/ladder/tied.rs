//! Connections that are sides of each other, as groups.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt as _};

/// Something about each group of connections. No connection is in two groups.
#[derive(Debug)]
pub(super) struct TiedGroups<T> {
    /// The connections of each group, and what is known of it, by the lowest number of a connection in it.
    groups: HashMap<u64, (BTreeSet<u64>, T)>,
    /// Keys of `groups` by connection.
    of: HashMap<u64, u64>,
}

impl<T> Default for TiedGroups<T> {
    fn default() -> Self {
        Self { groups: HashMap::new(), of: HashMap::new() }
    }
}

impl<T> TiedGroups<T> {
    /// Returns the group of a connection.
    pub(super) fn get(&self, conn: u64) -> Option<&T> {
        self.groups.get(self.of.get(&conn)?).map(|(_, group)| group)
    }

    /// Removes the group of a connection.
    pub(super) fn take(&mut self, conn: u64) -> Option<T> {
        let (conns, group) = self.groups.remove(self.of.get(&conn)?)?;
        for conn in &conns {
            self.of.remove(conn);
        }
        Some(group)
    }

    /// Adds a group of these connections, of which none may be in another group.
    pub(super) fn insert(&mut self, conns: BTreeSet<u64>, group: T) {
        let Some(&key) = conns.first() else { return };
        for &conn in &conns {
            self.of.insert(conn, key);
        }
        self.groups.insert(key, (conns, group));
    }

    /// Removes all groups, in the order of their lowest numbers.
    pub(super) fn take_all(&mut self) -> Vec<T> {
        self.of = HashMap::new();
        let mut groups: Vec<_> = self.groups.drain().collect();
        groups.sort_unstable_by_key(|(key, _)| *key);
        groups.into_iter().map(|(_, (_, group))| group).collect()
    }

    /// Returns the groups, in no particular order.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.groups.values().map(|(_, group)| group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_each_of_its_connections_until_it_is_taken() {
        let mut groups = TiedGroups::default();
        groups.insert([7].into(), "alone");
        groups.insert([3, 2, 9].into(), "tied");
        assert_eq!(
            [2, 3, 9, 7, 8].map(|conn| groups.get(conn).copied().unwrap_or("none")),
            ["tied", "tied", "tied", "alone", "none"]
        );
        assert_eq!((groups.take(3), groups.take(9), groups.get(2)), (Some("tied"), None, None));
        groups.insert([2].into(), "first");
        assert_eq!(groups.take_all(), ["first", "alone"]);
        assert_eq!(groups.get(7), None);
    }
}
