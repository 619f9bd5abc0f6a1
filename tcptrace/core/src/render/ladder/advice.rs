//! Advice on what to examine next after a failure: from the cause, for the end where something can be done.
//!
//! It says nothing that the record does not say, and nothing of segments where none are traced.

mod ended;
mod stalled;

use std::{borrow::Cow, net::IpAddr};

pub(super) use self::stalled::stalled;
use super::{heading::endpoint, open_block::End};
use crate::{
    event::Role,
    text::HumanDuration,
    verdict::{
        Close, CloseKind, Handshake, IcmpAnswer, Missing, NoSegments, OpeningDrops, Outcome, Reset, ResetCause,
        StateTime, WaitingFor,
    },
};

type Advice = Option<Cow<'static, str>>;

/// Returns advice for a handshake that failed or is only partly known.
pub(super) fn handshake(record: &Handshake) -> Advice {
    match record.outcome? {
        Outcome::Established => not_seen(&Missed::of_handshake(record)),
        Outcome::NoPort => Some(
            "on the client, `sysctl net.ipv4.ip_local_port_range`, and `ss -tan state time-wait`: are the ports used \
             up? Keep connections open and use them again"
                .into(),
        ),
        Outcome::Refused => Some(refused(record)),
        Outcome::Unreachable => Some(unreachable(record)),
        Outcome::Reset => match record.reset {
            Some(Reset { by: Role::Client, cause: ResetCause::Killed }) => Some(killed(Role::Client)),
            // A client that resets the connection got what it wanted.
            Some(Reset { by: Role::Client, .. }) => None,
            Some(Reset { by: by @ Role::Server, cause: ResetCause::Unknown }) => Some(unproven(by, false)),
            Some(Reset { by: Role::Server, cause: ResetCause::NoListener }) => Some(listening(record, "")),
            Some(Reset { by: Role::Server, cause: ResetCause::NoConnection }) => Some(request_gone(record)),
            Some(Reset { by: by @ Role::Server, cause }) => Some(by_cause(by, cause)),
            None => not_seen(&Missed::of_handshake(record)),
        },
        Outcome::TimedOut | Outcome::Cancelled | Outcome::Unanswered => no_answer(record),
    }
}

/// Returns advice for a close that was not orderly, or whose client got no answer.
pub(super) fn close(record: &Close) -> Advice {
    if let Some(advice) = ended::by_signal(record) {
        return Some(advice);
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

/// Returns advice for a SYN that was refused by a reset or an ICMP error.
fn refused(record: &Handshake) -> Cow<'static, str> {
    if let Some(icmp) = record.icmp {
        return by_icmp(record, icmp);
    }
    match record.reset.map(|reset| reset.cause) {
        Some(_) if record.syn_left == Some(false) => rejected_here(record),
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
        Some(icmp) => by_icmp(record, icmp),
        None => "on the server, whether its program had stopped listening, or the ACK came after the last SYN,ACK had timed \
                 out (net.ipv4.tcp_synack_retries)"
            .into(),
    }
}

/// Returns advice for a server on whose port nobody listens.
fn listening(record: &Handshake, otherwise: &str) -> Cow<'static, str> {
    let server = endpoint(&End::from(&record.server).at);
    let elsewhere = if record.server.addr.is_loopback() { "" } else { ", or on 127.0.0.1 alone" };
    format!("on the server, `ss -ltn{}`: is anybody listening on {server}{elsewhere}?{otherwise}", source_port(record))
        .into()
}

/// Returns the filter of `ss` for the server's port.
fn source_port(record: &Handshake) -> String {
    record.server.port.map_or_else(String::new, |port| format!(" 'sport = :{port}'"))
}

fn unreachable(record: &Handshake) -> Cow<'static, str> {
    record.icmp.map_or_else(|| no_way(Role::Client, record.server.addr), |icmp| by_icmp(record, icmp))
}

/// Returns advice for an end whose own stack finds no way to the other.
fn no_way(end: Role, to: IpAddr) -> Cow<'static, str> {
    format!("on the {}, `ip route get {to}` and `ip neigh show {to}`", end.word()).into()
}

/// Returns advice for a SYN that a firewall of the client's own host rejects.
fn rejected_here(record: &Handshake) -> Cow<'static, str> {
    let before = if record.syn_left == Some(false) { " before it leaves" } else { "" };
    format!("on the client, `nft list ruleset`: a firewall rule there rejects the SYN{before}").into()
}

