//! One handshake and one close from those of several hosts: the verdict of the host that knows the cause, and for each end
//! the details from the host of its socket.

use super::{unsent::Unsent, view::View};
use crate::{
    event::Role,
    output_record::{CloseOutput, HandshakeOutput},
    verdict::{Close, CloseEnd, CloseKind, Handshake, HandshakeEnd, Missing, Outcome, Reset, ResetCause},
};

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
fn worth_of_handshake(view: &View, record: &Handshake) -> [u8; 5] {
    let established = record.outcome == Some(Outcome::Established);
    let waits = record.outcome == Some(Outcome::Unanswered);
    let decided = record.outcome.is_some() && !waits;
    let [established, decided, complete, connected] =
        [established, decided, !record.incomplete, record.connect_ns.is_some()].map(u8::from);
    [established, explained(view, record.reset), decided, complete, connected]
}

/// Returns the information in a close, for comparison: the cause first, then whether it is complete, then how many sockets
/// were seen.
fn worth_of_close(view: &View, record: &Close) -> (u8, bool, bool, usize) {
    let sockets =
        [&record.states.client, &record.states.server].into_iter().filter(|states| !states.is_empty()).count();
    let known = !matches!(record.kind, CloseKind::Unfinished | CloseKind::Unseen);
    (explained(view, record.reset), known, !record.incomplete, sockets)
}

/// Returns the handshake of all views, which are in order from the client to the server, and the index of the view whose
/// verdict it is.
pub(super) fn handshake(views: &[&View], unsent: &Unsent<'_>) -> Option<(usize, HandshakeOutput)> {
    let all = || {
        let known = |(place, view): (usize, &&View)| {
            let mut known = view.handshake.clone()?;
            let record = &mut *known.record;
            // Their numbers count in their file, and they are part of the joined connection.
            (record.same_as, record.nat) = (None, None);
            record.facts.unsent_at = unsent.reveal(place, &mut record.reset);
            Some((place, known))
        };
        views.iter().enumerate().filter_map(known)
    };
    // Of several with the same information, the one nearest to the client.
    let worth = |place: usize, record: &_| views.get(place).map(|view| worth_of_handshake(view, record));
    let (place, mut joined) = all().rev().max_by_key(|(place, handshake)| worth(*place, &handshake.record))?;
    let record = &mut *joined.record;
    record.summarize();
    if let Some((_, at_client)) = all().next() {
        let at_client = &*at_client.record;
        (record.client.addr, record.client.port) = (at_client.client.addr, at_client.client.port);
        (record.server.addr, record.server.port) = (at_client.server.addr, at_client.server.port);
        record.syn_to_synack_ns = at_client.syn_to_synack_ns.or(record.syn_to_synack_ns);
        record.retransmissions.syn = at_client.retransmissions.syn.or(record.retransmissions.syn);
    }
    if let Some((_, at_server)) = all().next_back() {
        record.synack_to_ack_ns = at_server.record.synack_to_ack_ns.or(record.synack_to_ack_ns);
        record.retransmissions.synack = at_server.record.retransmissions.synack.or(record.retransmissions.synack);
    }
    for (_, other) in all() {
        let other = &*other.record;
        complete_handshake_end(&mut record.client, &other.client);
        complete_handshake_end(&mut record.server, &other.server);
        record.connect_ns = record.connect_ns.or(other.connect_ns);
        record.syn_left = record.syn_left.or(other.syn_left);
        record.accept_queue = record.accept_queue.or(other.accept_queue);
        record.icmp = record.icmp.or(other.icmp);
        record.dropped = record.dropped.or(other.dropped);
        record.dropped_segments = record.dropped_segments.or(other.dropped_segments);
    }
    Some((place, joined))
}

/// Returns the close of all views, and the index of the view whose verdict it is.
pub(super) fn close(views: &[&View], unsent: &Unsent<'_>) -> Option<(usize, CloseOutput)> {
    let all = || {
        let known = |(place, view): (usize, &&View)| {
            let mut known = view.close.clone()?;
            let record = &mut *known.record;
            // As in a handshake.
            (record.same_as, record.nat) = (None, None);
            if record.kind == CloseKind::Reset {
                record.facts.unsent_at = unsent.reveal(place, &mut record.reset);
            }
            Some((place, known))
        };
        views.iter().enumerate().filter_map(known)
    };
    let worth = |place: usize, record: &_| views.get(place).map(|view| worth_of_close(view, record));
    let (mut place, mut joined) = all().rev().max_by_key(|(place, close)| worth(*place, &close.record))?;
    // Beside the end that reset, more was seen of what it sent and got than where a cause follows from segments.
    if let Some(Reset { by, cause }) = joined.record.reset
        && !matches!(cause, ResetCause::Forged | ResetCause::Unknown)
        && !views.get(place)?.has_socket(by)
        && let Some((beside, close)) = match by {
            Role::Client => all().next(),
            Role::Server => all().next_back(),
        }
        && close.record.kind == CloseKind::Reset
        && close.record.reset.is_some_and(|reset| reset.by == by)
    {
        (place, joined) = (beside, close);
    }
    let complete = |(_, close): (usize, CloseOutput)| Some(close.record).filter(|record| is_complete(record));
    let sent = [
        all().filter_map(complete).find_map(|record| record.bytes.client_to_server),
        all().rev().filter_map(complete).find_map(|record| record.bytes.server_to_client),
    ];
    let record = &mut *joined.record;
    let [to_server, to_client] = sent;
    record.bytes.client_to_server = to_server.or(record.bytes.client_to_server);
    record.bytes.server_to_client = to_client.or(record.bytes.server_to_client);
    record.summarize();
    // The client's addresses, whether or not its host has seen the close.
    if let Some((client, server)) = views.first().and_then(|view| view.ends()) {
        (record.client.addr, record.client.port) = (client.addr, client.port);
        (record.server.addr, record.server.port) = (server.addr, server.port);
    }
    for (at, other) in all() {
        let other = &*other.record;
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
        let view = views.get(at);
        let has = |role| view.is_some_and(|view| view.has_socket(role));
        if has(Role::Client) {
            record.data_retransmissions.client =
                other.data_retransmissions.client.or(record.data_retransmissions.client);
            record.retransmissions.client = other.retransmissions.client.or(record.retransmissions.client);
            record.rtt = other.rtt;
        }
        if has(Role::Server) {
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
    Some((place, joined))
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
