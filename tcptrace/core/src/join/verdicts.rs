//! One handshake and one close from those of several hosts: the verdict of the host that knows the cause, and for each end
//! the details from the host of its socket.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    unsent::Unsent,
    view::{Member, View},
};
use crate::{
    event::Role,
    output_record::{CloseOutput, HandshakeOutput},
    verdict::{Close, CloseEnd, CloseKind, HandshakeEnd, Missing, Outcome, Reset, ResetCause},
};

/// A verdict of a view.
struct Known<'a, V> {
    /// The index of the view.
    place: usize,
    view: &'a View,
    verdict: &'a V,
    /// The reset that it tells of, by what all views show.
    reset: Option<Reset>,
    /// The host of the reset's sender, if that did not see it leave.
    unsent_at: Option<Arc<str>>,
}

/// Returns how much a view knows about a reset: a cause that follows from segments, one that the socket of its sender proves, or
/// that neither end sent it.
fn explained(view: &View, reset: Option<Reset>) -> u8 {
    match reset {
        None | Some(Reset { cause: ResetCause::Unknown, .. }) => 0,
        Some(Reset { cause: ResetCause::Forged, .. }) => 3,
        Some(Reset { by, .. }) => 1 + u8::from(view.has_socket(by)),
    }
}

/// Returns the information in a handshake, for comparison: the cause first, then whether it is complete, then whether
/// connect() was seen.
fn worth_of_handshake(known: &Known<'_, HandshakeOutput>) -> [u8; 5] {
    let record = &*known.verdict.record;
    let established = record.outcome == Some(Outcome::Established);
    let waits = record.outcome == Some(Outcome::Unanswered);
    let decided = record.outcome.is_some() && !waits;
    let [established, decided, complete, connected] =
        [established, decided, !record.incomplete, record.connect_ns.is_some()].map(u8::from);
    [established, explained(known.view, known.reset), decided, complete, connected]
}

/// Returns the information in a close, for comparison: the cause first, then whether it is complete, then how many sockets
/// were seen.
fn worth_of_close(known: &Known<'_, CloseOutput>) -> (u8, bool, bool, usize) {
    let record = &*known.verdict.record;
    let sockets =
        [&record.states.client, &record.states.server].into_iter().filter(|states| !states.is_empty()).count();
    let ended = !matches!(record.kind, CloseKind::Unfinished | CloseKind::Unseen);
    (explained(known.view, known.reset), ended, !record.incomplete, sockets)
}

