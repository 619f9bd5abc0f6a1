//! Assignment of state changes to connections.

use std::{sync::Arc, time::Duration};

use super::segment::guess_server;
use crate::{
    correlate::{
        CorrelatedState, Correlator,
        table::{
            connection::{Connection, Key, Side},
            sockets::Socket,
        },
        verdict::{handshake, progress},
    },
    event::{BootTime, Cgroup, Process, Role, SocketKey, StateChange},
    tcp::TcpState::{self, Close, Established, Listen, SynRecv, SynSent},
};

/// Maximum time from the last event of an ended connection to the end of its other socket.
const LATE_STATE_CHANGE: Duration = Duration::from_secs(1);

/// Maximum time from the first child socket of a handshake to a second one made by another processor.
const TWIN_CHILD: Duration = Duration::from_secs(1);

/// Returns true if the socket is a second child of a handshake: two processors may each create one, from the ACK and
/// from data that follows at once; one of the two is closed again.
fn is_twin(conn: &Connection, side: Side, change: &StateChange) -> bool {
    let end = conn.end(side);
    let young = end.entered(SynRecv).is_some_and(|at| change.at < at + TWIN_CHILD);
    (change.old, change.new) == (Listen, SynRecv) && end.open_sockets == 1 && young && !conn.ended
}

/// Effects of a state change on its connection.
#[derive(Debug, Default)]
struct Noted {
    conn: Option<u64>,
    role: Option<Role>,
    since_start_ns: Option<u64>,
    continues_as: Option<TcpState>,
    late: bool,
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

    /// Learns the port of a connection that began without one.
    fn learn_port(&mut self, at: u32, change: &StateChange, netns: u32, socket: &mut Socket) {
        if change.local.port != 0 && self.table.get(at).is_some_and(|conn| conn.key().is_none()) {
            let (key, side) = Key::new(netns, change.local, change.remote);
            self.bind_late(at, self.key_of(key, change.conn_netns), side, change.socket);
            socket.join(socket.conn(), side);
        }
    }

