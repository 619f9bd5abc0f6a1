//! IPv4 through IPv6 sockets, and the plain loopback connections beside it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tcptrace_tests::{Ends, Netns};

use super::{Plain, exchange, start, wait_verdicts};

/// Traces a connection over loopback to a listener at `listen`, whose client connects to `to`; records show `shown` at both
/// ends.
fn check(listen: SocketAddr, to: IpAddr, shown: IpAddr) {
    let (netns, port) = (Netns::new(), listen.port());
    let tracer = start(&netns, &[port]);
    let ends = Ends { address: SocketAddr::new(to, port), ..Ends::on(&netns, listen) };
    let client = exchange(&ends, ends.open());
    wait_verdicts(&tracer, &netns, 1, 1);
    Plain::new(&netns, SocketAddr::new(shown, client.port()), SocketAddr::new(shown, port)).check_only(&tracer.stop());
}

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

#[test]
fn ipv4_over_loopback() {
    check(SocketAddr::new(V4, 4803), V4, V4);
}

#[test]
fn ipv6_over_loopback() {
    check(SocketAddr::new(V6, 4804), V6, V6);
}

#[test]
fn an_ipv4_client_of_a_dual_stack_listener() {
    check(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 4805)), V4, V4);
}

#[test]
fn a_mapped_client_of_a_dual_stack_listener() {
    check(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 4806)), Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), V4);
}

#[test]
fn an_ipv6_client_of_a_dual_stack_listener() {
    check(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 4807)), V6, V6);
}
