//! What the segments of a connection that several hosts saw say about their clocks.

use smallvec::{SmallVec, smallvec};

use super::{clock::Bounds, joiner::Joiner, passage::Passed, view::Member};
use crate::event::Role;

/// For each view, bounds of the offset of its clock.
pub(super) type OwnBounds = SmallVec<[Bounds; 2]>;

impl Joiner {
    /// Learns the offset between clocks from the segments in several views. Returns the lowest round-trip time between the
    /// first and the last view, in nanoseconds, and the bounds of the offset of each view's clock beside that of the first
    /// file, as these views alone give them.
    pub(super) fn learn(&mut self, views: &[Member], certain: &[Passed]) -> (Option<u64>, OwnBounds) {
        let reference = views.iter().map(|(file, _)| *file).min();
        let mut own_bounds: OwnBounds = smallvec![Bounds::default(); views.len()];
        let time = |place: usize, index: usize| {
            let (file, view) = views.get(place)?;
            Some((*file, view.events.get(index)?.time().0))
        };
        let (mut there, mut back) = (None::<i64>, None::<i64>);
        for Passed { from, seen } in certain {
            let times: SmallVec<[_; 2]> =
                seen.iter().filter_map(|&(place, index)| Some((place, time(place, index)?))).collect();
            for (index, &(near_place, (near, at_near))) in times.iter().enumerate() {
                for &(far_place, (far, at_far)) in times.iter().skip(index + 1) {
                    let towards_far = *from == Role::Client;
                    if Some(near) == reference
                        && let Some(bounds) = own_bounds.get_mut(far_place)
                    {
                        bounds.note(at_far.saturating_sub(at_near), towards_far);
                    }
                    if Some(far) == reference
                        && let Some(bounds) = own_bounds.get_mut(near_place)
                    {
                        bounds.note(at_near.saturating_sub(at_far), !towards_far);
                    }
                    if near == far {
                        continue;
                    }
                    if near < far {
                        self.clocks.entry((near, far)).or_default().note(at_far, at_near, towards_far);
                    } else {
                        self.clocks.entry((far, near)).or_default().note(at_near, at_far, !towards_far);
                    }
                }
            }
            if let (Some(&(0, (_, first))), Some(&(last_place, (_, last)))) = (times.first(), times.last())
                && last_place + 1 == views.len()
                && last_place > 0
            {
                let apart = last.saturating_sub(first);
                match from {
                    Role::Client => there = Some(there.map_or(apart, |least| least.min(apart))),
                    Role::Server => back = Some(back.map_or(-apart, |least| least.min(-apart))),
                }
            }
        }
        let round_trip = there.zip(back).and_then(|(there, back)| u64::try_from(there.saturating_add(back)).ok());
        (round_trip, own_bounds)
    }
}
