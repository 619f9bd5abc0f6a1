//! Handshakes, by their outcome.

mod given_up;

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
        Outcome::TimedOut | Outcome::Cancelled => given_up::rows(),
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

fn dropped_by(reason: &str) -> Option<OpeningDrops> {
    Some(OpeningDrops {
        reason: KernelName::new(reason).expect("a name"),
        of_synack: false,
        segments: 1,
        ends_of: None,
    })
}
