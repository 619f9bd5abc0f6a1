//! The views of one connection, while it waits for further ones.

use smallvec::SmallVec;

use super::{
    matching::{Fit, fit},
    view::{Member, View},
};

/// Views of one connection.
pub(super) type Members = SmallVec<[Member; 2]>;

/// A connection that waits for further views.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) views: Members,
    /// Other sides of an address translation that a file names, but that are not over yet.
    pub(super) awaited: Vec<(usize, u64)>,
}

impl Group {
    /// Returns how well a view fits these, by the one that it fits least; `None` if it is another connection.
    pub(super) fn fit(&self, file: usize, view: &View) -> Option<Fit> {
        // Without the number of a SYN, it is here as a side of a translation.
        let known = self.views.iter().filter(|(_, known)| known.client_isn().is_some());
        // The sides in one file find each other by their numbers.
        let fits = known.map(|(other, known)| if *other == file { None } else { fit(known, view) });
        fits.reduce(Ord::min).flatten()
    }
}

/// Returns the number of files that views come from.
pub(super) fn files(views: &[Member]) -> usize {
    let is_first = |(at, (file, _)): &(usize, &Member)| !views.iter().take(*at).any(|(other, _)| other == file);
    views.iter().enumerate().filter(is_first).count()
}