/// Returns the handshake of all views, which are in order from the client to the server, and the index of the view whose
/// verdict it is.
pub(super) fn handshake(views: &[Member], unsent: &Unsent<'_>) -> Option<(usize, HandshakeOutput)> {
    let all: SmallVec<[Known<'_, HandshakeOutput>; 2]> = views
        .iter()
        .enumerate()
        .filter_map(|(place, (_, view))| {
            let verdict = view.handshake.as_ref()?;
            let (reset, unsent_at) = unsent.reveal(place, verdict.record.reset);
            Some(Known { place, view, verdict, reset, unsent_at })
        })
        .collect();
    // Of several with the same information, the one nearest to the client.
    let chosen = all.iter().rev().max_by_key(|known| worth_of_handshake(known))?;
    let mut joined = chosen.verdict.clone();
    let record = &mut *joined.record;
    record.reset = chosen.reset;
    record.facts.unsent_at.clone_from(&chosen.unsent_at);
    // Their numbers count in their file, and they are part of the joined connection.
    let (same_as, _) = (record.same_as.take(), record.nat.take());
    if same_as.is_some() || chosen.unsent_at.is_some() {
        record.summarize();
    }
    if let Some(at_client) = all.first() {
        let at_client = &*at_client.verdict.record;
        (record.client.addr, record.client.port) = (at_client.client.addr, at_client.client.port);
        (record.server.addr, record.server.port) = (at_client.server.addr, at_client.server.port);
        record.syn_to_synack_ns = at_client.syn_to_synack_ns.or(record.syn_to_synack_ns);
        record.retransmissions.syn = at_client.retransmissions.syn.or(record.retransmissions.syn);
    }
    if let Some(at_server) = all.last() {
        let at_server = &*at_server.verdict.record;
        record.synack_to_ack_ns = at_server.synack_to_ack_ns.or(record.synack_to_ack_ns);
        record.retransmissions.synack = at_server.retransmissions.synack.or(record.retransmissions.synack);
    }
    for Known { verdict, .. } in &all {
        let other = &*verdict.record;
        complete_handshake_end(&mut record.client, &other.client);
        complete_handshake_end(&mut record.server, &other.server);
        record.connect_ns = record.connect_ns.or(other.connect_ns);
        record.syn_left = record.syn_left.or(other.syn_left);
        record.accept_queue = record.accept_queue.or(other.accept_queue);
        record.syn_queue = record.syn_queue.or(other.syn_queue);
        record.icmp = record.icmp.or(other.icmp);
        record.dropped = record.dropped.or(other.dropped);
        record.dropped_segments = record.dropped_segments.or(other.dropped_segments);
    }
    Some((chosen.place, joined))
}

/// Returns the close of all views, and the index of the view whose verdict it is.
pub(super) fn close(views: &[Member], unsent: &Unsent<'_>) -> Option<(usize, CloseOutput)> {
    let all: SmallVec<[Known<'_, CloseOutput>; 2]> = views
        .iter()
        .enumerate()
        .filter_map(|(place, (_, view))| {
            let verdict = view.close.as_ref()?;
            let reset = verdict.record.reset;
            let ended = verdict.record.kind == CloseKind::Reset;
            let (reset, unsent_at) = if ended { unsent.reveal(place, reset) } else { (reset, None) };
            Some(Known { place, view, verdict, reset, unsent_at })
        })
        .collect();
    let mut chosen = all.iter().rev().max_by_key(|known| worth_of_close(known))?;
    // Beside the end that reset, more was seen of what it sent and got than where a cause follows from segments.
    if let Some(Reset { by, cause }) = chosen.reset
        && !matches!(cause, ResetCause::Forged | ResetCause::Unknown)
        && !chosen.view.has_socket(by)
        && let Some(beside) = match by {
            Role::Client => all.first(),
            Role::Server => all.last(),
        }
        && beside.verdict.record.kind == CloseKind::Reset
        && beside.reset.is_some_and(|reset| reset.by == by)
    {
        chosen = beside;
    }
    let mut joined = chosen.verdict.clone();
    let record = &mut *joined.record;
    record.reset = chosen.reset;
    record.facts.unsent_at.clone_from(&chosen.unsent_at);
    // As in a handshake.
    let (same_as, _) = (record.same_as.take(), record.nat.take());
    // Of each end, as seen beside it.
    let complete = || all.iter().map(|known| &*known.verdict.record).filter(|record| is_complete(record));
    let bytes = record.bytes;
    let to_server = complete().find_map(|record| record.bytes.client_to_server);
    let to_client = complete().rev().find_map(|record| record.bytes.server_to_client);
    record.bytes.client_to_server = to_server.or(bytes.client_to_server);
    record.bytes.server_to_client = to_client.or(bytes.server_to_client);
    if same_as.is_some() || chosen.unsent_at.is_some() || record.bytes != bytes {
        record.summarize();
    }
    // The client's addresses, whether or not its host has seen the close.
    if let Some((client, server)) = views.first().and_then(|(_, view)| view.ends()) {
        (record.client.addr, record.client.port) = (client.addr, client.port);
        (record.server.addr, record.server.port) = (server.addr, server.port);
    }
    for Known { view, verdict, .. } in &all {
        let other = &*verdict.record;
        complete_close_end(&mut record.client, &other.client);
        complete_close_end(&mut record.server, &other.server);
        for (states, others) in
            [(&mut record.states.client, &other.states.client), (&mut record.states.server, &other.states.server)]
        {
            // Observed states of a socket take precedence over inferred ones.
            let inferred = states.iter().all(|state| state.inferred);
            if inferred && (states.is_empty() || others.iter().any(|state| !state.inferred)) {
                states.clone_from(others);
            }
        }
        if view.has_socket(Role::Client) {
            record.data_retransmissions.client =
                other.data_retransmissions.client.or(record.data_retransmissions.client);
            record.retransmissions.client = other.retransmissions.client.or(record.retransmissions.client);
            record.rtt = other.rtt;
        }
        if view.has_socket(Role::Server) {
            record.data_retransmissions.server =
                other.data_retransmissions.server.or(record.data_retransmissions.server);
            record.retransmissions.server = other.retransmissions.server.or(record.retransmissions.server);
        }
        (record.gave_up, record.icmp) = match record.gave_up {
            Some(_) => (record.gave_up, record.icmp.or(other.icmp.filter(|_| other.gave_up == record.gave_up))),
            None => (other.gave_up, other.icmp),
        };
        record.dropped_segments = record.dropped_segments.or(other.dropped_segments);
        record.duration_ns = record.duration_ns.or(other.duration_ns);
    }
    Some((chosen.place, joined))
}

fn is_complete(record: &Close) -> bool {
    !record.incomplete && !matches!(record.kind, CloseKind::Unfinished | CloseKind::Unseen)
}

/// Returns true if events of the connection were lost in this view.
pub(super) fn has_lost_events(view: &View) -> bool {
    let handshake = view.handshake.iter().flat_map(|handshake| &handshake.record.missing);
    let close = view.close.iter().flat_map(|close| &close.record.missing);
    view.left_out > 0 || handshake.chain(close).any(|missing| matches!(missing, Missing::Lost | Missing::Interface))
}

/// Fills in the details of an end whose socket is not on the host whose verdict it is.
fn complete_handshake_end(end: &mut HandshakeEnd, other: &HandshakeEnd) {
    if end.netns.is_none() && other.netns.is_some() || end.pid.is_none() && other.pid.is_some() {
        (end.pid, end.comm, end.thread, end.uid) = (other.pid, other.comm, other.thread, other.uid);
        (end.netns, end.netns_name, end.cgroup) = (other.netns, other.netns_name.clone(), other.cgroup.clone());
    }
    end.isn = end.isn.or(other.isn);
    if end.options.is_none() {
        end.options.clone_from(&other.options);
    }
}

/// Like [`complete_handshake_end`].
fn complete_close_end(end: &mut CloseEnd, other: &CloseEnd) {
    if end.netns.is_none() && other.netns.is_some() || end.pid.is_none() && other.pid.is_some() {
        (end.pid, end.comm, end.thread, end.uid) = (other.pid, other.comm, other.thread, other.uid);
        (end.netns, end.netns_name, end.cgroup) = (other.netns, other.netns_name.clone(), other.cgroup.clone());
    }
    end.exit = end.exit.or(other.exit);
    end.unread_bytes = end.unread_bytes.or(other.unread_bytes);
    end.unsent_bytes = end.unsent_bytes.or(other.unsent_bytes);
}
