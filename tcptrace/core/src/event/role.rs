//! The two ends of a connection.

use schemars::JsonSchema;
use serde::Serialize;

/// Which end of a connection.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The end that sent the first SYN.
    Client,
    /// The other end.
    Server,
}
