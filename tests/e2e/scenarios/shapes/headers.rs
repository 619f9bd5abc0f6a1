//! Headers of variable length before the TCP header.

use tcptrace_tests::{Connection, Ends, Netns, Veth, set_option};

use super::{Plain, exchange, start, wait_verdicts};

/// An option of a socket: level, name and value.
type SocketOption = (i32, i32, &'static [u8]);

/// Traces a connection, from either side, whose client's segments all have these options in or after their IP header.
fn check(port: u16, v6: bool, options: &'static [SocketOption]) {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let address = if v6 { veth.right_v6(port) } else { veth.right_v4(port) };
    let tracers =
        [(&left, (true, false)), (&right, (false, true))].map(|(netns, here)| (netns, here, start(netns, &[port])));
    let ends = Ends::between(&left, &right, address);
    let client = ends.client.connect_with(address, move |socket| {
        options.iter().for_each(|(level, name, value)| set_option(socket, *level, *name, value));
    });
    let client = client.expect("options do not hinder a connection");
    let client = exchange(&ends, Connection { client, server: ends.server.accept(&ends.listener) });
    for (netns, here, tracer) in tracers {
        wait_verdicts(&tracer, netns, 1, 1);
        Plain { here, ..Plain::new(netns, client, address) }.check_only(&tracer.stop());
    }
}

#[test]
fn ipv4_with_options() {
    // Record route with room for two addresses, which the other end copies into its answers.
    check(4801, false, &[(libc::IPPROTO_IP, libc::IP_OPTIONS, &[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])]);
}

#[test]
fn ipv6_with_extension_headers() {
    // Next header and length are the kernel's, then a PadN option.
    const PADDING: &[u8] = &[0, 0, 1, 4, 0, 0, 0, 0];
    let both: &[SocketOption] =
        &[(libc::IPPROTO_IPV6, libc::IPV6_HOPOPTS, PADDING), (libc::IPPROTO_IPV6, libc::IPV6_DSTOPTS, PADDING)];
    check(4802, true, both);
}
