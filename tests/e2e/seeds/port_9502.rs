//! Port 9502 on loopback: telnet connects, waits, sends a line of 7 bytes and gets 18. The document's figure continues with
//! a close of four segments.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::json;
use tcptrace_tests::{Ends, Netns, assert_record, but, lines_of, receive, send};

use super::{check_options_of_syns, start};
use crate::scenarios::{closing::plain, wait_verdicts};

const PORT: u16 = 9502;

#[test]
fn the_second_document_shows_a_handshake_a_line_and_its_answer_and_a_close_in_four() {
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let tracer = start(&netns, PORT);
    let connection = ends.open();
    send(&connection.client, 7);
    receive(&connection.server, 7);
    send(&connection.server, 18);
    receive(&connection.client, 18);
    // The passive end closes when the ACK of the FIN has been sent on its own, 40 ms later.
    ends.close_in_four(connection);
    wait_verdicts(&tracer, &netns, 1, 1);
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
            "client P. 1:8 ack 1",
            "server . 1:1 ack 8",
            "server P. 1:19 ack 8",
            "client . 8:8 ack 19",
            "client ESTABLISHED > FIN_WAIT1",
            "client F. 8:8 ack 19",
            "server ESTABLISHED > CLOSE_WAIT",
            "server . 19:19 ack 9",
            "client FIN_WAIT1 > FIN_WAIT2",
            "client FIN_WAIT2 > CLOSE",
            "server CLOSE_WAIT > LAST_ACK",
            "server F. 19:19 ack 9",
            "client . 9:9 ack 20",
            "server LAST_ACK > CLOSE",
        ]
    );
    check_options_of_syns(&trace, &netns, PORT);
    let expected = json!({
        "bytes": { "client_to_server": 7, "server_to_client": 18 },
        "summary": ["closed by the client, four segments; 7 B →, 18 B ←; lasted ", "; the client holds TIME_WAIT for 60 s"],
    });
    assert_record(trace.closed(&netns), &but(plain(&netns, ends.address), expected));
}
