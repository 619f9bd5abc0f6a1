//! The sockets of this host that are open now.

use std::sync::Arc;

use super::{
    Correlator,
    table::connection::{Connection, Key, Side},
    verdict::state_times,
};
use crate::{
    event::{BootTime, Cgroup, Endpoint, Process},
    tcp::TcpState,
};

/// An open socket of this host, as its state changes show it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OpenSocket {
    /// Number of its connection.
    pub conn: u64,
    /// Inode number of its network namespace, if known.
    pub netns: Option<u32>,
    /// Its state.
    pub state: TcpState,
    /// Time at which it entered the state; `None` if that was not seen.
    pub since: Option<BootTime>,
    /// Its own end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// The process that opened it, or that listens, or that the kernel names.
    pub process: Option<Process>,
    /// Control group in which it was made.
    pub cgroup: Option<Arc<Cgroup>>,
}

impl Correlator {
    /// Returns the sockets that are open after the last event, in the order of their connections.
    pub fn open_sockets(&self) -> Vec<OpenSocket> {
        let sides = [Side::First, Side::Second];
        let conns = self.table.iter().filter(|(_, conn)| !conn.ended);
        let mut open: Vec<_> =
            conns.flat_map(|(_, conn)| sides.into_iter().filter_map(move |side| open_socket(conn, side))).collect();
        open.sort_by_key(|socket| socket.conn);
        open
    }

    /// Returns true if the connection of a socket with these ends, in this namespace or else in the tracer's own, was seen to
    /// begin.
    pub fn has_seen_begin(&self, netns: Option<u32>, local: Endpoint, remote: Endpoint) -> bool {
        let (key, _) = Key::new(netns.unwrap_or(self.watched.here), local, remote);
        let known = self.table.find(&self.table.known_as(key)).and_then(|at| self.table.get(at));
        known.is_some_and(|conn| !conn.mid_life)
    }
}

fn open_socket(conn: &Connection, side: Side) -> Option<OpenSocket> {
    let end = conn.end(side);
    if end.open_sockets == 0 {
        return None;
    }
    let state = state_times::current(conn, side)?;
    Some(OpenSocket {
        conn: conn.number,
        netns: conn.end_netns(side),
        state,
        since: end.seen_to_enter(state),
        local: conn.endpoint(side)?,
        remote: conn.endpoint(side.other())?,
        process: end.holder(),
        cgroup: end.cgroup(),
    })
}
