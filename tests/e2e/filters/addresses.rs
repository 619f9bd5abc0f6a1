//! `--host`, `-4` and `-6`: addresses, prefixes and families.

use std::net::{Ipv6Addr, SocketAddr};

use tcptrace_tests::{Connection, Ends, Netns, Tracer};

use super::{WHOLE, taken, v4};

/// Opens connections between pairs of addresses of `lo`; returns the ports that were traced.
fn seen_by_host(filter: &str) -> Vec<u16> {
    let netns = Netns::new();
    for address in ["10.99.1.1/32", "10.99.1.2/32", "10.99.2.1/32"] {
        netns.ip(&["addr", "add", address, "dev", "lo"]);
    }
    for address in ["fd99:1::1/128", "fd99:1::2/128", "fd99:2::1/128"] {
        netns.ip(&["addr", "add", address, "dev", "lo", "nodad"]);
    }
    let pairs = [
        ("10.99.1.1:0", "10.99.2.1:4221"),
        ("10.99.2.1:0", "10.99.1.2:4222"),
        ("10.99.2.1:0", "10.99.2.1:4223"),
        ("[fd99:1::1]:0", "[fd99:2::1]:4224"),
        ("[fd99:2::1]:0", "[fd99:1::2]:4225"),
        ("[fd99:2::1]:0", "[fd99:2::1]:4226"),
    ];
    let pairs = pairs.map(|(from, to)| (from.parse().expect("an endpoint"), to.parse().expect("an endpoint")));
    let ends = pairs.map(|(_, to): (SocketAddr, SocketAddr)| Ends::on(&netns, to));
    let tracer = Tracer::start(&netns, &["--host", filter]);
    for ((from, to), ends) in pairs.iter().zip(&ends) {
        for _ in 0..3 {
            let client = ends.client.connect_from(*from, *to);
            ends.close_in_four(Connection { client, server: ends.server.accept(&ends.listener) });
        }
    }
    let trace = tracer.stop();
    trace.nothing_lost();
    let counts = pairs.map(|(_, to)| (to.port(), trace.about(&netns, to.port()).len()));
    let seen: Vec<_> = counts.into_iter().filter(|&(_, count)| count > 0).collect();
    assert!(seen.iter().all(|&(_, count)| count == 3 * WHOLE), "whole connections or nothing: {counts:?}");
    assert_eq!(taken(&trace), seen.len() * 3 * WHOLE);
    seen.into_iter().map(|(port, _)| port).collect()
}

// One test, since every call uses the same addresses.
#[test]
fn host_keeps_what_has_an_address_or_a_prefix_at_either_end() {
    assert_eq!(seen_by_host("10.99.1.1"), [4221]);
    assert_eq!(seen_by_host("fd99:1::1"), [4224]);
    assert_eq!(seen_by_host("10.99.1.2,fd99:1::2"), [4222, 4225]);
    assert_eq!(seen_by_host("10.99.1.0/24"), [4221, 4222]);
    assert_eq!(seen_by_host("fd99:1::/64"), [4224, 4225]);
    assert_eq!(seen_by_host("10.99.2.0/30,fd99:2::/32"), [4221, 4222, 4223, 4224, 4225, 4226]);
}

/// Opens connections of both families and to a v4-mapped listener; returns the number of events of each.
fn seen_by_family(option: &str, port: u16) -> [usize; 3] {
    let netns = Netns::new();
    let listens = [v4(port), (Ipv6Addr::LOCALHOST, port + 1).into(), (Ipv6Addr::UNSPECIFIED, port + 2).into()];
    let [ipv4, ipv6, mapped] = listens.map(|listen| Ends::on(&netns, listen));
    let mapped = Ends { address: v4(port + 2), ..mapped };
    let tracer = Tracer::start(&netns, &[option, "-p", &format!("{port}-{}", port + 2)]);
    for ends in [&ipv4, &ipv6, &mapped] {
        ends.repeat(3);
    }
    let trace = tracer.stop();
    trace.nothing_lost();
    let seen = listens.map(|listen| trace.about(&netns, listen.port()).len());
    assert_eq!(taken(&trace), seen.iter().sum::<usize>());
    seen
}

#[test]
fn a_family_is_kept_alone_and_v4_mapped_counts_as_v4() {
    assert_eq!(seen_by_family("-4", 4231), [3 * WHOLE, 0, 3 * WHOLE]);
    assert_eq!(seen_by_family("-6", 4234), [0, 3 * WHOLE, 0]);
}
