//! State changes that cannot be shown yet. At SYN_SENT the kernel has not chosen the port; at LISTEN → SYN_RECV kernels
//! before 6.18 have not filled in the peer. The next thing the socket does shows both, nearly always within microseconds.
//! Everything behind waits too, so that the order holds.

use std::collections::VecDeque;

use foldhash::HashMap;

use crate::{
    event::{BootTime, Event, Segment, SocketKey, StateChange},
    tcp::{TcpFlags, TcpState},
};

/// The longest that an event waits, in nanoseconds.
pub(in crate::correlate) const LONGEST: u64 = 50_000_000;

/// More events than this do not wait for the ring to run empty.
const LONG: usize = 1 << 14;

/// Sockets that have closed lately, of which the ports are remembered.
const CLOSED: usize = 1024;

/// Events that wait, in order.
#[derive(Debug)]
pub(in crate::correlate) struct Waiting {
    /// With whether it is incomplete itself, or only stands behind one that is.
    queue: VecDeque<(Event, bool)>,
    /// The number of the event at the front of the queue.
    front: u64,
    /// Incomplete events by their socket.
    incomplete: HashMap<SocketKey, u64>,
    /// The local ports of sockets that have closed lately: one that connects again still has the port of the attempt before
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
    /// Takes the event if it has to wait; false if it may go on at once.
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

    /// Remembers the port that a socket has as it closes.
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

    /// The next event that need not wait any more.
    pub(in crate::correlate) fn next(&mut self, now: BootTime) -> Option<Event> {
        let (event, incomplete) = self.queue.front()?;
        if *incomplete && now < event.at().plus(LONGEST) {
            return None;
        }
        let (mut event, incomplete) = self.queue.pop_front()?;
        if incomplete && let Event::State(change) = &mut event {
            self.incomplete.remove(&change.socket);
            if change.new == TcpState::SynSent {
                // It may be the port of an attempt before.
                change.local.port = 0;
            }
        }
        self.front += 1;
        Some(event)
    }

    /// Whether so much waits that times have to decide.
    pub(in crate::correlate) fn is_long(&self) -> bool {
        self.queue.len() > LONG
    }

    /// When the first one has waited long enough.
    pub(in crate::correlate) fn deadline(&self) -> Option<BootTime> {
        self.queue.front().map(|(event, _)| event.at().plus(LONGEST))
    }

    /// Fills in what `event` tells about the same socket's earlier change.
    fn complete(&mut self, event: &Event) {
        let socket = match event {
            Event::State(change) => change.socket,
            Event::Segment(Segment { socket: Some(socket), header, .. }) if header.has(TcpFlags::SYN) => *socket,
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
            // After address translation the SYN shows another source than the socket has.
            Event::Segment(Segment { socket_port: Some(port), .. }) => early.local.port = *port,
            Event::Segment(syn) if syn.src.addr == early.local.addr && syn.dst == early.remote => {
                early.local = syn.src;
            }
            Event::Segment(_) => return,
            Event::Icmp(_) | Event::Owner(_) | Event::Listener(_) | Event::Hint(_) | Event::Loss(_) => {}
        }
        // Even where that did not help: the socket's next change was the last chance.
        *incomplete = false;
        self.incomplete.remove(&socket);
    }
}

/// Sockets are objects of one size, some hundreds of bytes long.
fn slot_of(socket: SocketKey) -> usize {
    (socket.0 >> 6) as usize % CLOSED
}
