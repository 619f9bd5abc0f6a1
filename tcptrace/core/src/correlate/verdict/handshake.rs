//! Verdicts on handshakes, decided only from the state of the connection.

mod established;
mod observed;

pub(super) use self::established::reached;
use self::established::{established, proven_open, stays_in_opening};
pub(in crate::correlate) use self::observed::{is_ignored_reset, is_unsent, kind, missing, syn_left};
use super::reset;
use crate::{
    correlate::table::{
        connection::{Connection, Side},
        endpoint::{Closed, End, Rst, Sent},
    },
    event::BootTime,
    tcp::TcpState::{CloseWait, Closing, Established, FinWait1, LastAck, SynRecv, SynSent},
    verdict::{Outcome, WaitingFor},
};

/// Time after the last SYN or SYN,ACK, in nanoseconds, after which no answer is expected: Linux sends its last SYN of
/// seven after 1 + 2 + 4 + … + 32 s and waits another 64 s (tcp_syn_retries); then its socket reports the time-out.
const UNANSWERED: u64 = 65_000_000_000;

/// Maximum time, in nanoseconds, by which a frame of a capture may come behind those that were sent after it.
const OUT_OF_ORDER: u64 = 100_000_000;

/// Maximum time, in nanoseconds, by which the ACK of an established connection may follow the state: it may wait for
/// data.
const ACK_LATE: u64 = 1_000_000_000;

// include/uapi/asm-generic/errno.h, the same on all architectures that Rust and this program run on.
pub(in crate::correlate) const ECONNABORTED: u32 = 103;
const EPIPE: u32 = 32;
pub(in crate::correlate) const ECONNRESET: u32 = 104;
pub(in crate::correlate) const ETIMEDOUT: u32 = 110;
const ECONNREFUSED: u32 = 111;
const EHOSTUNREACH: u32 = 113;
const ENETUNREACH: u32 = 101;

/// Returns true if only a reset gives a socket this error (tcp_reset of net/ipv4/tcp_input.c).
pub(in crate::correlate) fn is_by_reset(error: u32) -> bool {
    matches!(error, EPIPE | ECONNRESET)
}

/// A decided handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) struct Opened {
    pub(in crate::correlate) outcome: Outcome,
    pub(in crate::correlate) by_icmp: bool,
    pub(in crate::correlate) waiting_for: Option<WaitingFor>,
}

impl Opened {
    fn plain(outcome: Outcome) -> Self {
        Self { outcome, by_icmp: false, waiting_for: None }
    }
}

/// Whether a handshake is decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::correlate) enum Decision {
    /// It is.
    Decided(Opened),
    /// It will be by this time at the latest; `None` if nothing but an event can tell more.
    By(Option<BootTime>),
}

/// Decides as soon as the outcome is known; at the latest when nothing more is expected, or when `over`.
pub(in crate::correlate) fn decide(conn: &Connection, now: BootTime, over: bool) -> Decision {
    if conn.mid_life || conn.opened {
        return Decision::By(None);
    }
    // A socket that was closed with unread or lingering data sends a reset, which is about to arrive.
    let awaited = reset::awaited(conn);
    if !over && awaited.is_some_and(|until| now < until) {
        return Decision::By(awaited);
    }
    let client = conn.client_side();
    let failed = failed_here(conn, client).or_else(|| failed_here(conn, client.other()));
    if let Some(opened) = failed.or_else(|| refused_elsewhere(conn)) {
        return Decision::Decided(opened);
    }
    let (out_of_order, reached) = (out_of_order_until(conn), reached(conn));
    let deadline = awaited.or(out_of_order).or_else(|| answered_by(conn, reached));
    if established(conn, reached, now, over) {
        let awaited = !over && out_of_order.is_some_and(|until| now < until);
        return if awaited { Decision::By(deadline) } else { Decision::Decided(Opened::plain(Outcome::Established)) };
    }
    let waited = deadline.is_some_and(|deadline| now >= deadline);
    if waited && refused_unseen(conn) {
        return Decision::Decided(Opened::plain(Outcome::Refused));
    }
    if (over || waited) && stays_in_opening(conn) {
        return Decision::Decided(Opened::plain(Outcome::Established));
    }
    if over || waited { Decision::Decided(unanswered(conn)) } else { Decision::By(deadline) }
}

/// Returns the latest time at which the handshake must be decided.
pub(in crate::correlate) fn deadline(conn: &Connection) -> Option<BootTime> {
    if conn.mid_life || conn.opened {
        return None;
    }
    reset::awaited(conn).or_else(|| out_of_order_until(conn)).or_else(|| answered_by(conn, reached(conn)))
}

