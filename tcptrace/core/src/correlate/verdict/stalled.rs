//! Records of stalls: the awaited step, the end whose turn it is, and a sentence.

use super::{
    assemble,
    progress::{Phase, phase},
    state_times,
};
use crate::{
    correlate::{
        table::{
            connection::{Connection, Noted, Side},
            endpoint::{End, Sent},
        },
        watched::Watched,
    },
    event::{AcceptQueue, BootTime, Role, StuckOn},
    tcp::TcpState::{
        self, Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynRecv, SynSent, TimeWait,
    },
    verdict::{Awaited, Each, Stalled, Turn},
};

/// Returns the record. `gaps` is the number of losses so far, `watched` tells whose segments are seen.
pub(in crate::correlate) fn record(conn: &Connection, at: BootTime, gaps: u64, watched: &Watched) -> Stalled {
    let client = conn.client_side();
    let looked_at = Stalling { conn, lossless: gaps == u64::from(conn.gaps), watched };
    let phase = phase(conn);
    let mut waits = match phase {
        Some((Phase::Handshake, _)) => looked_at.handshake(),
        Some((Phase::Close, _)) => looked_at.close(),
        None => looked_at.reported().unwrap_or_else(|| Waits::nothing_known("it makes progress again")),
    };
    if !looked_at.is_certain() {
        waits.summary += "; events were lost since the connection began: it may have got on";
    }
    let began = phase.map_or(conn.last, |(_, began)| began);
    Stalled {
        at,
        last: conn.last,
        since: waits.since.unwrap_or(began).min(at),
        conn: conn.number,
        netns: conn.netns(),
        client: assemble::close_end(conn, client),
        server: assemble::close_end(conn, client.other()),
        state: Each { client: state(conn, client), server: state(conn, client.other()) },
        waiting_for: waits.waiting_for,
        turn: waits.turn,
        unacked_bytes: looked_at.unacked(),
        retransmissions: waits.timeouts.or(waits.sent.map(Sent::again)),
        same_as: assemble::same_as(conn),
        nat: assemble::nat(conn),
        summary: waits.summary,
    }
}

