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

impl Role {
    /// The word for it, in text as in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// The end at the other side of the connection.
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
