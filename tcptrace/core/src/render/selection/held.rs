//! Records held back until their connection is selected: its first and its last ones.

use std::collections::VecDeque;

use crate::{
    event::LossSource,
    output_record::{LostOutput, OutputRecord, Stamp},
};

/// Number of records kept from the beginning of a connection.
pub(super) const FIRST: usize = 64;

/// Number of records kept from its end, not counting verdicts.
pub(super) const LAST: usize = 64;

/// Records of a connection, of which the first and the last ones are kept.
#[derive(Debug, Default)]
pub(in crate::render) struct Held {
    pub(super) first: Vec<OutputRecord>,
    last: VecDeque<OutputRecord>,
    /// Number of records dropped between the two, and the time of the last one.
    dropped: Option<(u64, Stamp)>,
}

impl Held {
    /// Adds a record, and drops one from the middle if there are too many.
    pub(in crate::render) fn push(&mut self, record: OutputRecord) {
        if self.first.len() < FIRST {
            return self.first.push(record);
        }
        self.last.push_back(record);
        if self.last.len() > LAST
            && let Some(oldest) = self.last.pop_front()
        {
            if oldest.is_event() {
                let dropped = self.dropped.map_or(0, |(count, _)| count);
                self.dropped = Some((dropped + 1, oldest.stamp()));
            } else {
                // A connection has few verdicts: they are never dropped.
                self.first.push(oldest);
            }
        }
    }

    /// Shows all records, with a `lost` record in place of the dropped ones.
    pub(in crate::render) fn show(&self, conn: u64, with_stalled: bool, show: &mut dyn FnMut(&OutputRecord)) {
        let wanted = |record: &&OutputRecord| with_stalled || !matches!(record, OutputRecord::Stalled(_));
        self.first.iter().filter(wanted).for_each(&mut *show);
        if let Some((count, stamp)) = self.dropped {
            let lost = LostOutput { stamp, conn: Some(conn), source: LossSource::Output, count, total: count };
            show(&OutputRecord::Lost(lost));
        }
        self.last.iter().filter(wanted).for_each(show);
    }

    /// Drops the records of stalls.
    pub(in crate::render) fn drop_stalls(&mut self) {
        self.first.retain(|record| !matches!(record, OutputRecord::Stalled(_)));
        self.last.retain(|record| !matches!(record, OutputRecord::Stalled(_)));
    }
}
