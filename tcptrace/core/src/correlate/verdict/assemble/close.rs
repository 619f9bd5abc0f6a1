//! Records of closes.

use super::{
    address, forgotten, has_loss, nat, no_segments, same_as,
    traffic::{bytes, idle_ns, rtt},
    unseen, with_loss,
};
use crate::{
    correlate::{
        NO_NAMESPACE,
        table::{
            connection::{Connection, Side},
            endpoint::End,
        },
        verdict::{
            close::{self, Closing},
            drops,
            handshake::{ETIMEDOUT, timed_out},
            reset, state_times,
        },
        watched::Watched,
    },
    event::{BootTime, Process, Role},
    text::Errno,
    verdict::{
        Bytes, Close, CloseEnd, CloseKind, Each, Missing, Reset, ResetCause, SegmentDrops, sentence::CloseFacts,
    },
};

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
    let missing = with_loss(conn, gaps, missing(conn, closing));
    let kernel = watched.here != NO_NAMESPACE;
    let shows_all = conn.shows_all() || !conn.lacks_acks() && (seen.all || !kernel);
    let initiator = closing.initiator.map(|side| conn.shown_role(side));
    let missed_fin = close::missed_fin(conn, closing.kind);
    let gave_up = gave_up(conn);
    let error = gave_up.and_then(|side| conn.end(side).closed()?.error).filter(|&error| error != ETIMEDOUT);
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
        half_closed_bytes: fins.map(|(first, second)| (second.end - 1).saturating_sub(first.other_sent.max(1))),
        bytes: Bytes {
            client_to_server: bytes(conn, side, shows_all),
            server_to_client: bytes(conn, side.other(), shows_all),
        },
        // Unknown if the clock of a capture was set back.
        duration_ns: conn.began().filter(|&began| began <= conn.last).map(|began| conn.last.since(began)),
        time_wait: closing.time_wait,
        reset: closing.reset.map(|told| unless_lost(conn, told, gaps)),
        evidence: None,
        closed_before_ns: None,
        close_known: None,
        gave_up: gave_up.map(|side| conn.shown_role(side)),
        icmp: error.and_then(|_| conn.later_icmp(gave_up?)),
        dropped_segments: dropped_segments(conn, closing.kind),
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
        facts: CloseFacts::default(),
    };
    name_once(&mut close);
    close.idle_ns = idle_ns(conn, &close, seen.data);
    close.evidence = silent(conn).and_then(|side| reset::evidence(conn, side));
    let reset = reset::first(conn);
    add_evidence(conn, reset, &mut close);
    if watched.untimed {
        close.forget_times();
    }
    let holds_fin = |side: Side| close::holds_fin(conn, side) && !has_loss(conn, gaps);
    close.facts = CloseFacts {
        late_bytes: reset.and_then(|(side, _)| reset::late_bytes(conn, side)),
        other_closed: reset.is_some_and(|(side, _)| conn.end(side.other()).fin().is_some()),
        nat_forgot: forgotten(conn, seen.data),
        fins: Each { client: client.fin().is_some(), server: server.fin().is_some() },
        lacks_acks: conn.lacks_acks(),
        window_closed: Each { client: meets_closed_window(client), server: meets_closed_window(server) },
        holds_fin: Each { client: holds_fin(side), server: holds_fin(side.other()) },
        error: error.map(Errno),
        no_socket: reset.is_some_and(|(side, _)| reset::has_no_socket(conn, side)),
        silent: silent(conn).map(|side| conn.shown_role(side)),
        missed_fin: missed_fin.map(|side| conn.shown_role(side)),
        unacked: Each { client: has_unacked_fin(client), server: has_unacked_fin(server) },
        unsent_at: None,
    };
    close.summarize();
    close
}

/// Returns the reset, of unknown cause if that follows from a socket which seems to be still open: its end may be among the lost
/// events.
fn unless_lost(conn: &Connection, told: Reset, gaps: u64) -> Reset {
    let open = || conn.ends.iter().any(|end| end.open_sockets > 0);
    match told.cause {
        ResetCause::Forged if has_loss(conn, gaps) && open() => Reset { cause: ResetCause::Unknown, ..told },
        _ => told,
    }
}

