//! The filters of the command line as values. The kernel programs apply them (see `bpf`); this module defines what they
//! mean, in words for the `start` record and as a pure function for reading recorded traffic.

mod emit;
mod facts;
mod glob;
mod hosts;
mod only;
mod ports;
mod segment_choice;
mod states_of;
#[cfg(test)]
mod tests;
mod who;

use std::fmt::{self, Display, Formatter};

use crate::event::{Endpoint, Family};

pub use self::{
    emit::{Emit, EmitError},
    facts::{Facts, words as only_words},
    glob::{Glob, GlobError},
    hosts::{HostKey, HostSet, HostSetError},
    only::{Only, OnlyError},
    ports::{PortSet, PortSetError},
    segment_choice::SegmentChoice,
    states_of::StatesOf,
    who::{KnownEnd, Who},
};

/// Knowledge of which of two ends is the local one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ends {
    /// The first end is this host's, the second is remote.
    LocalIsFirst,
    /// Either end may be the local one: on loopback both are, and a capture does not show it.
    Either,
}

/// Selects the connections to trace. Every part that is set must match; the default, with no part set, matches
/// everything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    /// Ports, one of which either end must have.
    pub ports: Option<PortSet>,
    /// Ports, one of which the local end must have.
    pub local_ports: Option<PortSet>,
    /// Ports, one of which the remote end must have.
    pub remote_ports: Option<PortSet>,
    /// Addresses, one of which either end must have.
    pub hosts: Option<HostSet>,
    /// The only address family to trace; `None` for both.
    pub family: Option<Family>,
    /// Names of the only interfaces to trace; empty for every interface.
    pub interfaces: Vec<String>,
    /// Processes, one of which either end must have.
    pub who: Who,
}

impl Filter {
    /// Returns true if a connection between `first` and `second` passes every part but [`Filter::interfaces`] and
    /// [`Filter::who`], which do not depend on its addresses.
    ///
    /// With [`Ends::Either`] the local and the remote port filter may match either way round, but both must match the
    /// same way.
    pub fn matches(&self, first: Endpoint, second: Endpoint, ends: Ends) -> bool {
        let has_family = |addr| self.family.is_none_or(|family| Family::of(addr) == family);
        let oriented = |local: u16, remote: u16| has(&self.local_ports, local) && has(&self.remote_ports, remote);

        (has(&self.ports, first.port) || has(&self.ports, second.port))
            && (oriented(first.port, second.port) || ends == Ends::Either && oriented(second.port, first.port))
            && self.hosts.as_ref().is_none_or(|hosts| hosts.contains(first.addr) || hosts.contains(second.addr))
            && has_family(first.addr)
            && has_family(second.addr)
    }
}

fn has(ports: &Option<PortSet>, port: u16) -> bool {
    ports.as_ref().is_none_or(|ports| ports.contains(port))
}

/// Describes the filter in words, such as `port 80,443 and host 10.0.0.0/8 and IPv4`; empty without any part.
impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend(self.ports.iter().map(|ports| format!("port {ports}")));
        words.extend(self.local_ports.iter().map(|ports| format!("local port {ports}")));
        words.extend(self.remote_ports.iter().map(|ports| format!("remote port {ports}")));
        words.extend(self.hosts.iter().map(|hosts| format!("host {hosts}")));
        words.extend(self.family.map(|family| family.to_string()));
        if !self.interfaces.is_empty() {
            words.push(format!("interface {}", self.interfaces.join(",")));
        }
        if !self.who.is_empty() {
            words.push(self.who.to_string());
        }
        f.write_str(&words.join(" and "))
    }
}
