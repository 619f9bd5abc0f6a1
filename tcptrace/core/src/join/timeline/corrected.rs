//! Times by the clock of the reference.

use super::Timeline;
use crate::{join::clock::Offset, text::WallTime};

/// The offset of a clock, and the times of its host at which it applies.
#[derive(Clone, Copy)]
pub(super) struct Applied {
    offset: Offset,
    from: i64,
    to: i64,
}

impl Timeline<'_> {
    /// Returns the file whose clock all times are converted to: the first that has the connection.
    pub(super) fn reference(&self) -> usize {
        self.views.iter().map(|(file, _)| *file).min().unwrap_or_default()
    }

    /// Returns a time of a view by the clock of the reference; `None` if the offset is unknown.
    pub(in crate::join) fn corrected(&self, place: usize, time: i64) -> Option<i64> {
        let (file, _) = self.views.get(place)?;
        if *file == self.reference() {
            return Some(time);
        }
        Some(time.saturating_sub(self.offset(place, time)?.ns))
    }

    /// Returns how far the clock of a view is ahead of that of the reference at a time of that view.
    pub(super) fn offset(&self, place: usize, time: i64) -> Option<Offset> {
        let applied = self.applied.get(place)?;
        if let Some(Applied { offset, from, to }) = applied.get()
            && (from..=to).contains(&time)
        {
            return Some(offset);
        }
        let (file, _) = self.views.get(place)?;
        let (offset, around) = self.joiner.clocks.get(&(self.reference(), *file))?.offset_around(time)?;
        let offset = self.own_bounds.get(place).map_or(offset, |bounds| bounds.correct(offset));
        let (from, to) = around.into_inner();
        applied.set(Some(Applied { offset, from, to }));
        Some(offset)
    }

    /// Like [`Self::corrected`]; without an offset, returns the unchanged time.
    pub(super) fn wall(&self, place: usize, time: WallTime) -> WallTime {
        WallTime(self.corrected(place, time.0).unwrap_or(time.0))
    }
}
