//! Port 20000 on loopback: the server sends 255 bytes and closes at once; the client reads to the end.

use std::net::{Ipv4Addr, SocketAddr};

use tcptrace_tests::{Ends, Netns, Trace, assert_record, close, number, receive, receive_end, send};

use super::{check_options_of_syns, sent, start, three_segments, went};
use crate::scenarios::{until_in_time, wait_verdicts};

const PORT: u16 = 20000;

#[test]
fn the_fourth_document_shows_data_and_fin_back_to_back() {
    until_in_time(exchange);
}

/// Returns false if the client has not closed in time.
fn exchange() -> bool {
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let tracer = start(&netns, PORT);
    let connection = ends.open();
    let closing = ends.client.start(move || {
        receive(&connection.client, 255);
        receive_end(&connection.client);
        close(connection.client);
    });
    send(&connection.server, 255);
    ends.server.close(connection.server);
    closing.finish();
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();

    let (from_client, from_server) = sent(&trace, &netns, PORT);
    if from_client.iter().any(|segment| segment == ". 1:1 ack 257") {
        return false;
    }
    assert_eq!(from_client, ["S 0:0", ". 1:1 ack 1", ". 1:1 ack 256", "F. 1:1 ack 257"]);
    assert_eq!(from_server, ["S. 0:0 ack 1", "P. 1:256 ack 1", "F. 256:256 ack 1", ". 257:257 ack 2"]);
    let (clients, servers) = went(&trace, &netns, PORT);
    assert_eq!(clients[2..], ["ESTABLISHED > CLOSE_WAIT", "CLOSE_WAIT > LAST_ACK", "LAST_ACK > CLOSE"]);
    assert_eq!(servers[2..], ["ESTABLISHED > FIN_WAIT1", "FIN_WAIT1 > FIN_WAIT2", "FIN_WAIT2 > CLOSE"]);
    Trace::only_connection(&trace.about(&netns, PORT));
    check_options_of_syns(&trace, &netns, PORT);

    // The document uses absolute numbers (`-S`): each is the sum of the initial and the relative number, modulo 2^32.
    let segments = trace.segments(&netns, PORT);
    let isn = |segment| number(segment, "seq");
    let (client_isn, server_isn) = (isn(segments[0]), isn(segments[1]));
    for segment in &segments {
        let from_client = segment["dst"]["port"] == PORT;
        let (own, other) = if from_client { (client_isn, server_isn) } else { (server_isn, client_isn) };
        let absolute = |isn: u64, relative: u64| (isn + relative) % (1 << 32);
        assert_eq!(number(segment, "seq"), absolute(own, number(segment, "rel_seq")), "{segment}");
        if !segment["ack"].is_null() {
            assert_eq!(number(segment, "ack"), absolute(other, number(segment, "rel_ack")), "{segment}");
        }
    }
    assert_record(trace.closed(&netns), &three_segments(&netns, ends.address, 0, 255));
    true
}
