//! Segments in unusual packets: larger than the interface allows, with IP options, with extension headers.

use std::net::{IpAddr, Shutdown, SocketAddr};

use tcptrace_tests::{
    Ends, Header, Netns, Tcpdump, Tracer, Veth, line_of, lines_of, number, receive, receive_end, send, set_option,
};

/// All segments of a connection that carries no data and is closed.
const SEGMENTS: [&str; 6] = [
    "client S 0:0",
    "server S. 0:0 ack 1",
    "client . 1:1 ack 1",
    "client F. 1:1 ack 1",
    "server F. 1:1 ack 2",
    "client . 2:2 ack 2",
];

#[test]
fn a_buffer_of_many_segments_is_one_record_with_their_number() {
    const PORT: u16 = 4361;
    const SENT: usize = 200 * 1024;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let ends = Ends::between(&left, &right, veth.right_v4(PORT));
    let tracer = Tracer::start(&left, &["-p", &PORT.to_string(), "--segments", "all"]);
    let connection = ends.open();
    let server = connection.server.try_clone().expect("a stream can be duplicated");
    let reading = ends.server.start(move || receive(&server, SENT));
    send(&connection.client, SENT);
    reading.finish();
    ends.close_in_four(connection);
    let trace = tracer.stop();

    let segments = trace.segments(&left, PORT);
    // With timestamps, 12 of the 1460 bytes are options.
    let payload = number(&segments[0]["options"], "mss") - 12;
    let data = segments.iter().filter(|segment| line_of(segment, PORT).starts_with("client") && segment["length"] != 0);
    let (mut total, mut merged) = (0, 0);
    for segment in data {
        let length = number(segment, "length");
        let expected = length.div_ceil(payload);
        assert_eq!(segment["gso_segments"].as_u64().unwrap_or(1), expected, "{segment}");
        total += length;
        merged += u64::from(expected > 1);
    }
    assert_eq!(total, u64::try_from(SENT).expect("it fits"));
    assert!(merged > 0, "the interface offloads segmentation: {segments:#?}");
    trace.nothing_lost();
}

/// Traces a connection whose client's segments all have `option` in or after their IP header; tcpdump confirms that by a
/// filter.
fn check(port: u16, v6: bool, options: &'static [(i32, i32, &'static [u8])], filter: &str) {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let address: SocketAddr = if v6 { veth.right_v6(port) } else { veth.right_v4(port) };
    let ends = Ends::between(&left, &right, address);
    let tracers = [&left, &right].map(|netns| (netns, Tracer::start(netns, &["-p", &port.to_string()])));
    let tcpdump = Tcpdump::start(&left, &veth.left, filter);
    let client = ends.client.connect_with(address, move |socket| {
        for (level, name, value) in options {
            set_option(socket, *level, *name, value);
        }
    });
    let client = client.expect("options do not hinder a connection");
    let from: IpAddr = client.local_addr().expect("a connected socket has an address").ip();
    let closing = ends.server.start_close_at_end(ends.server.accept(&ends.listener));
    // If closed at once, the socket might be one of TIME_WAIT when the server's FIN comes: those send no options.
    client.shutdown(Shutdown::Write).expect("a connected socket can be shut down");
    receive_end(&client);
    closing.finish();
    ends.client.close(client);
    let mut theirs = tcpdump.finish(4);
    theirs.sort();
    for (netns, tracer) in tracers {
        let trace = tracer.stop();
        let segments = trace.segments(netns, port);
        // On a busy machine the FIN may be acknowledged before the server sends its own.
        let lines = lines_of(&segments, port).into_iter().filter(|line| line != "server . 1:1 ack 2");
        assert_eq!(lines.collect::<Vec<_>>(), SEGMENTS);
        let from_client = segments.iter().filter(|segment| segment["src"]["addr"] == from.to_string());
        let mut ours: Vec<_> = from_client.map(|segment| Header::of_record(segment)).collect();
        ours.sort();
        assert_eq!(ours, theirs);
    }
}

#[test]
fn segments_behind_ip_options_are_read() {
    // Record route with room for two addresses; the other end copies it into its answers.
    const RECORD_ROUTE: &[u8] = &[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    check(4362, false, &[(libc::IPPROTO_IP, libc::IP_OPTIONS, RECORD_ROUTE)], "ip[0] & 0xf > 5 and tcp dst port 4362");
}

#[test]
fn segments_behind_as_many_ip_options_as_fit_are_read() {
    const NO_OPERATION: &[u8] = &[1; 40];
    check(
        4363,
        false,
        &[(libc::IPPROTO_IP, libc::IP_OPTIONS, NO_OPERATION)],
        "ip[0] & 0xf == 15 and tcp dst port 4363",
    );
}

/// An extension header of 8 bytes: next header and length are set by the kernel, then a PadN option of 4 bytes.
const PADDING: &[u8] = &[0, 0, 1, 4, 0, 0, 0, 0];

#[test]
fn segments_behind_an_extension_header_are_read() {
    check(4364, true, &[(libc::IPPROTO_IPV6, libc::IPV6_DSTOPTS, PADDING)], "ip6[6] == 60 and src host fd07::1");
}

#[test]
fn segments_behind_several_extension_headers_are_read() {
    // No more than 7 bytes may be padding; the first two bits of an unknown option allow the receiver to skip it.
    const LONG: &[u8] = &[0, 2, 0x1e, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let both = &[(libc::IPPROTO_IPV6, libc::IPV6_HOPOPTS, PADDING), (libc::IPPROTO_IPV6, libc::IPV6_DSTOPTS, LONG)];
    check(4365, true, both, "ip6[6] == 0 and src host fd07::1");
}
