//! A whole connection as one diagram, for formats other than lines of text: the blocks of the text in words, with the sides
//! of a translated connection in one.
//!
//! - `collect`: records until a connection is over; `unfinished`: one connection until then;
//! - `steps`: a block in words.

mod collect;
mod steps;
mod unfinished;

use std::sync::Arc;

pub(in crate::render) use self::collect::Diagrams;
use super::{open_block::End, translations::Translation};
use crate::{event::Role, output_record::Stamp, render::mood::Mood, verdict::Each};

/// A connection from its first event to its last record.
#[derive(Debug)]
pub(in crate::render) struct Diagram {
    /// Its number or, if its addresses are translated, those of its sides, in order; at least one.
    pub(in crate::render) conns: Vec<u64>,
    /// The ends of its first side.
    pub(in crate::render) ends: Each<End>,
    /// Its other sides.
    pub(in crate::render) translations: Vec<Translation>,
    /// Layers of its encapsulation, if it has any.
    pub(in crate::render) encapsulation: Option<Arc<[String]>>,
    /// Time of its first event, if there is any.
    pub(in crate::render) began: Option<Stamp>,
    #[cfg_attr(not(any(feature = "serde", test)), expect(dead_code, reason = "only the page shows it"))]
    pub(in crate::render) outcome: Outcome,
    pub(in crate::render) steps: Vec<Step>,
}

/// The latest news of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::render) struct Outcome {
    pub(in crate::render) mood: Mood,
    /// Its outcome, in the words of the records: `refused (no_listener)`.
    pub(in crate::render) verdict: String,
    /// The same in a sentence.
    pub(in crate::render) sentence: String,
}

/// A row of a diagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::render) enum Step {
    /// A socket changed its state, or something was learnt about it.
    State { time: String, side: Role, text: String },
    /// A segment or an ICMP error, which was sent `from_between` the ends or by one of them, and `stopped` on its way or not.
    Arrow { time: String, from: Role, from_between: bool, stopped: bool, label: String, details: String },
    /// A verdict, a stall, or a number of events left out.
    Note { mood: Option<Mood>, text: String },
}

impl Diagram {
    /// Returns the words for its number: `1`, or `1 = 2` with those of the other sides.
    pub(in crate::render) fn number(&self) -> String {
        self.conns.iter().map(u64::to_string).collect::<Vec<_>>().join(" = ")
    }
}
