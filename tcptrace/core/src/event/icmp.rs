//! Meanings of ICMP errors, in the words of RFC 792, RFC 1122 and RFC 4443.

use std::net::IpAddr;

/// Returns the meaning of an error that `from` sent.
pub fn kind(from: IpAddr, icmp_type: u8, icmp_code: u8) -> &'static str {
    if from.is_ipv4() { kind_v4(icmp_type, icmp_code) } else { kind_v6(icmp_type, icmp_code) }
}

/// Returns true if an error refuses the segment, as a reset would. Linux then fails connect() with ECONNREFUSED
/// (net/ipv4/icmp.c, icmp_err_convert; net/ipv6/icmp.c, tab_unreach).
pub fn refuses(from: IpAddr, icmp_type: u8, icmp_code: u8) -> bool {
    if from.is_ipv4() { icmp_type == 3 && matches!(icmp_code, 2 | 3) } else { icmp_type == 1 && icmp_code == 4 }
}

/// Returns true if an error says that the segment cannot be delivered. Others only ask to send it more slowly (RFC 6633) or in
/// smaller packets (RFC 1191, RFC 8201): Linux goes on trying.
pub fn is_final(from: IpAddr, icmp_type: u8, icmp_code: u8) -> bool {
    if from.is_ipv4() { !matches!((icmp_type, icmp_code), (4, _) | (3, 4)) } else { icmp_type != 2 }
}

/// Returns true if Linux forgets a SYN when such an error quotes its SYN,ACK (net/ipv4/tcp_ipv4.c, tcp_v4_err;
/// net/ipv6/tcp_ipv6.c, tcp_v6_err with the fatal errors of icmpv6_err_convert). The client's ACK is then reset.
pub fn ends_request(from: IpAddr, icmp_type: u8, icmp_code: u8) -> bool {
    match (from.is_ipv4(), icmp_type) {
        (true, 3) => icmp_code <= 1,
        (true, 11 | 12) | (false, 4) => true,
        (false, 1) => !matches!(icmp_code, 0 | 2 | 3),
        _ => false,
    }
}

/// Returns true if the socket whose segment it quotes keeps the error, and ends with it if it gives up later (tcp_v4_err of
/// net/ipv4/tcp_ipv4.c, tcp_v6_err of net/ipv6/tcp_ipv6.c). Those about the size of packets make them smaller.
pub fn is_kept(from: IpAddr, icmp_type: u8, icmp_code: u8) -> bool {
    match (from.is_ipv4(), icmp_type) {
        (true, 3) => icmp_code != 4,
        (true, 11 | 12) | (false, 1 | 3 | 4) => true,
        _ => false,
    }
}

fn kind_v4(icmp_type: u8, icmp_code: u8) -> &'static str {
    match (icmp_type, icmp_code) {
        (3, 0) => "network unreachable",
        (3, 1) => "host unreachable",
        (3, 2) => "protocol unreachable",
        (3, 3) => "port unreachable",
        (3, 4) => "fragmentation needed",
        (3, 5) => "source route failed",
        (3, 6) => "network unknown",
        (3, 7) => "host unknown",
        (3, 9) => "network administratively prohibited",
        (3, 10) => "host administratively prohibited",
        (3, 11) => "network unreachable for this type of service",
        (3, 12) => "host unreachable for this type of service",
        (3, 13) => "communication administratively prohibited",
        (3, _) => "destination unreachable",
        (4, _) => "source quench",
        (11, 0) => "time to live exceeded",
        (11, 1) => "fragment reassembly time exceeded",
        (11, _) => "time exceeded",
        (12, _) => "parameter problem",
        _ => "unknown error",
    }
}

fn kind_v6(icmp_type: u8, icmp_code: u8) -> &'static str {
    match (icmp_type, icmp_code) {
        (1, 0) => "no route to destination",
        (1, 1) => "communication administratively prohibited",
        (1, 2) => "beyond scope of source address",
        (1, 3) => "address unreachable",
        (1, 4) => "port unreachable",
        (1, 5) => "source address failed policy",
        (1, 6) => "reject route to destination",
        (1, _) => "destination unreachable",
        (2, _) => "packet too big",
        (3, 0) => "hop limit exceeded",
        (3, 1) => "fragment reassembly time exceeded",
        (3, _) => "time exceeded",
        (4, _) => "parameter problem",
        _ => "unknown error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_decides_what_a_number_means() {
        let v4: IpAddr = "192.0.2.1".parse().expect("an address");
        let v6: IpAddr = "2001:db8::1".parse().expect("an address");
        assert_eq!(kind(v4, 3, 3), "port unreachable");
        assert_eq!(kind(v6, 1, 4), "port unreachable");
        assert_eq!(kind(v6, 3, 0), "hop limit exceeded");
        assert_eq!(kind(v4, 3, 200), "destination unreachable");
        assert_eq!(kind(v4, 99, 0), "unknown error");
    }

    #[test]
    fn linux_forgets_a_syn_by_other_errors_in_each_family() {
        let v4: IpAddr = "192.0.2.1".parse().expect("an address");
        let v6: IpAddr = "2001:db8::1".parse().expect("an address");
        let ended_by = |from, numbers: &[(u8, u8)]| -> Vec<(u8, u8)> {
            numbers.iter().copied().filter(|&(icmp_type, icmp_code)| ends_request(from, icmp_type, icmp_code)).collect()
        };
        let errors = [(3, 0), (3, 1), (3, 3), (3, 4), (3, 13), (4, 0), (11, 0), (12, 0)];
        assert_eq!(ended_by(v4, &errors), [(3, 0), (3, 1), (11, 0), (12, 0)]);
        let errors = [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6), (2, 0), (3, 0), (4, 1)];
        assert_eq!(ended_by(v6, &errors), [(1, 1), (1, 4), (1, 5), (1, 6), (4, 1)]);
    }
}
