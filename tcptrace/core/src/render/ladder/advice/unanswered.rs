//! Advice for a SYN without an answer: what keeps it from leaving, or from reaching a server that answers.

use std::net::{IpAddr, Ipv6Addr};

use crate::verdict::{OpeningDrops, SegmentDrops};

/// Advice if resets answer the SYN, but none that its client accepts (RFC 9293 §3.10.7.3).
pub(super) const IGNORED_RESET: &str = "what answers at the server's address, such as a firewall, a load balancer or a network \
     stack in user space: it refuses the connection with a reset that the client must ignore, since that has no ACK of the SYN";

/// Advice if the listener has no room for another request.
pub(super) const SYN_QUEUE: &str = "on the server, `sysctl net.ipv4.tcp_syncookies`, which is 0, and \
     `ss -tan state syn-recv`: who sends no ACK, as in a flood of SYNs? The queue is as long as listen() asks, but at most \
     three quarters of net.ipv4.tcp_max_syn_backlog";

/// Returns advice if the SYN was not seen to leave the client.
pub(super) fn not_sent(server: IpAddr) -> String {
    let way = match server {
        IpAddr::V6(server) if server.is_unicast_link_local() => neighbour(server),
        _ => format!("`ip route get {server}`, `ip neigh show` of the next hop,"),
    };
    format!("on the client, {way} and `nft list ruleset`: what keeps the SYN from leaving?")
}

/// Returns advice if the SYN has not left yet, and may still do so.
pub(super) fn not_yet_sent(server: IpAddr) -> String {
    not_sent(server) + " With TCP_FASTOPEN_CONNECT, it waits until the client's program sends data"
}

/// Returns the command that shows what is known of a link-local address. Its interface is known to the socket alone, and `ip
/// route get` shows any.
pub(super) fn neighbour(address: Ipv6Addr) -> String {
    format!("`ip neigh show {address}` (is its interface the right one?)")
}

/// Returns advice if the kernel of this host dropped the segments, unless that is for want of a neighbour: what comes of it has
/// advice of its own.
pub(super) fn dropped_here(dropped: Option<OpeningDrops>) -> Option<String> {
    let OpeningDrops { of_synack, reason, ends_of, .. } = dropped?;
    if ends_of.is_some() {
        return Some(
            "the NAT rules of this host (`nft list ruleset`, `iptables -t nat -S`): two connections to one server cannot have \
             one source address and port after the translation; a rule with a fixed port needs a range of them"
                .to_owned(),
        );
    }
    let segment = if of_synack { "SYN,ACK" } else { "SYN" };
    match reason.as_str() {
        "NETFILTER_DROP" => Some(format!(
            "`nft list ruleset` in each network namespace of this host that it passes: a rule drops the {segment}"
        )),
        reason if reason.starts_with("NEIGH_") => None,
        reason => Some(dropped_for(segment, reason)),
    }
}

/// Returns advice on a reason of this host's kernel for dropping `segments`.
fn dropped_for(segments: &str, reason: &str) -> String {
    let starts = |with: &str| reason.starts_with(with);
    match reason {
        "IP_RPFILTER" => format!(
            "on this host, `sysctl -ar 'ipv4.*rp_filter'`: the {segments} came in on another interface than the one that leads \
             to the sender"
        ),
        "TC_INGRESS" => format!("on this host, `tc filter show dev INTERFACE ingress`: a filter drops the {segments}"),
        "TC_EGRESS" => format!("on this host, `tc filter show dev INTERFACE egress`: a filter drops the {segments}"),
        // A host drops so what it would have to forward (ip_error of net/ipv4/route.c).
        "IP_INADDRERRORS" | "IP_INNOROUTES" => format!(
            "on this host, `ip addr` and `sysctl -ar 'ip.*forwarding'`: the {segments} came to an address that is not its own, \
             such as one that was removed, and it forwards nothing that comes in there"
        ),
        "IP_OUTNOROUTES" => format!("on this host, `ip route` and `ip rule`: it has no route for the {segments}"),
        "XFRM_POLICY" => format!("on this host, `ip xfrm policy`: IPsec does not let the {segments} pass"),
        "SOCKET_FILTER" => format!("the filter of the socket (SO_ATTACH_FILTER, BPF): it drops the {segments}"),
        "TCP_MINTTL" => {
            format!(
                "the TTL that the receiving program asks for (IP_MINTTL, as BGP routers do): that of the {segments} is less"
            )
        }
        _ if starts("QDISC_") => format!(
            "on this host, `ip -s link` (is a link down?) and `tc -s qdisc`: a queue for outgoing packets drops the {segments}"
        ),
        _ if starts("TCP_MD5") || starts("TCP_AO") => format!(
            "the keys of both programs for authentication by TCP-{}, as between BGP routers: this host drops the {segments} \
             for {reason}",
            if starts("TCP_AO") { "AO" } else { "MD5" }
        ),
        _ => format!(
            "this host, whose kernel drops the {segments}: {reason} is explained in its include/net/dropreason-core.h"
        ),
    }
}

/// Returns advice if the kernel of this host dropped what an end sent.
pub(super) fn segments_dropped_here(dropped: Option<SegmentDrops>) -> Option<String> {
    let SegmentDrops { sender, reason, .. } = dropped?;
    let (sender, reason) = (sender.word(), reason.as_str());
    Some(match reason {
        "NETFILTER_DROP" => format!(
            "`nft list ruleset` in each network namespace of this host that it passes: a rule drops the {sender}'s segments"
        ),
        reason if reason.starts_with("NEIGH_") => {
            format!("on this host, `ip neigh show`: the next hop of the {sender}'s segments does not answer ({reason})")
        }
        _ => dropped_for(&format!("{sender}'s segments"), reason),
    })
}

/// Returns advice if both ends are on one host, which need not be this one: a capture does not say where it was made. `port`
/// is the filter of `ss` for the server's port.
pub(super) fn here(port: &str) -> String {
    format!(
        "on the host of both ends, `nft list ruleset` (a rule that drops) and `ss -ltn{port}` (Recv-Q above Send-Q: the \
         queue is full)"
    )
}

/// Returns advice if the SYN is signed with this option, so that nothing need be wrong with the way to the server: Linux sends no
/// reset that it cannot sign. `port` is the filter of `ss` for the server's port.
pub(super) fn signed(signature: &str, port: &str) -> String {
    format!(
        "on the server, `ss -ltn{port}` and the keys for {signature}, as between BGP routers: Linux answers a signed SYN \
         neither if nobody listens there, nor if the key is missing or another. Or else a firewall that drops"
    )
}

/// Returns advice if the client's program gave up before its kernel sent the SYN again; `otherwise` is advice on longer
/// silence.
pub(super) fn too_soon(otherwise: &str) -> String {
    format!(
        "whether the client's program tries several addresses at once, and keeps the first that answers; or else \
         {otherwise}"
    )
}

/// Returns advice if the SYN left for another host; `port` is the filter of `ss` for the server's port.
pub(super) fn on_the_way(port: &str) -> String {
    format!(
        "a firewall that drops, a wrong address, or a server that is down or whose queue is full (there, \
         `ss -ltn{port}`: Recv-Q above Send-Q)"
    )
}