    /// Sets the four-tuple of a connection that began without one; `socket` is its end at `side`, which had been
    /// assumed to be the first.
    pub(in crate::correlate) fn bind_late(&mut self, at: u32, key: Key, side: Side, socket: SocketKey) {
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

    /// Returns the connection for a socket that has none yet, and the end that it is.
    fn connect(&mut self, change: &StateChange, netns: u32) -> (u32, Side) {
        if change.local.port == 0 {
            // The port was never learnt: it is a connection nonetheless, found again by its socket.
            let at = self.table.begin(None, change.at);
            self.table.loosen(at, [change.local, change.remote], change.socket);
            return (at, Side::First);
        }
        let (key, side) = Key::new(netns, change.local, change.remote);
        let key = self.key_of(key, change.conn_netns);
        let newest = self.table.find(&key);
        // A listener's child belongs to the handshake just completed, which a SYN that nobody has accepted may follow.
        let completed = |&at: &u32| {
            let end = self.table.get(at).map(|conn| conn.end(side));
            end.is_some_and(|end| end.sent_synack && end.acked() > 0) && self.has_room(at, side, change)
        };
        let child = newest.filter(|_| change.old == Listen).and_then(|at| self.generations(at).find(completed));
        let known = child.or(newest.filter(|&at| self.has_room(at, side, change)));
        (known.unwrap_or_else(|| self.table.begin(Some(key), change.at)), side)
    }

    /// Returns true if the socket can be this end of that generation.
    fn has_room(&self, at: u32, side: Side, change: &StateChange) -> bool {
        let Some(conn) = self.table.get(at) else { return false };
        let end = conn.end(side);
        let taken = end.had_socket && !conn.is_self_connect() && !is_twin(conn, side, change);
        // A socket that existed before may end after the other end has ended the connection, and a listener's child may
        // result from an ACK that was still in flight.
        let completed = change.old == Listen && end.sent_synack && end.acked() > 0;
        let late = (completed || !matches!(change.old, Close | Listen)) && change.at < conn.last + LATE_STATE_CHANGE;
        if taken || (conn.ended && !late) {
            return false;
        }
        // An active open belongs to a handshake that has only begun: the other end's, or one whose SYN was seen first.
        // A SYN that was challenged has begun none.
        change.new != SynSent || !conn.answered && !self.has_gone_on_before(at, conn)
    }

    /// Updates the connection with a state change.
    fn note(&mut self, change: &StateChange, at: u32, socket: &Socket, cgroup: Option<&Arc<Cgroup>>) -> Noted {
        let side = socket.side();
        let Some(conn) = self.table.get_mut(at) else { return Noted::default() };
        if conn.key().is_none_or(|key| change.netns.is_none_or(|netns| netns == key.netns)) {
            conn.learn_netns(change.netns);
        }
        conn.learn_end_netns(side, change.netns);
        conn.last = change.at;
        if change.old == SynSent && !change.proof.restored && conn.mid_life && !conn.opened && !conn.is_restored() {
            // What was seen first answered its SYN: its handshake is seen after all.
            conn.mid_life = false;
            conn.answered = conn.ends.iter().any(|end| end.sent_synack);
        }
        // Its first states were before tracing began, or are missing.
        match change.old {
            SynSent if conn.client.is_none() || conn.client_guessed() => {
                conn.client = Some(side);
                conn.set_client_guessed(false);
            }
            SynRecv if conn.client.is_none() => {
                conn.client = Some(side.other());
                conn.set_client_guessed(true);
            }
            _ => {}
        }
        match (change.old, change.new) {
            (Close, SynSent) if conn.client.is_none() => conn.client = Some(side),
            (Listen, SynRecv) => {
                conn.client = Some(side.other());
                conn.set_client_guessed(false);
            }
            // Restored with TCP_REPAIR (tcp_connect of net/ipv4/tcp_output.c): its handshake was another socket's.
            (Close, Established) | (SynSent, Established) if change.old == Close || change.proof.restored => {
                conn.answered = true;
                conn.mid_life = true;
                conn.rare_mut().restored = true;
            }
            (_, Established) => conn.answered = true,
            (SynSent | SynRecv | Close, _) => {}
            _ => {
                // It was established already when it was first seen, unless its socket was closed in SYN_RECV.
                conn.mid_life |= !conn.answered && conn.end(side).entered(SynRecv).is_none();
                conn.answered = true;
            }
        }
        if conn.client.is_none()
            && let Some(key) = conn.key()
        {
            guess_server(conn, &self.listeners, &key);
        }
        let continues_as = progress::continues_as(conn, side, change);
        let end = conn.end_mut(side);
        end.socket = Some(socket.number);
        end.learn_origin(cgroup.cloned(), change.uid, &mut self.cgroups.origins);
        let gap = end.change(change, &mut self.cgroups.origins);
        conn.set_lost_states(conn.lost_states() || gap > 0);
        // Linux also sets this error if a socket resets by itself because data arrived for it (tcp_rcv_state_process of
        // net/ipv4/tcp_input.c): then its own reset follows, and the other end's is withdrawn.
        let reset_itself = conn.end(side).rst().is_some_and(|rst| rst.seen);
        if change.new == Close && change.error.is_some_and(handshake::is_by_reset) && !reset_itself {
            conn.accept_reset(side.other(), change.at, false);
            // It was open until now: the other socket's error was that of its own reset.
            conn.end_mut(side).withdraw_unseen_reset(false);
        }
        // Its socket continues: it has not accepted a reset of uncertain number.
        if !(change.new == Close && change.error.is_none_or(handshake::is_by_reset)) {
            conn.end_mut(side.other()).refuse_doubtful_reset();
        }
        if gap > 0 {
            self.state_gaps.find(conn.number, gap);
        }
        Noted {
            conn: Some(conn.number),
            role: conn.role(side),
            since_start_ns: Some(change.at.since(conn.first)),
            continues_as,
            late: conn.ended,
        }
    }
}
