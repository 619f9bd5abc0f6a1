//! Handshakes, by their outcome.

use super::*;

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
                Some(
                    "on the server, `ss -ltn 'sport = :9999'`: is anybody listening on 127.0.0.1:9999, or on ::1 alone?",
                ),
            ),
            (
                |record| {
                    record.reset = by(Role::Server, ResetCause::NoListener);
                    record.server.addr = Ipv6Addr::LOCALHOST.into();
                },
                Some(
                    "on the server, `ss -ltn 'sport = :9999'`: is anybody listening on [::1]:9999, or for IPv4 alone?",
                ),
            ),
            (
                |record| {
                    record.reset = by(Role::Server, ResetCause::NoListener);
                    record.server.addr = Ipv6Addr::from(0xfd00 << 112 | 2).into();
                },
                Some(
                    "on the server, `ss -ltn 'sport = :9999'`: is anybody listening on [fd00::2]:9999, or on ::1 alone, \
                     or for IPv4 alone?",
                ),
            ),
            (
                |record| {
                    record.reset = by(Role::Server, ResetCause::Unknown);
                    record.syn_left = Some(false);
                },
                Some("on the client, `nft list ruleset`: a firewall rule there rejects the SYN before it leaves"),
            ),
            (
                |record| {
                    record.reset = by(Role::Server, ResetCause::Unknown);
                    record.dropped = dropped_by("NETFILTER_DROP");
                },
                Some(
                    "`nft list ruleset` in each network namespace of this host that it passes: a rule rejects the SYN",
                ),
            ),
            (
                |record| {
                    record.reset = by(Role::Server, ResetCause::NoListener);
                    record.passed_over = Some(std::net::Ipv4Addr::UNSPECIFIED.into());
                },
                Some(
                    "on the server, `ss -ltn 'sport = :9999'`: is the listener bound to another interface (a % and its name \
                     behind the address), or the interface in a VRF?",
                ),
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
                |record| record.reset = by(Role::Server, ResetCause::NoConnection),
                Some(
                    "on the server, whether its program had stopped listening, or the ACK came after the last SYN,ACK had \
                     timed out (net.ipv4.tcp_synack_retries)",
                ),
            ),
            (
                |record| {
                    record.reset = by(Role::Server, ResetCause::NoConnection);
                    record.icmp = icmp(ROUTER, 3, 1).map(|icmp| IcmpAnswer { of_synack: true, ..icmp });
                },
                Some(
                    "at 10.0.0.254, `ip route get 10.0.0.1` and `ip neigh show` of the next hop (ICMP: host unreachable)",
                ),
            ),
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
                Some(
                    "at 10.0.0.254, `ip route get 10.0.0.2` and `ip neigh show` of the next hop (ICMP: host unreachable)",
                ),
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
            // These are about the server's SYN,ACK.
            (
                |record| record.icmp = icmp(ROUTER, 3, 1).map(|icmp| IcmpAnswer { of_synack: true, ..icmp }),
                Some(
                    "at 10.0.0.254, `ip route get 10.0.0.1` and `ip neigh show` of the next hop (ICMP: host unreachable)",
                ),
            ),
            (
                |record| record.icmp = icmp(SERVER, 3, 1).map(|icmp| IcmpAnswer { of_synack: true, ..icmp }),
                Some("on the server, `ip route get 10.0.0.1` and `ip neigh show` of the next hop"),
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
            (
                |record| {
                    record.syn_left = Some(false);
                    record.server.addr = Ipv6Addr::from(0xfe80 << 112 | 2).into();
                },
                Some(
                    "on the client, `ip neigh show fe80::2` (is its interface the right one?) and `nft list ruleset`: what \
                     keeps the SYN from leaving?",
                ),
            ),
            // Nothing is known about the SYN if no segment is traced.
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
                |record| record.syn_queue = Some(AcceptQueue { length: 129, limit: 128 }),
                Some(
                    "on the server, `sysctl net.ipv4.tcp_syncookies`, which is 0, and `ss -tan state syn-recv`: who sends no \
                     ACK, as in a flood of SYNs? The queue is as long as listen() asks, but at most three quarters of \
                     net.ipv4.tcp_max_syn_backlog",
                ),
            ),
            (
                |record| {
                    record.dropped =
                        dropped_by("NETFILTER_DROP").map(|dropped| OpeningDrops { ends_of: Some(2), ..dropped });
                },
                Some(
                    "the NAT rules of this host (`nft list ruleset`, `iptables -t nat -S`): two connections to one server \
                     cannot have one source address and port after the translation; a rule with a fixed port needs a \
                     range of them",
                ),
            ),
            (
                |record| record.dropped = dropped_by("NETFILTER_DROP"),
                Some("`nft list ruleset` in each network namespace of this host that it passes: a rule drops the SYN"),
            ),
            (
                |record| (record.dropped, record.syn_left) = (dropped_by("SOCKET_FILTER"), None),
                Some(
                    "this host, whose kernel drops the SYN: SOCKET_FILTER is explained in its \
                     include/net/dropreason-core.h",
                ),
            ),
            (
                |record| record.dropped = dropped_by("IP_RPFILTER"),
                Some(
                    "on this host, `sysctl -ar 'ipv4.*rp_filter'`: the SYN came in on another interface than the one that \
                     leads to the sender",
                ),
            ),
            (
                |record| record.dropped = dropped_by("TCP_MD5NOTFOUND"),
                Some(
                    "the keys of both programs for authentication by TCP-MD5, as between BGP routers: this host drops the \
                     SYN for TCP_MD5NOTFOUND",
                ),
            ),
            (
                |record| record.dropped = dropped_by("TCP_AOFAILURE"),
                Some(
                    "the keys of both programs for authentication by TCP-AO, as between BGP routers: this host drops the \
                     SYN for TCP_AOFAILURE",
                ),
            ),
            (
                |record| record.dropped = dropped_by("TC_INGRESS"),
                Some("on this host, `tc filter show dev INTERFACE ingress`: a filter drops the SYN"),
            ),
            (|record| (record.dropped, record.syn_left) = (dropped_by("NEIGH_FAILED"), Some(false)), NOT_LEFT),
            (
                |record| {
                    record.dropped = dropped_by("TCP_CSUM");
                    record.accept_queue = Some(AcceptQueue { length: 129, limit: 128 });
                },
                QUEUE,
            ),
            (
                |record| record.retransmissions.synack = Some(2),
                Some("the way from the server's SYN,ACK, which was seen, to the client, and the client's own firewall"),
            ),
            (
                |record| {
                    record.client.options =
                        Some(TcpOptions(OptionBytes::new(&[[19, 18].as_slice(), &[7; 16]].concat())));
                },
                Some(
                    "on the server, `ss -ltn 'sport = :9999'` and the keys for TCP-MD5, as between BGP routers: Linux answers a \
                     signed SYN neither if nobody listens there, nor if the key is missing or another. Or else a firewall that \
                     drops",
                ),
            ),
            (
                |record| record.server.addr = record.client.addr,
                Some(
                    "on the host of both ends, `nft list ruleset` (a rule that drops) and `ss -ltn 'sport = :9999'` \
                     (Recv-Q above Send-Q: the queue is full)",
                ),
            ),
            (|record| record.ignored_reset = true, Some(unanswered::IGNORED_RESET)),
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
            // Only one direction is seen.
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
            for (client, server) in [(CLIENT, SERVER), (CLIENT, CLIENT), (LOOPBACK, LOOPBACK)] {
                (record.client.addr, record.server.addr) = (client, server);
                let by_kernel = record.dropped.is_some();
                assert!(by_kernel || !speaks_of_this_host(&handshake(&record)), "{outcome:?}, row {row}, {server}");
            }
        }
    }
    assert_eq!(handshake(&Handshake { outcome: None, ..plain_handshake() }), None);
}

#[test]
fn a_client_that_gives_up_at_once_may_have_had_an_answer_from_elsewhere() {
    let mut record = Handshake { outcome: Some(Outcome::Cancelled), ..plain_handshake() };
    record.retransmissions.syn = Some(0);
    let given = handshake(&record).expect("advice");
    let words =
        "whether the client's program tries several addresses at once, and keeps the first that answers; or else ";
    assert_eq!(given.strip_prefix(words), DROPPED);
    record.outcome = Some(Outcome::TimedOut);
    assert_eq!(handshake(&record).as_deref(), DROPPED);
}

fn dropped_by(reason: &str) -> Option<OpeningDrops> {
    Some(OpeningDrops {
        reason: KernelName::new(reason).expect("a name"),
        of_synack: false,
        segments: 1,
        ends_of: None,
    })
}
