//! Assembly of records from the state of a connection and its verdict.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    close::Closing,
    handshake::{self, ETIMEDOUT, Opened},
    reset,
    sentence::{self, Answer, CloseFacts, Forgotten, HandshakeFacts},
    state_times,
};
use crate::{
    correlate::{
        NO_NAMESPACE,
        table::{
            connection::{Connection, NatForgot, Side},
            endpoint::{End, Sent},
        },
        watched::Watched,
    },
    event::{BootTime, Process, Role},
    tcp::{TcpOptions, TcpState},
    verdict::{
        Bytes, Close, CloseEnd, CloseKind, Each, Handshake, HandshakeEnd, HandshakeKind, IcmpAnswer, Missing,
        NoSegments, OpeningRetransmissions, Outcome, Reset, ResetCause, Rtt, TranslatedSide,
    },
};

/// Returns the record of the decided handshake, or, for `None`, of one that was not seen.
pub(in crate::correlate) fn handshake(
    conn: &Connection,
    opened: Option<Opened>,
    gaps: u64,
    watched: &Watched,
) -> Handshake {
    let side = conn.client_side();
    let (client, server) = conn.roles();
    let kind = handshake::kind(conn);
    let synack = server.synack().map(|sent| sent.first);
    // A client in a simultaneous open need not wait for it: its own SYN,ACK acknowledges the other's SYN.
    let ack = conn.ack_at().filter(|_| kind != HandshakeKind::Simultaneous);
    let after = |from: Option<_>, to: Option<_>| {
        Some(to?).zip(from).filter(|_| !watched.untimed).map(|(to, from): (BootTime, _)| to.since(from))
    };
    let sees = watched.here != NO_NAMESPACE && watched.segments && !watched.is_elsewhere(conn) && !has_loss(conn, gaps);
    let unsent = handshake::is_unsent(client);
    let begun = opened.filter(|opened| opened.outcome != Outcome::NoPort && !unsent);
    // With other ends it may have left.
    let syn_left = begun.and_then(|_| handshake::syn_left(conn, sees && conn.other_sides().is_empty()));
    let missing = with_loss(
        conn,
        gaps,
        opened.map_or_else(|| unseen(conn), |opened| handshake::missing(conn, &opened, syn_left)),
    );
    let reset = opened
        .filter(|opened| matches!(opened.outcome, Outcome::Refused | Outcome::Reset) && !opened.by_icmp)
        .and_then(|_| reset::told(conn));
    let forgotten_by = |icmp: &IcmpAnswer| {
        icmp.ends_request() && reset == Some(Reset { by: Role::Server, cause: ResetCause::NoConnection })
    };
    let decided = opened.is_some_and(|opened| opened.by_icmp || opened.outcome == Outcome::Unreachable);
    let icmp = conn.icmp().filter(|icmp| decided || forgotten_by(icmp));
    let nothing_to_see = opened.is_some() && begun.is_none() || syn_left == Some(false);
    let full_queue = conn.rare().and_then(|rare| rare.queue).filter(|queue| queue.is_full() && !server.sent_synack);
    let mut handshake = Handshake {
        at: conn.last,
        started: conn.first,
        encapsulation: conn.encapsulation(),
        conn: conn.number,
        netns: conn.netns(),
        kind,
        outcome: opened.map(|opened| opened.outcome),
        by_icmp: opened.is_some_and(|opened| opened.by_icmp),
        icmp,
        waiting_for: opened.and_then(|opened| opened.waiting_for),
        client: handshake_end(conn, side),
        server: handshake_end(conn, side.other()),
        role_inferred: conn.client_guessed || conn.client.is_none(),
        syn_to_synack_ns: after(client.syn().map(|sent| sent.first), synack),
        synack_to_ack_ns: after(synack, ack),
        connect_ns: after(client.entered(TcpState::SynSent), client.entered(TcpState::Established)),
        syn_left,
        deferred: conn.is_deferred(),
        killed: client.closed().is_some_and(|closed| closed.error == Some(handshake::ECONNABORTED)),
        reset,
        retransmissions: OpeningRetransmissions {
            syn: client.syn().map(Sent::again),
            synack: server.synack().map(Sent::again),
        },
        dropped: conn.rare().and_then(|rare| rare.drops).filter(|_| told_of_drops(opened.map(|opened| opened.outcome))),
        accept_queue: full_queue,
        same_as: same_as(conn),
        nat: nat(conn),
        no_segments: no_segments(conn, watched).filter(|_| !nothing_to_see),
        incomplete: !missing.is_empty(),
        missing,
        summary: String::new(),
    };
    let facts = HandshakeFacts {
        syns: client.syn().map_or(0, |sent| sent.count),
        deferred_ns: after(conn.ack_at(), server.entered(TcpState::Established)).filter(|_| conn.is_deferred()),
        restored: conn.is_restored(),
        unsent,
        answer: answer(conn),
        nat_forgot: forgotten(conn, false),
        lasted: after(Some(conn.first), Some(conn.last)),
    };
    handshake.summary = sentence::handshake(&handshake, &facts);
    handshake
}

