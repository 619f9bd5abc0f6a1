//! tcpdump beside the tracer: both must read the same in every header.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tcptrace_tests::{Ends, Header, Netns, Tcpdump, Trace, Tracer, Veth, receive, send};

/// Compares every segment's header in the trace with tcpdump's. As sorted lists: tcpdump taps sent segments after TC and
/// received ones before it, so the order between the two directions may differ.
fn compare(trace: &Trace, netns: &Netns, port: u16, tcpdump: Tcpdump) -> Vec<Header> {
    let in_order: Vec<_> = trace.segments(netns, port).into_iter().map(Header::of_record).collect();
    let (mut ours, mut theirs) = (in_order.clone(), tcpdump.finish(in_order.len()));
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    in_order
}

fn flags(headers: &[Header]) -> Vec<&str> {
    headers.iter().map(|header| header.flags.as_str()).collect()
}

/// Sends data both ways, and closes in four segments.
fn exchange(ends: &Ends) {
    let connection = ends.open();
    for (from, to) in [(&connection.client, &connection.server), (&connection.server, &connection.client)] {
        send(from, 1000);
        receive(to, 1000);
    }
    ends.close_in_four(connection);
}

fn check(address: SocketAddr) {
    let netns = Netns::new();
    let port = address.port();
    let ends = Ends::on(&netns, address);
    let tracer = Tracer::start(&netns, &["-p", &port.to_string(), "--segments", "all"]);
    let tcpdump = Tcpdump::start(&netns, "lo", &format!("tcp port {port}"));
    exchange(&ends);
    let headers = compare(&tracer.stop(), &netns, port, tcpdump);
    assert_eq!(flags(&headers), ["S", "S.", ".", "P.", ".", "P.", ".", "F.", ".", "F.", "."]);
}

#[test]
fn every_header_field_of_an_ipv4_connection_is_what_tcpdump_reads() {
    check(SocketAddr::from((Ipv4Addr::LOCALHOST, 4131)));
}

#[test]
fn every_header_field_of_an_ipv6_connection_is_what_tcpdump_reads() {
    check(SocketAddr::from((Ipv6Addr::LOCALHOST, 4132)));
}

#[test]
fn congestion_notification_flags_are_what_tcpdump_reads() {
    const PORT: u16 = 4133;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    for netns in [&left, &right] {
        netns.sysctl("ipv4/tcp_ecn", "1");
    }
    let ends = Ends::between(&left, &right, veth.right_v4(PORT));
    let tracer = Tracer::start(&left, &["-p", &PORT.to_string(), "--segments", "all"]);
    let tcpdump = Tcpdump::start(&left, &veth.left, &format!("tcp port {PORT}"));
    exchange(&ends);
    let headers = compare(&tracer.stop(), &left, PORT, tcpdump);
    assert_eq!(flags(&headers)[..3], ["SEW", "S.E", "."]);
}

#[test]
fn a_reset_without_and_with_ack_is_what_tcpdump_reads() {
    const PORT: u16 = 4134;
    const CLOSED_PORT: u16 = 4135;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let tracer = Tracer::start(&netns, &["-p", &format!("{PORT},{CLOSED_PORT}"), "--segments", "all"]);
    let filter = |port| format!("tcp port {port}");
    let tcpdump = Tcpdump::start(&netns, "lo", &filter(PORT));
    let tcpdump_of_refusal = Tcpdump::start(&netns, "lo", &filter(CLOSED_PORT));
    let refused = ends.client.connect_with(SocketAddr::from((Ipv4Addr::LOCALHOST, CLOSED_PORT)), |_| {});
    refused.expect_err("nobody listens there");
    let connection = ends.open();
    let addresses = (connection.client_address(), connection.server_address());
    ends.server.close(connection.server);
    tracer.wait_state("FIN_WAIT2", addresses.1, addresses.0);
    send(&connection.client, 14);
    tracer.wait_state("CLOSE", addresses.0, addresses.1);
    let trace = tracer.stop();

    assert_eq!(flags(&compare(&trace, &netns, CLOSED_PORT, tcpdump_of_refusal)), ["S", "R."]);
    assert_eq!(flags(&compare(&trace, &netns, PORT, tcpdump)), ["S", "S.", ".", "F.", ".", "P.", "R"]);
}
