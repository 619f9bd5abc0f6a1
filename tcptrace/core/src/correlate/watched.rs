//! The namespaces whose segments are seen: elsewhere, nothing can be said about what left or came.

use foldhash::HashSet;

use super::{NO_NAMESPACE, table::connection::Connection};

/// Namespaces whose segments are seen.
#[derive(Debug)]
pub(super) struct Watched {
    /// Namespace of the tracer, or [`NO_NAMESPACE`].
    pub(super) here: u32,
    /// Other namespaces whose segments have been seen, or are to be seen.
    others: HashSet<u32>,
    /// True if segments are recorded at all.
    pub(super) segments: bool,
    /// True if events have come without recorded times: durations are unknown.
    pub(super) untimed: bool,
}

impl Watched {
    /// Creates it for a tracer in this namespace.
    pub(super) fn new(here: u32) -> Self {
        Self { here, others: HashSet::default(), segments: true, untimed: false }
    }

    /// Notes that segments of this namespace are seen.
    pub(super) fn note(&mut self, netns: u32) {
        // Nearly all are seen here.
        if netns != self.here {
            self.others.insert(netns);
        }
    }

    /// Returns true if the connection is in a namespace whose segments are not seen, as far as is known.
    pub(super) fn is_elsewhere(&self, conn: &Connection) -> bool {
        let elsewhere = |netns: u32| netns != self.here && !self.others.contains(&netns);
        self.here != NO_NAMESPACE && conn.netns().is_some_and(elsewhere)
    }
}
