//! Advice for handshakes, by their outcome.

use std::{borrow::Cow, net::IpAddr};

use super::{
    Advice,
    icmp::{by_icmp, no_way, rejected_here},
    not_seen::{Missed, not_seen},
    reset::{by_cause, killed, unproven},
    source_port, unanswered,
};
use crate::{
    event::Role,
    render::ladder::{heading::endpoint, open_block::End},
    verdict::{Handshake, Outcome, Reset, ResetCause, WaitingFor},
};

/// Returns advice for a handshake that failed or is only partly known.
pub(in super::super) fn handshake(record: &Handshake) -> Advice {
    match record.outcome? {
        Outcome::Established => not_seen(&Missed::of_handshake(record)),
        Outcome::NoPort => Some(
            "on the client, `sysctl net.ipv4.ip_local_port_range`, and `ss -tan state time-wait`: are the ports used \
             up? Keep connections open and use them again"
                .into(),
        ),
        Outcome::Refused => Some(refused(record).into()),
        Outcome::Unreachable => Some(unreachable(record).into()),
        Outcome::Reset => match record.reset {
            Some(Reset { by: Role::Client, cause: ResetCause::Killed }) => Some(killed(Role::Client).into()),
            // A client that resets the connection has learnt what it wanted to know.
            Some(Reset { by: Role::Client, .. }) => None,
            Some(Reset { by: by @ Role::Server, cause: ResetCause::Unknown }) => Some(unproven(by, false).into()),
            Some(Reset { by: Role::Server, cause: ResetCause::NoListener }) => Some(listening(record, "").into()),
            Some(Reset { by: Role::Server, cause: ResetCause::NoConnection }) => Some(request_gone(record)),
            Some(Reset { by: by @ Role::Server, cause }) => Some(by_cause(by, cause).into()),
            None => not_seen(&Missed::of_handshake(record)),
        },
        Outcome::TimedOut | Outcome::Cancelled | Outcome::Unanswered => no_answer(record),
    }
}

/// Returns advice for a SYN that was refused by a reset or an ICMP error.
fn refused(record: &Handshake) -> String {
    if let Some(icmp) = record.icmp {
        return by_icmp(record, icmp);
    }
    match record.reset.map(|reset| reset.cause) {
        Some(_) if record.syn_left == Some(false) => rejected_here(record),
        Some(_) if record.dropped.is_some() => {
            "`nft list ruleset` in each network namespace of this host that it passes: a rule rejects the SYN"
                .to_owned()
        }
        Some(ResetCause::NoListener) if record.passed_over.is_some() => format!(
            "on the server, `ss -ltn{}`: is the listener bound to another interface (a % and its name behind the address), or \
             the interface in a VRF?",
            source_port(record.server.port)
        ),
        Some(ResetCause::NoListener) => listening(record, ""),
        Some(cause @ (ResetCause::Overflow | ResetCause::QueueFull | ResetCause::ListenerClosed)) => {
            by_cause(Role::Server, cause)
        }
        _ => listening(record, " A firewall may reset, too"),
    }
}

/// Returns advice for a server that no longer knew the SYN when the client's ACK came.
fn request_gone(record: &Handshake) -> Cow<'static, str> {
    match record.icmp {
        Some(icmp) => by_icmp(record, icmp).into(),
        None => "on the server, whether its program had stopped listening, or the ACK came after the last SYN,ACK had timed \
                 out (net.ipv4.tcp_synack_retries)"
            .into(),
    }
}

/// Returns advice for a server without a listener on the port.
fn listening(record: &Handshake, otherwise: &str) -> String {
    let server = endpoint(&End::from(&record.server).at);
    // What listens for one of the two protocols, or on the loopback device alone, often explains it.
    let elsewhere = match (record.server.addr, record.server.addr.is_loopback()) {
        (IpAddr::V4(_), false) => ", or on 127.0.0.1 alone",
        (IpAddr::V4(_), true) => ", or on ::1 alone",
        (IpAddr::V6(_), false) => ", or on ::1 alone, or for IPv4 alone",
        (IpAddr::V6(_), true) => ", or for IPv4 alone",
    };
    format!(
        "on the server, `ss -ltn{}`: is anybody listening on {server}{elsewhere}?{otherwise}",
        source_port(record.server.port)
    )
}

/// Returns advice for a SYN that no route leads any further.
fn unreachable(record: &Handshake) -> String {
    record.icmp.map_or_else(|| no_way(Role::Client, record.server.addr), |icmp| by_icmp(record, icmp))
}

/// Returns advice for a client that waited without an answer.
fn no_answer(record: &Handshake) -> Advice {
    if record.killed {
        return Some(killed(Role::Client).into());
    }
    if record.accept_queue.is_some() {
        return Some(by_cause(Role::Server, ResetCause::QueueFull).into());
    }
    if record.syn_queue.is_some() {
        return Some(unanswered::SYN_QUEUE.into());
    }
    if let Some(advice) = unanswered::dropped_here(record.dropped) {
        return Some(advice.into());
    }
    if let Some(advice) = unanswered::segments_dropped_here(record.dropped_segments) {
        return Some(advice.into());
    }
    if record.deferred {
        return Some("the client's program: the server accepts it when its first data comes (TCP_DEFER_ACCEPT)".into());
    }
    if record.waiting_for == Some(WaitingFor::Ack) {
        return Some(match record.syn_left {
            None => "where the client's segments pass: only what the server sent was seen".into(),
            Some(_) => "the way from the server back to the client; if there are many of these, a flood of SYNs".into(),
        });
    }
    if record.retransmissions.synack.is_some() {
        return Some(
            "the way from the server's SYN,ACK, which was seen, to the client, and the client's own firewall".into(),
        );
    }
    if record.ignored_reset {
        return Some(unanswered::IGNORED_RESET.into());
    }
    let (server, port) = (record.server.addr, source_port(record.server.port));
    let signature = record.client.options.and_then(|options| options.signature());
    match record.syn_left {
        Some(false) => Some(unanswered::not_sent(server).into()),
        Some(true) if let Some(signature) = signature => Some(unanswered::signed(signature, &port).into()),
        Some(true) if server.is_loopback() || server == record.client.addr => Some(unanswered::here(&port).into()),
        Some(true) => {
            let advice = unanswered::on_the_way(&port);
            // The kernel sends a SYN again after a second.
            let soon = record.outcome == Some(Outcome::Cancelled) && record.retransmissions.syn == Some(0);
            Some(if soon { unanswered::too_soon(&advice) } else { advice }.into())
        }
        None => not_seen(&Missed::of_handshake(record)),
    }
}
