//! Records of stalls: the awaited step, the end whose turn it is, and a sentence.

mod close;
mod dropped;
mod handshake;
mod reported;

use super::{
    assemble,
    close::may_have_closed,
    handshake::is_ignored_reset,
    progress::{Phase, phase},
    state_times,
};
use crate::{
    correlate::{
        table::{
            connection::{Connection, Side},
            endpoint::{End, Sent},
        },
        watched::Watched,
    },
    event::{BootTime, Role},
    tcp::{
        TcpOptions,
        TcpState::{self, CloseWait},
    },
    verdict::{Awaited, Each, Stalled, Turn, sentence},
};

/// Returns the record. `gaps` is the number of losses so far, `watched` tells whose segments are seen.
pub(in crate::correlate) fn record(conn: &Connection, at: BootTime, gaps: u64, watched: &Watched) -> Stalled {
    let client = conn.client_side();
    let looked_at = Stalling { conn, lossless: gaps == u64::from(conn.gaps), watched };
    let phase = phase(conn);
    let mut waits = match phase {
        Some((Phase::Handshake, _)) => looked_at.handshake(),
        Some((Phase::Close, _)) => looked_at.close(),
        None => looked_at
            .reported()
            .or_else(|| looked_at.sent_again())
            .unwrap_or_else(|| Waits::nothing_known("it makes progress again")),
    };
    let dropped = looked_at.dropped(&waits);
    sentence::push_drops(&mut waits.summary, dropped);
    let dropped_segments = looked_at.dropped_segments(&waits, at);
    sentence::push_segment_drops(&mut waits.summary, dropped_segments);
    let again = waits.timeouts.or(waits.sent.map(Sent::again)).unwrap_or(0);
    if dropped_segments.is_some() || dropped.is_some_and(|dropped| dropped.segments > again) {
        waits.turn = Some(Turn::Network);
    }
    if !looked_at.is_certain() {
        waits.summary += "; events were lost since the connection began: it may have got on";
    }
    let began = phase.map_or(conn.last, |(_, began)| began);
    Stalled {
        at,
        last: conn.last,
        since: waits.since.unwrap_or(began).min(at),
        ignored_reset: is_ignored_reset(conn),
        signature: conn.end(client).options().and_then(|options| TcpOptions(options).signature()),
        conn: conn.number,
        netns: conn.netns(),
        client: assemble::close_end(conn, client),
        server: assemble::close_end(conn, client.other()),
        state: Each { client: state(conn, client), server: state(conn, client.other()) },
        waiting_for: waits.waiting_for,
        turn: waits.turn,
        unacked_bytes: looked_at.unacked(),
        retransmissions: waits.timeouts.or(waits.sent.map(Sent::again)),
        dropped,
        dropped_segments,
        same_as: assemble::same_as(conn),
        nat: assemble::nat(conn),
        summary: waits.summary,
    }
}

/// Returns the state of an end if its socket is on this host, or is reported there. For others, RFC 9293 §3.10.7.4
/// leaves only CLOSE_WAIT to an end that acknowledges a FIN and has sent none.
fn state(conn: &Connection, side: Side) -> Option<TcpState> {
    let end = conn.end(side);
    let by_ack = || (end.acked_fin() && end.fin().is_none() && !may_have_closed(conn, side)).then_some(CloseWait);
    let reported = || conn.report(side).map(|noted| noted.report.state);
    if end.had_socket { state_times::current(conn, side) } else { reported().or_else(by_ack) }
}

/// The step that a connection waits for.
#[derive(Debug, Default)]
struct Waits {
    summary: String,
    waiting_for: Option<Awaited>,
    turn: Option<Turn>,
    /// Time since which it waits, if that is not the beginning of the phase.
    since: Option<BootTime>,
    /// The segments whose answer is awaited.
    sent: Option<Sent>,
    /// Number of retransmission timeouts, as the socket that waits tells.
    timeouts: Option<u32>,
}

impl From<Role> for Turn {
    fn from(role: Role) -> Self {
        match role {
            Role::Client => Self::Client,
            Role::Server => Self::Server,
        }
    }
}

impl Waits {
    fn nothing_known(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), ..Self::default() }
    }

    /// Waits for the other end's answer to these segments.
    fn answer(awaited: Awaited, turn: Role, sent: Option<Sent>, summary: String) -> Self {
        let since = sent.map(|sent| sent.first);
        Self { summary, waiting_for: Some(awaited), turn: Some(turn.into()), since, sent, timeouts: None }
    }
}

/// A connection that makes no progress.
#[derive(Clone, Copy, Debug)]
struct Stalling<'a> {
    conn: &'a Connection,
    /// True if no event was lost since it began.
    lossless: bool,
    watched: &'a Watched,
}

impl Stalling<'_> {
    /// Returns true if the connection is known to make no progress: no event was lost that could have shown some, or
    /// the kernel tells of a socket that is still there.
    fn is_certain(self) -> bool {
        self.lossless || [Side::First, Side::Second].into_iter().any(|side| self.conn.report(side).is_some())
    }

    /// Returns the unacknowledged payload bytes, in both directions together: those of sockets that report them, or those that
    /// segments show.
    fn unacked(self) -> Option<u64> {
        let reported = |side: Side| self.conn.report(side).map(|noted| u64::from(noted.report.unacked_bytes));
        if let Some(bytes) =
            [Side::First, Side::Second].into_iter().filter_map(reported).reduce(|one, other| one + other)
        {
            return Some(bytes);
        }
        let [first, second] = &self.conn.ends;
        Some(self.unacked_of(first)? + self.unacked_of(second)?)
    }

    /// Returns the unacknowledged payload bytes of an end, if all its payload is recorded.
    fn unacked_of(self, end: &End) -> Option<u64> {
        let shown = self.conn.shows_all() && end.isn().is_some() && self.lossless;
        let fin = end.fin().is_some_and(|fin| fin.acked().is_none());
        shown.then(|| end.sent.saturating_sub(end.acked().max(1)).saturating_sub(u64::from(fin)))
    }
}

fn times(what: &str, sent: Option<Sent>) -> String {
    match sent.map_or(0, Sent::count) {
        1 => format!("the {what} was sent once"),
        count => format!("the {what} was sent {count} times"),
    }
}
