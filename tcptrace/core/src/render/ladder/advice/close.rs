//! Advice for closes, by their kind.

use std::borrow::Cow;

use super::{
    Advice, ended,
    icmp::by_report,
    not_seen::{Missed, not_seen},
    reset::{by_cause, unproven},
    unanswered,
};
use crate::{
    event::Role,
    tcp::TcpState,
    text::HumanDuration,
    verdict::{Close, CloseKind, Reset, ResetCause, StateTime},
};

/// Shortest time without data, in nanoseconds, after which a close may be that of an idle time-out.
const IDLE_NS: u64 = 1_000_000_000;

/// Returns advice for a close that was not orderly, or whose client got no answer.
pub(in super::super) fn close(record: &Close) -> Advice {
    if let Some(advice) = ended::by_signal(record) {
        return Some(advice);
    }
    if record.evidence.is_some_and(|evidence| evidence.repair) {
        return vanished(record);
    }
    match (record.kind, record.reset) {
        (CloseKind::Reset, Some(reset)) => Some(reset_close(record, reset)),
        (CloseKind::TimedOut, reset) => Some(timed_out(record, reset)),
        (
            CloseKind::Reset
            | CloseKind::Simultaneous
            | CloseKind::ThreeSegment
            | CloseKind::FourSegment
            | CloseKind::Orderly
            | CloseKind::Unfinished
            | CloseKind::Unseen,
            _,
        ) => not_seen(&Missed::of_close(record)).or_else(|| unanswered_request(record)),
    }
}

/// Returns advice for a socket that close() took away without a segment.
fn vanished(record: &Close) -> Advice {
    let end = record.reset.map(|reset| reset.by).or(record.initiator)?;
    let (end, peer) = (end.word(), end.other().word());
    Some(
        format!(
            "the {end}'s program: it closed its socket with TCP_REPAIR on, as proxies do to drop a connection silently, \
             and checkpoints; the {peer} does not learn of it before it sends"
        )
        .into(),
    )
}

/// Returns advice for the end that caused a reset of an established connection.
fn reset_close(record: &Close, Reset { by, cause }: Reset) -> Cow<'static, str> {
    let (end, peer) = (by.word(), by.other().word());
    let also =
        |unread: bool| record.evidence.is_some_and(|evidence| if unread { evidence.unread } else { evidence.linger });
    match cause {
        ResetCause::UnreadData if let Some(advice) = ended::with_unread_data(record, by) => advice.into(),
        ResetCause::UnreadData if also(false) => format!(
            "the {end}'s program: it has to read to the end before it closes, or the {peer} may lose data; it sets \
             SO_LINGER 0 as well, which resets in any case"
        )
        .into(),
        ResetCause::Linger if also(true) => format!(
            "the {end}'s program: it asks for this with SO_LINGER 0, and it left data unread; what was still on its \
             way is lost"
        )
        .into(),
        ResetCause::Linger if let Some(idle) = record.idle_ns.filter(|&idle| idle >= IDLE_NS) => format!(
            "the {end}'s program: it asks for this with SO_LINGER 0, and closed after {} without data, as with an idle \
             time-out",
            HumanDuration(idle)
        )
        .into(),
        ResetCause::DataAfterClose => {
            ended::late_answer(record, by).unwrap_or_else(|| data_after_close(record, by)).into()
        }
        ResetCause::Unknown => {
            let states = if by == Role::Client { &record.states.client } else { &record.states.server };
            unproven(by, states.iter().any(|StateTime { inferred, .. }| !inferred)).into()
        }
        cause => by_cause(by, cause).into(),
    }
}

