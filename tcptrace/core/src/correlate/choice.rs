//! Choice of the events to correlate.

use crate::event::Event;

/// Returns whether an event is chosen.
type Chooser = dyn Fn(&Event) -> bool;

/// Chooses events when they are complete: before that, their ends may not be known.
#[derive(Default)]
pub(super) struct Choice {
    /// `None` for all.
    pub(super) is_chosen: Option<Box<Chooser>>,
    /// Number of observed events that were not chosen.
    pub(super) unchosen: u64,
}

impl std::fmt::Debug for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Choice").field("unchosen", &self.unchosen).finish_non_exhaustive()
    }
}

impl Choice {
    /// Returns true if an event is chosen, and counts it otherwise.
    pub(super) fn takes(&mut self, event: &Event) -> bool {
        let takes = self.is_chosen.as_ref().is_none_or(|is_chosen| is_chosen(event));
        let observed =
            matches!(event, Event::State(_) | Event::Segment(_) | Event::Icmp(_) | Event::Hint(_) | Event::Drop(_));
        self.unchosen += u64::from(!takes && observed);
        takes
    }
}
