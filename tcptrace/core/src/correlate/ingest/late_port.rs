//! Connections that began before their local port was known: how each learns its four-tuple.

use crate::{
    correlate::{
        Correlator,
        table::{
            connection::{Key, Side},
            sockets::Socket,
        },
    },
    event::{SocketKey, StateChange},
};

impl Correlator {
    /// Learns the port of a connection that began without one.
    pub(super) fn learn_port(&mut self, at: u32, change: &StateChange, netns: u32, socket: &mut Socket) {
        if change.local.port != 0 && self.table.get(at).is_some_and(|conn| conn.key().is_none()) {
            let (key, side) = Key::new(netns, change.local, change.remote);
            self.bind_late(at, self.key_of(key, change.conn_netns), side, change.socket);
            socket.join(socket.conn(), side);
        }
    }

    /// Sets the four-tuple of a connection that began without one; `socket` is its end at `side`, which had been
    /// assumed to be the first.
    pub(super) fn bind_late(&mut self, at: u32, key: Key, side: Side, socket: SocketKey) {
        self.table.bind(at, key);
        if side == Side::Second
            && let Some(conn) = self.table.get_mut(at)
        {
            conn.reverse();
        }
        // Its place in memory may have been reused.
        let place = self.table.place(at);
        if let Some(socket) = self.table.sockets.get_mut(socket).filter(|socket| socket.conn() == place) {
            socket.join(place, side);
        }
    }

    /// Gives this key to the only connection between these ends whose port is unknown, since its SYN must have caused
    /// what was seen; `client` is its side.
    pub(super) fn adopt_loose(&mut self, key: Key, client: Side) -> Option<u32> {
        let [first, second] = key.ends();
        let (local, remote) = if client == Side::First { (first, second) } else { (second, first) };
        let (at, socket) = self.table.only_loose(local.addr, remote)?;
        self.table.get(at).filter(|conn| conn.netns() == Some(key.netns))?;
        self.bind_late(at, key, client, socket);
        Some(at)
    }
}
