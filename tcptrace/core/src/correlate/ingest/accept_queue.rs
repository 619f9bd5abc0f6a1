//! SYNs that are not answered because the accept queue of their listener is full, or without SYN cookies its SYN queue: the
//! kernel drops them silently (tcp_conn_request of net/ipv4/tcp_input.c), but reports what is in a queue on request.

use std::collections::VecDeque;

use crate::{
    correlate::{
        Correlator,
        table::connection::{Connection, Key, Place},
        verdict::progress,
    },
    event::{AcceptQueue, Direction, Endpoint, Hint, HintName, Segment},
    tcp::TcpFlags,
};

/// Maximum number of connections whose listener is still to be queried.
const MAX_UNANSWERED: usize = 1024;

/// The loopback device has this index in every namespace (LOOPBACK_IFINDEX).
const LOOPBACK: u32 = 1;

/// A connection whose SYN was retransmitted, and whose listener may be on this host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unanswered {
    /// Inode number of the network namespace of the end that does not answer; `None` for the tracer's own.
    pub netns: Option<u32>,
    /// The end that does not answer.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
}

/// Connections whose listeners are to be queried, each once.
#[derive(Debug, Default)]
pub(in crate::correlate) struct Queues {
    unanswered: VecDeque<Place>,
}

impl Correlator {
    /// Returns the next connection whose SYN was retransmitted without an answer, once for each retransmission; always
    /// `None` unless [`Self::want_owners`] was called.
    pub fn poll_unanswered(&mut self) -> Option<Unanswered> {
        while let Some(place) = self.queues.unanswered.pop_front() {
            let Some(conn) = self.table.resolve(place).and_then(|at| self.table.get_mut(at)) else { continue };
            conn.set_queue_wanted(false);
            let server = conn.client_side().other();
            if waits_for_answer(conn)
                && let Some(reached) = conn.rare().and_then(|rare| rare.syn_reached)
                && let Some((local, remote)) = conn.endpoint(server).zip(conn.endpoint(server.other()))
            {
                let netns = Some(reached).filter(|&netns| netns != self.watched.here);
                return Some(Unanswered { netns, local, remote });
            }
        }
        None
    }

    /// Observes a segment, which may be a copy. A SYN that leaves by an interface other than loopback is for another
    /// namespace, where it is seen to come in, or for another host, even if it was forwarded.
    pub(in crate::correlate) fn watch_syn(&mut self, segment: &Segment) {
        if !self.owners.wanted || !segment.header.has(TcpFlags::SYN) || segment.header.has(TcpFlags::ACK) {
            return;
        }
        let netns = segment.netns.unwrap_or(self.watched.here);
        let (key, _) = Key::new(netns, segment.src, segment.dst);
        let key = self.key_of(key, segment.conn_netns);
        let Some(at) = self.table.find(&key) else { return };
        let place = self.table.place(at);
        let Some(conn) = self.table.get_mut(at) else { return };
        if !waits_for_answer(conn) {
            return;
        }
        let leaves = segment.direction == Some(Direction::Out) && segment.ifindex != LOOPBACK;
        conn.rare_mut().syn_reached = if leaves { None } else { Some(netns) };
        if !conn.queue_wanted() && self.queues.unanswered.len() < MAX_UNANSWERED {
            conn.set_queue_wanted(true);
            self.queues.unanswered.extend(place);
        }
    }
}

/// Updates the connection with a queue of the listener as the kernel reports it; the latest report counts.
pub(in crate::correlate) fn learn(conn: &mut Connection, hint: &Hint) {
    if waits_for_answer(conn) {
        let full = |queue: Option<AcceptQueue>| queue.is_some_and(AcceptQueue::is_full);
        let rare = conn.rare_mut();
        let known = if hint.name == HintName::SynQueue { &mut rare.syn_queue } else { &mut rare.queue };
        let before = std::mem::replace(known, hint.queue);
        if full(hint.queue) && !full(before) {
            // The reason is worth reporting at once, since the client may take minutes to give up.
            progress::tell_again(conn, hint.at);
        }
    }
}

/// A full queue of the listener that does not answer.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) enum FullQueue {
    /// Connections that its process has not accepted.
    Accept(AcceptQueue),
    /// Requests that wait for an ACK, and SYN cookies are off.
    Syn(AcceptQueue),
}

impl FullQueue {
    /// Returns the queue that was full when the kernel was last asked. While the accept queue is full, requests stay in the
    /// other one, which then says nothing of its own.
    pub(in crate::correlate) fn of(conn: &Connection) -> Option<Self> {
        let rare = conn.rare()?;
        let full = |queue: Option<AcceptQueue>| queue.filter(|queue| queue.is_full());
        full(rare.queue).map(Self::Accept).or_else(|| full(rare.syn_queue).map(Self::Syn))
    }
}

/// Returns true if a SYN was retransmitted without an answer.
fn waits_for_answer(conn: &Connection) -> bool {
    let (client, _) = conn.roles();
    !conn.opened && !conn.answered && client.syn().is_some_and(|sent| sent.again() > 0)
}
