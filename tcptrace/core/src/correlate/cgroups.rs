//! The control groups that events name by their keys.

use std::sync::Arc;

use foldhash::HashMap;

use crate::event::{Cgroup, CgroupKey, StateChange};

/// Maximum number of control groups remembered. Connections keep their own.
const MAX_CGROUPS: usize = 1 << 14;

/// Control groups by key.
#[derive(Debug, Default)]
pub(super) struct Cgroups(HashMap<CgroupKey, Arc<Cgroup>>);

impl Cgroups {
    /// Remembers a control group. When there are too many, all others are forgotten.
    pub(super) fn insert(&mut self, key: CgroupKey, cgroup: Arc<Cgroup>) {
        if self.0.len() >= MAX_CGROUPS {
            self.0.clear();
        }
        self.0.insert(key, cgroup);
    }

    /// Returns true if the control group is remembered.
    pub(super) fn contains(&self, key: CgroupKey) -> bool {
        self.0.contains_key(&key)
    }

    /// Returns the control group that a state change names.
    pub(super) fn of_change(&self, change: &StateChange) -> Option<Arc<Cgroup>> {
        change.cgroup.and_then(|key| self.0.get(&key)).map(Arc::clone)
    }
}
