//! SYNs that nobody answers because the accept queue of their listener is full: the kernel drops them without a word
//! (tcp_conn_request of net/ipv4/tcp_input.c), but tells the numbers of the queue to whoever asks.

use std::collections::VecDeque;

use crate::{
    correlate::{
        Correlator,
        table::connection::{Connection, Key, Place},
        verdict::progress,
    },
    event::{AcceptQueue, Direction, Endpoint, Hint, Segment},
    tcp::TcpFlags,
};

/// No more connections than this wait to be asked for.
const MOST_UNANSWERED: usize = 1024;

/// The loopback device has this index in every namespace (LOOPBACK_IFINDEX).
const LOOPBACK: u32 = 1;

/// A connection whose SYN has been sent again, and whose listener may be on this host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unanswered {
    /// The end that does not answer.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
}

/// Connections whose listeners are to be asked for, each once.
#[derive(Debug, Default)]
pub(in crate::correlate) struct Queues {
    unanswered: VecDeque<Place>,
}

impl Correlator {
    /// The next connection whose SYN has been sent again without an answer, once for each time. Nothing unless
    /// [`Self::want_owners`] has been called.
    pub fn poll_unanswered(&mut self) -> Option<Unanswered> {
        while let Some(place) = self.queues.unanswered.pop_front() {
            let Some(conn) = self.table.resolve(place).and_then(|at| self.table.get_mut(at)) else { continue };
            conn.queue_wanted = false;
            let server = conn.client_side().other();
            if waits_for_answer(conn)
                && !conn.leaves
                && let Some((local, remote)) = conn.endpoint(server).zip(conn.endpoint(server.other()))
            {
                return Some(Unanswered { local, remote });
            }
        }
        None
    }

    /// A segment has passed, maybe as a copy. A SYN that leaves by another interface than loopback is for somebody
    /// elsewhere, also where it has only come by.
    pub(in crate::correlate) fn watch_syn(&mut self, segment: &Segment) {
        if !segment.header.has(TcpFlags::SYN) || segment.header.has(TcpFlags::ACK) {
            return;
        }
        let (key, _) = Key::new(segment.netns.unwrap_or(self.netns), segment.src, segment.dst);
        let key = self.key_of(key, segment.conn_netns);
        let Some(at) = self.table.find(&key) else { return };
        let place = self.table.place(at);
        let Some(conn) = self.table.get_mut(at) else { return };
        conn.leaves |= segment.direction == Some(Direction::Out) && segment.ifindex != LOOPBACK;
        if self.owners.wanted
            && waits_for_answer(conn)
            && !conn.queue_wanted
            && self.queues.unanswered.len() < MOST_UNANSWERED
        {
            conn.queue_wanted = true;
            self.queues.unanswered.extend(place);
        }
    }
}

/// The kernel has told the numbers of the listener's queue. What it said last holds.
pub(in crate::correlate) fn learn(conn: &mut Connection, hint: &Hint) {
    if waits_for_answer(conn) {
        let full = |queue: Option<AcceptQueue>| queue.is_some_and(AcceptQueue::is_full);
        let before = std::mem::replace(&mut conn.rare_mut().queue, hint.queue);
        if full(hint.queue) && !full(before) {
            // Why it does not get on is worth telling, since it may take minutes until the client gives up.
            progress::tell_again(conn, hint.at);
        }
    }
}

/// Whether a SYN has been sent again, and nothing came back.
fn waits_for_answer(conn: &Connection) -> bool {
    let (client, _) = conn.roles();
    !conn.opened && !conn.answered && client.syn().is_some_and(|sent| sent.again() > 0)
}
