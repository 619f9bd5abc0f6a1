//! A connection in the list of `top`; `update` applies its records.

mod update;

use super::{
    super::{
        ladder::{cells::process_text, heading::endpoint, open_block::End},
        list::without_columns,
        palette,
        selection::Held,
    },
    Id,
};
use crate::{
    filter::Facts,
    output_record::OutputRecord,
    text::WallTime,
    verdict::{Bytes, Each},
};

/// The status of a connection; rows are listed in this order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// Open, without progress.
    Stalled,
    /// Open.
    Open,
    /// Failed.
    Failed,
    /// Ended without a failure.
    Ended,
}

/// A connection.
#[derive(Debug)]
pub struct Row {
    /// Number of the connection.
    pub id: Id,
    began: WallTime,
    /// Time when it ended.
    ended: Option<WallTime>,
    /// Duration in nanoseconds, as its last record has it.
    lasted_ns: Option<u64>,
    ends: Option<Each<End>>,
    /// True if the records show which end is the client.
    roles: bool,
    /// Word for its state.
    state: &'static str,
    facts: Facts,
    bytes: Option<Bytes>,
    /// The word for a stall, and its sentence.
    stall: Option<(&'static str, String)>,
    /// Sentence of its handshake or, later, of its close.
    verdict: Option<String>,
    held: Held,
}

impl Row {
    /// Creates a row of which only the time of the first record is known.
    pub(super) fn new(id: Id, began: WallTime) -> Self {
        Self {
            id,
            began,
            ended: None,
            lasted_ns: None,
            ends: None,
            roles: false,
            state: "opening",
            facts: Facts::NEW,
            bytes: None,
            stall: None,
            verdict: None,
            held: Held::default(),
        }
    }

    /// Shows its records, of which the first and the last ones are kept.
    pub(super) fn records(&self, show: &mut dyn FnMut(&OutputRecord)) {
        self.held.show(self.id.conn, true, show);
    }

    /// Returns its ends as far as they are known.
    pub(super) fn ends(&self) -> Option<&Each<End>> {
        self.ends.as_ref()
    }

    /// Returns the time when it ended.
    pub fn ended(&self) -> Option<WallTime> {
        self.ended
    }

    /// Returns the facts for the words of `--only`.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// Returns its standing, by which rows are grouped.
    pub fn standing(&self) -> Standing {
        match (&self.stall, self.ended, self.facts.failed()) {
            (Some(_), ..) => Standing::Stalled,
            (None, None, _) => Standing::Open,
            (None, Some(_), true) => Standing::Failed,
            (None, Some(_), false) => Standing::Ended,
        }
    }

    /// Returns a word for its state: a stall, the end, or the last state that its socket was seen to enter.
    pub fn state(&self) -> &'static str {
        self.stall.as_ref().map_or(self.state, |(word, _)| word)
    }

    /// Returns its duration in nanoseconds until it ended, or until `now`.
    pub fn age_ns(&self, now: WallTime) -> u64 {
        let until = self.ended.unwrap_or(now);
        self.lasted_ns.unwrap_or_else(|| u64::try_from(until.0.saturating_sub(self.began.0)).unwrap_or(0))
    }

    /// Returns the client and the server; `None` if unknown.
    pub fn endpoints(&self) -> Option<[String; 2]> {
        self.ends.as_ref().map(|ends| [endpoint(&ends.client.at), endpoint(&ends.server.at)])
    }

    /// Returns true if it is known which end is the client.
    pub fn knows_roles(&self) -> bool {
        self.roles
    }

    /// Returns the processes at its ends, separated by a slash if there are two.
    pub fn processes(&self) -> String {
        self.both(|end| end.process.map(|process| process_text(&process, None)))
    }

    /// Returns the containers at its ends, separated by a slash if there are two.
    pub fn containers(&self) -> String {
        self.both(|end| Some(end.cgroup.as_ref()?.container.as_ref()?.to_string()))
    }

    fn both(&self, part: impl Fn(&End) -> Option<String>) -> String {
        let ends = self.ends.iter().flat_map(|ends| [&ends.client, &ends.server]);
        let mut parts: Vec<String> = ends.filter_map(part).collect();
        parts.dedup();
        parts.join("/")
    }

    /// Returns the payload bytes from the client and from the server, as far as they are known.
    pub fn bytes(&self) -> Option<Bytes> {
        self.bytes
    }

    /// Returns the verdict so far in words, without bytes and duration; empty if there is none.
    pub fn verdict(&self, unicode: bool) -> String {
        let text = self.stall.as_ref().map(|(_, text)| text).or(self.verdict.as_ref());
        text.map(|text| without_columns(&palette::sentence(text, unicode))).unwrap_or_default()
    }
}