/// Returns the reason why no segment of the connection was seen, if none was; `watched` tells whose segments are seen.
fn no_segments(conn: &Connection, watched: &Watched) -> Option<NoSegments> {
    if conn.has_segments {
        return None;
    }
    // Only its socket, which sent them with other ends, can have tied it to another side.
    Some(match () {
        () if !conn.other_sides().is_empty() => NoSegments::Translated,
        () if watched.is_elsewhere(conn) => NoSegments::OtherNamespace,
        () => NoSegments::NotWatched,
    })
}

/// Returns the translation of its addresses that this host forgot, how long before the reset that was and, where data is shown,
/// how long nothing had passed by then.
fn forgotten(conn: &Connection, shows_data: bool) -> Option<Forgotten> {
    let NatForgot { at, deleted, idle_ns } = conn.rare()?.nat_forgot?;
    let before_ns = reset::first(conn).filter(|&(_, reset)| reset > at).map(|(_, reset)| reset.since(at));
    Some(Forgotten { before_ns, idle_ns: idle_ns.filter(|_| shows_data), deleted })
}

/// Returns the answer that was seen to come to the client's SYN.
fn answer(conn: &Connection) -> Option<Answer> {
    let (_, server) = conn.roles();
    let by_segment = if server.sent_synack { Some(Answer::SynAck) } else { server.sent_syn.then_some(Answer::Syn) };
    by_segment.or_else(|| conn.icmp().map(|icmp| Answer::Icmp(icmp.kind)))
}

/// Returns true if the outcome is one that dropped segments may have brought about.
fn told_of_drops(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::TimedOut | Outcome::Cancelled | Outcome::Unanswered | Outcome::Unreachable))
}

/// Returns the numbers of the other sides of an address translation.
pub(super) fn same_as(conn: &Connection) -> Option<Vec<u64>> {
    let sides = conn.other_sides();
    (!sides.is_empty()).then(|| sides.iter().map(|side| side.told.conn).collect())
}

/// Returns the other sides of an address translation.
pub(super) fn nat(conn: &Connection) -> Option<Vec<TranslatedSide>> {
    let sides = conn.other_sides();
    (!sides.is_empty()).then(|| sides.iter().map(|side| side.told).collect())
}

/// Returns the parts of a handshake that was over before anything was seen; a restored socket has none.
fn unseen(conn: &Connection) -> Vec<Missing> {
    if conn.is_restored() { Vec::new() } else { vec![Missing::Syn, Missing::Synack, Missing::Ack] }
}

/// Segments that are seen.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Seen {
    /// True for all of them.
    pub(in crate::correlate) all: bool,
    /// True if they are shown, too, so that data may be told of.
    pub(in crate::correlate) data: bool,
}

/// Returns the record of the decided close.
pub(in crate::correlate) fn close(
    conn: &Connection,
    closing: &Closing,
    gaps: u64,
    watched: &Watched,
    seen: Seen,
) -> Close {
    let side = conn.client_side();
    let (client, server) = conn.roles();
    let missing = with_loss(conn, gaps, missing(conn, closing.kind));
    let kernel = watched.here != NO_NAMESPACE;
    let shows_all = conn.shows_all || seen.all || !kernel;
    let initiator = closing.initiator.map(|side| conn.shown_role(side));
    let fins = conn.first_fin.and_then(|first| Some((conn.end(first).fin()?, conn.end(first.other()).fin()?)));
    let mut close = Close {
        at: conn.last,
        started: conn.first,
        encapsulation: conn.encapsulation(),
        conn: conn.number,
        netns: conn.netns(),
        kind: closing.kind,
        initiator,
        client: close_end(conn, side),
        server: close_end(conn, side.other()),
        half_close_ns: fins.map(|(first, second)| second.sent.first.since(first.sent.first)),
        half_closed_bytes: fins.map(|(first, second)| (second.end - 1).saturating_sub(first.other_sent)),
        bytes: Bytes {
            client_to_server: bytes(client, server, shows_all),
            server_to_client: bytes(server, client, shows_all),
        },
        duration_ns: conn.began().map(|began| conn.last.since(began)),
        time_wait: closing.time_wait,
        reset: closing.reset,
        evidence: None,
        closed_before_ns: None,
        close_known: None,
        gave_up: gave_up(conn).map(|side| conn.shown_role(side)),
        retransmissions: Each { client: again(client), server: again(server) },
        data_retransmissions: Each { client: client.data_retransmissions(), server: server.data_retransmissions() },
        idle_ns: None,
        rtt: rtt(conn),
        states: Each {
            client: state_times::of(conn, side, kernel),
            server: state_times::of(conn, side.other(), kernel),
        },
        same_as: same_as(conn),
        nat: nat(conn),
        no_segments: no_segments(conn, watched),
        incomplete: !missing.is_empty(),
        missing,
        summary: String::new(),
    };
    name_once(&mut close);
    close.idle_ns = idle_ns(conn, &close, seen.data);
    let reset = reset::first(conn);
    if let Some((side, at)) = reset
        && let Some(told) = close.reset.filter(|told| told.by == conn.shown_role(side))
        && told.cause != ResetCause::ZeroWindow
    {
        close.evidence = reset::evidence(conn, side);
        close.closed_before_ns = reset::closed_before(conn, side, at);
        let by_data = told.cause == ResetCause::DataAfterClose;
        close.close_known = by_data.then(|| reset::close_known(conn, side, at)).flatten();
    }
    if watched.untimed {
        close.forget_times();
    }
    let facts = CloseFacts {
        late_bytes: reset.and_then(|(side, _)| reset::late_bytes(conn, side)),
        other_closed: reset.is_some_and(|(side, _)| conn.end(side.other()).fin().is_some()),
        nat_forgot: forgotten(conn, seen.data),
        fins: Each { client: client.fin().is_some(), server: server.fin().is_some() },
        window_closed: Each { client: meets_closed_window(client), server: meets_closed_window(server) },
    };
    close.summary = sentence::close(&close, &facts);
    close
}

