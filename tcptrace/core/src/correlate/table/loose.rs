//! Connections whose local port is not known yet: the kernel chooses it after their sockets have entered SYN_SENT.

use std::net::IpAddr;

use super::Table;
use crate::event::{Endpoint, SocketKey};

/// Identity of a connection whose local port is unknown: local address, remote end, and the connection's number.
pub(super) type Loose = (IpAddr, IpAddr, u16, u64);

impl Table {
    /// Notes that the port of a connection between these ends is unknown, but its socket is known.
    pub(in crate::correlate) fn loosen(&mut self, at: u32, [local, remote]: [Endpoint; 2], socket: SocketKey) {
        if let Some(conn) = self.connections.get_mut(at as usize) {
            conn.rare_mut().loose = Some([local, remote]);
            self.loose.insert((local.addr, remote.addr, remote.port, conn.number), (at, socket));
        }
    }

    /// Returns the only connection between these ends whose port is unknown, and its socket; `None` if there are
    /// several.
    pub(in crate::correlate) fn only_loose(&self, local: IpAddr, remote: Endpoint) -> Option<(u32, SocketKey)> {
        let of = |number| (local, remote.addr, remote.port, number);
        let mut found = self.loose.range(of(0)..=of(u64::MAX)).map(|(_, &found)| found);
        found.next().filter(|_| found.next().is_none())
    }

    /// Removes a connection from those whose port is unknown: it is known now, or never will be.
    pub(super) fn fasten(&mut self, at: u32) {
        if let Some(conn) = self.connections.get(at as usize)
            && let Some([local, remote]) = conn.loose()
        {
            self.loose.remove(&(local.addr, remote.addr, remote.port, conn.number));
        }
    }
}
