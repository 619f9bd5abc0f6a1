//! Control groups and users of sockets, as events name them.

use std::sync::Arc;

use foldhash::HashMap;

use crate::event::{Cgroup, CgroupKey, StateChange};

/// Maximum number of control groups remembered, and of their users. Connections keep their own.
const MAX_CGROUPS: usize = 1 << 14;

/// Control group and user of a socket, shared by all sockets that have them in common.
#[derive(Debug, Default, Eq, PartialEq)]
pub(in crate::correlate) struct Origin {
    pub(in crate::correlate) cgroup: Option<Arc<Cgroup>>,
    pub(in crate::correlate) uid: Option<u32>,
}

impl Origin {
    /// Returns the origin of an end that had the origin `before` and whose socket has now reported this one. Until then, an
    /// accepted socket has its listener's user; a recording names the control group only once.
    pub(in crate::correlate) fn after(self: Arc<Self>, before: Option<&Arc<Self>>) -> Arc<Self> {
        let Some(before) = before else { return self };
        let (cgroup, uid) = (self.cgroup.as_ref().or(before.cgroup.as_ref()), self.uid.or(before.uid));
        match (uid == before.uid, cgroup == before.cgroup.as_ref()) {
            (true, true) => Arc::clone(before),
            _ => Arc::new(Self { cgroup: cgroup.cloned(), uid }),
        }
    }
}

/// Control groups and origins remembered.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    named: HashMap<CgroupKey, Arc<Cgroup>>,
    origins: HashMap<(Option<CgroupKey>, Option<u32>), Arc<Origin>>,
}

impl Cgroups {
    /// Remembers a control group. When there are too many, all others are forgotten.
    pub(super) fn insert(&mut self, key: CgroupKey, cgroup: Arc<Cgroup>) {
        if self.named.len() >= MAX_CGROUPS {
            self.named.clear();
        }
        self.origins.retain(|(known, _), _| *known != Some(key));
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

    /// Returns the origin that a state change reports.
    pub(super) fn origin(&mut self, change: &StateChange) -> Option<Arc<Origin>> {
        let Self { named, origins } = self;
        let cgroup = change.cgroup.filter(|key| named.contains_key(key));
        if cgroup.is_none() && change.uid.is_none() {
            return None;
        }
        if origins.len() >= MAX_CGROUPS {
            origins.clear();
        }
        let origin = origins.entry((cgroup, change.uid)).or_insert_with(|| {
            Arc::new(Origin { cgroup: cgroup.and_then(|key| named.get(&key)).map(Arc::clone), uid: change.uid })
        });
        Some(Arc::clone(origin))
    }
}
