//! Delays state changes that are still incomplete. At SYN_SENT the kernel has not chosen the port; at LISTEN → SYN_RECV
//! kernels before 6.18 have not filled in the peer. The next event of the socket shows both, nearly always within
//! microseconds. Everything after it waits too, which preserves the order.

use std::{collections::VecDeque, time::Duration};

use foldhash::HashMap;

use crate::{
    event::{BootTime, DroppedSegment, Event, Segment, SocketKey, StateChange},
    tcp::{TcpFlags, TcpState},
};

/// Maximum time that an event waits.
pub(in crate::correlate) const MAX_WAIT: Duration = Duration::from_millis(50);

/// Maximum number of events that wait for the ring to be empty.
const MAX_WAITING: usize = 1 << 14;

/// Number of recently closed sockets whose ports are remembered.
const CLOSED: usize = 1024;

/// Waiting events, in order.
#[derive(Debug)]
pub(in crate::correlate) struct Waiting {
    /// Events, each with true if it is incomplete itself, or false if it only follows one that is.
    queue: VecDeque<(Event, bool)>,
    /// Sequential number of the event at the front of the queue.
    front: u64,
    /// Incomplete events by socket.
    incomplete: HashMap<SocketKey, u64>,
    /// Local ports of recently closed sockets: one that connects again still has the port of the attempt before
    /// (inet_sport, which tcp_v4_connect of net/ipv4/tcp_ipv4.c does not clear), until another is chosen.
    closed: Box<[Option<(SocketKey, u16)>]>,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            front: 0,
            incomplete: HashMap::default(),
            closed: vec![None; CLOSED].into_boxed_slice(),
        }
    }
}

impl Waiting {
    /// Queues the event and returns true if it must wait; returns false if it can be placed at once.
    pub(in crate::correlate) fn take(&mut self, event: &Event) -> bool {
        let incomplete = self.is_incomplete(event);
        self.note_port(event);
        if self.queue.is_empty() && !incomplete {
            return false;
        }
        self.complete(event);
        if incomplete && let Event::State(change) = event {
            let number = self.front + self.queue.len() as u64;
            self.incomplete.insert(change.socket, number);
        }
        self.queue.push_back((*event, incomplete));
        true
    }

    /// Remembers the port of a socket that closes.
    fn note_port(&mut self, event: &Event) {
        if let Event::State(StateChange { new: TcpState::Close, socket, local, .. }) = event
            && let Some(slot) = self.closed.get_mut(slot_of(*socket))
        {
            *slot = Some((*socket, local.port));
        }
    }

    fn is_incomplete(&self, event: &Event) -> bool {
        let Event::State(StateChange { socket, old, new, local, remote, .. }) = event else { return false };
        match (old, new) {
            (_, TcpState::SynSent) if local.port == 0 => true,
            (TcpState::Close, TcpState::SynSent) => {
                self.closed.get(slot_of(*socket)).is_some_and(|known| *known == Some((*socket, local.port)))
            }
            (TcpState::Listen, TcpState::SynRecv) => remote.port == 0,
            _ => false,
        }
    }

    /// Returns the next event that need not wait any longer.
    pub(in crate::correlate) fn next(&mut self, now: BootTime) -> Option<Event> {
        let (event, incomplete) = self.queue.front()?;
        if *incomplete && now < event.at() + MAX_WAIT {
            return None;
        }
        let (mut event, incomplete) = self.queue.pop_front()?;
        if incomplete && let Event::State(change) = &mut event {
            self.incomplete.remove(&change.socket);
            if change.new == TcpState::SynSent {
                // It may be the port of an earlier attempt.
                change.local.port = 0;
            }
        }
        self.front += 1;
        Some(event)
    }

    /// Returns true if too many events wait: they are then released by the times of later events.
    pub(in crate::correlate) fn is_long(&self) -> bool {
        self.queue.len() > MAX_WAITING
    }

    /// Returns the time at which the first event has waited long enough.
    pub(in crate::correlate) fn deadline(&self) -> Option<BootTime> {
        self.queue.front().map(|(event, _)| event.at() + MAX_WAIT)
    }

    /// Completes the same socket's earlier change from `event`.
    fn complete(&mut self, event: &Event) {
        let socket = match event {
            Event::State(change) => change.socket,
            Event::Segment(Segment { socket: Some(socket), header, .. }) if header.has(TcpFlags::SYN) => *socket,
            // It has got to no interface, or to none that is watched.
            Event::Drop(DroppedSegment { socket: Some(socket), .. }) => *socket,
            _ => return,
        };
        let Some(&number) = self.incomplete.get(&socket) else { return };
        let index = usize::try_from(number - self.front).unwrap_or(usize::MAX);
        let Some((Event::State(early), incomplete)) = self.queue.get_mut(index) else { return };
        match event {
            Event::State(later) => {
                early.local = later.local;
                early.remote = later.remote;
            }
            // After address translation the SYN has another source than the socket.
            Event::Segment(Segment { socket_port: Some(port), .. }) => early.local.port = *port,
            Event::Segment(syn) if syn.src.addr == early.local.addr && syn.dst == early.remote => {
                early.local = syn.src;
            }
            Event::Drop(syn) if syn.src.addr == early.local.addr && syn.dst == early.remote => {
                early.local = syn.src;
            }
            Event::Segment(_) | Event::Drop(_) => return,
            Event::Icmp(_)
            | Event::Owner(_)
            | Event::Listener(_)
            | Event::Hint(_)
            | Event::Report(_)
            | Event::Loss(_) => {}
        }
        // Even if that did not help: the socket's next change was the last chance.
        *incomplete = false;
        self.incomplete.remove(&socket);
    }
}

/// Returns the slot of a socket. Sockets are objects of one size, some hundreds of bytes long.
fn slot_of(socket: SocketKey) -> usize {
    (socket.0 >> 6) as usize % CLOSED
}
