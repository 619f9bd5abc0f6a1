//! Facts about a connection, in the words that `--only` and `--fail-on` select by.

use std::sync::LazyLock;

use strum::VariantNames as _;

use crate::verdict::{Close, CloseKind, Handshake, HandshakeKind, Outcome, Reset, ResetCause};

/// Words that are not variants of an enum, in the order of their bits.
const OWN: [&str; 4] = ["failed", "stalled", "slow", "all"];

/// Every group of words with the bit of its first one. A word in several groups, such as `reset`, stands for all of
/// them.
const GROUPS: [(&[&str], usize); 5] = [
    (&OWN, 0),
    (Outcome::VARIANTS, OUTCOME),
    (HandshakeKind::VARIANTS, HANDSHAKE_KIND),
    (CloseKind::VARIANTS, CLOSE_KIND),
    (ResetCause::VARIANTS, CAUSE),
];

const OUTCOME: usize = OWN.len();
const HANDSHAKE_KIND: usize = OUTCOME + Outcome::VARIANTS.len();
const CLOSE_KIND: usize = HANDSHAKE_KIND + HandshakeKind::VARIANTS.len();
const CAUSE: usize = CLOSE_KIND + CloseKind::VARIANTS.len();

const _: () = assert!(CAUSE + ResetCause::VARIANTS.len() <= 64, "a fact is a bit of 64");

/// Every word once, as the command line accepts it.
static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    GROUPS.iter().flat_map(|(words, _)| *words).fold(Vec::new(), |mut all, word| {
        if !all.contains(word) {
            all.push(*word);
        }
        all
    })
});

/// All words of `--only`: its own, then those of [`Outcome`], [`HandshakeKind`], [`CloseKind`] and [`ResetCause`].
pub fn words() -> &'static [&'static str] {
    &WORDS
}

/// Returns the bits of the facts that a word stands for; 0 if it is unknown.
pub(super) fn bits(word: &str) -> u64 {
    let numbered = GROUPS.iter().flat_map(|(words, first)| words.iter().zip(*first..));
    numbered.filter(|(known, _)| **known == word).fold(0, |bits, (_, number)| bits | 1 << number)
}

/// Facts known about a connection, in the words of `--only`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Facts(pub(super) u64);

impl Facts {
    pub(super) const FAILED: Self = Self(1 << 0);
    pub(super) const STALLED: Self = Self(1 << 1);
    const SLOW: Self = Self(1 << 2);
    const ALL: Self = Self(1 << 3);

    /// A connection of which no verdict is known yet.
    pub const NEW: Self = Self::ALL;

    /// Facts that may still become known after an established handshake.
    pub const LATER: Self = Self(Self::STALLED.0 | Self::FAILED.0 | !0 << CLOSE_KIND);

    /// Facts that may become known of a connection without any verdict.
    pub const ANYTHING: Self = Self(!0);

    /// No fact.
    pub const NOTHING: Self = Self(0);

    /// Returns the facts of a handshake; it is slow if it took `slow_ns` or more.
    pub fn of_handshake(record: &Handshake, slow_ns: u64) -> Self {
        let mut facts = Self::cause(record.reset).with(Self(1 << (HANDSHAKE_KIND + record.kind as usize)));
        if let Some(outcome) = record.outcome {
            facts = facts.with(Self(1 << (OUTCOME + outcome as usize)));
        }
        if record.failed() {
            facts = facts.with(Self::FAILED);
        }
        if handshake_ns(record).is_some_and(|time| time >= slow_ns) {
            facts = facts.with(Self::SLOW);
        }
        facts
    }

    /// Returns the facts of a close.
    pub fn of_close(record: &Close) -> Self {
        let facts = Self::cause(record.reset).with(Self(1 << (CLOSE_KIND + record.kind as usize)));
        if record.failed() { facts.with(Self::FAILED) } else { facts }
    }

    /// Returns the facts of a `stalled` record.
    pub const fn of_stall() -> Self {
        Self::STALLED
    }

    fn cause(reset: Option<Reset>) -> Self {
        reset.map_or(Self::ALL, |Reset { cause, .. }| Self(1 << (CAUSE + cause as usize)).with(Self::ALL))
    }

    /// Returns these facts and others together.
    #[must_use]
    pub const fn with(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// Returns true if the connection failed.
    pub const fn failed(self) -> bool {
        self.0 & Self::FAILED.0 != 0
    }
}

/// Returns the duration of a handshake in nanoseconds: of connect(), else from SYN to ACK, else from SYN to SYN,ACK.
fn handshake_ns(record: &Handshake) -> Option<u64> {
    let segments = record.syn_to_synack_ns.map(|there| there.saturating_add(record.synack_to_ack_ns.unwrap_or(0)));
    record.connect_ns.max(segments)
}
