//! Closes, by their kind.

use super::*;

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
            // The client did not wait for an answer, or requested nothing, or it is not known.
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
                |record| {
                    record.gave_up = Some(Role::Server);
                    record.states.client = stays(&[TcpState::SynSent, TcpState::Established]);
                    record.reset = by(Role::Server, ResetCause::Keepalive);
                },
                Some(
                    "the network between the ends, such as a firewall or NAT that forgot the connection: the client's \
                     socket was still there, in ESTABLISHED",
                ),
            ),
            (
                |record| {
                    record.gave_up = Some(Role::Server);
                    record.states.client = stays(&[TcpState::SynSent, TcpState::Established, TcpState::Close]);
                },
                VANISHED,
            ),
            (
                |record| {
                    record.gave_up = Some(Role::Server);
                    record.server.unsent_bytes = Some(5);
                    record.data_retransmissions.server = Some(0);
                    record.client.addr = CLIENT;
                },
                Some(
                    "on the server, `ip route get 10.0.0.1` and `ip addr`: its own host did not send the last 5 B, and sent \
                     nothing again",
                ),
            ),
            (
                |record| {
                    record.gave_up = Some(Role::Server);
                    record.server.unsent_bytes = Some(5);
                    record.data_retransmissions.server = Some(3);
                },
                VANISHED,
            ),
            (
                |record| {
                    record.gave_up = Some(Role::Server);
                    record.dropped_segments = dropped("NEIGH_FAILED");
                },
                Some(
                    "on this host, `ip neigh show`: the next hop of the client's segments does not answer (NEIGH_FAILED)",
                ),
            ),
            (
                |record| {
                    record.gave_up = Some(Role::Server);
                    record.icmp = icmp_report(ROUTER, 3, 1);
                },
                Some(
                    "at 10.0.0.254, `ip route get 10.0.0.1` and `ip neigh show` of the next hop (ICMP: host unreachable)",
                ),
            ),
            (
                |record| {
                    record.gave_up = Some(Role::Client);
                    record.server.addr = SERVER;
                    record.icmp = icmp_report(SERVER, 3, 13);
                },
                Some(
                    "on the server, `nft list ruleset`: its firewall rejects the client's segments (ICMP: communication \
                     administratively prohibited)",
                ),
            ),
            (
                |record| record.initiator = Some(Role::Client),
                Some("on the server, `ss -tnp state close-wait`: does its program still hold the connection?"),
            ),
            (|_| {}, Some("the network between the ends")),
            (
                |record| {
                    record.gave_up = Some(Role::Server);
                    record.dropped_segments = dropped("NETFILTER_DROP");
                },
                Some(
                    "`nft list ruleset` in each network namespace of this host that it passes: a rule drops the client's \
                     segments",
                ),
            ),
            (
                |record| {
                    record.gave_up = Some(Role::Server);
                    record.dropped_segments = dropped("QDISC_DROP");
                },
                Some(
                    "on this host, `ip -s link` (is a link down?) and `tc -s qdisc`: a queue for outgoing packets drops the \
                     client's segments",
                ),
            ),
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
                    record.evidence = Some(Proof { repair: true, ..Proof::default() });
                },
                Some(
                    "the server's program: it closed its socket with TCP_REPAIR on, as proxies do to drop a connection \
                     silently, and checkpoints; the client does not learn of it before it sends",
                ),
            ),
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
            (record.client.addr, record.server.addr) = (LOOPBACK, LOOPBACK);
            // A capture says of no segment that its host dropped it.
            let told = record.dropped_segments.is_none() && speaks_of_this_host(&close(&record));
            assert!(!told, "{kind:?}, row {row}");
        }
    }
}

fn dropped(reason: &str) -> Option<SegmentDrops> {
    Some(SegmentDrops { sender: Role::Client, reason: KernelName::new(reason).expect("a name"), segments: 9 })
}