/// Returns the parts of the close that were not seen.
fn missing(conn: &Connection, kind: CloseKind) -> Vec<Missing> {
    let mut missing = if conn.mid_life { unseen(conn) } else { Vec::new() };
    if !conn.has_segments {
        missing.push(Missing::Interface);
    } else if matches!(kind, CloseKind::Orderly | CloseKind::Unseen)
        || conn.ends.iter().any(unseen_reset)
        || is_proven_only(conn, kind)
    {
        missing.push(Missing::Fin);
    }
    let unended = |end: &End| end.open_sockets > 0 && kind != CloseKind::Unfinished;
    let without_states = |end: &End| end.here && !end.had_socket && !conn.is_self_connect() || unended(end);
    if conn.ends.iter().any(without_states) {
        missing.push(Missing::States);
    }
    if conn.ends.iter().any(End::reset_behind_gap) {
        missing.push(Missing::Data);
    }
    missing.sort_unstable();
    missing
}

/// Returns true if only a socket's state shows that it sent a reset.
fn is_proven_only(conn: &Connection, kind: CloseKind) -> bool {
    kind == CloseKind::Reset && conn.ends.iter().all(|end| end.rst().is_none())
}

fn unseen_reset(end: &End) -> bool {
    end.rst().is_some_and(|rst| !rst.seen)
}

/// Returns the end whose socket timed out.
fn gave_up(conn: &Connection) -> Option<Side> {
    let timed_out = |side: &Side| conn.end(*side).closed().is_some_and(|closed| closed.error == Some(ETIMEDOUT));
    [Side::First, Side::Second].into_iter().find(timed_out)
}

/// Returns true if events of the connection may have been lost, of `gaps` in all.
fn has_loss(conn: &Connection, gaps: u64) -> bool {
    conn.lost_states || gaps > u64::from(conn.gaps) || (conn.mid_life && gaps > 0)
}

fn with_loss(conn: &Connection, gaps: u64, mut missing: Vec<Missing>) -> Vec<Missing> {
    if has_loss(conn, gaps) {
        missing.push(Missing::Lost);
    }
    missing
}

/// Returns the payload bytes sent: the sequence numbers used, less SYN and FIN. If not all segments are recorded, a FIN
/// or a reset shows how far the end had got, its own by its number or the other's by its acknowledgement. If only
/// states show that there was a FIN, it is unknown whether the last number counts it.
fn bytes(end: &End, other: &End, shows_all: bool) -> Option<u64> {
    let fin = u64::from(end.fin().is_some_and(|fin| end.sent >= fin.end));
    let by_own = end.fin().is_some() || end.rst().is_some_and(|rst| rst.seen);
    let by_other = other.fin().is_some() || other.rst().is_some_and(|rst| rst.seen && rst.has_ack);
    let by_states = [TcpState::FinWait1, TcpState::LastAck].into_iter().any(|state| end.entered(state).is_some());
    // A FIN that was not seen would follow data that has not been sent.
    let unsent = shows_all && end.saw_last_number();
    let known = end.isn_known && (end.fin().is_some() || !by_states || unsent);
    (known && (by_own || by_other || shows_all)).then(|| end.sent.saturating_sub(1 + fin))
}