/// Returns advice for the host that sent an ICMP error.
fn by_icmp(record: &Handshake, icmp: IcmpAnswer) -> Cow<'static, str> {
    let IcmpAnswer { from, kind, of_synack, .. } = icmp;
    let (sender, to, segment) = match of_synack {
        true => (Role::Server, Role::Client, "SYN,ACK"),
        false => (Role::Client, Role::Server, "SYN"),
    };
    let address = |end: Role| if end == Role::Client { record.client.addr } else { record.server.addr };
    let far = address(to);
    match Obstacle::of(icmp) {
        Obstacle::Rule if from == address(sender) && !of_synack => rejected_here(record),
        Obstacle::Rule if from == far || from == address(sender) => {
            let host = if from == far { to } else { sender }.word();
            format!("on the {host}, `nft list ruleset`: its firewall rejects the {segment} (ICMP: {kind})").into()
        }
        Obstacle::Rule => format!("the firewall at {from}, which rejects the {segment} (ICMP: {kind})").into(),
        Obstacle::NoWay if from == address(sender) => no_way(sender, far),
        Obstacle::NoWay => format!("at {from}, `ip route get {far}` and `ip neigh show {far}` (ICMP: {kind})").into(),
        Obstacle::TooFar => {
            format!("`traceroute {far}`: the {segment} ended at {from}, as in a routing loop (ICMP: {kind})").into()
        }
        Obstacle::Other => format!("at {from}, which sent the ICMP error: {kind}").into(),
    }
}

/// The obstacle that an ICMP error reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Obstacle {
    /// A rule does not let the segment pass. A host whose firewall rejects says so with port unreachable, too, and no
    /// TCP stack does (RFC 1122 §4.2.3.9).
    Rule,
    /// No route, or no neighbour that answers.
    NoWay,
    /// The hop limit was used up.
    TooFar,
    /// Anything else.
    Other,
}

impl Obstacle {
    /// Classifies an error by its type and code (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1, RFC 4443 §3).
    fn of(IcmpAnswer { from, icmp_type, icmp_code, .. }: IcmpAnswer) -> Self {
        match (from.is_ipv4(), icmp_type, icmp_code) {
            (true, 3, 2 | 3 | 9 | 10 | 13) | (false, 1, 1 | 4 | 5) => Self::Rule,
            (true, 3, 0 | 1 | 6 | 7 | 11 | 12) | (false, 1, 0 | 2 | 3 | 6) => Self::NoWay,
            (true, 11, 0) | (false, 3, 0) => Self::TooFar,
            _ => Self::Other,
        }
    }
}

/// Returns advice for a client that waited in vain.
fn no_answer(record: &Handshake) -> Advice {
    let (server, port) = (record.server.addr, source_port(record));
    if record.killed {
        return Some(killed(Role::Client));
    }
    if let Some(OpeningDrops { reason, of_synack, .. }) = record.dropped
        && reason.as_str() == "NETFILTER_DROP"
    {
        let segment = if of_synack { "SYN,ACK" } else { "SYN" };
        return Some(
            format!(
                "`nft list ruleset` in each network namespace of this host that it passes: a rule drops the {segment}"
            )
            .into(),
        );
    }
    if record.deferred {
        return Some("the client's program: the server accepts it when its first data comes (TCP_DEFER_ACCEPT)".into());
    }
    if record.waiting_for == Some(WaitingFor::Ack) && record.syn_left.is_none() {
        return Some("where the client's segments pass: only what the server sent was seen".into());
    }
    if record.waiting_for == Some(WaitingFor::Ack) {
        return Some("the way from the server back to the client; if there are many of these, a flood of SYNs".into());
    }
    if record.accept_queue.is_some() {
        return Some(by_cause(Role::Server, ResetCause::QueueFull));
    }
    if record.retransmissions.synack.is_some() {
        return Some(
            "the way from the server's SYN,ACK, which was seen, to the client, and the client's own firewall".into(),
        );
    }
    match record.syn_left {
        Some(false) => Some(
            format!("on the client, `ip neigh show {server}` and `nft list ruleset`: what keeps the SYN from leaving?")
                .into(),
        ),
        Some(true) if server.is_loopback() || server == record.client.addr => Some(
            format!(
                "on this host, `nft list ruleset` (a rule that drops) and `ss -ltn{port}` (Recv-Q above Send-Q: the \
                 queue is full)"
            )
            .into(),
        ),
        Some(true) => Some(
            format!(
                "a firewall that drops, a wrong address, or a server that is down or whose queue is full (there, \
                 `ss -ltn{port}`: Recv-Q above Send-Q)"
            )
            .into(),
        ),
        None => not_seen(&Missed::of_handshake(record)),
    }
}

