//! Assignment of state changes to connections.

mod effects;
mod new_socket;

use std::sync::Arc;

use self::effects::Noted;
use crate::{
    correlate::{
        CorrelatedState, Correlator,
        table::{connection::Connection, sockets::Socket},
    },
    event::{BootTime, Cgroup, Process, StateChange},
    tcp::TcpState::{Close, Established, Listen, SynRecv},
};

impl Correlator {
    /// Finds the connection of a state change or begins one.
    pub(in crate::correlate) fn place_state(&mut self, change: &StateChange) -> (CorrelatedState, Option<u32>) {
        let netns = change.netns.unwrap_or(self.watched.here);
        // Of another thread, an event of an earlier version tells the thread's name.
        if let Some(task) = change.task.filter(|task| task.tid == task.pid || task.thread.is_some()) {
            self.listeners.rename(Process::from(task));
        }
        if change.new == Listen || (change.old == Listen && change.new == Close) {
            return (self.place_listener(change, netns), None);
        }
        // A closed socket that is destroyed from outside: it begins no connection.
        if (change.old, change.new) == (Close, Close) && self.table.conn_of_socket(change.socket).is_none() {
            return (self.place_destroyed(change), None);
        }
        let (mut socket, replaces) = self.socket_of(change);
        let at = match socket.conn().and_then(|place| self.table.resolve(place)) {
            Some(at) => {
                self.learn_port(at, change, netns, &mut socket);
                at
            }
            None => {
                let (at, side) = self.connect(change, netns);
                socket.join(self.table.place(at), side);
                at
            }
        };
        let cgroup = self.cgroups.of_change(change);
        let noted = self.note(change, at, &socket, cgroup.as_ref());
        let is_first = socket.since().is_none();
        let old_state_ns = socket.since().map(|since| change.at.since(since));
        if change.old == SynRecv && change.new == Established {
            self.owners.accepted(change.at, socket.conn(), socket.side());
        }
        if change.new == Close {
            self.table.sockets.remove(change.socket);
        } else {
            self.table.sockets.change(socket, change.at);
        }
        let Noted { conn, role, since_start_ns, continues_as, late } = noted;
        let socket = socket.number.get();
        let known = self.table.get(at).and_then(Connection::netns);
        let placed = CorrelatedState {
            change: *change,
            conn,
            conn_netns: change.netns.and(known).filter(|&known| known != netns),
            socket,
            role,
            replaces,
            old_state_ns,
            since_start_ns,
            continues_as,
            cgroup: cgroup.filter(|_| is_first),
            late,
        };
        (placed, Some(at))
    }

    /// Returns the socket before the change: a new one if it was closed, or is a listener's child. Also returns the
    /// number of the socket whose address it took, if that one was not seen to close.
    fn socket_of(&mut self, change: &StateChange) -> (Socket, Option<u64>) {
        let born = change.old == Close || (change.old == Listen && change.new == SynRecv);
        match self.table.sockets.get(change.socket) {
            Some(known) if !born => (*known, None),
            Some(known) => {
                let gone = *known;
                self.abandon(&gone, change.at);
                (self.table.sockets.add(change.socket), Some(gone.number.get()))
            }
            None => (self.table.sockets.add(change.socket), None),
        }
    }

    /// Handles a socket whose address was reused without its end being seen. Its connection may be over as a result,
    /// and is to be checked.
    fn abandon(&mut self, socket: &Socket, now: BootTime) {
        if let Some(at) = socket.conn().and_then(|place| self.table.resolve(place))
            && let Some(conn) = self.table.get_mut(at)
        {
            let open = &mut conn.end_mut(socket.side()).open_sockets;
            *open = open.saturating_sub(1);
            conn.set_lost_states(true);
            let last = conn.end(socket.side()).states().last().map(|(state, _)| state);
            self.state_gaps.find(conn.number, last.map_or(1, |last| last.changes_to(Close)));
            self.table.schedule(at, Some(now));
        }
    }

    /// Places a state change of a socket without a connection.
    fn place_destroyed(&mut self, change: &StateChange) -> CorrelatedState {
        let (socket, replaces) = self.socket_of(change);
        self.table.sockets.remove(change.socket);
        without_connection(change, &socket, replaces, self.cgroups.of_change(change))
    }

    /// Places the opening or closing of a listener, which is no connection.
    fn place_listener(&mut self, change: &StateChange, netns: u32) -> CorrelatedState {
        let (socket, replaces) = self.socket_of(change);
        if change.new == Listen {
            self.listeners.open(netns, change.local, change.at, change.task.map(Process::from));
            self.table.sockets.change(socket, change.at);
        } else {
            self.table.sockets.remove(change.socket);
            self.listeners.close(netns, change.local, change.at);
        }
        let cgroup = self.cgroups.of_change(change).filter(|_| socket.since().is_none());
        without_connection(change, &socket, replaces, cgroup)
    }
}

/// Returns a change of a socket that belongs to no connection.
fn without_connection(
    change: &StateChange,
    socket: &Socket,
    replaces: Option<u64>,
    cgroup: Option<Arc<Cgroup>>,
) -> CorrelatedState {
    CorrelatedState {
        change: *change,
        conn: None,
        conn_netns: None,
        socket: socket.number.get(),
        role: None,
        replaces,
        old_state_ns: socket.since().map(|since| change.at.since(since)),
        since_start_ns: None,
        continues_as: None,
        cgroup,
        late: false,
    }
}
