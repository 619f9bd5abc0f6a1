//! Names of network namespaces, as verdicts give them.

use std::{collections::BTreeMap, sync::Arc};

use crate::event::BootTime;

/// Maximum number of namespaces that are gone whose names are kept.
const MAX_GONE: usize = 1024;

/// The other network namespaces whose interfaces are traced, and those that have gone lately, by inode number.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    covered: BTreeMap<u32, (Option<Arc<str>>, Vec<String>)>,
    /// Name, and the time at which it was known to be gone.
    gone: BTreeMap<u32, (Option<Arc<str>>, BootTime)>,
}

impl Namespaces {
    /// Adds a namespace, or changes it: one without a name may get one later.
    pub(super) fn cover(&mut self, at: BootTime, netns: u32, name: Option<Arc<str>>, interfaces: Vec<String>) {
        if self.covered.get(&netns).is_some_and(|(known, _)| known.is_some() && *known != name) {
            self.forget(at, netns);
        }
        self.covered.insert(netns, (name, interfaces));
    }

    /// Notes that a namespace is gone.
    pub(super) fn forget(&mut self, at: BootTime, netns: u32) {
        let Some((name, _)) = self.covered.remove(&netns) else { return };
        if self.gone.len() >= MAX_GONE
            && let Some((&oldest, _)) = self.gone.iter().min_by_key(|(_, (_, gone))| *gone)
        {
            self.gone.remove(&oldest);
        }
        self.gone.insert(netns, (name, at));
    }

    /// Returns those that are traced, with their names and interfaces.
    pub(super) fn covered(&self) -> impl Iterator<Item = (u32, Option<Arc<str>>, Vec<String>)> {
        self.covered.iter().map(|(&netns, (name, interfaces))| (netns, name.clone(), interfaces.clone()))
    }

    /// Returns the name that a namespace has or had, for something in it that has been there since `since`. The kernel gives
    /// the number of one that is gone to the next: where it may be either, there is no name.
    pub(super) fn name(&self, netns: Option<u32>, since: BootTime) -> Option<Arc<str>> {
        let netns = netns?;
        let now = self.covered.get(&netns).map(|(name, _)| name);
        let before = self.gone.get(&netns).filter(|(_, gone)| since < *gone).map(|(name, _)| name);
        match (now, before) {
            (Some(now), Some(before)) if now != before => None,
            (now, before) => now.or(before)?.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETNS: u32 = 4_026_532_246;

    fn name_of(namespaces: &Namespaces, since: u64) -> Option<String> {
        namespaces.name(Some(NETNS), BootTime(since)).map(|name| name.to_string())
    }

    #[test]
    fn what_began_in_a_namespace_that_is_gone_keeps_its_name() {
        let mut namespaces = Namespaces::default();
        namespaces.cover(BootTime(1), NETNS, Some("web".into()), vec!["eth0".to_owned()]);
        namespaces.forget(BootTime(9), NETNS);
        assert_eq!(name_of(&namespaces, 5).as_deref(), Some("web"));
        assert_eq!((name_of(&namespaces, 9), namespaces.covered().count()), (None, 0));
        assert_eq!(namespaces.name(None, BootTime(5)), None);
    }

    #[test]
    fn a_number_that_is_used_again_names_nothing_wrongly() {
        for forgets in [true, false] {
            let mut namespaces = Namespaces::default();
            namespaces.cover(BootTime(1), NETNS, None, Vec::new());
            namespaces.cover(BootTime(4), NETNS, Some("web".into()), Vec::new());
            assert_eq!(name_of(&namespaces, 2).as_deref(), Some("web"), "{forgets}");
            if forgets {
                namespaces.forget(BootTime(9), NETNS);
            }
            namespaces.cover(BootTime(9), NETNS, Some("db".into()), Vec::new());
            assert_eq!((name_of(&namespaces, 5), name_of(&namespaces, 9).as_deref()), (None, Some("db")), "{forgets}");
            namespaces.cover(BootTime(10), NETNS, Some("db".into()), vec!["eth0".to_owned()]);
            assert_eq!(name_of(&namespaces, 9).as_deref(), Some("db"), "{forgets}");
        }
    }

    #[test]
    fn the_oldest_names_are_forgotten_first() {
        let mut namespaces = Namespaces::default();
        let most = u32::try_from(MAX_GONE).expect("a small number");
        for netns in 0..=most {
            namespaces.cover(BootTime(0), netns, Some("web".into()), Vec::new());
            namespaces.forget(BootTime(u64::from(netns) + 1), netns);
        }
        let known = |netns| namespaces.name(Some(netns), BootTime(0)).is_some();
        assert_eq!((known(0), known(1), known(most)), (false, true, true));
    }
}
