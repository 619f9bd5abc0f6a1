//! Owners of sockets that were not seen to be opened.
//!
//! Listeners and connections that existed before tracing are read from the kernel once. The socket of an accepted
//! connection gets its owner without any event: the listener's process is assumed, until the kernel is asked about
//! connections that live long enough to be worth a query.

use std::{
    collections::{HashMap, VecDeque},
    num::NonZeroU64,
    time::Duration,
};

use crate::{
    correlate::{
        Correlated, CorrelatedOwner, Correlator,
        cgroups::Origins,
        table::connection::{Connection, Key, Place, Side},
    },
    event::{BootTime, Endpoint, ListenerOwner, OwnerSource, Process, Role, SocketOwner},
};

/// Minimum age of a connection before its owner is queried.
const MIN_QUERY_AGE: Duration = Duration::from_millis(500);

/// Maximum number of connections waiting to be queried.
const MAX_UNOWNED: usize = 1 << 16;

/// An accepted connection whose owner is unknown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unowned {
    /// The accepting end, on this host.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// ID of the process that listens.
    pub likely: Option<u32>,
}

/// Owners without their connection, and connections without their owner.
#[derive(Debug, Default)]
pub(in crate::correlate) struct Owners {
    /// Sockets that existed before any event of their connection, by namespace, local and remote end.
    early: HashMap<(u32, Endpoint, Endpoint), SocketOwner>,
    /// Accepted connections whose owner is unknown, with the time of acceptance.
    unowned: VecDeque<(BootTime, Place, Side)>,
    /// True if a caller polls these.
    pub(in crate::correlate) wanted: bool,
}

impl Owners {
    /// Notes that a connection was accepted.
    pub(in crate::correlate) fn accepted(&mut self, at: BootTime, place: Option<Place>, side: Side) {
        if self.wanted
            && self.unowned.len() < MAX_UNOWNED
            && let Some(place) = place
        {
            self.unowned.push_back((at, place, side));
        }
    }
}

impl Correlator {
    /// Declares that [`Self::poll_unowned`] and [`Self::poll_unanswered`] will be called from now on.
    pub fn want_owners(&mut self) {
        self.owners.wanted = true;
    }

    /// Returns the next accepted connection that is old enough to query and whose owner is unknown.
    pub fn poll_unowned(&mut self, now: BootTime) -> Option<Unowned> {
        loop {
            let &(at, place, side) = self.owners.unowned.front()?;
            if now < at + MIN_QUERY_AGE {
                return None;
            }
            self.owners.unowned.pop_front();
            let lives = |conn: &&Connection| {
                let end = conn.end(side);
                end.open_sockets > 0 && !end.holder_asked() && conn.role(side) == Some(Role::Server)
            };
            if let Some(conn) = self.table.resolve(place).and_then(|at| self.table.get(at)).filter(lives)
                && let Some((local, remote)) = conn.endpoint(side).zip(conn.endpoint(side.other()))
            {
                return Some(Unowned { local, remote, likely: conn.end(side).holder().map(pid) });
            }
        }
    }

    /// Places the owner of a listener, as the kernel reports it.
    pub(in crate::correlate) fn place_listener_owner(
        &mut self,
        owner: &ListenerOwner,
        emit: &mut dyn FnMut(Correlated),
    ) {
        if self.listeners.learn(owner.netns.unwrap_or(self.watched.here), owner) {
            emit(Correlated::Listener(*owner));
        }
    }

    /// Places the owner of a connection's socket, as the kernel reports it.
    pub(in crate::correlate) fn place_owner(
        &mut self,
        owner: &SocketOwner,
        emit: &mut dyn FnMut(Correlated),
    ) -> Option<u32> {
        let netns = owner.netns.unwrap_or(self.watched.here);
        let (key, side) = Key::new(netns, owner.local, owner.remote);
        let key = self.table.known_as(key);
        let known = self.table.find(&key);
        if owner.source == OwnerSource::Capture {
            // It belongs to a frame that was placed just before.
            if let Some(conn) = known.and_then(|at| self.table.get_mut(at)).filter(|conn| !conn.ended) {
                adopt(conn, side, owner, &mut self.cgroups.origins, emit);
            }
            return known;
        }
        if let Some(process) = owner.process {
            self.listeners.rename(process);
        }
        match known.and_then(|at| self.table.get_mut(at)).filter(|conn| !conn.ended && !owner.early) {
            Some(conn) if conn.first <= owner.asked => adopt(conn, side, owner, &mut self.cgroups.origins, emit),
            Some(_) => {}
            None => drop(self.owners.early.insert((netns, owner.local, owner.remote), *owner)),
        }
        known
    }

