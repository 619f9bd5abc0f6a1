//! Control groups, users and processes of sockets, as events name them.

use std::sync::Arc;

use foldhash::{HashMap, HashSet};

use crate::event::{Cgroup, CgroupKey, Process, StateChange};

/// Maximum number of control groups remembered, and of origins. Connections keep their own.
const MAX_CGROUPS: usize = 1 << 14;

/// Where a socket comes from. It is shared by all sockets for which it is the same: a program may have a million of them.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(in crate::correlate) struct Origin {
    /// Control group in which the socket was made.
    pub(in crate::correlate) cgroup: Option<Arc<Cgroup>>,
    /// User of the process that made or accepted it.
    pub(in crate::correlate) uid: Option<u32>,
    /// Owner of the socket: the process that opened it, or that listens, or that the kernel names.
    pub(in crate::correlate) holder: Option<Process>,
}

/// Known origins, to be shared.
#[derive(Debug, Default)]
pub(in crate::correlate) struct Origins(HashSet<Arc<Origin>>);

impl Origins {
    /// Returns the origin for all sockets that have it. When there are too many, all others are forgotten.
    pub(in crate::correlate) fn share(&mut self, origin: Origin) -> Arc<Origin> {
        if let Some(known) = self.0.get(&origin) {
            return Arc::clone(known);
        }
        if self.0.len() >= MAX_CGROUPS {
            self.0.clear();
        }
        let origin = Arc::new(origin);
        self.0.insert(Arc::clone(&origin));
        origin
    }
}

/// Control groups and origins remembered.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    named: HashMap<CgroupKey, Arc<Cgroup>>,
    pub(super) origins: Origins,
}

impl Cgroups {
    /// Remembers a control group. When there are too many, all others are forgotten.
    pub(super) fn insert(&mut self, key: CgroupKey, cgroup: Arc<Cgroup>) {
        if self.named.len() >= MAX_CGROUPS {
            self.named.clear();
        }
        self.named.insert(key, cgroup);
    }

    /// Returns true if the control group is remembered.
    pub(super) fn contains(&self, key: CgroupKey) -> bool {
        self.named.contains_key(&key)
    }

    /// Returns the control group that a state change names.
    pub(super) fn of_change(&self, change: &StateChange) -> Option<Arc<Cgroup>> {
        change.cgroup.and_then(|key| self.named.get(&key)).map(Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_shared_and_do_not_gather() {
        let origin = |uid| Origin { uid: Some(uid), ..Origin::default() };
        let mut origins = Origins::default();
        let first = origins.share(origin(1));
        assert!(Arc::ptr_eq(&first, &origins.share(origin(1))));
        for uid in 0..=MAX_CGROUPS as u32 {
            origins.share(origin(uid));
            assert!(origins.0.len() <= MAX_CGROUPS);
        }
    }
}
