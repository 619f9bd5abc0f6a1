//! Resets that came to one host in the name of the other end, although that one's host did not see them leave.

use std::sync::Arc;

use super::{noted::NotedSegment, timeline::Timeline, verdicts, view::View};
use crate::{
    event::Role,
    tcp::TcpFlags,
    verdict::{Reset, ResetCause},
};

/// The resets of a joined connection that no host sent.
pub(super) struct Unsent<'a>(pub(super) &'a Timeline<'a>);

impl Unsent<'_> {
    /// Returns a view's reset, with its cause changed if the host of its sender did not see it leave, and that host.
    pub(super) fn reveal(&self, place: usize, reset: Option<Reset>) -> (Option<Reset>, Option<Arc<str>>) {
        match reset.and_then(|reset| Some((reset, self.not_seen_at(place, reset.by)?))) {
            Some((reset, host)) => (Some(Reset { cause: ResetCause::Forged, ..reset }), Some(host)),
            None => (reset, None),
        }
    }

    /// Returns the host nearest to an end if it saw other segments of that end, recorded when the view got a reset of it, and did
    /// not see that reset.
    fn not_seen_at(&self, place: usize, by: Role) -> Option<Arc<str>> {
        let Self(timeline) = self;
        let nearest = match by {
            Role::Client => 0,
            Role::Server => timeline.views.len().checked_sub(1)?,
        };
        let ((file, view), (near_file, near)) = (timeline.views.get(place)?, timeline.views.get(nearest)?);
        if file == near_file
            || !near.has_segment_of(by)
            || verdicts::has_lost_events(near)
            || resets(near, by).next().is_some()
        {
            return None;
        }
        let at = timeline.corrected(place, resets(view, by).next()?.time.0)?;
        let began = timeline.joiner.hosts.get(*near_file)?.began;
        // The host knows nothing of what comes after its recording, and after the connection is over there.
        let over = near.until.or(near.over())?;
        let recorded = timeline.corrected(nearest, began.0)? < at && at < timeline.corrected(nearest, over.0)?;
        recorded.then(|| timeline.host(*near_file))
    }
}

fn resets(view: &View, by: Role) -> impl Iterator<Item = &NotedSegment> {
    view.segments().filter(move |segment| segment.flags.contains(TcpFlags::RST) && view.role_of(&segment.src) == by)
}
