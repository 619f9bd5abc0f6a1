//! The host whose record is used where several hosts report the same event of a socket, or the same stall.

use super::Timeline;
use crate::{
    event::Role,
    join::{
        noted::Noted,
        view::{Member, View},
    },
    output_record::{OutputRecord, StalledOutput},
    verdict::Turn,
};

/// Maximum distance in nanoseconds between the beginnings of one stall as seen by two hosts; shorter than the time after which a
/// stall is reported.
const SAME_STALL: u64 = 1_000_000_000;

impl Timeline<'_> {
    /// Returns true if the view is the one that reports its event with this index: recordings of one machine may have the same
    /// sockets, and each end's are reported by the view nearest to that end.
    pub(super) fn is_reported_by(&self, place: usize, view: &View, index: usize) -> bool {
        let role = match (view.events.get(index), view.record(index)) {
            (Some(Noted::State(state)), _) => state.role.unwrap_or_else(|| view.role_of(&state.local)),
            (_, Some(OutputRecord::Hint(hint))) => view.role_of(&hint.local),
            (_, Some(OutputRecord::Owner(owner))) => view.role_of(&owner.local),
            (_, Some(OutputRecord::Stalled(stalled))) => return self.reports_stall(place, stalled),
            _ => return true,
        };
        let mut places = self.views.iter().enumerate().filter(|(_, (_, view))| view.has_socket(role)).map(|(at, _)| at);
        let nearest = if role == Role::Client { places.next() } else { places.next_back() };
        match nearest {
            Some(nearest) => nearest == place,
            // Captures name processes without any socket: the first that does so reports it.
            None => {
                let names = |(_, other): &Member| {
                    let is_same = |event: &OutputRecord| matches!(event, OutputRecord::Owner(owner) if other.role_of(&owner.local) == role);
                    other.records().any(is_same)
                };
                !matches!(view.record(index), Some(OutputRecord::Owner(_))) || !self.views.iter().take(place).any(names)
            }
        }
    }

    /// Returns true if the view is the one that reports this stall. The host of the end whose turn it is knows the reason, so its
    /// view reports the stall if it noticed it; otherwise the first view that did.
    fn reports_stall(&self, place: usize, stalled: &StalledOutput) -> bool {
        let since = |place: usize, stalled: &StalledOutput| self.wall(place, stalled.since).0;
        let own = since(place, stalled);
        let same = |place: usize, event: &OutputRecord| {
            matches!(event, OutputRecord::Stalled(other) if other.record.turn == stalled.record.turn
                && since(place, other).abs_diff(own) < SAME_STALL)
        };
        let role = match stalled.record.turn {
            Some(Turn::Client) => Some(Role::Client),
            Some(Turn::Server) => Some(Role::Server),
            Some(Turn::Network) | None => None,
        };
        let views = || self.views.iter().map(|(_, view)| &**view).enumerate();
        let noticed = || views().filter(|(at, view)| view.records().any(|event| same(*at, event)));
        let knows = |(_, view): &(usize, &View)| role.is_some_and(|role| view.has_socket(role));
        noticed().find(knows).or_else(|| noticed().next()).is_none_or(|(at, _)| at == place)
    }
}
