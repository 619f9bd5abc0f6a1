//! Sightings of a segment by several hosts, and its loss on the way between them.

use smallvec::SmallVec;

use super::Timeline;
use crate::{
    event::Role,
    join::{
        noted::{Noted, NotedSegment},
        passage::Passed,
        verdicts,
    },
    output_record::{Passage, Sighting},
    tcp::TcpFlags,
    verdict::CloseKind,
};

/// Flags of the segments that every host records.
const CONCLUSIVE: TcpFlags = TcpFlags(TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0);

impl Timeline<'_> {
    /// Returns the sightings of a segment, and true in `lost` if it was lost after the last one.
    pub(super) fn passage(&self, passed: &Passed) -> Passage {
        let mut sightings = Vec::with_capacity(passed.seen.len());
        let mut times = SmallVec::<[_; 2]>::new();
        for (place, index) in passed.way() {
            let Some((file, view)) = self.views.get(place) else { continue };
            let Some(at) = view.events.get(index).map(Noted::time) else { continue };
            sightings.push(Sighting { host: self.host(*file), time: at });
            times.push(self.corrected(place, at.0));
        }
        let delay_ns = match (times.first(), times.last()) {
            (Some(&Some(first)), Some(&Some(last))) if times.len() > 1 => {
                u64::try_from(last.saturating_sub(first)).ok()
            }
            _ => None,
        };
        Passage { sightings, delay_ns, lost: self.is_lost(passed) }
    }

    /// Returns true if a segment that one view alone has would be in the others if their hosts had seen it.
    pub(super) fn others_would_have_it(&self, (place, index): (usize, usize)) -> bool {
        let opens_or_closes = |segment: &NotedSegment| segment.flags.intersects(CONCLUSIVE);
        let always = self.segment(place, index).is_some_and(opens_or_closes);
        let all_segments = |file: usize| self.joiner.hosts.get(file).is_some_and(|host| host.all_segments);
        always || self.views.iter().all(|(file, view)| all_segments(*file) && view.left_out == 0)
    }

    /// Returns true if a host further along the path was recording and did not see this segment. Segments with data prove nothing,
    /// since offloading changes them, and neither do plain ACKs, of which not all are recorded.
    fn is_lost(&self, passed: &Passed) -> bool {
        let Some((place, index)) = passed.way().next() else { return false };
        let Some(segment) = self.segment(place, index) else { return false };
        if segment.length > 0 || !segment.flags.intersects(CONCLUSIVE) {
            return false;
        }
        let missed = |target: usize| {
            let Some((file, view)) = self.views.get(target) else { return false };
            let Some(host) = self.joiner.hosts.get(*file) else { return false };
            let Some(sent) = self.corrected(place, segment.time.0) else { return false };
            let Some(began) = self.corrected(target, host.began.0) else { return false };
            let unfinished = view.close.as_ref().is_some_and(|close| close.record.kind == CloseKind::Unfinished);
            let last = unfinished.then(|| view.events.iter().map(Noted::time).max()).flatten();
            let until = view.until.or(last).map(|until| self.corrected(target, until.0));
            let in_time = until.is_none_or(|until| until.is_some_and(|until| sent < until));
            let sees_segments = view.segments().next().is_some();
            sent > began && in_time && sees_segments && !verdicts::has_lost_events(view) && !seen_at(passed, target)
        };
        match passed.from {
            Role::Client => place + 1 < self.views.len() && missed(self.views.len() - 1),
            Role::Server => place > 0 && missed(0),
        }
    }

    fn segment(&self, place: usize, index: usize) -> Option<&NotedSegment> {
        self.views.get(place)?.1.events.get(index)?.segment()
    }
}

fn seen_at(passed: &Passed, place: usize) -> bool {
    passed.seen.iter().any(|&(at, _)| at == place)
}