/// Returns advice for the end that caused a reset of an established connection.
fn reset_close(record: &Close, Reset { by, cause }: Reset) -> Cow<'static, str> {
    let (end, peer) = (by.word(), by.other().word());
    let also =
        |unread: bool| record.evidence.is_some_and(|evidence| if unread { evidence.unread } else { evidence.linger });
    match cause {
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
        ResetCause::DataAfterClose => {
            ended::late_answer(record, by).unwrap_or_else(|| data_after_close(record, by)).into()
        }
        ResetCause::Unknown => {
            let states = if by == Role::Client { &record.states.client } else { &record.states.server };
            unproven(by, states.iter().any(|StateTime { inferred, .. }| !inferred))
        }
        cause => by_cause(by, cause),
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

/// Returns advice for a reset whose cause tells everything.
fn by_cause(by: Role, cause: ResetCause) -> Cow<'static, str> {
    let (end, peer) = (by.word(), by.other().word());
    match cause {
        ResetCause::Linger => {
            format!("the {end}'s program: it asks for this with SO_LINGER 0; what was still on its way is lost").into()
        }
        ResetCause::UnreadData => {
            format!("the {end}'s program: it has to read to the end before it closes, or the {peer} may lose data")
                .into()
        }
        ResetCause::DataAfterClose => {
            format!("both programs: the {end} had closed before the {peer}'s data came").into()
        }
        ResetCause::NoListener => format!("whether the service is running on the {end}").into(),
        ResetCause::ListenerClosed => {
            format!("the {end}'s program: it stopped listening before it accepted what was waiting").into()
        }
        ResetCause::Overflow | ResetCause::QueueFull => {
            format!("the {end}'s listen() backlog and net.core.somaxconn: it accepts too slowly").into()
        }
        ResetCause::NoConnection => {
            format!("whether the {end} restarted, or a firewall or NAT forgot an idle connection: then, keep-alive")
                .into()
        }
        ResetCause::Killed => killed(by),
        ResetCause::LateFin => format!(
            "the {peer}'s program, if anything: it kept the connection after the {end} had closed it (CLOSE_WAIT)"
        )
        .into(),
        ResetCause::Keepalive => {
            format!("the network, and whether the {peer} vanished: it answered no keep-alive probe").into()
        }
        ResetCause::ZeroWindow => {
            format!("the {peer}'s program: it had stopped reading, so that its window was closed").into()
        }
        ResetCause::Unknown => unproven(by, false),
    }
}

/// Returns advice for a socket that was destroyed from outside.
fn killed(end: Role) -> Cow<'static, str> {
    format!("who destroyed the {}'s socket: `ss -K`, or whatever manages its connections", end.word()).into()
}

/// Returns advice for a reset without a proven cause; `by_socket`: a socket on this host sent it.
fn unproven(by: Role, by_socket: bool) -> Cow<'static, str> {
    let otherwise = if by_socket { "" } else { ", or a firewall that resets in its name" };
    format!("the {}'s program and its log{otherwise}: nothing seen here proves why", by.word()).into()
}

/// Returns advice for a connection that timed out.
fn timed_out(record: &Close, reset: Option<Reset>) -> Cow<'static, str> {
    match (reset, record.gave_up, record.initiator) {
        (Some(Reset { by, cause: cause @ (ResetCause::Keepalive | ResetCause::ZeroWindow) }), _, _) => {
            by_cause(by, cause)
        }
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

/// The parts that a record lacks, and why.
struct Missed<'a> {
    missing: &'a [Missing],
    no_segments: Option<NoSegments>,
    /// A process in the namespace of the connection.
    pid: Option<u32>,
}

impl<'a> Missed<'a> {
    fn of_handshake(record: &'a Handshake) -> Self {
        let pid = record.client.pid.or(record.server.pid);
        Self { missing: &record.missing, no_segments: record.no_segments, pid }
    }

    fn of_close(record: &'a Close) -> Self {
        let pid = record.client.pid.or(record.server.pid);
        Self { missing: &record.missing, no_segments: record.no_segments, pid }
    }
}

/// Returns how to see the next connection completely.
fn not_seen(missed: &Missed<'_>) -> Advice {
    let advice = |missing: &Missing| match missing {
        Missing::Lost => Some("a larger --ring-buffer, or filters: events were lost".into()),
        Missing::Interface => segments_elsewhere(missed),
        // It began before tracing, or a filter or an interface left it out.
        Missing::Syn | Missing::Synack | Missing::Ack | Missing::Fin | Missing::Data | Missing::States => None,
    };
    missed.missing.iter().rev().find_map(advice)
}

fn segments_elsewhere(missed: &Missed<'_>) -> Advice {
    match missed.no_segments? {
        NoSegments::OtherNamespace => {
            let pid = missed.pid.map_or_else(|| "PID".to_owned(), |pid| pid.to_string());
            Some(
                format!(
                    "`--netns all`, or `nsenter -t {pid} -n tcptrace`: its segments pass in another network namespace"
                )
                .into(),
            )
        }
        NoSegments::NotWatched | NoSegments::Translated => None,
    }
}

#[cfg(test)]
mod tests;
