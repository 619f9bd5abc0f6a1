//! The control groups that a recording names, numbered in order of appearance.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;

use crate::event::{Cgroup, CgroupKey};

/// Maximum number of control groups in one file, and maximum length of a path in bytes: no file can exhaust memory with them.
const MAX_CGROUPS: usize = 1 << 14;
const MAX_PATH_LEN: usize = 4096;

/// All that were named so far.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    known: Vec<(CgroupKey, Arc<Cgroup>)>,
    /// Position of the last one with a path.
    last: HashMap<String, usize, RandomState>,
}

impl Cgroups {
    /// Returns all of them, each with its key.
    pub(super) fn all(&self) -> &[(CgroupKey, Arc<Cgroup>)] {
        &self.known
    }

    /// Returns the key of a control group, adding it if it is new; `None` for a path that no kernel has, and for those that
    /// come after too many others.
    pub(super) fn key(&mut self, cgroup: &Cgroup) -> Option<CgroupKey> {
        let known = self.last.get(&cgroup.path).and_then(|&at| self.known.get(at));
        if let Some((key, _)) = known.filter(|(_, known)| **known == *cgroup) {
            return Some(*key);
        }
        if cgroup.path.len() > MAX_PATH_LEN || self.known.len() >= MAX_CGROUPS {
            return None;
        }
        self.last.insert(cgroup.path.clone(), self.known.len());
        let key = CgroupKey(self.known.len() as u64 + 1);
        self.known.push((key, Arc::new(cgroup.clone())));
        Some(key)
    }
}
