//! The advice for every outcome, kind, cause and missing part. Each match names all variants, so that a new one does not
//! compile until it has its rows.

use std::net::IpAddr;

use strum::IntoEnumIterator as _;

use super::*;
use crate::{
    event::{AcceptQueue, KernelName, Proof},
    render::samples,
    tcp::TcpState,
    verdict::{Bytes, OpeningRetransmissions},
};

/// A change of a record, and the advice for it.
type Row<T> = (fn(&mut T), Option<&'static str>);

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 254));

/// A SYN to 10.0.0.2:9999 was seen, and nothing else.
fn plain_handshake() -> Handshake {
    let mut record = *samples::handshake().record;
    record.client.addr = CLIENT;
    record.server.addr = SERVER;
    record.waiting_for = None;
    record.icmp = None;
    record.accept_queue = None;
    record.dropped = None;
    record.no_segments = None;
    record.syn_left = Some(true);
    record.killed = false;
    record.reset = None;
    record.retransmissions = OpeningRetransmissions { syn: Some(0), synack: None };
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

fn by(role: Role, cause: ResetCause) -> Option<Reset> {
    Some(Reset { by: role, cause })
}

const DROPPED: Option<&str> = Some(
    "a firewall that drops, a wrong address, or a server that is down or whose queue is full (there, `ss -ltn 'sport = \
     :9999'`: Recv-Q above Send-Q)",
);
const NOT_LEFT: Option<&str> =
    Some("on the client, `ip neigh show 10.0.0.2` and `nft list ruleset`: what keeps the SYN from leaving?");
const QUEUE: Option<&str> = Some("the server's listen() backlog and net.core.somaxconn: it accepts too slowly");
const CLIENT_KILLED: Option<&str> =
    Some("who destroyed the client's socket: `ss -K`, or whatever manages its connections");
const NO_WAY: Option<&str> = Some("on the client, `ip route get 10.0.0.2` and `ip neigh show 10.0.0.2`");
const LOST: Option<&str> = Some("a larger --ring-buffer, or filters: events were lost");
const BACK: Option<&str> =
    Some("the way from the server back to the client; if there are many of these, a flood of SYNs");

/// The rows of an outcome; the second item of a row changes the record further.
fn of_outcome(outcome: Outcome) -> Vec<Row<Handshake>> {
    match outcome {
        Outcome::Established => vec![(|_| {}, None), (|record| record.missing = vec![Missing::Lost], LOST)],
        Outcome::Refused => vec![
            (
                |_| {},
                Some(
                    "on the server, `ss -ltn 'sport = :9999'`: is anybody listening on 10.0.0.2:9999, or on 127.0.0.1 \
                     alone? A firewall may reset, too",
                ),
            ),
            (
                |record| record.reset = by(Role::Server, ResetCause::Unknown),
                Some(
                    "on the server, `ss -ltn 'sport = :9999'`: is anybody listening on 10.0.0.2:9999, or on 127.0.0.1 \
                     alone? A firewall may reset, too",
                ),
            ),
            (
                |record| {
                    record.reset = by(Role::Server, ResetCause::NoListener);
                    record.server.addr = [127, 0, 0, 1].into();
                },
                Some("on the server, `ss -ltn 'sport = :9999'`: is anybody listening on 127.0.0.1:9999?"),
            ),
            (
                |record| {
                    record.reset = by(Role::Server, ResetCause::Unknown);
                    record.syn_left = Some(false);
                },
                Some("on the client, `nft list ruleset`: a firewall rule there rejects the SYN before it leaves"),
            ),
            (
                |record| record.icmp = icmp(CLIENT, 3, 3),
                Some("on the client, `nft list ruleset`: a firewall rule there rejects the SYN"),
            ),
            (
                |record| record.icmp = icmp(SERVER, 3, 3),
                Some("on the server, `nft list ruleset`: its firewall rejects the SYN (ICMP: port unreachable)"),
            ),
            (
                |record| record.icmp = icmp(ROUTER, 3, 3),
                Some("the firewall at 10.0.0.254, which rejects the SYN (ICMP: port unreachable)"),
            ),
            (|record| record.reset = by(Role::Server, ResetCause::Overflow), QUEUE),
        ],
        Outcome::Reset => vec![
            // As health checks do.
            (|record| record.reset = by(Role::Client, ResetCause::Unknown), None),
            (|record| record.reset = by(Role::Client, ResetCause::Linger), None),
            (|record| record.reset = by(Role::Client, ResetCause::Killed), CLIENT_KILLED),
            (|_| {}, None),
            (
                |record| record.reset = by(Role::Server, ResetCause::Unknown),
                Some(
                    "the server's program and its log, or a firewall that resets in its name: nothing seen here proves \
                     why",
                ),
            ),
            (|record| record.reset = by(Role::Server, ResetCause::Overflow), QUEUE),
            (|record| record.reset = by(Role::Server, ResetCause::QueueFull), QUEUE),
            (
                |record| record.reset = by(Role::Server, ResetCause::ListenerClosed),
                Some("the server's program: it stopped listening before it accepted what was waiting"),
            ),
            (
                |record| record.reset = by(Role::Server, ResetCause::NoListener),
                Some(
                    "on the server, `ss -ltn 'sport = :9999'`: is anybody listening on 10.0.0.2:9999, or on 127.0.0.1 \
                     alone?",
                ),
            ),
        ],
        Outcome::Unreachable => vec![
            (|_| {}, NO_WAY),
            (|record| record.icmp = icmp(CLIENT, 3, 1), NO_WAY),
            (
                |record| record.icmp = icmp(ROUTER, 3, 1),
                Some("at 10.0.0.254, `ip route get 10.0.0.2` and `ip neigh show 10.0.0.2` (ICMP: host unreachable)"),
            ),
            (
                |record| record.icmp = icmp(ROUTER, 3, 10),
                Some("the firewall at 10.0.0.254, which rejects the SYN (ICMP: host administratively prohibited)"),
            ),
            (
                |record| {
                    record.icmp = icmp(CLIENT, 3, 13);
                    record.syn_left = Some(false);
                },
                Some("on the client, `nft list ruleset`: a firewall rule there rejects the SYN before it leaves"),
            ),
            (
                |record| record.icmp = icmp(SERVER, 3, 9),
                Some(
                    "on the server, `nft list ruleset`: its firewall rejects the SYN (ICMP: network administratively \
                     prohibited)",
                ),
            ),
            (
                |record| record.icmp = icmp(ROUTER, 11, 0),
                Some(
                    "`traceroute 10.0.0.2`: the SYN ended at 10.0.0.254, as in a routing loop (ICMP: time to live \
                     exceeded)",
                ),
            ),
            // About the server's SYN,ACK.
            (
                |record| record.icmp = icmp(ROUTER, 3, 1).map(|icmp| IcmpAnswer { of_synack: true, ..icmp }),
                Some("at 10.0.0.254, `ip route get 10.0.0.1` and `ip neigh show 10.0.0.1` (ICMP: host unreachable)"),
            ),
            (
                |record| record.icmp = icmp(SERVER, 3, 1).map(|icmp| IcmpAnswer { of_synack: true, ..icmp }),
                Some("on the server, `ip route get 10.0.0.1` and `ip neigh show 10.0.0.1`"),
            ),
            (
                |record| record.icmp = icmp(CLIENT, 3, 10).map(|icmp| IcmpAnswer { of_synack: true, ..icmp }),
                Some(
                    "on the client, `nft list ruleset`: its firewall rejects the SYN,ACK (ICMP: host administratively \
                     prohibited)",
                ),
            ),
            (
                |record| record.icmp = icmp(ROUTER, 3, 4),
                Some("at 10.0.0.254, which sent the ICMP error: fragmentation needed"),
            ),
        ],
        Outcome::TimedOut | Outcome::Cancelled => vec![
            (|_| {}, DROPPED),
            (|record| record.syn_left = Some(false), NOT_LEFT),
            // Nothing is known of the SYN where no segment is traced.
            (|record| record.syn_left = None, None),
            (
                |record| {
                    record.syn_left = None;
                    record.missing = vec![Missing::Interface];
                    record.no_segments = Some(NoSegments::OtherNamespace);
                    record.client.pid = Some(801);
                },
                Some("`--netns all`, or `nsenter -t 801 -n tcptrace`: its segments pass in another network namespace"),
            ),
            (|record| record.accept_queue = Some(AcceptQueue { length: 129, limit: 128 }), QUEUE),
            (
                |record| record.dropped = dropped_by("NETFILTER_DROP"),
                Some("`nft list ruleset` in each network namespace of this host that it passes: a rule drops the SYN"),
            ),
            (|record| (record.dropped, record.syn_left) = (dropped_by("TCP_CSUM"), None), None),
            (
                |record| record.retransmissions.synack = Some(2),
                Some("the way from the server's SYN,ACK, which was seen, to the client, and the client's own firewall"),
            ),
            (
                |record| record.server.addr = record.client.addr,
                Some(
                    "on this host, `nft list ruleset` (a rule that drops) and `ss -ltn 'sport = :9999'` (Recv-Q above \
                     Send-Q: the queue is full)",
                ),
            ),
            (|record| record.killed = true, CLIENT_KILLED),
        ],
        Outcome::NoPort => vec![(
            |_| {},
            Some(
                "on the client, `sysctl net.ipv4.ip_local_port_range`, and `ss -tan state time-wait`: are the ports \
                 used up? Keep connections open and use them again",
            ),
        )],
        Outcome::Unanswered => WaitingFor::iter()
            .map(|waiting_for| -> Row<Handshake> {
                match waiting_for {
                    WaitingFor::SynAck => (|record| record.waiting_for = Some(WaitingFor::SynAck), DROPPED),
                    WaitingFor::Ack => (
                        |record| {
                            record.waiting_for = Some(WaitingFor::Ack);
                            record.retransmissions.synack = Some(0);
                        },
                        BACK,
                    ),
                }
            })
            // Of one direction only.
            .chain([(
                (|record| {
                    record.waiting_for = Some(WaitingFor::Ack);
                    record.syn_left = None;
                }) as fn(&mut Handshake),
                Some("where the client's segments pass: only what the server sent was seen"),
            )])
            .chain([(
                (|record| {
                    record.waiting_for = Some(WaitingFor::Ack);
                    record.deferred = true;
                }) as fn(&mut Handshake),
                Some("the client's program: the server accepts it when its first data comes (TCP_DEFER_ACCEPT)"),
            )])
            .chain([(
                (|record| {
                    record.waiting_for = Some(WaitingFor::SynAck);
                    record.syn_left = Some(false);
                }) as fn(&mut Handshake),
                NOT_LEFT,
            )])
            .collect(),
    }
}

#[test]
fn every_outcome_has_its_advice() {
    for outcome in Outcome::iter() {
        for (row, (change, expected)) in of_outcome(outcome).into_iter().enumerate() {
            let mut record = Handshake { outcome: Some(outcome), ..plain_handshake() };
            change(&mut record);
            assert_eq!(handshake(&record).as_deref(), expected, "{outcome:?}, row {row}");
        }
    }
    assert_eq!(handshake(&Handshake { outcome: None, ..plain_handshake() }), None);
}

const VANISHED: Option<&str> = Some("the network, and whether the client vanished: crashed, moved, or cut off");

fn of_kind(kind: CloseKind) -> Vec<Row<Close>> {
    match kind {
        CloseKind::Simultaneous | CloseKind::ThreeSegment | CloseKind::FourSegment | CloseKind::Orderly => vec![
            (|_| {}, None),
            (|record| record.missing = vec![Missing::Lost], LOST),
            (
                |record| {
                    record.initiator = Some(Role::Server);
                    record.bytes = Bytes { client_to_server: Some(78), server_to_client: Some(0) };
                },
                Some(
                    "the server's program and its log, if the client expected an answer: it closed first, and 78 B were \
                     answered with 0 B, as when its process ends",
                ),
            ),
            // The client did not wait for an answer, or asked nothing, or it is not known.
            (
                |record| {
                    record.initiator = Some(Role::Client);
                    record.bytes = Bytes { client_to_server: Some(78), server_to_client: Some(0) };
                },
                None,
            ),
            (
                |record| {
                    record.initiator = Some(Role::Server);
                    record.bytes = Bytes { client_to_server: Some(0), server_to_client: Some(0) };
                },
                None,
            ),
            (
                |record| {
                    record.initiator = Some(Role::Server);
                    record.bytes = Bytes { client_to_server: Some(78), server_to_client: None };
                },
                None,
            ),
        ],
        // The causes have a table of their own.
        CloseKind::Reset => vec![(|_| {}, None)],
        CloseKind::TimedOut => vec![
            (|record| record.gave_up = Some(Role::Server), VANISHED),
            (
                |record| {
                    record.gave_up = Some(Role::Server);
                    record.initiator = Some(Role::Server);
                },
                VANISHED,
            ),
            (
                |record| record.initiator = Some(Role::Client),
                Some("on the server, `ss -tnp state close-wait`: does its program still hold the connection?"),
            ),
            (|_| {}, Some("the network between the ends")),
            (
                |record| {
                    record.gave_up = Some(Role::Server);
                    record.reset = by(Role::Server, ResetCause::ZeroWindow);
                },
                Some("the client's program: it had stopped reading, so that its window was closed"),
            ),
            (
                |record| {
                    record.gave_up = Some(Role::Server);
                    record.reset = by(Role::Server, ResetCause::Keepalive);
                },
                Some("the network, and whether the client vanished: it answered no keep-alive probe"),
            ),
        ],
        CloseKind::Unfinished | CloseKind::Unseen => vec![
            (|_| {}, None),
            (
                |record| {
                    record.initiator = Some(Role::Server);
                    record.bytes = Bytes { client_to_server: Some(78), server_to_client: Some(0) };
                },
                None,
            ),
        ],
    }
}

#[test]
fn every_kind_of_close_has_its_advice() {
    for kind in CloseKind::iter() {
        for (row, (change, expected)) in of_kind(kind).into_iter().enumerate() {
            let mut record = Close { kind, ..plain_close() };
            change(&mut record);
            assert_eq!(close(&record).as_deref(), expected, "{kind:?}, row {row}");
        }
    }
}

/// The rows of a cause, all of resets by the server.
fn of_cause(cause: ResetCause) -> Vec<Row<Close>> {
    let both = |record: &mut Close| {
        record.evidence = Some(Proof { linger: true, unread: true, ..Proof::default() });
    };
    match cause {
        ResetCause::Linger => vec![
            (
                |_| {},
                Some("the server's program: it asks for this with SO_LINGER 0; what was still on its way is lost"),
            ),
            (
                both,
                Some(
                    "the server's program: it asks for this with SO_LINGER 0, and it left data unread; what was still on \
                     its way is lost",
                ),
            ),
        ],
        ResetCause::UnreadData => vec![
            (
                |_| {},
                Some("the server's program: it has to read to the end before it closes, or the client may lose data"),
            ),
            (
                both,
                Some(
                    "the server's program: it has to read to the end before it closes, or the client may lose data; it \
                     sets SO_LINGER 0 as well, which resets in any case",
                ),
            ),
        ],
        ResetCause::DataAfterClose => vec![
            (|_| {}, Some("both programs, if the client needed an answer: the server had closed")),
            (
                |record| {
                    record.initiator = Some(Role::Server);
                    record.closed_before_ns = Some(12_000_000);
                    record.close_known = Some(true);
                },
                Some(
                    "the client's program, if it needed an answer: the server had closed first, 12.0 ms before, and the \
                     client's host knew; when recv returns 0, no answer comes",
                ),
            ),
            (
                |record| {
                    record.initiator = Some(Role::Server);
                    record.closed_before_ns = Some(180_000);
                    record.close_known = Some(false);
                },
                Some(
                    "the idle time-outs of both ends: the server had closed first, 0.180 ms before, and the client's data \
                     crossed its FIN, so the client could not know; it may try again",
                ),
            ),
        ],
        ResetCause::NoListener => vec![(|_| {}, Some("whether the service is running on the server"))],
        ResetCause::ListenerClosed => {
            vec![(|_| {}, Some("the server's program: it stopped listening before it accepted what was waiting"))]
        }
        ResetCause::Overflow | ResetCause::QueueFull => vec![(|_| {}, QUEUE)],
        ResetCause::NoConnection => vec![(
            |_| {},
            Some("whether the server restarted, or a firewall or NAT forgot an idle connection: then, keep-alive"),
        )],
        ResetCause::Killed => {
            vec![(|_| {}, Some("who destroyed the server's socket: `ss -K`, or whatever manages its connections"))]
        }
        ResetCause::Keepalive => {
            vec![(|_| {}, Some("the network, and whether the client vanished: it answered no keep-alive probe"))]
        }
        ResetCause::LateFin => vec![(
            |_| {},
            Some(
                "the client's program, if anything: it kept the connection after the server had closed it (CLOSE_WAIT)",
            ),
        )],
        ResetCause::ZeroWindow => {
            vec![(|_| {}, Some("the client's program: it had stopped reading, so that its window was closed"))]
        }
        ResetCause::Unknown => vec![
            (
                |_| {},
                Some(
                    "the server's program and its log, or a firewall that resets in its name: nothing seen here proves \
                     why",
                ),
            ),
            (
                |record| record.states.server = vec![StateTime { state: TcpState::Close, ns: None, inferred: false }],
                Some("the server's program and its log: nothing seen here proves why"),
            ),
        ],
    }
}

#[test]
fn every_cause_has_its_advice() {
    for cause in ResetCause::iter() {
        for (row, (change, expected)) in of_cause(cause).into_iter().enumerate() {
            let mut record = Close { kind: CloseKind::Reset, reset: by(Role::Server, cause), ..plain_close() };
            change(&mut record);
            let advice = close(&record).expect("a reset has advice").into_owned();
            assert_eq!(Some(advice.as_str()), expected, "{cause:?}, row {row}");
            // The same for a reset by the other end.
            record.reset = by(Role::Client, cause);
            record.initiator = record.initiator.map(Role::other);
            std::mem::swap(&mut record.states.client, &mut record.states.server);
            let swapped = advice.replace("client", "?").replace("server", "client").replace('?', "server");
            assert_eq!(close(&record).as_deref(), Some(swapped.as_str()), "{cause:?}, row {row}");
        }
    }
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
    // Interfaces that are left out are the user's own choice.
    let mut closed = Close { kind: CloseKind::Unseen, ..plain_close() };
    (closed.missing, closed.no_segments) = (vec![Missing::Interface], Some(NoSegments::NotWatched));
    assert_eq!(close(&closed), None);
}

#[test]
fn an_icmp_error_is_read_by_its_family() {
    let v6 = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
    for (from, rows) in [
        (
            ROUTER,
            [(3, 13, Obstacle::Rule), (3, 0, Obstacle::NoWay), (11, 0, Obstacle::TooFar), (12, 0, Obstacle::Other)],
        ),
        (v6, [(1, 1, Obstacle::Rule), (1, 0, Obstacle::NoWay), (3, 0, Obstacle::TooFar), (2, 0, Obstacle::Other)]),
    ] {
        for (icmp_type, icmp_code, obstacle) in rows {
            let answer = icmp(from, icmp_type, icmp_code).expect("an error");
            assert_eq!(Obstacle::of(answer), obstacle, "{answer:?}");
        }
    }
}

fn dropped_by(reason: &str) -> Option<OpeningDrops> {
    Some(OpeningDrops { reason: KernelName::new(reason).expect("a name"), of_synack: false, segments: 1 })
}
