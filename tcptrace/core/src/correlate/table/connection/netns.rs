//! The network namespaces of a connection and of its ends, which may differ: the sockets of both are on this host.

use super::{Connection, Side};

impl Connection {
    /// Returns the namespace, if it is known.
    pub(in crate::correlate) fn netns(&self) -> Option<u32> {
        let known = self.key_netns().filter(|_| self.netns_known());
        known.or_else(|| self.rare.as_ref()?.netns)
    }

    /// Sets the namespace that a socket reports.
    pub(in crate::correlate) fn learn_netns(&mut self, netns: Option<u32>) {
        self.set_netns_known(self.netns_known() || netns.is_some());
        if self.kept_key.is_none() && netns.is_some() {
            self.rare_mut().netns = netns;
        }
    }

    /// Returns the namespace of an end whose socket is on this host.
    pub(in crate::correlate) fn end_netns(&self, side: Side) -> Option<u32> {
        self.likely_netns(side).filter(|_| self.end(side).had_socket)
    }

    /// Returns the namespace of an end as far as it is known: from its socket, or from a segment that the socket sent; until
    /// then it is that of the connection.
    pub(in crate::correlate) fn likely_netns(&self, side: Side) -> Option<u32> {
        let other = self.rare.as_ref().and_then(|rare| *rare.end_netns.of(side));
        other.or_else(|| self.netns())
    }

    /// Sets the namespace that the socket at an end reports.
    pub(in crate::correlate) fn learn_end_netns(&mut self, side: Side, netns: Option<u32>) {
        if netns.is_some() && netns != self.netns() {
            *self.rare_mut().end_netns.of_mut(side) = netns;
        }
    }
}
