//! How entries become bytes.
//!
//! Every renderer gets the same entries, and what they show is an entry's fields: text and JSON cannot disagree.
//! Renderers know neither time nor where their bytes go.

mod events;
mod json;
mod line;
#[cfg(test)]
pub(crate) mod samples;

pub use events::Events;
pub use json::Json;

use crate::entry::Entry;

/// A kind of output.
pub trait Render {
    /// Appends what `entry` looks like to `out`, whole lines.
    fn render(&mut self, entry: &Entry, out: &mut Vec<u8>);
}
