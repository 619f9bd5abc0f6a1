//! Port 9999 on loopback, and the document's seven questions.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr},
};

use serde_json::json;
use tcptrace_tests::{Ends, Netns, assert_record, but, lines_of, number, receive, receive_end, send};

use super::{check_options_of_syns, start};
use crate::scenarios::{
    closing::{plain, states},
    wait_verdicts,
};

const PORT: u16 = 9999;

#[test]
fn the_third_document_s_seven_questions_have_its_answers() {
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let tracer = start(&netns, PORT);

    // 1: the connection is made.
    let connection = ends.open();
    let (client, server) = (connection.client_address(), connection.server_address());
    send(&connection.client, 14);
    receive(&connection.server, 14);
    send(&connection.server, 14);
    receive(&connection.client, 14);
    // 2: the server's close(). 3 and 4: its own send and recv after it fail locally, since the descriptor is gone: in Rust
    // the stream is, so there is nothing to call.
    ends.server.close(connection.server);
    tracer.wait_state("FIN_WAIT2", server, client);
    // 6: the client's recv returns 0 and nothing is sent.
    receive_end(&connection.client);
    // 5: the client sends nevertheless.
    send(&connection.client, 14);
    wait_verdicts(&tracer, &netns, 1, 1);
    // 7: the second time it would get SIGPIPE, which a Rust program ignores, and gets EPIPE.
    let error = (&connection.client).write(&[0; 14]).expect_err("the connection was reset");
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert_eq!((&connection.client).read(&mut [0; 1]).expect("EPIPE was reported once"), 0);
    let trace = tracer.stop();

    assert_eq!(
        lines_of(&trace.about(&netns, PORT), PORT),
        [
            "client CLOSE > SYN_SENT",
            "client S 0:0",
            "server S. 0:0 ack 1",
            "client SYN_SENT > ESTABLISHED",
            "client . 1:1 ack 1",
            "server LISTEN > SYN_RECV",
            "server SYN_RECV > ESTABLISHED",
            "client P. 1:15 ack 1",
            "server . 1:1 ack 15",
            "server P. 1:15 ack 15",
            "client . 15:15 ack 15",
            "server ESTABLISHED > FIN_WAIT1",
            "server F. 15:15 ack 15",
            "client ESTABLISHED > CLOSE_WAIT",
            "client . 15:15 ack 16",
            "server FIN_WAIT1 > FIN_WAIT2",
            "server FIN_WAIT2 > CLOSE",
            "client P. 15:29 ack 16",
            "server R 16:16",
            "client CLOSE_WAIT > CLOSE",
        ]
    );
    check_options_of_syns(&trace, &netns, PORT);
    let events = trace.about(&netns, PORT);
    let (fin, ack, reset, end) = (events[12], events[14], events[18], events[19]);
    // The document's ACK came after 37 ms; the kernel delays it by 40, and its clock ticks in between. A busy machine delays it
    // for longer.
    let delay = number(ack, "boot_ns") - number(fin, "boot_ns");
    assert!(delay >= 30_000_000, "{delay} ns");
    assert_eq!((number(reset, "window"), reset["ack"].is_null()), (0, true), "{reset}");
    assert_eq!((&end["error"], end["pid"].is_null()), (&"EPIPE".into(), true), "{end}");
    let expected = json!({
        "kind": "reset", "initiator": "server", "reset": { "by": "server", "cause": "data_after_close" }, "time_wait": null,
        "bytes": { "client_to_server": 28, "server_to_client": 14 }, "half_close_ns": null, "half_closed_bytes": null,
        "retransmissions": { "client": null },
        "states": states(&["CLOSE_WAIT", "CLOSE"], &["FIN_WAIT1", "FIN_WAIT2"]),
        "summary": [
            "reset by the server: the other end wrote to a socket that was closed already",
            "further writes fail with EPIPE; 28 B →, 14 B ←; lasted ",
        ],
    });
    assert_record(trace.closed(&netns), &but(plain(&netns, ends.address), expected));
}

#[test]
fn after_shutdown_instead_of_close_the_client_may_go_on_sending() {
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let tracer = start(&netns, PORT);
    let connection = ends.open();
    let (client, server) = (connection.client_address(), connection.server_address());
    let server_end = connection.server;
    let server_end = ends.server.run(move || {
        server_end.shutdown(Shutdown::Write).expect("a connected stream can be shut down");
        server_end
    });
    tracer.wait_state("FIN_WAIT2", server, client);
    receive_end(&connection.client);
    send(&connection.client, 14);
    receive(&server_end, 14);
    ends.client.close(connection.client);
    receive_end(&server_end);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();

    let lines = lines_of(&trace.segments(&netns, PORT), PORT);
    assert_eq!(
        lines,
        [
            "client S 0:0",
            "server S. 0:0 ack 1",
            "client . 1:1 ack 1",
            "server F. 1:1 ack 1",
            "client . 1:1 ack 2",
            "client P. 1:15 ack 2",
            "server . 2:2 ack 15",
            "client F. 15:15 ack 2",
            "server . 2:2 ack 16",
        ]
    );
    let expected = json!({
        "initiator": "server", "time_wait": "server",
        "bytes": { "client_to_server": 14, "server_to_client": 0 }, "half_closed_bytes": 14,
        "states": states(&["CLOSE_WAIT", "LAST_ACK", "CLOSE"], &["FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"]),
        "summary": ["closed by the server, four segments; 14 B →, 0 B ←; lasted "],
    });
    assert_record(trace.closed(&netns), &but(plain(&netns, ends.address), expected));
}
