//! Port 10000, two hosts: the server waits, sends the 26 bytes of a date, waits and closes. As the document explains, the
//! close takes three segments, because the client closes as soon as it reads the end.

use tcptrace_tests::{Ends, Netns, Trace, Veth, assert_record, line_of, lines_of, receive, send};

use super::{check_options_of_syns, seen_by, start};
use crate::scenarios::{until_in_time, wait_verdicts};

const PORT: u16 = 10000;

const SEGMENTS: [&str; 8] = [
    "client S 0:0",
    "server S. 0:0 ack 1",
    "client . 1:1 ack 1",
    "server P. 1:27 ack 1",
    "client . 1:1 ack 27",
    "server F. 27:27 ack 1",
    "client F. 1:1 ack 28",
    "server . 28:28 ack 2",
];

#[test]
fn the_fifth_document_shows_the_same_from_either_host() {
    until_in_time(exchange);
}

/// Returns false if the client has not closed in time.
fn exchange() -> bool {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let ends = Ends::between(&left, &right, veth.right_v4(PORT));
    let tracers = [("client", &left, start(&left, PORT)), ("server", &right, start(&right, PORT))];
    let connection = ends.open();
    let (client, server) = (connection.client_address(), connection.server_address());
    send(&connection.server, 26);
    receive(&connection.client, 26);
    // The passive end closes as soon as it reads the end: its FIN carries the ACK, which the kernel had delayed.
    let closing = ends.client.start_close_at_end(connection.client);
    ends.server.close(connection.server);
    closing.finish();
    for (_, netns, tracer) in &tracers {
        tracer.wait_state("CLOSE", client, server);
        tracer.wait_state("CLOSE", server, client);
        wait_verdicts(tracer, netns, 1, 1);
    }

    for (own_end, netns, tracer) in tracers {
        let trace = tracer.stop();
        let segments = lines_of(&trace.segments(netns, PORT), PORT);
        if segments.iter().any(|segment| segment == "client . 1:1 ack 28") {
            return false;
        }
        assert_eq!(segments, SEGMENTS);
        Trace::only_connection(&trace.about(netns, PORT));
        check_options_of_syns(&trace, netns, PORT);
        for segment in trace.segments(netns, PORT) {
            let direction = if line_of(segment, PORT).starts_with(own_end) { "out" } else { "in" };
            assert_eq!(segment["direction"], direction, "{segment}");
        }
        // Each host has one socket.
        let states = trace.states(netns, PORT);
        assert!(states.len() == 5 && states.iter().all(|state| state["role"] == own_end), "{states:#?}");
        assert_record(trace.closed(netns), &seen_by(own_end, netns, [client, server], 0, 26));
    }
    true
}
