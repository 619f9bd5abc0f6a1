//! Choice of segments to record.

/// The segments to record; no others are available to the correlator. Each choice includes all of the one before.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SegmentChoice {
    /// No segments.
    None,
    /// Segments that open or close connections.
    Control,
    /// Every segment.
    All,
}
