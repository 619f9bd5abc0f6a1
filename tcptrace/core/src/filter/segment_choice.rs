//! Which segments are recorded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which segments are chosen: there are no others to see. In this order each has all that the one before has.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentChoice {
    /// None.
    None,
    /// Those that open and close connections.
    Control,
    /// Every one.
    All,
}
