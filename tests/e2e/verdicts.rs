//! What is said of a connection's handshake and close, in one record each.

use std::{
    io::{ErrorKind, Read as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use socket2::SockRef;
use tcptrace_tests::{
    Connection, Ends, Netns, TRAFFIC_LIMIT, Trace, Tracer, eventually, number, receive, receive_end, send, text,
};

// States as /proc/net/tcp has them.
const FIN_WAIT1: &str = "04";
const FIN_WAIT2: &str = "05";

/// Both ends on loopback, and what a tracer says when `play` has been played.
fn traced(port: u16, play: impl FnOnce(&Ends, Connection)) -> (Trace, Ends) {
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let tracer = Tracer::start(&netns, &["-p", &port.to_string()]);
    let connection = ends.open();
    play(&ends, connection);
    tracer.wait_for("the close", |record| record["type"] == "close");
    (tracer.stop(), ends)
}

/// The one close, behind the one handshake, which was established.
fn close(trace: &Trace) -> &Value {
    let (handshakes, closes) = (trace.of_type("handshake"), trace.of_type("close"));
    assert_eq!((handshakes.len(), closes.len()), (1, 1), "{:#?}", trace.records);
    let handshake = handshakes[0];
    assert_eq!(handshake["kind"], "three_way");
    assert_eq!(handshake["outcome"], "established");
    assert_eq!((&handshake["incomplete"], &handshake["missing"]), (&json!(false), &json!([])), "{handshake}");
    assert_eq!(handshake["retransmissions"], json!({ "syn": 0, "synack": 0 }));
    assert_eq!(handshake["client"]["pid"], std::process::id());
    assert_eq!((&closes[0]["incomplete"], &closes[0]["missing"]), (&json!(false), &json!([])), "{}", closes[0]);
    assert_eq!(handshake["conn"], closes[0]["conn"]);
    trace.nothing_lost();
    closes[0]
}

/// The fields of a close that a test compares as a whole.
fn verdict(close: &Value) -> Value {
    let fields = ["kind", "initiator", "reset", "bytes", "time_wait", "retransmissions"];
    fields.iter().map(|&field| (field.to_owned(), close[field].clone())).collect::<serde_json::Map<_, _>>().into()
}

/// The names of the states of an end.
fn states<'a>(close: &'a Value, end: &str) -> Vec<&'a str> {
    let states = close["states"][end].as_array().expect("a list");
    states.iter().map(|stay| text(stay, "state")).collect()
}

#[test]
fn four_segments_with_the_states_of_both_ends() {
    let (trace, _) = traced(4401, |ends, connection| {
        send(&connection.client, 7);
        receive(&connection.server, 7);
        send(&connection.server, 18);
        receive(&connection.client, 18);
        ends.close_in_four(connection);
    });
    let close = close(&trace);
    let expected = json!({
        "kind": "four_segment", "initiator": "client", "reset": null,
        "bytes": { "client_to_server": 7, "server_to_client": 18 },
        "time_wait": "client", "retransmissions": { "client": 0, "server": 0 },
    });
    assert_eq!(verdict(close), expected);
    assert_eq!(states(close, "client"), ["SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"]);
    assert_eq!(states(close, "server"), ["SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"]);
    for end in ["client", "server"] {
        assert_eq!(close[end]["pid"], std::process::id(), "who closed it: {close}");
        assert_eq!(
            close["states"][end].as_array().and_then(|states| states.last()).map(|last| last["ns"].clone()),
            Some(Value::Null)
        );
    }
    let spent: u64 =
        close["states"]["client"].as_array().expect("a list").iter().filter_map(|stay| stay["ns"].as_u64()).sum();
    assert!(spent <= number(close, "duration_ns"), "{close}");
}

#[test]
fn three_segments_when_the_kernel_delays_its_ack() {
    let (trace, _) = traced(4402, |ends, connection| ends.close_in_three(connection));
    let close = close(&trace);
    assert_eq!((text(close, "kind"), text(close, "initiator")), ("three_segment", "client"), "{close}");
    assert_eq!(text(close, "time_wait"), "client");
}

#[test]
fn data_of_a_half_closed_connection_is_counted() {
    let (trace, _) = traced(4403, |ends, connection| {
        send(&connection.client, 10);
        connection.client.shutdown(Shutdown::Write).expect("a shutdown");
        receive(&connection.server, 10);
        receive_end(&connection.server);
        let (client, server) = (connection.client_address().port(), connection.server_address().port());
        eventually("the ACK of the FIN", TRAFFIC_LIMIT, || {
            ends.client.socket_state(client, server).as_deref() == Some(FIN_WAIT2)
        });
        send(&connection.server, 1000);
        receive(&connection.client, 1000);
        ends.server.close(connection.server);
        receive_end(&connection.client);
        ends.client.close(connection.client);
    });
    let close = close(&trace);
    assert_eq!((text(close, "kind"), number(close, "half_closed_bytes")), ("four_segment", 1000), "{close}");
    assert_eq!(close["bytes"], json!({ "client_to_server": 10, "server_to_client": 1000 }));
}