/// Returns the state of an end if its socket is on this host, or is reported there. For others, RFC 9293 §3.10.7.4
/// leaves only CLOSE_WAIT to an end that acknowledges a FIN and has sent none.
fn state(conn: &Connection, side: Side) -> Option<TcpState> {
    let end = conn.end(side);
    let by_ack = || (end.acked_fin && end.fin().is_none()).then_some(CloseWait);
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

    fn handshake(self) -> Waits {
        let conn = self.conn;
        let (client, server) = conn.roles();
        let [in_client, in_server] = [conn.client_side(), conn.client_side().other()].map(|side| state(conn, side));
        if server.synack().is_none() && client.syn().is_none() {
            return self.nothing_sent(in_client);
        }
        let Some(synack) = server.synack() else {
            let mut summary = format!("waiting for the server's SYN,ACK; {}", times("SYN", client.syn()));
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
            let timeouts = noted.report.retransmissions;
            waits.timeouts = Some(timeouts);
            waits.summary += &format!("; the client's kernel has sent it {} times", timeouts.saturating_add(1));
        }
        waits
    }

    fn queue_text(self) -> String {
        match self.full_queue() {
            Some(AcceptQueue { length, limit }) => format!("; the server's accept queue is full ({length} of {limit})"),
            None => String::new(),
        }
    }

    /// Returns what a socket waits for that reports that it makes no progress.
    fn reported(self) -> Option<Waits> {
        let client = self.conn.client_side();
        [client, client.other()].into_iter().find_map(|side| self.reported_at(side))
    }

    fn reported_at(self, side: Side) -> Option<Waits> {
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

    fn full_queue(self) -> Option<AcceptQueue> {
        self.conn.rare()?.queue.filter(|queue| queue.is_full())
    }

    fn close(self) -> Waits {
        let waits = self.closing();
        let unsent = |side: Side| self.conn.report(side).is_some_and(|noted| noted.report.unacked_bytes > 0);
        let stuck = [Side::First, Side::Second].into_iter().filter(|&side| unsent(side));
        match stuck.filter_map(|side| self.reported_at(side)).next() {
            Some(stuck) => Waits { summary: format!("{}; {}", waits.summary, stuck.summary), ..stuck },
            None => waits,
        }
    }

    fn closing(self) -> Waits {
        let conn = self.conn;
        let client = conn.client_side();
        let sides = [client, client.other()];
        if let Some(side) = sides.into_iter().find(|&side| conn.end(side).rst().is_some()) {
            let by = conn.shown_role(side).word();
            return Waits::nothing_known(format!("the {by} sent a reset; the end of the connection was not seen yet"));
        }
        match sides.map(|side| has_closed(conn, side)) {
            [true, true] => self.both_closed(sides),
            [true, false] => self.half_closed(client),
            [false, true] => self.half_closed(client.other()),
            [false, false] => Waits::nothing_known("waiting for the end of the connection"),
        }
    }

    /// Returns the awaited step if one end has closed and the other has not.
    fn half_closed(self, side: Side) -> Waits {
        let conn = self.conn;
        let (closed, open) = (conn.end(side), conn.end(side.other()));
        let (closer, peer) = (conn.shown_role(side), conn.shown_role(side).other());
        let mut summary = format!("the {} closed its side", closer.word());
        if closed.fin().is_none() && state(conn, side) == Some(FinWait1) {
            if !(closed.spoke && self.lossless) {
                // No segments of this end are seen, so nothing can be said about its FIN.
                summary += &format!(": {FinWait1}; the {} has not", peer.word());
                summary += &state(conn, side.other()).map_or_else(String::new, |state| format!(": {state}"));
                return Waits::nothing_known(summary);
            }
            summary += ", but its FIN has not left: data is still to be sent";
            let waiting_for = match (open.no_room, self.unacked_of(closed)) {
                (true, Some(_)) => Awaited::Window,
                (false, Some(1..)) => Awaited::DataAck,
                _ => Awaited::Fin,
            };
            let turn = match waiting_for {
                Awaited::Window => Some(peer.into()),
                Awaited::DataAck => None,
                _ => Some(closer.into()),
            };
            return Waits { waiting_for: Some(waiting_for), turn, ..Waits::nothing_known(summary) };
        }
        summary += &format!("; the {} has not", peer.word());
        let in_peer = state(conn, side.other());
        if let Some(state) = in_peer {
            let by_ack = if open.had_socket { "" } else { ", as its ACK shows" };
            summary += &format!(": {state}{by_ack}");
        }
        match closed.fin() {
            Some(fin) if fin.acked.is_none() => {
                summary += &format!("; {}, and is not acknowledged", times("FIN", Some(fin.sent)));
                Waits::answer(Awaited::Ack, peer, Some(fin.sent), summary)
            }
            fin => Waits {
                summary,
                waiting_for: Some(if in_peer == Some(CloseWait) { Awaited::Close } else { Awaited::Fin }),
                turn: Some(peer.into()),
                since: fin.and_then(|fin| fin.acked),
                sent: fin.map(|fin| fin.sent),
                timeouts: None,
            },
        }
    }

    fn both_closed(self, sides: [Side; 2]) -> Waits {
        let unacked = |side: Side| {
            let fin = self.conn.end(side).fin().filter(|fin| fin.acked.is_none())?;
            Some((self.conn.shown_role(side), fin.sent))
        };
        let Some((role, sent)) = sides.into_iter().find_map(unacked) else {
            return Waits::nothing_known("both ends closed; waiting for the last of it");
        };
        let times = times("FIN", Some(sent));
        let summary = format!("both ends closed; waiting for the ACK of the {}'s FIN; {times}", role.word());
        Waits::answer(Awaited::Ack, role.other(), Some(sent), summary)
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
        let shown = self.conn.shows_all && end.isn().is_some() && self.lossless;
        let fin = end.fin().is_some_and(|fin| fin.acked.is_none());
        shown.then(|| end.sent.saturating_sub(end.acked().max(1)).saturating_sub(u64::from(fin)))
    }
}

/// Returns true if an end has closed its side: by its FIN, by its own state, or by that of the other end's socket.
fn has_closed(conn: &Connection, side: Side) -> bool {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let by_other = [CloseWait, Closing, TimeWait].into_iter().any(|state| other.entered(state).is_some());
    let own_state = own.states().last().map(|(state, _)| state);
    own.fin().is_some() || by_other || matches!(own_state, Some(FinWait1 | FinWait2 | Closing | LastAck | Close))
}

fn times(what: &str, sent: Option<Sent>) -> String {
    match sent.map_or(0, |sent| sent.count) {
        1 => format!("the {what} was sent once"),
        count => format!("the {what} was sent {count} times"),
    }
}
