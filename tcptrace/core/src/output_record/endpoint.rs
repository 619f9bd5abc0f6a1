//! An end of a connection in records.

use std::net::IpAddr;

use crate::event::Endpoint;

/// An IP address and a TCP port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct EndpointOutput {
    /// IP address.
    pub addr: IpAddr,
    /// TCP port; null if the kernel had not chosen it yet.
    pub port: Option<u16>,
}

impl From<Endpoint> for EndpointOutput {
    /// Describes an end as its socket has it: port 0 stands for one not chosen yet.
    fn from(Endpoint { addr, port }: Endpoint) -> Self {
        Self { addr, port: (port != 0).then_some(port) }
    }
}
