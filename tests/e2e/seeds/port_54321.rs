//! Port 54321, two hosts: the client sends 33 bytes, the server answers with 29 and closes first.

use tcptrace_tests::{Ends, Netns, Veth, assert_record, close, number, receive, receive_end, send};

use super::{check_options_of_syns, seen_by, sent, start, went};
use crate::scenarios::{until_in_time, wait_verdicts};

const PORT: u16 = 54321;

#[test]
fn the_first_document_shows_a_handshake_two_messages_and_a_close_by_the_server() {
    until_in_time(exchange);
}

/// Returns false if the client has not closed in time.
fn exchange() -> bool {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let ends = Ends::between(&left, &right, veth.right_v4(PORT));
    // The document has both captures, the client's and the server's.
    let tracers = [("client", &left, start(&left, PORT)), ("server", &right, start(&right, PORT))];
    let connection = ends.open();
    let (client, server) = (connection.client_address(), connection.server_address());
    send(&connection.client, 33);
    receive(&connection.server, 33);
    let closing = ends.client.start(move || {
        receive(&connection.client, 29);
        receive_end(&connection.client);
        close(connection.client);
    });
    send(&connection.server, 29);
    ends.server.close(connection.server);
    closing.finish();
    for (_, netns, tracer) in &tracers {
        tracer.wait_state("CLOSE", client, server);
        tracer.wait_state("CLOSE", server, client);
        wait_verdicts(tracer, netns, 1, 1);
    }

    for (own_end, netns, tracer) in tracers {
        let trace = tracer.stop();
        let (from_client, from_server) = sent(&trace, netns, PORT);
        if from_client.iter().any(|segment| segment == ". 34:34 ack 31") {
            return false;
        }
        assert_eq!(from_client, ["S 0:0", ". 1:1 ack 1", "P. 1:34 ack 1", ". 34:34 ack 30", "F. 34:34 ack 31"]);
        assert_eq!(
            from_server,
            ["S. 0:0 ack 1", ". 1:1 ack 34", "P. 1:30 ack 34", "F. 30:30 ack 34", ". 31:31 ack 35"]
        );
        check_options_of_syns(&trace, netns, PORT);
        // As in the document: the maximum segment size of an Ethernet.
        let segments = trace.segments(netns, PORT);
        assert!(segments[..2].iter().all(|syn| number(&syn["options"], "mss") == 1460), "{segments:#?}");
        // Both captures give the same verdict.
        assert_record(trace.closed(netns), &seen_by(own_end, netns, [client, server], 33, 29));

        let (clients, _) = went(&trace, &left, PORT);
        let (_, servers) = went(&trace, &right, PORT);
        assert_eq!(
            clients,
            [
                "CLOSE > SYN_SENT",
                "SYN_SENT > ESTABLISHED",
                "ESTABLISHED > CLOSE_WAIT",
                "CLOSE_WAIT > LAST_ACK",
                "LAST_ACK > CLOSE",
            ]
        );
        assert_eq!(
            servers,
            [
                "LISTEN > SYN_RECV",
                "SYN_RECV > ESTABLISHED",
                "ESTABLISHED > FIN_WAIT1",
                "FIN_WAIT1 > FIN_WAIT2",
                "FIN_WAIT2 > CLOSE",
            ]
        );
    }
    true
}
