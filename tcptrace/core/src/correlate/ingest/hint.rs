//! Assignment of hints to connections.

use std::time::Duration;

use super::accept_queue;
use crate::{
    correlate::{
        CorrelatedHint, Correlator,
        table::{
            connection::{Connection, Key, NatForgot, Side},
            endpoint::{End, ResetHint},
        },
    },
    event::{BootTime, Hint, HintName, reset_reason::ResetReason},
};

/// Maximum time from a socket's change to CLOSE to its reset.
const RESET_FOLLOWS: Duration = Duration::from_millis(50);

/// Returns true if a reset ends the socket that sends it: it does not refuse a segment, and follows the change to
/// CLOSE.
fn ends_its_socket(end: &End, hint: &Hint) -> bool {
    let aborts = match hint.reason {
        None => hint.socket.is_some(),
        Some(reason) => reason.ends_socket(),
    };
    aborts && end.closed().is_some_and(|closed| hint.at < closed.at + RESET_FOLLOWS)
}

/// Returns true if the kernel answers a segment of an end on another host by a reset, since the socket of this one has gone: with
/// the number that the segment acknowledges, that ends the connection (tcp_v4_send_reset of net/ipv4/tcp_ipv4.c).
fn answers_for_closed(conn: &Connection, side: Side, hint: &Hint) -> bool {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let gone = own.open_sockets == 0 && own.closed().is_some_and(|closed| closed.at <= hint.at);
    hint.reason == Some(ResetReason::NoSocket) && gone && !other.had_socket && !conn.fins_acked() && !conn.ended
}

/// A hint at a reset of a connection of which nothing was known before.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct EarlyReset {
    at: BootTime,
    key: Key,
    from: Side,
    reset: ResetHint,
}

impl Correlator {
    /// Notes the kernel's reason for the reset that begins what is seen of a connection, if the kernel gave it just before.
    pub(super) fn learn_early_reset(&mut self, at: u32, key: Key, from: Side, sent: BootTime) {
        let known = |early: &EarlyReset| (early.key, early.from) == (key, from) && sent <= early.at + RESET_FOLLOWS;
        if let Some(early) = self.early_reset.filter(known)
            && let Some(conn) = self.table.get_mut(at)
        {
            conn.end_mut(from).learn_reset(early.reset);
            self.early_reset = None;
        }
    }

    /// Finds the connection of a hint; a hint begins none.
    pub(in crate::correlate) fn place_hint(&mut self, hint: &Hint) -> (CorrelatedHint, Option<u32>) {
        let netns = hint.netns.unwrap_or(self.watched.here);
        let (key, from) = Key::new(netns, hint.local, hint.remote);
        let key = self.key_of(key, hint.conn_netns);
        let socket = hint.socket.and_then(|socket| self.table.sockets.get(socket)).copied();
        // A listener has no connection: what is sent on its behalf belongs to one without a socket yet.
        let of_socket = socket.and_then(|socket| Some((self.table.resolve(socket.conn()?)?, socket.side())));
        let by_ends = || self.answered_generation(&key, from);
        let found = of_socket.or_else(|| Some((by_ends()?, from)));
        let all_segments = self.all_segments;
        if found.is_none() && hint.name == HintName::SendReset {
            let reset = ResetHint { reason: hint.reason, queue_full: hint.queue_full };
            self.early_reset = Some(EarlyReset { at: hint.at, key, from, reset });
        }
        let nobody = hint.reason == Some(ResetReason::NoSocket) && hint.netns.is_some() && self.table.gaps == 0;
        let passed_over = nobody.then(|| self.listeners.should_take(netns, hint.local, hint.at)).flatten();
        if let Some((at, side)) = found
            && let Some(conn) = self.table.get_mut(at)
        {
            match hint.name {
                HintName::SendReset => {
                    if passed_over.is_some() && !conn.answered && !conn.opened {
                        conn.rare_mut().passed_over = passed_over;
                    }
                    let reset = ResetHint { reason: hint.reason, queue_full: hint.queue_full };
                    conn.end_mut(side).learn_reset(reset);
                    if ends_its_socket(conn.end(side), hint) {
                        conn.end_mut(side.other()).withdraw_unseen_reset(true);
                        if hint.reason == Some(ResetReason::TcpAbortOnData) {
                            // It took in segments until then.
                            conn.end_mut(side.other()).refuse_reset(|_| true);
                        }
                        conn.accept_reset(side, hint.at, true);
                    } else if answers_for_closed(conn, side, hint) {
                        conn.accept_reset(side, hint.at, true);
                    }
                }
                HintName::AcceptQueue | HintName::SynQueue => accept_queue::learn(conn, hint),
                HintName::DeferAccept if !conn.opened => conn.rare_mut().defers = true,
                HintName::RetransmitSynack if hint.queue_full || conn.rare().is_some() => {
                    conn.rare_mut().listener_full = hint.queue_full;
                }
                HintName::NatExpired | HintName::NatDeleted if !conn.ended => {
                    let deleted = hint.name == HintName::NatDeleted;
                    let idle_ns = all_segments.then(|| hint.at.since(conn.last));
                    conn.rare_mut().nat_forgot = Some(NatForgot { at: hint.at, deleted, idle_ns });
                }
                HintName::DeferAccept | HintName::RetransmitSynack | HintName::NatExpired | HintName::NatDeleted => {}
            }
        }
        let conn = found.and_then(|(at, _)| self.table.get(at));
        let placed = CorrelatedHint {
            hint: *hint,
            conn: conn.map(|conn| conn.number),
            conn_netns: hint.netns.and(conn.and_then(Connection::netns)).filter(|&known| known != netns),
            socket: socket.map(|socket| socket.number.get()),
            since_start_ns: conn.map(|conn| hint.at.since(conn.first)),
            late: conn.is_some_and(|conn| conn.ended),
        };
        (placed, found.map(|(at, _)| at))
    }
}
