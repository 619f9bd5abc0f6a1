//! The two ends of a connection.

/// Which end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Role {
    /// The end that sent the first SYN.
    Client,
    /// The other end.
    Server,
}
