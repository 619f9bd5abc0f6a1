//! Ladders at any rate: of all connections while they can be read, and while they come faster, of those that failed or
//! stalled; the others are counted.

mod rate;

use std::{borrow::Cow, num::NonZeroU32};

use self::rate::{Change, Rate};
use super::{Ladder, Render, Selection};
use crate::{
    filter::Only,
    output_record::{OutputRecord, Stamp},
};

/// Renders records as ladders, up to a rate.
#[derive(Debug)]
pub struct RateLimited {
    ladder: Ladder,
    selection: Selection,
    rate: Rate,
    /// Number of connections that ended without a ladder and that no line has counted yet.
    left_out: u64,
}

impl RateLimited {
    /// Creates a renderer that shows everything while no more than `limit` ladders come in a second, by the times of the
    /// records. Beyond that, the records of at most `most` connections are held back until their verdict.
    pub fn new(ladder: Ladder, limit: NonZeroU32, most: u32) -> Self {
        let selection = Selection::new(Only::default(), 0, most).without_past_stalls();
        Self { ladder, selection, rate: Rate::new(limit), left_out: 0 }
    }

    /// Counts a record, and says what changes by that.
    fn pace(&mut self, record: &OutputRecord, out: &mut Vec<u8>) {
        let stamp = record.stamp();
        let now = stamp.boot_ns.or_else(|| u64::try_from(stamp.time.0).ok());
        let Some(change) = now.and_then(|now| self.rate.pass(now, is_drawn(record))) else { return };
        match change {
            Change::Exceeded => {
                self.selection.select(Only::PROBLEMS);
                let limit = self.rate.limit;
                self.ladder.note(&stamp, format_args!("more than {limit} ladders a second: until there are fewer, only those of failed and stalled connections are shown"), out);
            }
            Change::Persists => self.count(&stamp, out),
            Change::Kept => {
                self.count(&stamp, out);
                self.selection.select(Only::default());
                self.ladder.note(&stamp, format_args!("all connections are shown again"), out);
            }
        }
    }

    /// Writes the number of connections left out since the last such line.
    fn count(&mut self, stamp: &Stamp, out: &mut Vec<u8>) {
        match std::mem::take(&mut self.left_out) {
            0 => {}
            1 => self.ladder.note(stamp, format_args!("1 connection that did not fail was not shown"), out),
            n => self.ladder.note(stamp, format_args!("{n} connections that did not fail were not shown"), out),
        }
    }
}

impl Render for RateLimited {
    fn render(&mut self, record: &OutputRecord, out: &mut Vec<u8>) {
        self.pace(record, out);
        if let OutputRecord::End(end) = record {
            self.count(&end.stamp, out);
            // Nothing was selected by the user.
            self.selection.select(Only::default());
        }
        let Self { ladder, selection, .. } = self;
        if is_of_no_connection(record) {
            return ladder.render(record, out);
        }
        let mut shown = false;
        selection.offer(Cow::Borrowed(record), false, &mut |record| {
            shown = true;
            ladder.render(record, out);
        });
        self.left_out += u64::from(!shown && matches!(record, OutputRecord::Close(_)));
    }
}

/// Returns true if a record makes a ladder.
fn is_drawn(record: &OutputRecord) -> bool {
    matches!(record, OutputRecord::Handshake(_) | OutputRecord::Close(_))
}

/// Returns true for events that belong to no connection, as those of listeners.
fn is_of_no_connection(record: &OutputRecord) -> bool {
    match record {
        OutputRecord::State(state) => state.conn.is_none(),
        OutputRecord::Owner(owner) => owner.conn.is_none(),
        OutputRecord::Hint(hint) => hint.conn.is_none(),
        OutputRecord::Drop(dropped) => dropped.conn.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
