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

/// Numbers of losses by source. They stop at the largest number, since a recording may claim any.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LossCounts([u64; 4]);

impl LossCounts {
    /// Creates counts with `count` losses of one source.
    pub fn of(source: LossSource, count: u64) -> Self {
        let mut counts = Self::default();
        *counts.of_mut(source) = count;
        counts
    }

    /// Returns the number of a source, to be changed.
    pub fn of_mut(&mut self, source: LossSource) -> &mut u64 {
        let [state, segment, recursion, output] = &mut self.0;
        match source {
            LossSource::State => state,
            LossSource::Segment => segment,
            LossSource::Recursion => recursion,
            LossSource::Output => output,
        }
    }

    /// Returns the number of losses from all sources.
    pub fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }

    /// Returns the sources with any losses, and their numbers.
    pub fn present(mut self) -> impl Iterator<Item = (LossSource, u64)> {
        let sources = [LossSource::State, LossSource::Segment, LossSource::Recursion, LossSource::Output];
        sources.into_iter().map(move |source| (source, *self.of_mut(source))).filter(|&(_, count)| count > 0)
    }
}

impl std::ops::AddAssign for LossCounts {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count = count.saturating_add(more));
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
