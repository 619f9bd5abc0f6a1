//! The other sides of a connection whose addresses are translated on the way.

use std::net::IpAddr;

use crate::event::Endpoint;

/// An end of another side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct TranslatedEnd {
    /// IP address.
    pub addr: IpAddr,
    /// TCP port.
    pub port: u16,
}

impl From<Endpoint> for TranslatedEnd {
    fn from(Endpoint { addr, port }: Endpoint) -> Self {
        Self { addr, port }
    }
}

/// Another side of a translated connection: the same exchange, with other addresses or ports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct TranslatedSide {
    /// Number of the connection that is this side.
    pub conn: u64,
    /// The client, by its address on this side.
    pub client: TranslatedEnd,
    /// The server, by its address on this side.
    pub server: TranslatedEnd,
}
