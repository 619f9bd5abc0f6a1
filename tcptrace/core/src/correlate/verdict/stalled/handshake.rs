//! Stalls of a handshake.

use super::{Stalling, Waits, state, times};
use crate::{
    correlate::{ingest::accept_queue::FullQueue, verdict::handshake::is_ignored_reset},
    event::Role,
    tcp::TcpState::{self, Established, SynRecv, SynSent},
    verdict::{
        Awaited, Turn,
        sentence::{IGNORED_RESET, push_queue},
    },
};

impl Stalling<'_> {
    pub(super) fn handshake(self) -> Waits {
        let conn = self.conn;
        let (client, server) = conn.roles();
        let [in_client, in_server] = [conn.client_side(), conn.client_side().other()].map(|side| state(conn, side));
        if server.synack().is_none() && client.syn().is_none() {
            return self.nothing_sent(in_client);
        }
        let Some(synack) = server.synack() else {
            let mut summary = format!("waiting for the server's SYN,ACK; {}", times("SYN", client.syn()));
            if is_ignored_reset(conn) {
                summary += "; ";
                summary += IGNORED_RESET;
            }
            summary += &self.queue_text();
            return Waits::answer(Awaited::SynAck, Role::Server, client.syn(), summary);
        };
        let Some(acked) = conn.ack_at() else {
            let summary = format!("waiting for the client's ACK; {}", times("SYN,ACK", Some(synack)));
            return Waits::answer(Awaited::Ack, Role::Client, Some(synack), summary);
        };
        match in_server {
            None | Some(SynRecv) if conn.is_deferred() => Waits {
                summary: "the server waits for the client's data: TCP_DEFER_ACCEPT".to_owned(),
                waiting_for: Some(Awaited::Accept),
                turn: Some(Turn::Client),
                since: Some(acked),
                ..Waits::default()
            },
            Some(state) if state != Established => Waits {
                summary: format!("the client is ESTABLISHED; the server is not: {state}{}", self.queue_text()),
                waiting_for: Some(Awaited::Accept),
                turn: Some(Turn::Server),
                since: Some(acked),
                ..Waits::default()
            },
            _ => Waits::nothing_known("waiting for both ends to be ESTABLISHED"),
        }
    }

    /// Returns the awaited step if no segment shows anything.
    fn nothing_sent(self, in_client: Option<TcpState>) -> Waits {
        let waiting_for = (in_client == Some(SynSent)).then_some(Awaited::SynAck);
        let elsewhere = self.watched.is_elsewhere(self.conn);
        let (summary, turn) = match waiting_for {
            Some(_) if elsewhere => ("the client is in SYN_SENT; its segments pass in another network namespace", None),
            Some(_) => ("waiting for the client's SYN, which was not seen to leave", Some(Turn::Client)),
            None => ("waiting for a segment: none was seen yet", Some(Turn::Client)),
        };
        let mut waits = Waits { waiting_for, turn, ..Waits::nothing_known(summary) };
        if let Some(noted) = self.conn.report(self.conn.client_side()).filter(|_| waiting_for.is_some()) {
            // A SYN that waits in this host, as for its neighbour, is not sent again when the timer expires.
            let timeouts = noted.report.retransmissions;
            waits.timeouts = Some(timeouts);
            match timeouts {
                0 => {}
                1 => waits.summary += "; the client's retransmission timer has expired once",
                _ => waits.summary += &format!("; the client's retransmission timer has expired {timeouts} times"),
            }
        }
        waits
    }

    fn queue_text(self) -> String {
        let mut text = String::new();
        match FullQueue::of(self.conn) {
            Some(FullQueue::Accept(queue)) => push_queue(&mut text, Some(queue), None),
            Some(FullQueue::Syn(queue)) => push_queue(&mut text, None, Some(queue)),
            None => {}
        }
        text
    }
}