/// Returns the time after which no ACK or SYN,ACK is expected; the ends on this host are established since `reached`.
fn answered_by(conn: &Connection, reached: Option<BootTime>) -> Option<BootTime> {
    if let Some(at) = reached {
        return Some(at.plus(ACK_LATE));
    }
    if is_not_awaited(conn) || may_miss_ack(conn) {
        return None;
    }
    let [first, second] = &conn.ends;
    let last = |sent: Option<Sent>| sent.map(|sent| sent.last);
    let sent = last(first.syn()).max(last(first.synack())).max(last(second.syn())).max(last(second.synack()));
    Some(sent.unwrap_or(conn.first).plus(UNANSWERED))
}

/// Returns the outcome if a socket on this host ended before it was established.
fn failed_here(conn: &Connection, side: Side) -> Option<Opened> {
    let end = conn.end(side);
    let closed = ended_early(conn, end)?;
    // The client may be established: its next segment shows the outcome.
    if side != conn.client_side() && is_given_up(closed) {
        return None;
    }
    let rst = reset::first(conn).is_some();
    let answered = conn.ends.iter().any(|end| end.sent_synack);
    let by_reset = if answered { Outcome::Reset } else { Outcome::Refused };
    Some(match closed.error {
        Some(ECONNREFUSED) if rst || conn.icmp().is_none() => Opened::plain(Outcome::Refused),
        Some(ECONNREFUSED) => Opened { by_icmp: true, ..Opened::plain(Outcome::Refused) },
        Some(EHOSTUNREACH | ENETUNREACH) => Opened::plain(Outcome::Unreachable),
        Some(ETIMEDOUT) => Opened::plain(Outcome::TimedOut),
        Some(ECONNRESET) => Opened::plain(Outcome::Reset),
        // connect() found no free port (inet_hash_connect of net/ipv4/inet_hashtables.c).
        None | Some(0) if closed.from == SynSent && !closed.has_port && !end.sent_syn() => {
            Opened::plain(Outcome::NoPort)
        }
        _ if rst => Opened::plain(by_reset),
        // An ICMP error during a non-blocking connect() changes no state: the close() that follows only looks like a
        // cancellation.
        _ => match conn.icmp() {
            Some(icmp) if icmp.refuses() => Opened { by_icmp: true, ..Opened::plain(Outcome::Refused) },
            Some(_) => Opened::plain(Outcome::Unreachable),
            None => gave_up(conn, closed),
        },
    })
}

/// Returns the end of a socket that was never established. If it was closed in SYN_RECV, it is in FIN_WAIT1 without having
/// been in ESTABLISHED (tcp_close_state of net/ipv4/tcp.c).
fn ended_early(conn: &Connection, end: &End) -> Option<Closed> {
    end.closed().filter(|closed| match closed.from {
        SynSent | SynRecv => true,
        FinWait1 => end.entered(Established).is_none() && end.entered(SynRecv).is_some() && conn.ack_at().is_none(),
        _ => false,
    })
}

/// Returns true if the kernel ended the socket because of a time-out or an ICMP error, without telling the other end.
pub(super) fn is_given_up(closed: Closed) -> bool {
    closed.error.is_some_and(|error| !matches!(error, 0 | ECONNRESET | ECONNABORTED | EPIPE))
}

/// Returns the end of a socket of which the kernel's timers gave up: with ETIMEDOUT, or with the error of an ICMP message, or of
/// a failed route, that the socket has kept (tcp_write_err of net/ipv4/tcp_timer.c). A socket that its process closes may still
/// have an error that nobody has asked for (IP_RECVERR); if that is an abort, a reset follows.
pub(super) fn timed_out(end: &End) -> Option<Closed> {
    let unacked = || end.fin().is_some_and(|fin| fin.acked().is_none());
    let aborted = |closed: Closed| match end.rst() {
        Some(rst) => rst.has_ack && rst.at >= closed.at,
        None => (closed.proof.unread || closed.proof.linger) && !end.spoke(),
    };
    let in_vain = |closed: Closed| match closed.from {
        Established | CloseWait | FinWait1 => !closed.by_process && !aborted(closed),
        Closing | LastAck => unacked(),
        _ => false,
    };
    end.closed().filter(|&closed| closed.error == Some(ETIMEDOUT) || is_given_up(closed) && in_vain(closed))
}

/// Returns the outcome if the socket was closed without a cause from the network.
fn gave_up(conn: &Connection, closed: Closed) -> Opened {
    match closed.error {
        Some(_) => Opened::plain(Outcome::Cancelled),
        // Without its error, a close by the application and a time-out of the kernel look alike.
        None => unanswered(conn),
    }
}

