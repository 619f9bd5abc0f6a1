//! The advice for every outcome, kind, cause and missing part. Each match lists all variants, so that a new one does not
//! compile until it has its rows.

mod causes;
mod closes;
mod outcomes;

use std::net::{IpAddr, Ipv6Addr};

use strum::IntoEnumIterator as _;

use super::*;
use crate::{
    event::{AcceptQueue, KernelName, Proof, Role},
    render::samples,
    tcp::{OptionBytes, TcpOptions, TcpState},
    verdict::{
        Bytes, Close, CloseKind, Handshake, IcmpAnswer, IcmpReport, Missing, NoSegments, OpeningDrops,
        OpeningRetransmissions, Outcome, Reset, ResetCause, SegmentDrops, StateTime, WaitingFor,
    },
};

/// A change of a record, and the advice for it.
type Row<T> = (fn(&mut T), Option<&'static str>);

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 254));

/// SYNs to 10.0.0.2:9999, and nothing else.
fn plain_handshake() -> Handshake {
    let mut record = *samples::handshake().record;
    record.client.addr = CLIENT;
    record.server.addr = SERVER;
    record.waiting_for = None;
    record.icmp = None;
    record.passed_over = None;
    record.accept_queue = None;
    record.syn_queue = None;
    record.dropped = None;
    record.dropped_segments = None;
    record.no_segments = None;
    record.syn_left = Some(true);
    record.killed = false;
    record.reset = None;
    record.retransmissions = OpeningRetransmissions { syn: Some(2), synack: None };
    record.incomplete = false;
    record.missing.clear();
    record
}

/// 22 B up and 17 B down, and nothing missing.
fn plain_close() -> Close {
    let mut record = *samples::close().record;
    record.reset = None;
    record.evidence = None;
    record.closed_before_ns = None;
    record.close_known = None;
    record.gave_up = None;
    record.icmp = None;
    record.dropped_segments = None;
    record.initiator = None;
    (record.client.exit, record.server.exit) = (None, None);
    record.idle_ns = None;
    record.no_segments = None;
    record.missing.clear();
    record
}

fn icmp(from: IpAddr, icmp_type: u8, icmp_code: u8) -> Option<IcmpAnswer> {
    Some(IcmpAnswer {
        from,
        kind: crate::event::icmp::kind(from, icmp_type, icmp_code),
        icmp_type,
        icmp_code,
        of_synack: false,
    })
}

fn icmp_report(from: IpAddr, icmp_type: u8, icmp_code: u8) -> Option<IcmpReport> {
    Some(IcmpReport { from, kind: crate::event::icmp::kind(from, icmp_type, icmp_code), icmp_type, icmp_code })
}

/// A socket on this host that was in these states.
fn stays(states: &[TcpState]) -> Vec<StateTime> {
    states.iter().map(|&state| StateTime { state, ns: None, inferred: false }).collect()
}

fn by(role: Role, cause: ResetCause) -> Option<Reset> {
    Some(Reset { by: role, cause })
}

const DROPPED: Option<&str> = Some(
    "a firewall that drops, a wrong address, or a server that is down or whose queue is full (there, `ss -ltn 'sport = \
     :9999'`: Recv-Q above Send-Q)",
);
const NOT_LEFT: Option<&str> = Some(
    "on the client, `ip route get 10.0.0.2`, `ip neigh show` of the next hop, and `nft list ruleset`: what keeps the SYN \
     from leaving?",
);
const QUEUE: Option<&str> = Some("the server's listen() backlog and net.core.somaxconn: it accepts too slowly");
const CLIENT_KILLED: Option<&str> =
    Some("who destroyed the client's socket: `ss -K`, or whatever manages its connections");
const NO_WAY: Option<&str> = Some("on the client, `ip route get 10.0.0.2` and `ip neigh show` of the next hop");
const LOST: Option<&str> = Some("a larger --ring-buffer, or filters: events were lost");
const BACK: Option<&str> =
    Some("the way from the server back to the client; if there are many of these, a flood of SYNs");

/// Returns true if advice is about the host on which tcptrace runs. Only what its kernel reported may be: a capture does not
/// say where it was made.
fn speaks_of_this_host(advice: &Advice) -> bool {
    advice.as_ref().is_some_and(|text| text.contains("this host"))
}

#[test]
fn every_missing_part_has_its_advice() {
    for part in Missing::iter() {
        let (why, expected) = match part {
            Missing::Syn | Missing::Synack | Missing::Ack | Missing::Fin | Missing::Data | Missing::States => {
                (None, None)
            }
            Missing::Lost => (None, LOST),
            Missing::Interface => (
                Some(NoSegments::OtherNamespace),
                Some("`--netns all`, or `nsenter -t PID -n tcptrace`: its segments pass in another network namespace"),
            ),
        };
        let mut opened = Handshake { outcome: Some(Outcome::Established), ..plain_handshake() };
        let mut closed = Close { kind: CloseKind::Unseen, ..plain_close() };
        (opened.missing, opened.no_segments) = (vec![part], why);
        (closed.missing, closed.no_segments) = (vec![part], why);
        for pid in [&mut opened.client.pid, &mut opened.server.pid, &mut closed.client.pid, &mut closed.server.pid] {
            *pid = None;
        }
        assert_eq!(handshake(&opened).as_deref(), expected, "{part:?}");
        assert_eq!(close(&closed).as_deref(), expected, "{part:?}");
    }
    // Interfaces are left out by the user's own choice.
    let mut closed = Close { kind: CloseKind::Unseen, ..plain_close() };
    (closed.missing, closed.no_segments) = (vec![Missing::Interface], Some(NoSegments::NotWatched));
    assert_eq!(close(&closed), None);
}
