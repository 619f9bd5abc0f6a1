//! Placing hints.

use super::accept_queue;
use crate::{
    correlate::{
        CorrelatedHint, Correlator,
        table::{connection::Key, endpoint::ResetHint},
    },
    event::{Hint, HintName},
};

impl Correlator {
    /// Finds the hint's connection; none is begun by a hint.
    pub(in crate::correlate) fn place_hint(&mut self, hint: &Hint) -> (CorrelatedHint, Option<u32>) {
        let netns = hint.netns.unwrap_or(self.netns);
        let (key, from) = Key::new(netns, hint.local, hint.remote);
        let socket = hint.socket.and_then(|socket| self.table.sockets.get(socket)).copied();
        // A listener has no connection itself: what is sent on its behalf belongs to one that has no socket yet.
        let of_socket = socket.and_then(|socket| Some((self.table.resolve(socket.conn()?)?, socket.side())));
        let found = of_socket.or_else(|| Some((self.table.find(&key)?, from)));
        if let Some((at, side)) = found
            && let Some(conn) = self.table.get_mut(at)
        {
            match hint.name {
                HintName::SendReset => {
                    let reset = ResetHint { reason: hint.reason, queue_full: hint.queue_full };
                    conn.end_mut(side).learn_reset(reset);
                }
                HintName::AcceptQueue => accept_queue::learn(conn, hint),
                HintName::RetransmitSynack => {}
            }
        }
        let conn = found.and_then(|(at, _)| Some(self.table.get(at)?.number));
        (
            CorrelatedHint { hint: *hint, conn, socket: socket.map(|socket| socket.number.get()) },
            found.map(|(at, _)| at),
        )
    }
}
