//! Handshakes that timed out or were cancelled, because no answer came.

use super::*;

/// The rows of both outcomes.
pub(super) fn rows() -> Vec<Row<Handshake>> {
    vec![
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
            |record| (record.dropped, record.syn_left) = (dropped_by("IP_CSUM"), None),
            Some("this host, whose kernel drops the SYN: IP_CSUM is explained in its include/net/dropreason-core.h"),
        ),
        (
            |record| record.dropped = dropped_by("SOCKET_FILTER"),
            Some("the filter of the socket (SO_ATTACH_FILTER, BPF): it drops the SYN"),
        ),
        (
            |record| record.dropped = dropped_by("IP_INADDRERRORS"),
            Some(
                "on this host, `ip addr` and `sysctl -ar 'ip.*forwarding'`: the SYN came to an address that is not its own, \
                 such as one that was removed, and it forwards nothing that comes in there",
            ),
        ),
        (
            |record| record.dropped = dropped_by("IP_OUTNOROUTES"),
            Some("on this host, `ip route` and `ip rule`: it has no route for the SYN"),
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
                record.client.options = Some(TcpOptions(OptionBytes::new(&[[19, 18].as_slice(), &[7; 16]].concat())));
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
    ]
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
