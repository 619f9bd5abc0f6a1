//! Properties of a segment that follow only from the segments before it.

/// Meaning of a segment that its header alone does not show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SegmentNote {
    /// A keep-alive probe.
    KeepAlive,
    /// An answer to a keep-alive probe: the other end is alive.
    KeepAliveAnswer,
}

impl SegmentNote {
    /// Every note.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 2] = [Self::KeepAlive, Self::KeepAliveAnswer];

    /// Returns its word in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::KeepAlive => "keep_alive",
            Self::KeepAliveAnswer => "keep_alive_answer",
        }
    }
}
