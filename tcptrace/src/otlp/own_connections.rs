//! The exporter's own connections to the collector. They are traced like any other, but not exported: each export would
//! lead to another one.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

/// Maximum number of connections remembered. The verdict on one comes at most some minutes after it was made.
const MOST: usize = 256;

/// The latest connections, shared by the thread that makes them and the one that exports.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnConnections(Arc<Mutex<VecDeque<(u16, SocketAddr)>>>);

impl OwnConnections {
    /// Remembers that a connection is about to be made from a port to the collector.
    pub(super) fn note(&self, port: u16, collector: SocketAddr) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.pop_front();
        }
        known.push_back((port, collector));
    }

    /// Returns true if a connection with these ends is one of them.
    pub(super) fn contain(&self, client_port: Option<u16>, server: (IpAddr, Option<u16>)) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().any(|&(port, collector)| {
            (Some(port), collector.ip().to_canonical(), Some(collector.port()))
                == (client_port, server.0.to_canonical(), server.1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_ones_are_known() {
        let own = OwnConnections::default();
        let collector = SocketAddr::from(([10, 0, 0, 1], 4318));
        for port in 1..=300 {
            own.note(port, collector);
        }
        let knows = |port, addr: IpAddr, to| own.contain(Some(port), (addr, Some(to)));
        assert!(knows(300, collector.ip(), 4318));
        assert!(!knows(301, collector.ip(), 4318) && !knows(300, collector.ip(), 4319));
        assert!(!knows(300, [10, 0, 0, 2].into(), 4318));
        assert!(!knows(1, collector.ip(), 4318), "forgotten");
        assert!(!own.contain(None, (collector.ip(), Some(4318))));
    }
}
