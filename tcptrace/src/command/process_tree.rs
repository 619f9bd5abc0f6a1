//! The processes of the command, recognised by their ancestors where there is no control group.

use std::collections::HashSet;

use crate::procfs::stat::ProcessStat;

/// Maximum number of processes outside the tree that are remembered.
const OTHERS: usize = 4096;

/// A process and its descendants. One that ends before its ancestors could be read, or whose parent ended before, is not
/// recognized, unless this process adopts its orphans.
#[derive(Debug)]
pub(super) struct ProcessTree {
    inside: HashSet<u32>,
    /// Processes outside the tree, which need not be looked up again.
    outside: HashSet<u32>,
}

impl ProcessTree {
    /// Creates the tree below `root`, and below this process, which adopts its orphans.
    pub(super) fn new(root: u32) -> Self {
        Self { inside: HashSet::from([root, std::process::id()]), outside: HashSet::new() }
    }

    /// Returns true if a process is in the tree.
    pub(super) fn contains(&mut self, pid: u32) -> bool {
        self.decide(pid, |pid| ProcessStat::of(pid).map(|stat| stat.parent))
    }

    fn decide(&mut self, pid: u32, parent: impl Fn(u32) -> Option<u32>) -> bool {
        if self.outside.contains(&pid) {
            return false;
        }
        let mut line = Vec::new();
        let mut next = Some(pid);
        while let Some(pid) = next.filter(|&pid| pid > 1 && !line.contains(&pid)) {
            if self.inside.contains(&pid) {
                self.inside.extend(line);
                return true;
            }
            line.push(pid);
            next = parent(pid);
        }
        if self.outside.len() >= OTHERS {
            self.outside.clear();
        }
        // A process whose parent cannot be read may be anybody's.
        if next.is_some() {
            self.outside.insert(pid);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_belongs_to_the_tree_of_its_ancestors() {
        let mut tree = ProcessTree::new(100);
        let parents = |pid| match pid {
            102 => Some(101),
            101 => Some(100),
            200 | 100 => Some(1),
            300 => Some(300),
            _ => None,
        };
        assert!(tree.decide(100, parents) && tree.decide(102, parents));
        assert!(tree.decide(101, |_| None), "it was found on the way");
        assert!(!tree.decide(200, parents) && !tree.decide(300, parents) && !tree.decide(400, parents));
        assert!(!tree.decide(200, |_| Some(100)), "remembered");
        assert!(tree.decide(400, |_| Some(100)), "nothing was known of it");
    }
}
