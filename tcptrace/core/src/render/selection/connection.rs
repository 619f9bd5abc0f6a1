//! A connection that has not ended, and whether it is selected.

use super::{held::Held, proof::Proof};
use crate::{
    filter::{Facts, Only},
    output_record::{CloseOutput, HandshakeOutput, OutputRecord, StalledOutput},
    verdict::TranslatedSide,
};

/// A connection that has not ended.
#[derive(Debug)]
pub(super) struct Connection {
    facts: Facts,
    /// Facts that may still become known.
    possible: Facts,
    /// The proof that it may be selected.
    proof: Proof,
    /// Whether it is selected, once that is decided.
    pub(super) decision: Option<bool>,
    /// The records that wait for the decision, if there are any: most connections are decided at once.
    pub(super) held: Option<Box<Held>>,
}

/// Facts that a record adds about its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    pub(super) facts: Facts,
    /// Facts that may still become known, if they changed.
    pub(super) possible: Option<Facts>,
    pub(super) proof: Proof,
}

impl Connection {
    /// Creates a connection of which nothing is known.
    pub(super) fn new() -> Self {
        Self { facts: Facts::default(), possible: Facts::ANYTHING, proof: Proof::default(), decision: None, held: None }
    }

    /// Returns the proof so far.
    pub(super) fn proof(&self) -> Proof {
        self.proof
    }

    /// Adds what a record tells, and decides if that is enough; nothing undoes a decision. Returns true if its proof is
    /// complete from now on.
    pub(super) fn learn(&mut self, news: News, only: Only) -> bool {
        let was_in_scope = self.proof.is_complete();
        self.proof = self.proof.with(news.proof);
        let enters = self.proof.is_complete() && !was_in_scope;
        self.facts = self.facts.with(news.facts);
        self.possible = news.possible.unwrap_or(self.possible);
        if self.decision.is_none() && (enters || news.possible.is_some()) {
            self.decision = match (self.proof.is_complete(), self.possible == Facts::NOTHING) {
                (true, _) => only.decide(self.facts, self.possible),
                (false, true) => Some(false),
                (false, false) => None,
            };
        }
        enters
    }

    /// Holds back a record until the decision.
    pub(super) fn hold(&mut self, record: OutputRecord) {
        self.held.get_or_insert_default().push(record);
    }

    /// Returns the records that were held back.
    pub(super) fn release(&mut self) -> Held {
        self.held.take().map_or_else(Held::default, |held| *held)
    }
}

/// Returns the connections that are other sides of the same translated one, as a verdict names them.
pub(super) fn other_sides(record: &OutputRecord) -> impl Iterator<Item = u64> + '_ {
    let sides: &[TranslatedSide] = match record {
        OutputRecord::Handshake(HandshakeOutput { record, .. }) => record.nat.as_deref(),
        OutputRecord::Close(CloseOutput { record, .. }) => record.nat.as_deref(),
        OutputRecord::Stalled(StalledOutput { record, .. }) => record.nat.as_deref(),
        _ => None,
    }
    .unwrap_or_default();
    sides.iter().map(|side| side.conn)
}

/// Returns the connection of a verdict.
pub(super) fn conn(record: &OutputRecord) -> Option<u64> {
    match record {
        OutputRecord::Handshake(handshake) => Some(handshake.record.conn),
        OutputRecord::Close(close) => Some(close.record.conn),
        _ => None,
    }
}
