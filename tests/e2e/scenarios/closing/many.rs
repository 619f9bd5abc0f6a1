//! Many closes, and one that is unfinished.

use serde_json::json;
use tcptrace_tests::{
    Ends, Netns, TRAFFIC_LIMIT, Tracer, assert_record, but, eventually, is_type, number, receive_end, text,
};

use super::{FIN_WAIT1, addresses, loopback, plain, start, states};

#[test]
fn each_of_many_connections_has_its_two_records() {
    const COUNT: usize = 300;
    const PORT: u16 = 4752;
    let netns = Netns::new();
    let ends = Ends::on(&netns, loopback(PORT));
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "--emit", "handshake,close"]);
    ends.churn(COUNT);
    tracer
        .wait_until("all closes", |records| records.iter().filter(|record| record["type"] == "close").count() == COUNT);
    let trace = tracer.stop();
    let others: Vec<_> =
        trace.records.iter().filter(|record| !is_type(record, "handshake") && !is_type(record, "close")).collect();
    assert_eq!((trace.of_type("handshake").len(), trace.of_type("close").len()), (COUNT, COUNT));
    assert!(others.len() == 2 && is_type(others[0], "start") && is_type(others[1], "end"), "{others:#?}");
    for close in trace.of_type("close") {
        // On a busy machine the server's FIN may come too late to carry the ACK.
        let kind = text(close, "kind");
        assert!(["three_segment", "four_segment"].contains(&kind), "{close:#}");
        let expected = json!({ "kind": kind, "summary": ["closed by the client, "] });
        assert_record(close, &but(plain(&netns, loopback(PORT)), expected));
    }
    assert_eq!(number(trace.end(), "open"), 0);
    trace.nothing_lost();
}

#[test]
fn a_close_that_has_only_begun_is_unfinished() {
    const PORT: u16 = 4753;
    let netns = Netns::new();
    let ends = Ends::on(&netns, loopback(PORT));
    let tracer = start(&netns, PORT);
    let connection = ends.open();
    let (client, server) = addresses(&connection);
    ends.server.close(connection.server);
    receive_end(&connection.client);
    eventually("the ACK of the server's FIN", TRAFFIC_LIMIT, || {
        ends.server.socket_state(server.port(), client.port()).as_deref() != Some(FIN_WAIT1)
    });
    let trace = tracer.stop();
    drop(connection.client);
    let expected = json!({
        "kind": "unfinished", "initiator": "server", "half_close_ns": null, "half_closed_bytes": null, "time_wait": null,
        "retransmissions": { "client": null }, "states": states(&["CLOSE_WAIT"], &["FIN_WAIT1", "FIN_WAIT2"]),
        "summary": ["unfinished: the server has closed its side; tracing stopped first; "],
    });
    assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), expected));
}
