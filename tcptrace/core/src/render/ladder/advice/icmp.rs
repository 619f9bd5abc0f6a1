//! Advice on the host that sent an ICMP error, and on an end whose own stack or firewall stops a SYN.

use std::net::IpAddr;

use crate::{
    event::Role,
    verdict::{Handshake, IcmpAnswer},
};

/// Returns advice on the host that sent an ICMP error.
pub(super) fn by_icmp(record: &Handshake, icmp: IcmpAnswer) -> String {
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
            format!("on the {host}, `nft list ruleset`: its firewall rejects the {segment} (ICMP: {kind})")
        }
        Obstacle::Rule => format!("the firewall at {from}, which rejects the {segment} (ICMP: {kind})"),
        Obstacle::NoWay if from == address(sender) => no_way(sender, far),
        Obstacle::NoWay => format!("at {from}, `ip route get {far}` and `ip neigh show {far}` (ICMP: {kind})"),
        Obstacle::TooFar => {
            format!("`traceroute {far}`: the {segment} ended at {from}, as in a routing loop (ICMP: {kind})")
        }
        Obstacle::Other => format!("at {from}, which sent the ICMP error: {kind}"),
    }
}

/// Returns advice on an end whose own stack finds no way to the other.
pub(super) fn no_way(end: Role, to: IpAddr) -> String {
    format!("on the {}, `ip route get {to}` and `ip neigh show {to}`", end.word())
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
    fn of(IcmpAnswer { from, icmp_type, icmp_code, .. }: IcmpAnswer) -> Self {
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
    use crate::render::ladder::advice::tests::icmp;

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
                let answer = icmp(from, icmp_type, icmp_code).expect("an error");
                assert_eq!(Obstacle::of(answer), obstacle, "{answer:?}");
            }
        }
    }
}
