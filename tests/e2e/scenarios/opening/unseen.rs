//! Connections that were open before tracing began.

use serde_json::json;
use tcptrace_tests::{ANY, Ends, Netns, SOME, assert_record, but, is_type, receive, send};

use super::{loopback, no_client_socket, no_synack, plain, start, wait_verdicts};

#[test]
fn the_handshake_of_a_connection_that_was_open_already_was_not_seen() {
    const PORT: u16 = 4696;
    let netns = Netns::new();
    let ends = Ends::on(&netns, loopback(PORT));
    let connection = ends.open();
    let port = connection.client_address().port();
    let tracer = start(&netns, PORT);
    tracer.wait_for("what is open", |record| is_type(record, "existing"));
    send(&connection.client, 7);
    receive(&connection.server, 7);
    ends.close_in_four(connection);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    let verdicts = trace.only_verdicts(&netns);
    // Nobody was seen to open it: the kernel was asked, and reported it before the first event.
    let process = std::process::id();
    let owners: Vec<_> = trace.of_type("owner").into_iter().filter(|owner| owner["conn"] == 1).collect();
    let known: Vec<_> = owners.iter().map(|owner| (&owner["source"], &owner["pid"])).collect();
    assert_eq!(known, [(&json!("sock_diag"), &json!(process)); 2], "{owners:#?}");
    let place = |kind| trace.records.iter().position(|record| is_type(record, kind) && record["conn"] == 1);
    assert!(place("owner") < place("state"), "{:#?}", trace.records);
    let unseen = json!({
        "kind": "unseen", "outcome": null, "role_inferred": true,
        "client": { "port": port, "isn": null, "options": null, "pid": process, "comm": SOME, "thread": ANY },
        "server": { "pid": process, "comm": SOME, "thread": ANY },
        "retransmissions": { "syn": null }, "incomplete": true, "missing": ["syn", "synack", "ack"],
        "summary": ["handshake not seen"],
    });
    let nothing = but(but(plain(&netns, loopback(0).ip(), loopback(PORT)), no_client_socket()), no_synack());
    assert_record(verdicts.handshake, &but(nothing, unseen));
    let close = verdicts.close.expect("a close");
    assert_eq!((&close["kind"], &close["initiator"]), (&json!("four_segment"), &json!("client")), "{close}");
    assert_eq!((&close["incomplete"], &close["missing"]), (&json!(true), &json!(["syn", "synack", "ack"])), "{close}");
}
