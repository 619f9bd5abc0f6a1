//! Closes of which the wire shows nothing: a socket in TCP_REPAIR, and a FIN behind data that nobody takes.

use std::{
    io::Write as _,
    net::{Shutdown, TcpStream},
    time::Duration,
};

use serde_json::json;
use socket2::SockRef;
use tcptrace_tests::{Ends, Netns, is_type, receive, send, set_option, text};

use super::{addresses, loopback, receive_reset, start, wait_verdicts};

/// Makes close() take the socket away without a segment, with SO_LINGER 0 as HAProxy's silent-drop sets it.
fn set_repair(stream: &TcpStream) {
    set_option(stream, libc::IPPROTO_TCP, libc::TCP_REPAIR, &1_i32.to_ne_bytes());
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("a socket can linger");
}

#[test]
fn a_socket_in_repair_vanishes_and_its_host_resets_what_comes_later() {
    const PORT: u16 = 4741;
    let netns = Netns::new();
    let tracer = start(&netns, PORT);
    let ends = Ends::on(&netns, loopback(PORT));
    let connection = ends.open();
    send(&connection.client, 5);
    receive(&connection.server, 5);
    set_repair(&connection.server);
    ends.server.close(connection.server);
    let words = "the server's socket was closed without a segment (TCP_REPAIR); the client has not closed: ESTABLISHED";
    tracer.wait_for("a stall", |record| is_type(record, "stalled") && text(record, "summary") == words);
    send(&connection.client, 4);
    receive_reset(&connection.client);
    ends.client.close(connection.client);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    let close = trace.closed(&netns);
    assert_eq!(close["reset"], json!({ "by": "server", "cause": "no_connection" }), "{close}");
    assert_eq!(close["evidence"], json!(["linger", "repair"]), "{close}");
    let words = "reset by the server: it knows no such connection; the server's socket was closed without a segment \
                 (TCP_REPAIR)";
    assert!(text(close, "summary").starts_with(words), "{close}");
}

#[test]
fn a_fin_behind_a_closed_window_has_begun_the_close() {
    const PORT: u16 = 4742;
    let netns = Netns::new();
    let tracer = start(&netns, PORT);
    let ends = Ends::on(&netns, loopback(PORT));
    let connection = ends.open();
    connection.client.set_nonblocking(true).expect("a socket can be non-blocking");
    while (&connection.client).write(&[0; 65536]).is_ok() {}
    ends.client.close(connection.client);
    tracer.wait_for("what the FIN waits for", |record| {
        is_type(record, "stalled") && record["waiting_for"] == "window" && record["turn"] == "server"
    });
    let trace = tracer.stop();
    let close = trace.only_verdicts(&netns).close.expect("a close");
    assert_eq!((&close["kind"], &close["initiator"]), (&json!("unfinished"), &json!("client")), "{close}");
    assert_eq!((&close["missing"], &close["retransmissions"]["client"]), (&json!([]), &json!(null)), "{close}");
    let words = "unfinished: the client has closed its side, but its FIN was not seen to leave; tracing stopped first";
    assert!(text(close, "summary").starts_with(words), "{close}");
    drop(connection.server);
}

/// Both ends have closed as far as their states tell: CLOSING.
#[test]
fn a_fin_that_never_leaves_is_followed_by_a_reset() {
    const PORT: u16 = 4743;
    let netns = Netns::new();
    let tracer = start(&netns, PORT);
    let ends = Ends::on(&netns, loopback(PORT));
    let connection = ends.open();
    let (client, server) = addresses(&connection);
    connection.client.set_nonblocking(true).expect("a socket can be non-blocking");
    while (&connection.client).write(&[0; 65536]).is_ok() {}
    connection.client.shutdown(Shutdown::Write).expect("a shutdown");
    connection.server.shutdown(Shutdown::Write).expect("a shutdown");
    tracer.wait_state("CLOSING", client, server);
    SockRef::from(&connection.client).set_linger(Some(Duration::ZERO)).expect("a socket can linger");
    ends.client.close(connection.client);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    drop(connection.server);
    let close = trace.closed(&netns);
    assert_eq!((&close["kind"], &close["initiator"]), (&json!("reset"), &json!("server")), "{close}");
    assert_eq!(close["reset"], json!({ "by": "client", "cause": "linger" }), "{close}");
    assert_eq!((&close["missing"], &close["time_wait"]), (&json!([]), &json!(null)), "{close}");
}
