//! Assignment of socket reports to connections.
//!
//! The kernel is asked again and again. A report is placed, and thereby recorded, only if it changes what is known or makes a
//! stall due. One that is not placed changes nothing, so that a recording of the placed ones gives the same output.

use super::segment::guess_server;
use crate::{
    correlate::{
        Correlated, CorrelatedReport, Correlator,
        table::connection::{Connection, Key, Noted, Side},
        verdict::{progress, stalled},
    },
    event::{BootTime, SocketReport, StuckOn},
    tcp::TcpState,
};

/// The change that a report makes.
#[derive(Clone, Copy, Debug)]
struct News {
    noted: Noted,
    /// A stall of the established connection is to be reported.
    due: bool,
}

impl Correlator {
    /// Places a report, if it changes anything, and the stall that it makes due. Returns the connection.
    pub(in crate::correlate) fn place_report(
        &mut self,
        report: &SocketReport,
        emit: &mut dyn FnMut(Correlated),
    ) -> Option<u32> {
        let netns = report.netns.unwrap_or(self.watched.here);
        let (key, side) = Key::new(netns, report.local, report.remote);
        let key = self.key_of(key, report.conn_netns);
        let known = self.table.find(&key).filter(|&at| self.table.get(at).is_some_and(|conn| !conn.ended));
        let at = match known {
            // The connection has gone on since the kernel was asked.
            Some(at) if self.table.get(at).is_none_or(|conn| conn.last > report.asked) => return None,
            Some(at) => at,
            // It was established before tracing began, and nothing of it was seen since.
            None => match report.stuck()? {
                StuckOn::Handshake => return None,
                stuck => self.begin_stuck(&key, side, stuck, report.at),
            },
        };
        let news = news(self.table.get(at)?, side, report)?;
        self.tell_evicted(emit);
        self.introduce(at, emit);
        let (gaps, watched) = (self.table.gaps, &self.watched);
        let conn = self.table.get_mut(at)?;
        let first = conn.rare_mut().reports.of_mut(side).replace(news.noted).is_none();
        // A stall of the close was reported without what its socket waits for.
        if first && report.stuck().is_some() && conn.stalls > 0 {
            progress::tell_again(conn, report.at);
        }
        emit(Correlated::Report(CorrelatedReport {
            report: *report,
            conn: conn.number,
            conn_netns: report.netns.and(conn.netns()).filter(|&known| known != netns),
            since_start_ns: report.at.since(conn.first),
        }));
        if news.due {
            emit(Correlated::Stalled(Box::new(stalled::record(conn, report.at, gaps, watched))));
        }
        Some(at)
    }

    /// Begins a connection of which only a report is known; `side` is the end of the socket.
    fn begin_stuck(&mut self, key: &Key, side: Side, stuck: StuckOn, now: BootTime) -> u32 {
        let at = self.table.begin(Some(*key), now);
        if let Some(conn) = self.table.get_mut(at) {
            (conn.mid_life, conn.answered) = (true, true);
            conn.set_netns_known(true);
            conn.end_mut(side).here = true;
            guess_server(conn, &self.listeners, key);
            // Whoever sends is the client, as without a report; whoever is to accept is the server.
            if conn.client.is_none() {
                conn.client = Some(if stuck == StuckOn::Accept { side.other() } else { side });
                conn.set_client_guessed(true);
            }
        }
        at
    }
}

/// Returns what a report changes; `None` if nothing.
fn news(conn: &Connection, side: Side, report: &SocketReport) -> Option<News> {
    let stuck = report.stuck();
    let before = conn.report(side);
    if before.is_none() && stuck.is_none() {
        return None;
    }
    let since = match stuck {
        Some(StuckOn::Accept) => conn.end(side).seen_to_enter(TcpState::Established),
        Some(StuckOn::Handshake) => conn.ack_at(),
        _ => None,
    };
    let since = since.unwrap_or(report.at.minus(report.stuck_ns));
    let same = before.filter(|before| {
        before.report.stuck() == stuck
            && before.report.state == report.state
            && before.report.acked_bytes == report.acked_bytes
    });
    // What was dropped has shown the same stall.
    let dropped = conn.rare().and_then(|rare| rare.later_drops.of(side).as_ref()).map_or(0, |drops| drops.again.told);
    let (since, told) = same.map_or((since, dropped), |before| (since.min(before.since), before.told));
    let open = progress::is_open(conn);
    let due = open
        && stuck.is_some()
        && report.state != TcpState::SynSent
        && report.at.since(since) >= progress::stall_level(told);
    let further = !open && same.is_some_and(|before| before.report.retransmissions != report.retransmissions);
    let noted = Noted { report: *report, since, told: told.saturating_add(due.into()) };
    (same.is_none() || due || further).then_some(News { noted, due })
}
