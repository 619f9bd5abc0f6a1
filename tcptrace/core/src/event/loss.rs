//! Gaps in the events.

use super::BootTime;

/// Kind of events that were lost, and where.
#[derive(Clone, Copy, Debug, strum::Display, Eq, strum::EnumString, Hash, strum::IntoStaticStr, PartialEq)]
#[strum(serialize_all = "snake_case")]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
pub enum LossSource {
    /// State changes and hints that found the ring buffer full.
    State,
    /// Segments that found the ring buffer full.
    Segment,
    /// Runs of the programs of hints, and without BTF of the one for state changes, skipped by the kernel because the same program
    /// was already running on that CPU.
    Recursion,
    /// Output records dropped because the reader of stdout was too slow.
    Output,
}

impl LossSource {
    /// Returns its word in text and JSON.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for LossSource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::from_word(deserializer, "a source of losses", |word| word.parse().ok())
    }
}

/// A gap in the events, reported when it is noticed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Time at which the loss was noticed.
    pub at: BootTime,
    /// Kind of events that were lost.
    pub source: LossSource,
    /// Number of events lost since the last report from this source.
    pub count: u64,
    /// Number of events lost since tracing began.
    pub total: u64,
    /// True if a socket's next state change shows where the events are missing.
    pub placed: bool,
}
