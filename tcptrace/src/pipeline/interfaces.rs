//! The interfaces that have a name in the pipeline, and when the names of removed ones are forgotten.

use std::collections::{BTreeMap, VecDeque};

/// Number of removed interfaces whose names are kept: their last segments may not have been described yet.
const MAX_REMOVED: usize = 4096;

/// An interface by the inode number of its network namespace and its index there.
pub(super) type Place = (u32, u32);

/// The named interfaces, of which a host of containers makes and removes any number in time.
#[derive(Debug, Default)]
pub(super) struct NamedInterfaces {
    named: BTreeMap<Place, Named>,
    /// Those that have been removed, the earliest first.
    removed: VecDeque<Place>,
}

#[derive(Debug)]
struct Named {
    /// The namespace by which events refer to it; `None` if they do not have one.
    netns: Option<u32>,
    is_removed: bool,
}

impl NamedInterfaces {
    /// Notes that an interface exists. `netns` is the namespace by which events refer to it.
    pub(super) fn exists(&mut self, place: Place, netns: Option<u32>) {
        let before = self.named.insert(place, Named { netns, is_removed: false });
        if before.is_some_and(|named| named.is_removed) {
            self.removed.retain(|&removed| removed != place);
        }
    }

    /// Notes that of the interfaces of a namespace only those exist whose indices satisfy `exists`.
    pub(super) fn retain(&mut self, netns: u32, exists: impl Fn(u32) -> bool) {
        for (&place, named) in self.named.range_mut((netns, 0)..=(netns, u32::MAX)) {
            if !named.is_removed && !exists(place.1) {
                named.is_removed = true;
                self.removed.push_back(place);
            }
        }
    }

    /// Returns an interface that is to be forgotten, with the namespace by which events refer to it.
    pub(super) fn poll_forgotten(&mut self) -> Option<(Place, Option<u32>)> {
        let place = if self.removed.len() > MAX_REMOVED { self.removed.pop_front()? } else { return None };
        Some((place, self.named.remove(&place)?.netns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forgotten(interfaces: &mut NamedInterfaces) -> Vec<Place> {
        std::iter::from_fn(|| interfaces.poll_forgotten()).map(|(place, _)| place).collect()
    }

    #[test]
    fn what_was_removed_first_is_forgotten_first_and_what_exists_never() {
        let mut interfaces = NamedInterfaces::default();
        let most = MAX_REMOVED as u32;
        for index in 1..=most + 10 {
            interfaces.exists((7, index), Some(7));
            interfaces.exists((8, index), None);
        }
        interfaces.retain(7, |index| index <= 5);
        // However often that is noted.
        interfaces.retain(7, |index| index <= 5);
        assert_eq!(forgotten(&mut interfaces), (6..=10).map(|index| (7, index)).collect::<Vec<_>>());
        interfaces.retain(8, |index| index > 3);
        assert_eq!(forgotten(&mut interfaces), [(7, 11), (7, 12), (7, 13)]);
    }

    #[test]
    fn an_interface_that_comes_back_is_kept() {
        let mut interfaces = NamedInterfaces::default();
        interfaces.exists((7, 1), Some(7));
        interfaces.retain(7, |_| false);
        interfaces.exists((7, 1), Some(7));
        for index in 2..=MAX_REMOVED as u32 + 2 {
            interfaces.exists((7, index), Some(7));
            interfaces.retain(7, |existing| existing == 1);
        }
        assert_eq!(forgotten(&mut interfaces), [(7, 2)]);
    }

    #[test]
    fn memory_does_not_grow_with_what_was() {
        let mut interfaces = NamedInterfaces::default();
        for index in 1..=3 * MAX_REMOVED as u32 {
            interfaces.exists((7, index), Some(7));
            interfaces.retain(7, |existing| existing == index);
            while interfaces.poll_forgotten().is_some() {}
        }
        assert!(interfaces.named.len() <= MAX_REMOVED + 1 && interfaces.removed.len() <= MAX_REMOVED);
    }
}
