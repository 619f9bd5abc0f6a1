//! Resets that came to one host in the name of the other end, although that one's host did not see them leave.

use std::sync::Arc;

use super::{timeline::Timeline, verdicts, view::View};
use crate::{
    event::Role,
    output_record::SegmentOutput,
    tcp::TcpFlags,
    text::Escaped,
    verdict::{Reset, ResetCause},
};

/// The resets of a joined connection that no host sent.
pub(super) struct Unsent<'a>(pub(super) &'a Timeline<'a>);

impl Unsent<'_> {
    /// Changes the cause of a view's reset, and the sentence that tells it, if the host of its sender did not see it leave.
    pub(super) fn reveal(&self, place: usize, reset: &mut Option<Reset>, summary: &mut String) {
        let Some(reset) = reset else { return };
        if let Some(host) = self.not_seen_at(place, reset.by)
            && let Some(reworded) = reword(summary, reset.by, &host)
        {
            (reset.cause, *summary) = (ResetCause::Forged, reworded);
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
        let at = timeline.corrected(place, resets(view, by).next()?.stamp.time.0)?;
        let began = timeline.joiner.hosts.get(*near_file)?.began;
        // The host knows nothing of what comes after its recording, and after the connection is over there.
        let over = near.until.or(near.over())?;
        let recorded = timeline.corrected(nearest, began.0)? < at && at < timeline.corrected(nearest, over.0)?;
        recorded.then(|| timeline.host(*near_file))
    }
}

fn resets(view: &View, by: Role) -> impl Iterator<Item = &SegmentOutput> {
    view.segments().filter(move |segment| segment.flags.contains(TcpFlags::RST) && view.role_of(&segment.src) == by)
}

/// Returns the sentence with the reset told as what it is; `None` if it does not tell of one.
fn reword(summary: &str, by: Role, host: &str) -> Option<String> {
    let told = ["reset by the client", "reset by the server", "refused"];
    let (at, words) = told.into_iter().find_map(|words| Some((summary.find(words)?, words)))?;
    let rest = summary.get(at + words.len()..).unwrap_or_default();
    let end = [rest.find(';'), rest.find(" (incomplete")].into_iter().flatten().min().unwrap_or(rest.len());
    let by_reset = if words == "refused" { "refused by a reset" } else { "reset" };
    Some(format!(
        "{}{by_reset} in the {}'s name: {} did not see it leave, as when a firewall on the way sends it{}",
        summary.get(..at).unwrap_or_default(),
        by.word(),
        Escaped(host.as_bytes()),
        rest.get(end..).unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_keeps_what_else_it_says() {
        for (summary, reworded) in [
            (
                "idle for 60.0 s, then reset by the server: as if it knew no such connection; 1 B →, 2 B ←",
                "idle for 60.0 s, then reset in the server's name: db did not see it leave, as when a firewall on the way sends \
                 it; 1 B →, 2 B ←",
            ),
            (
                "three-way handshake, refused: a reset answered the SYN, so nobody listens there or a firewall says so",
                "three-way handshake, refused by a reset in the server's name: db did not see it leave, as when a firewall on \
                 the way sends it",
            ),
        ] {
            assert_eq!(reword(summary, Role::Server, "db").as_deref(), Some(reworded));
        }
        assert_eq!(reword("closed by the server", Role::Server, "db"), None);
    }
}
