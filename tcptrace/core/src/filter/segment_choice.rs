//! Which segments are recorded.

/// Which segments are chosen: there are no others to see. In this order each has all that the one before has.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SegmentChoice {
    /// None.
    None,
    /// Those that open and close connections.
    Control,
    /// Every one.
    All,
}