/// What a reset by `role` for this cause looks like.
fn reset(by: &str, cause: &str) -> Value {
    json!({ "by": by, "cause": cause })
}

#[test]
fn the_socket_proves_so_linger() {
    let (trace, _) = traced(4404, |ends, connection| {
        SockRef::from(&connection.client).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
        ends.client.close(connection.client);
        assert_reset(&connection.server);
    });
    let close = close(&trace);
    assert_eq!((&close["kind"], &close["initiator"]), (&json!("reset"), &json!("client")));
    assert_eq!((&close["reset"], &close["time_wait"]), (&reset("client", "linger"), &Value::Null));
}

#[test]
fn the_socket_proves_unread_data() {
    let (trace, _) = traced(4405, |ends, connection| {
        send(&connection.client, 14);
        connection.server.peek(&mut [0; 14]).expect("data to come");
        ends.server.close(connection.server);
        assert_reset(&connection.client);
    });
    let close = close(&trace);
    assert_eq!((&close["reset"], &close["initiator"]), (&reset("server", "unread_data"), &json!("server")));
    assert_eq!(close["bytes"], json!({ "client_to_server": 14, "server_to_client": 0 }));
}

#[test]
fn data_for_a_closed_socket_is_answered_by_a_reset() {
    let (trace, _) = traced(4406, |ends, connection| {
        let (client, server) = (connection.client_address().port(), connection.server_address().port());
        ends.server.close(connection.server);
        receive_end(&connection.client);
        eventually("the ACK of the FIN", TRAFFIC_LIMIT, || {
            ends.server.socket_state(server, client).as_deref() != Some(FIN_WAIT1)
        });
        send(&connection.client, 14);
        eventually("the reset", TRAFFIC_LIMIT, || ends.client.socket_state(client, server).is_none());
        ends.client.close(connection.client);
    });
    let close = close(&trace);
    assert_eq!((&close["reset"], &close["initiator"]), (&reset("server", "data_after_close"), &json!("server")));
    assert_eq!(close["bytes"], json!({ "client_to_server": 14, "server_to_client": 0 }));
    assert!(text(close, "summary").contains("further writes fail with EPIPE"), "{close}");
}

#[test]
fn a_socket_destroyed_from_outside_was_killed() {
    let (trace, _) = traced(4407, |ends, connection| {
        let port = connection.client_address().port().to_string();
        let mut kill = Command::new("ss");
        kill.args(["-K", "-t", "sport", "=", &format!(":{port}")]);
        ends.client.run(move || tcptrace_tests::output(&mut kill));
        assert_reset(&connection.server);
        drop(connection);
    });
    let close = close(&trace);
    assert_eq!((&close["kind"], &close["reset"]), (&json!("reset"), &reset("client", "killed")));
}

#[test]
fn each_of_many_connections_has_its_two_records() {
    const COUNT: usize = 300;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, 4409)));
    let tracer = Tracer::start(&netns, &["-p", "4409", "--emit", "handshake,close"]);
    ends.churn(COUNT);
    tracer
        .wait_until("all closes", |records| records.iter().filter(|record| record["type"] == "close").count() == COUNT);
    let trace = tracer.stop();
    assert_eq!((trace.of_type("handshake").len(), trace.records.len()), (COUNT, 2 * COUNT + 2));
    for close in trace.of_type("close") {
        assert_eq!(
            (text(close, "initiator"), &close["client"]["pid"]),
            ("client", &json!(std::process::id())),
            "{close}"
        );
        assert_eq!(close["bytes"], json!({ "client_to_server": 0, "server_to_client": 0 }), "{close}");
    }
    assert_eq!(number(trace.end(), "open"), 0);
}

#[test]
fn a_close_that_has_only_begun_is_unfinished() {
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, 4410)));
    let tracer = Tracer::start(&netns, &["-p", "4410"]);
    let connection = ends.open();
    let (client, server) = (connection.client_address(), connection.server_address());
    ends.server.close(connection.server);
    receive_end(&connection.client);
    tracer.wait_state("FIN_WAIT1", server, client);
    let trace = tracer.stop();
    drop(connection.client);
    let close = trace.of_type("close")[0];
    assert_eq!((text(close, "kind"), text(close, "initiator")), ("unfinished", "server"), "{close}");
}

/// Waits for the other end's reset.
fn assert_reset(mut stream: &TcpStream) {
    assert_eq!(stream.read(&mut [0]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
}
