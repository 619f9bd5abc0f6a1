//! The namespaces whose segments are seen: elsewhere, nothing can be said about what left or came.

use foldhash::HashSet;

use super::{NO_NAMESPACE, table::connection::Connection};
use crate::{event::Segment, filter::StatesOf};

/// Namespaces whose segments are seen.
#[derive(Debug)]
pub(super) struct Watched {
    /// Namespace of the tracer, or [`NO_NAMESPACE`].
    pub(super) here: u32,
    /// Other namespaces whose segments have been seen, or are to be seen.
    others: HashSet<u32>,
    /// True if segments are recorded at all.
    pub(super) segments: bool,
    /// The sockets whose state changes are recorded; `None` for all.
    pub(super) states_of: Option<StatesOf>,
    /// True if events have come without recorded times: durations are unknown.
    pub(super) untimed: bool,
}

impl Watched {
    /// Creates it for a tracer in this namespace.
    pub(super) fn new(here: u32) -> Self {
        Self { here, others: HashSet::default(), segments: true, states_of: None, untimed: false }
    }

    /// Notes that segments of this namespace are seen.
    pub(super) fn note(&mut self, netns: u32) {
        // Nearly all are seen here.
        if netns != self.here {
            self.others.insert(netns);
        }
    }

    /// Returns true if the states of the socket that sent a segment are left out. `leaves` is true if its segments are seen as
    /// they leave it, and not only as they arrive.
    pub(super) fn leaves_out_states(&self, segment: &Segment, leaves: bool) -> bool {
        self.states_of.as_ref().is_some_and(|choice| {
            !choice.has_ports(segment.src.port, segment.dst.port) || choice.traced_netns && !leaves
        })
    }

    /// Returns true if the connection is in a namespace whose segments are not seen, as far as is known.
    pub(super) fn is_elsewhere(&self, conn: &Connection) -> bool {
        let elsewhere = |netns: u32| netns != self.here && !self.others.contains(&netns);
        self.here != NO_NAMESPACE && conn.netns().is_some_and(elsewhere)
    }
}