/// Returns the time from the last data to the first FIN or reset: as the first socket to leave ESTABLISHED tells, or, where
/// no socket of this host is known, as the segments show if all are recorded.
fn idle_ns(conn: &Connection, close: &Close, shows_data: bool) -> Option<u64> {
    let ended = |end: &End| end.fin().is_some() || end.rst().is_some();
    if close.kind == CloseKind::TimedOut && !conn.ends.iter().any(ended) {
        return None;
    }
    if !conn.ends.iter().any(|end| end.had_socket) {
        return conn.ends.iter().find_map(End::idle_ns).filter(|_| shows_data);
    }
    let Bytes { client_to_server, server_to_client } = close.bytes;
    let no_data = client_to_server == Some(0) && server_to_client == Some(0);
    let (_, counters) = conn.ends.iter().filter_map(End::left).min_by_key(|&(at, _)| at)?;
    // Data that came only after the first FIN, which counts the SYN, the data and itself.
    let first_fin = conn.first_fin.and_then(|side| conn.end(side).fin());
    let only_later = first_fin.is_some_and(|fin| fin.end <= 2 && fin.other_sent <= 1);
    counters.idle_ns.filter(|_| !no_data && !only_later)
}

/// Returns the round-trip times.
fn rtt(conn: &Connection) -> Rtt {
    let (client, server) = conn.roles();
    let told = client.last_counters().or_else(|| server.last_counters()).unwrap_or_default();
    let again = [client, server].into_iter().any(|end| end.reopened || end.has_reopened());
    let of_socket = client.entered(TcpState::SynSent).zip(client.seen_to_enter(TcpState::Established));
    // The client's ACK may have waited for data, or may not be that of a listener's socket.
    let plain = !conn.mid_life && !conn.is_deferred() && !conn.fast_open;
    let of_segments = conn.began().zip(conn.ack_at()).filter(|_| client.syn_seen() && server.syn_seen());
    let times = of_socket.or(of_segments).filter(|_| plain && !again);
    Rtt {
        handshake_ns: times.map(|(from, to)| to.since(from)),
        smoothed_ns: told.smoothed_rtt_ns,
        min_ns: told.min_rtt_ns,
    }
}

/// Returns true if an end had data that it could not send, since the other end's window was closed.
fn meets_closed_window(end: &End) -> bool {
    end.last_counters().is_some_and(|counters| counters.peer_window == Some(0))
}

/// Returns the number of retransmissions of the FIN.
fn again(end: &End) -> Option<u32> {
    end.fin().map(|fin| fin.sent.again())
}

fn handshake_end(conn: &Connection, side: Side) -> HandshakeEnd {
    let end = conn.end(side);
    let (addr, port) = address(conn, side);
    let process = end.holder();
    HandshakeEnd {
        addr,
        port,
        isn: end.isn().filter(|_| end.isn_known).map(|isn| isn.0),
        netns: conn.end_netns(side),
        netns_name: None,
        pid: process.map(|process| process.pid),
        comm: process.and_then(|process| process.name()),
        thread: end.opener_thread(),
        options: end.options().map(TcpOptions),
        uid: end.uid(),
        cgroup: end.cgroup(),
    }
}

pub(super) fn close_end(conn: &Connection, side: Side) -> CloseEnd {
    let end = conn.end(side);
    let (addr, port) = address(conn, side);
    let closer = end.closer();
    let process = closer.map(Process::from).or(end.holder());
    let counters = end.last_counters();
    CloseEnd {
        addr,
        port,
        netns: conn.end_netns(side),
        netns_name: None,
        pid: process.map(|process| process.pid),
        comm: process.and_then(|process| process.name()),
        thread: closer.and_then(|task| task.thread),
        exit: closer.and_then(|task| task.exit),
        unread_bytes: counters.and_then(|counters| counters.unread_bytes),
        unsent_bytes: counters.and_then(|counters| counters.unsent_bytes),
        uid: end.uid(),
        cgroup: end.cgroup(),
    }
}

/// Gives a process at both ends one name, the one of the end that closed later.
fn name_once(close: &mut Close) {
    let Close { client, server, initiator, .. } = close;
    if client.pid.is_some() && client.pid == server.pid {
        let (first, later) = if *initiator == Some(Role::Server) { (server, client) } else { (client, server) };
        first.comm = later.comm.or(first.comm);
    }
}

/// Returns the address and the port, if it was learnt.
fn address(conn: &Connection, side: Side) -> (IpAddr, Option<u16>) {
    let endpoint = conn.endpoint(side);
    let addr = endpoint.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |endpoint| endpoint.addr);
    (addr, endpoint.map(|endpoint| endpoint.port).filter(|&port| port != 0 || conn.key.is_some()))
}