/// Returns the outcome of a reset that no socket on this host needs to confirm.
fn refused_elsewhere(conn: &Connection) -> Option<Opened> {
    let (client, server) = conn.roles();
    if client.had_socket || server.has_states() {
        return reset_of_half(conn);
    }
    match (client.rst(), server.rst()) {
        (None, None) => None,
        _ if proven_open(conn) => None,
        // It answers the SYN, and not what follows where two SYNs crossed.
        (None, Some(_)) if !server.syn_seen() && conn.ack_at().is_none() => Some(Opened::plain(Outcome::Refused)),
        _ if conn.ack_at().is_some() => None,
        _ => Some(Opened::plain(Outcome::Reset)),
    }
}

/// Returns the outcome of a reset if the server is on this host but has no socket after its SYN,ACK: the ACK arrived when
/// the request had expired, or the accept queue was full; or, with Fast Open, the socket had been given up.
fn reset_of_half(conn: &Connection) -> Option<Opened> {
    let (client, server) = conn.roles();
    let open = client.had_socket && client.open_sockets > 0;
    let reset = client.rst().or(server.rst()).is_some();
    let gone = !server.had_socket || ended_early(conn, server).is_some_and(is_given_up);
    if !(server.has_states() && gone && !proven_open(conn) && reset && !open) {
        return None;
    }
    Some(Opened::plain(if server.sent_synack { Outcome::Reset } else { Outcome::Refused }))
}

/// Returns true if the client may have acknowledged the SYN,ACK: the capture has no ACKs.
pub(in crate::correlate) fn may_be_acked(conn: &Connection) -> bool {
    conn.lacks_acks() && conn.ends.iter().any(|end| end.sent_synack)
}

/// Returns the time until which the SYN,ACK or the ACK of an established connection may still come, if it was not seen and no
/// socket on this host tells more.
pub(super) fn out_of_order_until(conn: &Connection) -> Option<BootTime> {
    let (client, server) = conn.roles();
    let elsewhere = !conn.ends.iter().any(End::has_states);
    let lacks = client.sent_syn() && !server.syn_seen() || conn.missed_ack();
    conn.ack_at().filter(|_| lacks && elsewhere && conn.shows_all()).map(|at| at.plus(OUT_OF_ORDER))
}

/// Returns true if no ACK is awaited, since the capture has none, or none yet: a SYN,ACK that was sent once may have been
/// acknowledged.
pub(in crate::correlate) fn is_not_awaited(conn: &Connection) -> bool {
    let once = |end: &End| end.synack().is_some_and(|sent| sent.again() == 0);
    may_be_acked(conn) || conn.may_lack_acks() && conn.ends.iter().any(once)
}

/// Returns true if a capture may lack the ACK, since neither end has sent again what it answers. Segments that come much later
/// may show that the handshake was completed.
pub(in crate::correlate) fn may_miss_ack(conn: &Connection) -> bool {
    let captured = conn.shows_all() && conn.netns().is_none() && !conn.ends.iter().any(End::has_states);
    let open = !conn.opened && !conn.mid_life && conn.ack_at().is_none();
    open && captured && conn.icmp().is_none() && conn.sole_synack_at().is_some()
}

/// Returns true if such a handshake has waited so long that a SYN with the same ISN is another attempt.
pub(in crate::correlate) fn is_given_up_unseen(conn: &Connection, now: BootTime) -> bool {
    may_miss_ack(conn) && conn.sole_synack_at().is_some_and(|synack| synack.plus(UNANSWERED) <= now)
}

/// Returns true if a reset answered the client's last SYN: it would have sent another one, had it not received that, so that only
/// the end of its socket was not seen.
fn refused_unseen(conn: &Connection) -> bool {
    let (client, server) = conn.roles();
    let last = |rst: Rst| client.syn().is_none_or(|syn| syn.last <= rst.at);
    !server.syn_seen() && server.rst().is_some_and(last)
}

fn unanswered(conn: &Connection) -> Opened {
    if let Some(icmp) = conn.icmp() {
        let outcome = if icmp.refuses() { Outcome::Refused } else { Outcome::Unreachable };
        return Opened { by_icmp: icmp.refuses(), ..Opened::plain(outcome) };
    }
    let answered = conn.ends.iter().any(|end| end.sent_synack);
    let waiting_for = Some(if answered { WaitingFor::Ack } else { WaitingFor::SynAck });
    Opened { waiting_for, ..Opened::plain(Outcome::Unanswered) }
}