    /// Emits the known owners of a connection's sockets, before anything else of the connection.
    pub(in crate::correlate) fn introduce(&mut self, at: u32, emit: &mut dyn FnMut(Correlated)) {
        let Some(conn) = self.table.get_mut(at) else { return };
        let shown = conn.shown();
        conn.set_shown(true);
        if !shown && !self.owners.early.is_empty() {
            self.adopt_early(at, emit);
        }
        self.stand_in(at, emit);
    }

    /// Adopts owners that were reported before the connection was seen.
    fn adopt_early(&mut self, at: u32, emit: &mut dyn FnMut(Correlated)) {
        let Some(conn) = self.table.get_mut(at) else { return };
        for side in [Side::First, Side::Second] {
            if let Some(ends) = conn.endpoint(side).zip(conn.endpoint(side.other()))
                && let netns = conn.likely_netns(side).unwrap_or(self.watched.here)
                && let Some(owner) = self.owners.early.remove(&(netns, ends.0, ends.1))
                // A new connection between the same ends is not the one that was queried.
                && conn.mid_life
            {
                adopt(conn, side, &owner, &mut self.cgroups.origins, emit);
            }
        }
    }

    /// Assumes that the process that listens accepts the connection.
    fn stand_in(&mut self, at: u32, emit: &mut dyn FnMut(Correlated)) {
        let Some(conn) = self.table.get_mut(at).filter(|conn| !conn.introduced() && conn.client.is_some()) else {
            return;
        };
        let server = conn.client_side().other();
        let end = conn.end(server);
        if !(end.had_socket || end.here) {
            return;
        }
        let known = end.holder().is_some();
        conn.set_introduced(true);
        let ends = conn.endpoint(server).zip(conn.endpoint(server.other())).filter(|_| !known);
        let netns = conn.likely_netns(server).unwrap_or(self.watched.here);
        if let Some((local, remote)) = ends
            && let Some(Some(process)) = self.listeners.holder(netns, local)
        {
            let (at, process, source) = (conn.last, Some(process), OwnerSource::Listener);
            let netns = Some(netns).filter(|&netns| netns != self.watched.here);
            let owner = SocketOwner { at, asked: at, early: false, netns, local, remote, process, source };
            adopt(conn, server, &owner, &mut self.cgroups.origins, emit);
        }
    }
}

/// Sets the owner of an end's socket, and emits it if it is new.
fn adopt(
    conn: &mut Connection,
    side: Side,
    owner: &SocketOwner,
    origins: &mut Origins,
    emit: &mut dyn FnMut(Correlated),
) {
    let end = conn.end_mut(side);
    match owner.source {
        OwnerSource::Listener => end.set_holder(owner.process, origins),
        OwnerSource::Event | OwnerSource::SockDiag | OwnerSource::Capture if end.holder() == owner.process => return,
        // A capture shows no states, so nothing of the socket itself is to be expected.
        OwnerSource::Capture => end.set_holder(owner.process, origins),
        OwnerSource::Event | OwnerSource::SockDiag => {
            end.set_holder(owner.process.or(end.holder()), origins);
            end.set_holder_asked(owner.process.is_some());
            end.here = true;
        }
    }
    let (at, socket) = (owner.at.max(conn.last), conn.end(side).socket.map(NonZeroU64::get));
    emit(Correlated::Owner(CorrelatedOwner { owner: SocketOwner { at, ..*owner }, conn: conn.number, socket }));
}

fn pid(process: Process) -> u32 {
    process.pid
}
