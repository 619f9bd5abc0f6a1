//! The processes that hold sockets which nobody was seen to open.
//!
//! Listeners and connections that were there before are read from the kernel once. The socket of an accepted connection gets
//! its owner without any event: the listener's process stands for it, until the kernel is asked about connections that live
//! long enough for it to be worth while.

use std::collections::{HashMap, VecDeque};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Connections, Placed, PlacedOwner, Role,
    connection::{Connection, Key, Place, Side},
};
use crate::event::{BootTime, Endpoint, Process, SocketOwner};

/// How long a connection lives before it is worth to ask who holds it, in nanoseconds.
const WORTH: u64 = 500_000_000;

/// More connections than this do not wait to be asked for.
const MOST_UNOWNED: usize = 1 << 16;

/// Where an owner is known from.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerSource {
    /// A change of its state ran in the process.
    Event,
    /// The kernel was asked who holds the socket.
    SockDiag,
    /// It is the process of the listener, which stands for whoever accepts the connection.
    Listener,
}

/// Owners that wait for their connection, and connections that wait for their owner.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// Sockets that were there before anything of their connection was seen, by their own end and the other.
    early: HashMap<(Endpoint, Endpoint), SocketOwner>,
    /// Accepted connections whose owner nobody knows, since when.
    unowned: VecDeque<(BootTime, Place, Side)>,
    /// Whether somebody asks for these.
    pub(super) wanted: bool,
}

impl Owners {
    /// A connection has been accepted.
    pub(super) fn accepted(&mut self, at: BootTime, place: Option<Place>, side: Side) {
        if self.wanted
            && self.unowned.len() < MOST_UNOWNED
            && let Some(place) = place
        {
            self.unowned.push_back((at, place, side));
        }
    }
}

impl Connections {
    /// From now on [`Self::poll_unowned`] is called.
    pub fn want_owners(&mut self) {
        self.owners.wanted = true;
    }

    /// The next accepted connection that has lived for a while and whose owner is not known: its own end here and the other.
    pub fn poll_unowned(&mut self, now: BootTime) -> Option<(Endpoint, Endpoint)> {
        loop {
            let &(at, place, side) = self.owners.unowned.front()?;
            if now.since(at) < WORTH {
                return None;
            }
            self.owners.unowned.pop_front();
            let lives = |conn: &&Connection| {
                let end = conn.end(side);
                end.open_sockets > 0 && end.owner.is_none() && conn.role(side) == Some(Role::Server)
            };
            if let Some(conn) = self.table.resolve(place).and_then(|at| self.table.get(at)).filter(lives)
                && let Some(ends) = conn.endpoint(side).zip(conn.endpoint(side.other()))
            {
                return Some(ends);
            }
        }
    }

    /// The kernel has told who holds a socket.
    pub(super) fn place_owner(&mut self, owner: &SocketOwner, emit: &mut dyn FnMut(Placed)) -> Option<u32> {
        let Some(remote) = owner.remote else {
            if self.listeners.learn(self.netns, owner) {
                emit(Placed::Owner(PlacedOwner {
                    owner: *owner,
                    conn: None,
                    socket: None,
                    source: OwnerSource::SockDiag,
                }));
            }
            return None;
        };
        let (key, side) = Key::new(self.netns, owner.local, remote);
        match self.table.find(&key) {
            Some(at) => {
                if let Some(conn) = self.table.get_mut(at)
                    && conn.first < owner.asked
                    && !conn.ended
                {
                    adopt(conn, side, owner, emit);
                }
                Some(at)
            }
            None => {
                self.owners.early.insert((owner.local, remote), *owner);
                None
            }
        }
    }

    /// The connection is about to show for the first time: who holds its sockets may have been told before.
    pub(super) fn adopt_early(&mut self, at: u32, emit: &mut dyn FnMut(Placed)) {
        if self.owners.early.is_empty() {
            return;
        }
        let Some(conn) = self.table.get_mut(at).filter(|conn| conn.netns.is_none_or(|netns| netns == self.netns))
        else {
            return;
        };
        for side in [Side::First, Side::Second] {
            if let Some(ends) = conn.endpoint(side).zip(conn.endpoint(side.other()))
                && let Some(owner) = self.owners.early.remove(&ends)
                // A new connection between the same ends is not the one that was asked for.
                && conn.mid_life
            {
                adopt(conn, side, &owner, emit);
            }
        }
    }

    /// Whoever listens stands for whoever will have accepted the connection.
    pub(super) fn stand_in(&mut self, at: u32, emit: &mut dyn FnMut(Placed)) {
        let Some(conn) = self.table.get_mut(at) else { return };
        let server = conn.client_side().other();
        let end = conn.end(server);
        let unknown = end.opener.is_none() && end.owner.is_none();
        if !unknown || !(end.had_socket || end.here) || conn.client.is_none() {
            return;
        }
        let Some((local, remote)) = conn.endpoint(server).zip(conn.endpoint(server.other())) else { return };
        let Some(process) = self.listeners.process(conn.netns.unwrap_or(self.netns), local) else { return };
        let end = conn.end_mut(server);
        end.opener = Some(process);
        let socket = end.socket;
        let owner = SocketOwner {
            at: conn.last,
            asked: conn.last,
            local,
            remote: Some(remote),
            sockets: 1,
            holders: 1,
            process: Some(process),
        };
        let source = OwnerSource::Listener;
        emit(Placed::Owner(PlacedOwner { owner, conn: Some(conn.number), socket, source }));
    }
}

fn adopt(conn: &mut Connection, side: Side, owner: &SocketOwner, emit: &mut dyn FnMut(Placed)) {
    let end = conn.end_mut(side);
    if end.owner.map(pid) == owner.process.map(pid) {
        return;
    }
    end.owner = owner.process;
    end.here = true;
    let (socket, source) = (end.socket, OwnerSource::SockDiag);
    emit(Placed::Owner(PlacedOwner { owner: *owner, conn: Some(conn.number), socket, source }));
}

fn pid(process: Process) -> u32 {
    process.pid
}
