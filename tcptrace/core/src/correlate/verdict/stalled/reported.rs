//! Stalls that the kernel reports of a socket.

use super::{Stalling, Waits};
use crate::{
    correlate::table::connection::{Noted, Side},
    event::StuckOn,
    tcp::TcpState::SynRecv,
    verdict::{Awaited, Turn},
};

impl Stalling<'_> {
    /// Returns what a socket waits for that reports that it makes no progress.
    pub(super) fn reported(self) -> Option<Waits> {
        let client = self.conn.client_side();
        [client, client.other()].into_iter().find_map(|side| self.reported_at(side))
    }

    pub(super) fn reported_at(self, side: Side) -> Option<Waits> {
        let Noted { report, since, .. } = self.conn.report(side)?;
        let (own, peer) = (self.conn.shown_role(side), self.conn.shown_role(side).other());
        let (bytes, timeouts) = (report.unacked_bytes, report.retransmissions);
        let unacked = if bytes == 0 {
            format!("the {}'s FIN is", own.word())
        } else {
            format!("{bytes} B of the {} are", own.word())
        };
        let (waiting_for, turn, summary) = match report.stuck()? {
            // Of an established connection: its ACK has come, as the handshake shows.
            StuckOn::Handshake if report.state == SynRecv && self.conn.opened => {
                let times = timeouts.saturating_add(1);
                let full = if self.conn.rare().is_some_and(|rare| rare.listener_full) {
                    "; the server's accept queue is full"
                } else {
                    ""
                };
                let summary = format!(
                    "the server does not take the client's ACK: it is in SYN_RECV, and has sent its SYN,ACK {times} times{full}"
                );
                (Awaited::Accept, own.into(), summary)
            }
            StuckOn::Handshake => return None,
            StuckOn::Accept => {
                let summary = format!("no process of the {} has accepted it: it waits in the accept queue", own.word());
                (Awaited::Accept, own.into(), summary)
            }
            StuckOn::Window => {
                let summary = format!(
                    "the {}'s receive window is closed; {bytes} B of the {} wait for it",
                    peer.word(),
                    own.word()
                );
                (Awaited::Window, peer.into(), summary)
            }
            StuckOn::Ack => {
                let times = if timeouts == 1 {
                    "one retransmission timeout".to_owned()
                } else {
                    format!("{timeouts} retransmission timeouts")
                };
                let large = report.segment_size.filter(|&size| bytes >= size);
                let size = large.map_or_else(String::new, |size| format!("; its segments have up to {size} B"));
                let summary = format!("{unacked} not acknowledged after {times}{size}");
                (if bytes == 0 { Awaited::Ack } else { Awaited::DataAck }, Turn::Network, summary)
            }
        };
        let timeouts = (report.stuck() != Some(StuckOn::Accept)).then_some(timeouts);
        Some(Waits {
            summary,
            waiting_for: Some(waiting_for),
            turn: Some(turn),
            since: Some(since),
            sent: None,
            timeouts,
        })
    }
}
