//! The other sides of a connection whose addresses are translated on the way.

use std::{
    fmt::{self, Display, Formatter},
    net::IpAddr,
};

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

/// The numbers of other sides, as the part of a sentence.
pub(crate) struct SameAs<'a>(pub(crate) &'a [u64]);

impl Display for SameAs<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(numbers) = self;
        for (index, number) in numbers.iter().enumerate() {
            let joined = match index {
                0 => "; the same as",
                _ if index + 1 == numbers.len() => " and",
                _ => ",",
            };
            write!(f, "{joined} #{number}")?;
        }
        f.write_str(if numbers.len() == 1 {
            ", on the other side of an address translation"
        } else {
            ", on other sides of an address translation"
        })
    }
}
