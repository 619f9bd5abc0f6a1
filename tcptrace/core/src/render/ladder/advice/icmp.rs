//! Advice on the host that sent an ICMP error, and on an end whose own stack or firewall stops a SYN.

use std::net::IpAddr;

use super::unanswered::neighbour;
use crate::{
    event::Role,
    verdict::{Handshake, IcmpAnswer, IcmpReport},
};

/// Returns advice on the host that sent an ICMP error.
pub(super) fn by_icmp(record: &Handshake, icmp: IcmpAnswer) -> String {
    let IcmpAnswer { from, kind, icmp_type, icmp_code, of_synack } = icmp;
    let report = IcmpReport { from, kind, icmp_type, icmp_code };
    let (client, server) = (record.client.addr, record.server.addr);
    match of_synack {
        true => by_report(Role::Server, [server, client], "SYN,ACK", report),
        false if from == client && Obstacle::of(report) == Obstacle::Rule => rejected_here(record),
        false => by_report(Role::Client, [client, server], "SYN", report),
    }
}

/// Returns advice on the host that sent an ICMP error about `segments` of an end, whose own address and whose peer's are given.
pub(super) fn by_report(sender: Role, [own, far]: [IpAddr; 2], segments: &str, report: IcmpReport) -> String {
    let IcmpReport { from, kind, .. } = report;
    match Obstacle::of(report) {
        Obstacle::Rule if from == far || from == own => {
            let host = if from == far { sender.other() } else { sender }.word();
            format!("on the {host}, `nft list ruleset`: its firewall rejects the {segments} (ICMP: {kind})")
        }
        Obstacle::Rule => format!("the firewall at {from}, which rejects the {segments} (ICMP: {kind})"),
        Obstacle::NoWay if from == own => no_way(sender, far),
        Obstacle::NoWay => {
            format!("at {from}, `ip route get {far}` and `ip neigh show` of the next hop (ICMP: {kind})")
        }
        Obstacle::TooFar => {
            format!("`traceroute {far}`: the {segments} ended at {from}, as in a routing loop (ICMP: {kind})")
        }
        Obstacle::Other => format!("at {from}, which sent the ICMP error: {kind}"),
    }
}

/// Returns advice on an end whose own stack finds no way to the other.
pub(super) fn no_way(end: Role, to: IpAddr) -> String {
    match to {
        IpAddr::V6(to) if to.is_unicast_link_local() => format!("on the {}, {}", end.word(), neighbour(to)),
        _ => format!("on the {}, `ip route get {to}` and `ip neigh show` of the next hop", end.word()),
    }
}

/// Returns advice on a SYN that a firewall of the client's own host rejects.
pub(super) fn rejected_here(record: &Handshake) -> String {
    let before = if record.syn_left == Some(false) { " before it leaves" } else { "" };
    format!("on the client, `nft list ruleset`: a firewall rule there rejects the SYN{before}")
}

/// The obstacle that an ICMP error reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Obstacle {
    /// A rule does not let the segment pass. A firewall may also reject with port unreachable, which no TCP stack sends (RFC
    /// 1122 §4.2.3.9).
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
    fn of(IcmpReport { from, icmp_type, icmp_code, .. }: IcmpReport) -> Self {
        match (from.is_ipv4(), icmp_type, icmp_code) {
            (true, 3, 2 | 3 | 9 | 10 | 13) | (false, 1, 1 | 4 | 5) => Self::Rule,
            (true, 3, 0 | 1 | 6 | 7 | 11 | 12) | (false, 1, 0 | 2 | 3 | 6) => Self::NoWay,
            (true, 11, 0) | (false, 3, 0) => Self::TooFar,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_icmp_error_is_read_by_its_family() {
        let v4 = IpAddr::from([10, 0, 0, 254]);
        let v6 = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
        for (from, rows) in [
            (
                v4,
                [(3, 13, Obstacle::Rule), (3, 0, Obstacle::NoWay), (11, 0, Obstacle::TooFar), (12, 0, Obstacle::Other)],
            ),
            (v6, [(1, 1, Obstacle::Rule), (1, 0, Obstacle::NoWay), (3, 0, Obstacle::TooFar), (2, 0, Obstacle::Other)]),
        ] {
            for (icmp_type, icmp_code, obstacle) in rows {
                let report = IcmpReport { from, kind: "", icmp_type, icmp_code };
                assert_eq!(Obstacle::of(report), obstacle, "{report:?}");
            }
        }
    }
}
