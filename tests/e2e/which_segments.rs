//! `--segments`: the choice of segments that become records.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use tcptrace_tests::{Ends, Netns, Trace, Tracer, Veth, line_of, lines_of, number, receive, send};

const MEGABYTE: usize = 1 << 20;

/// Traces a connection whose client sends a megabyte, which the server reads before it closes.
fn megabyte(port: u16, which: &str) -> (Netns, Trace) {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let ends = Ends::between(&left, &right, veth.right_v4(port));
    let tracer = Tracer::start(&left, &["-p", &port.to_string(), "--segments", which]);
    let connection = ends.open();
    let server = connection.server.try_clone().expect("a stream can be duplicated");
    let reading = ends.server.start(move || receive(&server, MEGABYTE));
    send(&connection.client, MEGABYTE);
    reading.finish();
    ends.close_in_four(connection);
    let trace = tracer.stop();
    trace.nothing_lost();
    (left, trace)
}

/// Returns true if a segment's data crosses a multiple of 2^30, so that wraps can be counted without seeing all data.
fn crosses(segment: &Value) -> bool {
    let (first, length) = (number(segment, "seq"), number(segment, "length"));
    first >> 30 != (first + length) >> 30
}

#[test]
fn control_shows_what_opens_and_closes_and_none_of_the_data() {
    const PORT: u16 = 4151;
    let (netns, trace) = megabyte(PORT, "control");
    let mut segments = trace.segments(&netns, PORT);
    segments.retain(|segment| number(segment, "length") == 0 || !crosses(segment));
    assert_eq!(
        lines_of(&segments, PORT),
        [
            "client S 0:0",
            "server S. 0:0 ack 1",
            "client . 1:1 ack 1",
            "client F. 1048577:1048577 ack 1",
            "server . 1:1 ack 1048578",
            "server F. 1:1 ack 1048578",
            "client . 1048578:1048578 ack 2",
        ]
    );
    assert_eq!(trace.states(&netns, PORT).len(), 5);
}

#[test]
fn all_shows_every_byte_once() {
    const PORT: u16 = 4152;
    let (netns, trace) = megabyte(PORT, "all");
    let mut next = 1;
    for segment in trace.segments(&netns, PORT) {
        if line_of(segment, PORT).starts_with("client") && number(segment, "length") > 0 {
            assert_eq!(number(segment, "rel_seq"), next, "{segment}");
            next += number(segment, "length");
        }
    }
    assert_eq!(next, 1 + u64::try_from(MEGABYTE).expect("it is 2^20"));
    assert_eq!(trace.states(&netns, PORT).len(), 5);
}

#[test]
fn none_shows_states_alone() {
    const PORT: u16 = 4153;
    let (netns, trace) = megabyte(PORT, "none");
    assert_eq!(trace.of_type("segment").len(), 0);
    let lines = lines_of(&trace.states(&netns, PORT), PORT);
    assert_eq!(
        lines,
        [
            "client CLOSE > SYN_SENT",
            "client SYN_SENT > ESTABLISHED",
            "client ESTABLISHED > FIN_WAIT1",
            "client FIN_WAIT1 > FIN_WAIT2",
            "client FIN_WAIT2 > CLOSE",
        ]
    );
    let syn_sent = trace.states(&netns, PORT)[0];
    assert_eq!(syn_sent["remote"]["port"], PORT, "{syn_sent}");
}

#[test]
fn control_shows_eight_segments_each_way_after_a_fin() {
    const PORT: u16 = 4154;
    const ROUNDS: u64 = 20;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string()]);
    let connection = ends.open();
    let (client, server) = (connection.client_address(), connection.server_address());
    connection.client.shutdown(std::net::Shutdown::Write).expect("a connected stream can be shut down");
    tracer.wait_state("FIN_WAIT2", client, server);
    for _ in 0..ROUNDS {
        send(&connection.server, 10);
        receive(&connection.client, 10);
    }
    ends.server.close(connection.server);
    tracer.wait_state("CLOSE", client, server);
    tracer.wait_state("CLOSE", server, client);
    let trace = tracer.stop();

    let lines = lines_of(&trace.segments(&netns, PORT), PORT);
    let after_fin = &lines[4..];
    assert_eq!(lines[..4], ["client S 0:0", "server S. 0:0 ack 1", "client . 1:1 ack 1", "client F. 1:1 ack 1"]);
    // The server's ACK of the FIN, its first seven data segments, and its FIN; the client's ACKs of data may be fewer.
    let data = after_fin.iter().filter(|line| line.starts_with("server P.")).count();
    assert_eq!(data, 7, "{lines:#?}");
    assert_eq!(after_fin[0], "server . 1:1 ack 2");
    assert_eq!(after_fin[after_fin.len() - 2], "server F. 201:201 ack 2");
    assert_eq!(after_fin[after_fin.len() - 1], "client . 2:2 ack 202");
    let acks = after_fin.iter().filter(|line| line.starts_with("client")).count();
    assert!((1..=9).contains(&acks), "{lines:#?}");
}
