//! Rendering of output records to bytes.
//!
//! Every renderer gets the same records and shows only their fields, so text and JSON cannot disagree. Renderers read
//! no clock and do not know where their bytes go.

mod events;
#[cfg(feature = "serde")]
mod html;
mod joined;
#[cfg(feature = "serde")]
mod json;
mod ladder;
mod leaks;
mod line_writer;
mod list;
mod mermaid;
mod mood;
mod palette;
mod pcapng;
mod rate_limited;
#[cfg(test)]
pub(crate) mod samples;
mod selection;
mod svg;
mod tally;
pub mod top;

pub use events::Events;
#[cfg(feature = "serde")]
pub use html::Html;
#[cfg(feature = "serde")]
pub use json::Json;
pub use ladder::{Drawing, Ladder};
pub use leaks::{LEAK_STATES, leaks};
pub use list::List;
pub use mermaid::Mermaid;
pub use pcapng::Pcapng;
pub use rate_limited::RateLimited;
pub use selection::Selection;
pub use svg::Svg;
pub use tally::Tally;

use crate::output_record::OutputRecord;

/// A format of output.
pub trait Render: Send {
    /// Appends `entry` to `out` in whole lines. A renderer may hold back records that it shows together with later
    /// ones.
    fn render(&mut self, entry: &OutputRecord, out: &mut Vec<u8>);
}

/// Renders nothing at all.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Render for Nothing {
    fn render(&mut self, _: &OutputRecord, _: &mut Vec<u8>) {}
}