/// Adds the evidence for the cause of the first reset, which its sender and its time give, if the record tells of it.
fn add_evidence(conn: &Connection, reset: Option<(Side, BootTime)>, close: &mut Close) {
    if let Some((side, at)) = reset
        && let Some(told) = close.reset.filter(|told| told.by == conn.shown_role(side))
        && told.cause != ResetCause::ZeroWindow
    {
        close.evidence = reset::evidence(conn, side);
        close.closed_before_ns = reset::closed_before(conn, side, at);
        let by_data = told.cause == ResetCause::DataAfterClose;
        close.close_known = by_data.then(|| reset::close_known(conn, side, at)).flatten();
    }
}

/// Returns the parts of the close that were not seen.
fn missing(conn: &Connection, closing: &Closing) -> Vec<Missing> {
    let kind = closing.kind;
    let mut missing = if conn.mid_life { unseen(conn) } else { Vec::new() };
    if !conn.has_segments {
        missing.push(Missing::Interface);
    } else if kind == CloseKind::Orderly && conn.lacks_acks() {
        missing.push(Missing::Ack);
    } else if kind == CloseKind::Orderly
        || kind == CloseKind::Unseen && silent(conn).is_none()
        || conn.ends.iter().any(unseen_reset)
        || is_proven_only(conn, kind)
        || close::missed_fin(conn, kind).is_some()
    {
        missing.push(Missing::Fin);
    }
    let decided = matches!(kind, CloseKind::Simultaneous | CloseKind::ThreeSegment | CloseKind::FourSegment);
    if decided && !conn.ends.iter().any(|end| end.had_socket) && conn.ends.iter().any(has_unacked_fin) {
        missing.push(Missing::Ack);
    }
    // An end that is not told that the other one gave up, or that did not send a reset in its name, stays open.
    let may_be_open = matches!(kind, CloseKind::Unfinished | CloseKind::TimedOut)
        || closing.reset.is_some_and(|reset| reset.cause == ResetCause::Forged);
    let unended = |end: &End| end.open_sockets > 0 && !may_be_open;
    let without_states = |end: &End| end.here && !end.had_socket && !conn.is_self_connect() || unended(end);
    if conn.ends.iter().any(without_states) {
        missing.push(Missing::States);
    }
    if conn.ends.iter().any(End::reset_behind_gap) {
        missing.push(Missing::Data);
    }
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// Returns true if only a socket's state shows that it sent a reset.
fn is_proven_only(conn: &Connection, kind: CloseKind) -> bool {
    kind == CloseKind::Reset && conn.ends.iter().all(|end| end.rst().is_none())
}

/// Returns the end whose process closed the socket with TCP_REPAIR, which sends nothing.
fn silent(conn: &Connection) -> Option<Side> {
    [Side::First, Side::Second].into_iter().find(|&side| close::is_silent(conn, side))
}

/// Returns the segments that this host dropped while an end waited for an answer to them in vain.
fn dropped_segments(conn: &Connection, kind: CloseKind) -> Option<SegmentDrops> {
    match kind {
        // What times out has been sent again: a single drop does not explain it.
        CloseKind::TimedOut => drops::until(conn, conn.last, 2),
        CloseKind::Unfinished => drops::until(conn, conn.last, 0),
        _ => None,
    }
}

fn unseen_reset(end: &End) -> bool {
    end.rst().is_some_and(|rst| !rst.seen)
}

/// Returns the end whose socket timed out.
fn gave_up(conn: &Connection) -> Option<Side> {
    [Side::First, Side::Second].into_iter().find(|&side| timed_out(conn.end(side)).is_some())
}

/// Returns true if an end had data that it could not send, since the other end's window was closed.
fn meets_closed_window(end: &End) -> bool {
    end.last_counters().is_some_and(|counters| counters.peer_window == Some(0))
}

fn has_unacked_fin(end: &End) -> bool {
    end.fin().is_some_and(|fin| fin.acked().is_none())
}

/// Returns the number of retransmissions of the FIN.
fn again(end: &End) -> Option<u32> {
    end.fin().map(|fin| fin.sent.again())
}

pub(in crate::correlate::verdict) fn close_end(conn: &Connection, side: Side) -> CloseEnd {
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
