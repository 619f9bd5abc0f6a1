//! How entries become bytes.
//!
//! Every renderer gets the same entries, and what they show is an entry's fields: text and JSON cannot disagree.
//! Renderers ask no clock and know nothing of where their bytes go.

mod events;
#[cfg(feature = "serde")]
mod json;
mod ladder;
mod line_writer;
mod list;
mod palette;
#[cfg(test)]
pub(crate) mod samples;
mod selection;
mod tally;

pub use events::Events;
#[cfg(feature = "serde")]
pub use json::Json;
pub use ladder::{Drawing, Ladder};
pub use list::List;
pub use selection::Selection;
pub use tally::Tally;

use crate::output_record::OutputRecord;

/// A kind of output.
pub trait Render {
    /// Appends what `entry` looks like to `out`, whole lines. What does not stand for itself may wait for other entries.
    fn render(&mut self, entry: &OutputRecord, out: &mut Vec<u8>);
}

/// Renders nothing at all.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Render for Nothing {
    fn render(&mut self, _: &OutputRecord, _: &mut Vec<u8>) {}
}
