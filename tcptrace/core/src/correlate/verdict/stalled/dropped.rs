//! Segments that the kernel of this host dropped, while an answer to them is awaited.

use super::{Stalling, Waits};
use crate::{
    correlate::{
        table::{
            connection::{Connection, SentAgain, Side},
            endpoint::Sent,
        },
        verdict::{
            drops,
            handshake::timed_out,
            progress::{Phase, phase},
        },
    },
    event::BootTime,
    verdict::{Awaited, OpeningDrops, SegmentDrops, Turn},
};

impl Stalling<'_> {
    /// Returns the SYNs or SYN,ACKs that this host dropped, if the handshake waits for their answer.
    pub(super) fn dropped(self, waits: &Waits) -> Option<OpeningDrops> {
        let opening = !self.conn.opened && matches!(waits.waiting_for, Some(Awaited::SynAck | Awaited::Ack));
        self.conn.rare().and_then(|rare| rare.drops).filter(|_| opening)
    }

    /// Returns the segments that this host went on dropping until `at`, if the connection waits for an answer to them.
    pub(super) fn dropped_segments(self, waits: &Waits, at: BootTime) -> Option<SegmentDrops> {
        let waits_for_answer = matches!(
            waits.waiting_for,
            Some(Awaited::Ack | Awaited::DataAck | Awaited::Accept | Awaited::Fin | Awaited::Window)
        );
        // The client's ACK has passed, and the server has no socket yet.
        let opening = matches!(phase(self.conn), Some((Phase::Handshake, _))) && self.conn.ack_at().is_some();
        let answered = waits_for_answer || opening || self.conn.ends.iter().any(|end| timed_out(end).is_some());
        let again = waits.timeouts.or(waits.sent.map(Sent::again));
        drops::until(self.conn, at, again.unwrap_or(0)).filter(|_| answered)
    }

    /// Returns what an established connection waits for whose end sends a segment again and again, to be dropped each time.
    pub(super) fn sent_again(self) -> Option<Waits> {
        let client = self.conn.client_side();
        let sides = [client, client.other()].into_iter();
        let (side, again) = sides.filter_map(|side| Some((side, again(self.conn, side)?))).next()?;
        let what = if again.fin { "the FIN" } else { "a segment" };
        let summary = format!("{what} of the {} was sent {} times", self.conn.shown_role(side).word(), again.times);
        Some(Waits {
            summary,
            waiting_for: Some(if again.fin { Awaited::Ack } else { Awaited::DataAck }),
            turn: Some(Turn::Network),
            since: Some(again.first),
            sent: None,
            timeouts: Some(again.times - 1),
        })
    }
}

/// Returns the segment of an end that was dropped more than once.
fn again(conn: &Connection, side: Side) -> Option<SentAgain> {
    let drops = conn.rare()?.later_drops.of(side).as_ref()?;
    Some(drops.again).filter(|again| again.times > 1)
}
