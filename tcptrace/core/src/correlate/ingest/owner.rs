//! The processes that hold sockets which nobody was seen to open.
//!
//! Listeners and connections that were there before are read from the kernel once. The socket of an accepted connection gets
//! its owner without any event: the listener's process stands for it, until the kernel is asked about connections that live
//! long enough for it to be worth while.

use std::{
    collections::{HashMap, VecDeque},
    num::NonZeroU64,
};

use crate::{
    correlate::{
        Correlated, CorrelatedOwner, Correlator,
        table::connection::{Connection, Key, Place, Side},
    },
    event::{BootTime, Endpoint, ListenerOwner, OwnerSource, Process, Role, SocketOwner},
};

/// How long a connection lives before it is worth to ask who holds it, in nanoseconds.
const WORTH: u64 = 500_000_000;

/// More connections than this do not wait to be asked for.
const MOST_UNOWNED: usize = 1 << 16;

/// An accepted connection whose owner is not known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unowned {
    /// Its own end, here.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// The process that listens.
    pub likely: Option<u32>,
}

/// Owners that wait for their connection, and connections that wait for their owner.
#[derive(Debug, Default)]
pub(in crate::correlate) struct Owners {
    /// Sockets that were there before anything of their connection was seen, by their own end and the other.
    early: HashMap<(Endpoint, Endpoint), SocketOwner>,
    /// Accepted connections whose owner nobody knows, since when.
    unowned: VecDeque<(BootTime, Place, Side)>,
    /// Whether somebody asks for these.
    pub(in crate::correlate) wanted: bool,
}

impl Owners {
    /// A connection has been accepted.
    pub(in crate::correlate) fn accepted(&mut self, at: BootTime, place: Option<Place>, side: Side) {
        if self.wanted
            && self.unowned.len() < MOST_UNOWNED
            && let Some(place) = place
        {
            self.unowned.push_back((at, place, side));
        }
    }
}

impl Correlator {
    /// From now on [`Self::poll_unowned`] and [`Self::poll_unanswered`] are called.
    pub fn want_owners(&mut self) {
        self.owners.wanted = true;
    }

    /// The next accepted connection that has lived for a while and whose owner is not known.
    pub fn poll_unowned(&mut self, now: BootTime) -> Option<Unowned> {
        loop {
            let &(at, place, side) = self.owners.unowned.front()?;
            if now.since(at) < WORTH {
                return None;
            }
            self.owners.unowned.pop_front();
            let lives = |conn: &&Connection| {
                let end = conn.end(side);
                end.open_sockets > 0 && !end.holder_asked && conn.role(side) == Some(Role::Server)
            };
            if let Some(conn) = self.table.resolve(place).and_then(|at| self.table.get(at)).filter(lives)
                && let Some((local, remote)) = conn.endpoint(side).zip(conn.endpoint(side.other()))
            {
                return Some(Unowned { local, remote, likely: conn.end(side).holder().map(pid) });
            }
        }
    }

    /// The kernel has told who holds a listener.
    pub(in crate::correlate) fn place_listener_owner(
        &mut self,
        owner: &ListenerOwner,
        emit: &mut dyn FnMut(Correlated),
    ) {
        if self.listeners.learn(self.netns, owner) {
            emit(Correlated::Listener(*owner));
        }
    }

    /// The kernel has told who holds a connection's socket.
    pub(in crate::correlate) fn place_owner(
        &mut self,
        owner: &SocketOwner,
        emit: &mut dyn FnMut(Correlated),
    ) -> Option<u32> {
        let (key, side) = Key::new(self.netns, owner.local, owner.remote);
        let key = self.table.known_as(key);
        let known = self.table.find(&key);
        match known.and_then(|at| self.table.get_mut(at)).filter(|conn| !conn.ended && !owner.early) {
            Some(conn) if conn.first <= owner.asked => adopt(conn, side, owner, emit),
            Some(_) => {}
            None => drop(self.owners.early.insert((owner.local, owner.remote), *owner)),
        }
        known
    }

    /// Something of a connection is about to show: what is known of who holds its sockets shows before that.
    pub(in crate::correlate) fn introduce(&mut self, at: u32, emit: &mut dyn FnMut(Correlated)) {
        let Some(conn) = self.table.get_mut(at) else { return };
        if !std::mem::replace(&mut conn.shown, true) && !self.owners.early.is_empty() {
            self.adopt_early(at, emit);
        }
        self.stand_in(at, emit);
    }

    /// The connection shows for the first time: who holds its sockets may have been told before.
    fn adopt_early(&mut self, at: u32, emit: &mut dyn FnMut(Correlated)) {
        let Some(conn) = self.table.get_mut(at).filter(|conn| conn.netns().is_none_or(|netns| netns == self.netns))
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

    /// Whoever listens stands for whoever accepts the connection.
    fn stand_in(&mut self, at: u32, emit: &mut dyn FnMut(Correlated)) {
        let Some(conn) = self.table.get_mut(at).filter(|conn| !conn.introduced && conn.client.is_some()) else {
            return;
        };
        let server = conn.client_side().other();
        let end = conn.end(server);
        if !(end.had_socket || end.here) {
            return;
        }
        let known = end.holder().is_some();
        conn.introduced = true;
        let ends = conn.endpoint(server).zip(conn.endpoint(server.other())).filter(|_| !known);
        let netns = conn.end_netns(server).or_else(|| conn.netns()).unwrap_or(self.netns);
        if let Some((local, remote)) = ends
            && let Some(Some(process)) = self.listeners.holder(netns, local)
        {
            let (at, process, source) = (conn.last, Some(process), OwnerSource::Listener);
            adopt(conn, server, &SocketOwner { at, asked: at, early: false, local, remote, process, source }, emit);
        }
    }
}

/// Takes down who holds an end's socket, and says so where it is news.
fn adopt(conn: &mut Connection, side: Side, owner: &SocketOwner, emit: &mut dyn FnMut(Correlated)) {
    let end = conn.end_mut(side);
    match owner.source {
        OwnerSource::Listener => end.set_holder(owner.process),
        // A process that opened it or listens is known by the name of its thread, which says more than that of the process.
        OwnerSource::Event | OwnerSource::SockDiag if end.holder().map(pid) == owner.process.map(pid) => {
            return;
        }
        OwnerSource::Event | OwnerSource::SockDiag => {
            end.set_holder(owner.process.or(end.holder()));
            end.holder_asked = owner.process.is_some();
            end.here = true;
        }
    }
    let (at, socket) = (owner.at.max(conn.last), conn.end(side).socket.map(NonZeroU64::get));
    emit(Correlated::Owner(CorrelatedOwner { owner: SocketOwner { at, ..*owner }, conn: conn.number, socket }));
}

fn pid(process: Process) -> u32 {
    process.pid
}