/// Returns advice for data that met a closed socket: who closed, how long before, and whether the writer could know.
fn data_after_close(record: &Close, by: Role) -> String {
    let (end, peer) = (by.word(), by.other().word());
    let first = if record.initiator == Some(by) { " first" } else { "" };
    let closed = match record.closed_before_ns {
        Some(before) => format!("the {end} had closed{first}, {} before", HumanDuration(before)),
        None => format!("the {end} had closed{first}"),
    };
    match record.close_known {
        Some(true) => format!(
            "the {peer}'s program, if it needed an answer: {closed}, and the {peer}'s host knew; when recv returns 0, \
             no answer comes"
        ),
        Some(false) => format!(
            "the idle time-outs of both ends: {closed}, and the {peer}'s data crossed its FIN, so the {peer} could not \
             know; it may try again"
        ),
        None => format!("both programs, if the {peer} needed an answer: {closed}"),
    }
}

/// Returns advice for a connection that timed out.
fn timed_out(record: &Close, reset: Option<Reset>) -> Cow<'static, str> {
    if let Some(advice) = unanswered::segments_dropped_here(record.dropped_segments) {
        return advice.into();
    }
    if let Some((end, icmp)) = record.gave_up.zip(record.icmp) {
        let (client, server) = (record.client.addr, record.server.addr);
        let (ends, segments) = match end {
            Role::Client => ([client, server], "client's segments"),
            Role::Server => ([server, client], "server's segments"),
        };
        return by_report(end, ends, segments, icmp).into();
    }
    match (reset, record.gave_up, record.initiator) {
        (Some(Reset { by, cause: cause @ ResetCause::ZeroWindow }), _, _) => by_cause(by, cause).into(),
        (_, Some(end), _) if let Some(bytes) = kept(record, end) => {
            let to = if end == Role::Client { record.server.addr } else { record.client.addr };
            let end = end.word();
            format!(
                "on the {end}, `ip route get {to}` and `ip addr`: its own host did not send the last {bytes} B, and sent \
                 nothing again"
            )
            .into()
        }
        (_, Some(end), _) if let Some(state) = open_here(record, end.other()) => {
            let peer = end.other().word();
            format!(
                "the network between the ends, such as a firewall or NAT that forgot the connection: the {peer}'s socket was \
                 still there, in {state}"
            )
            .into()
        }
        (Some(Reset { by, cause: cause @ ResetCause::Keepalive }), _, _) => by_cause(by, cause).into(),
        (_, Some(end), _) => {
            let peer = end.other().word();
            format!("the network, and whether the {peer} vanished: crashed, moved, or cut off").into()
        }
        // The FIN was acknowledged, and the other end's never came.
        (_, None, Some(first)) => {
            let peer = first.other().word();
            format!("on the {peer}, `ss -tnp state close-wait`: does its program still hold the connection?").into()
        }
        (_, None, None) => "the network between the ends".into(),
    }
}

/// Returns the bytes that an end's own host never sent, if nothing of its data was ever sent again: what it sent seems to have
/// been acknowledged.
fn kept(record: &Close, end: Role) -> Option<u32> {
    let (own, again) = match end {
        Role::Client => (&record.client, record.data_retransmissions.client),
        Role::Server => (&record.server, record.data_retransmissions.server),
    };
    own.unsent_bytes.filter(|&bytes| bytes > 0 && again == Some(0))
}

/// Returns the last state of an end's socket on this host that was still open then.
fn open_here(record: &Close, end: Role) -> Option<TcpState> {
    let states = if end == Role::Client { &record.states.client } else { &record.states.server };
    let last = states.last().filter(|last| !last.inferred)?.state;
    matches!(last, TcpState::Established | TcpState::CloseWait).then_some(last)
}

/// Returns advice for an orderly close by a server that had answered nothing.
fn unanswered_request(record: &Close) -> Advice {
    let orderly = matches!(
        record.kind,
        CloseKind::ThreeSegment | CloseKind::FourSegment | CloseKind::Simultaneous | CloseKind::Orderly
    );
    match (record.bytes.client_to_server, record.bytes.server_to_client) {
        (Some(asked @ 1..), Some(0)) if orderly && record.initiator == Some(Role::Server) => Some(
            format!(
                "the server's program and its log, if the client expected an answer: it closed first, and {asked} B \
                 were answered with 0 B, as when its process ends"
            )
            .into(),
        ),
        _ => None,
    }
}
