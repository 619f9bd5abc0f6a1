//! Two namespaces joined by a veth pair, traced from either of them.

use std::{net::SocketAddr, process::Command};

use serde_json::{Value, json};
use tcptrace_tests::{
    Ends, Netns, Trace, Tracer, Veth, binary, endpoint, is_type, line_of, lines_of, output, receive, send, text,
};

/// The expected view beside the client.
const CLIENTS_STORY: [&str; 12] = [
    "client CLOSE > SYN_SENT",
    "client S 0:0",
    "server S. 0:0 ack 1",
    "client SYN_SENT > ESTABLISHED",
    "client . 1:1 ack 1",
    "client ESTABLISHED > FIN_WAIT1",
    "client F. 11:11 ack 21",
    "server . 21:21 ack 12",
    "client FIN_WAIT1 > FIN_WAIT2",
    "client FIN_WAIT2 > CLOSE",
    "server F. 21:21 ack 12",
    "client . 12:12 ack 22",
];

/// The expected view beside the server.
const SERVERS_STORY: [&str; 12] = [
    "client S 0:0",
    "server S. 0:0 ack 1",
    "client . 1:1 ack 1",
    "server LISTEN > SYN_RECV",
    "server SYN_RECV > ESTABLISHED",
    "client F. 11:11 ack 21",
    "server ESTABLISHED > CLOSE_WAIT",
    "server . 21:21 ack 12",
    "server CLOSE_WAIT > LAST_ACK",
    "server F. 21:21 ack 12",
    "client . 12:12 ack 22",
    "server LAST_ACK > CLOSE",
];

fn states(story: &[&str]) -> Vec<String> {
    story.iter().filter(|line| line.contains(" > ")).map(|&line| line.to_owned()).collect()
}

/// A client on the left and a server on the right, traced on the side of `own`.
fn check(traced: &str, address: impl Fn(&Veth) -> SocketAddr) {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let address = address(&veth);
    let port = address.port();
    let ends = Ends::between(&left, &right, address);
    let (own, interface, story, other, others_story) = match traced {
        "client" => (&left, &veth.left, CLIENTS_STORY, &right, SERVERS_STORY),
        _ => (&right, &veth.right, SERVERS_STORY, &left, CLIENTS_STORY),
    };
    let tracer = Tracer::start_confined(own, &["-p", &port.to_string()]);
    let connection = ends.open();
    let client = connection.client_address();
    send(&connection.client, 10);
    receive(&connection.server, 10);
    send(&connection.server, 20);
    receive(&connection.client, 20);
    ends.close_in_four(connection);
    let trace = tracer.stop();

    let events = trace.about(own, port);
    assert_eq!(lines_of(&events, port), story);
    let connection = Trace::only_connection(&events);
    for segment in trace.segments(own, port) {
        let from_client = line_of(segment, port).starts_with("client");
        let direction = if from_client == (traced == "client") { "out" } else { "in" };
        let ends = if from_client { (Some(client), Some(address)) } else { (Some(address), Some(client)) };
        assert_eq!(segment["direction"], direction, "{segment}");
        assert_eq!(segment["interface"], interface.as_str(), "{segment}");
        assert_eq!((endpoint(segment, "src"), endpoint(segment, "dst")), ends, "{segment}");
    }

    // The states of the other namespace are seen; its segments are not, and it is a connection of its own.
    let elsewhere = trace.states(other, port);
    assert_eq!(lines_of(&elsewhere, port), states(&others_story));
    assert_ne!(Trace::only_connection(&elsewhere), connection);
    assert_eq!(trace.of_type("segment").len(), 7);
    trace.nothing_lost();
}

#[test]
fn an_ipv4_connection_traced_beside_its_client() {
    check("client", |veth| veth.right_v4(4111));
}

#[test]
fn an_ipv4_connection_traced_beside_its_server() {
    check("server", |veth| veth.right_v4(4112));
}

#[test]
fn an_ipv6_connection_traced_beside_its_client() {
    check("client", |veth| veth.right_v6(4113));
}

#[test]
fn an_ipv6_connection_traced_beside_its_server() {
    check("server", |veth| veth.right_v6(4114));
}

#[test]
fn every_option_of_the_syns_is_shown() {
    const PORT: u16 = 4115;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let ends = Ends::between(&left, &right, veth.right_v4(PORT));
    right.sysctl("ipv4/tcp_sack", "0");
    let tracer = Tracer::start_confined(&left, &["-p", &PORT.to_string()]);
    let connection = ends.open();
    ends.close_in_three(connection);
    let trace = tracer.stop();

    let segments = trace.segments(&left, PORT);
    let option = |index: usize, name: &str| &segments[index]["options"][name];
    assert_eq!((option(0, "mss"), option(1, "mss")), (&1460.into(), &1460.into()));
    assert_eq!(option(0, "sack_permitted"), true);
    assert_ne!(option(1, "sack_permitted"), true, "the server's kernel was told not to");
    assert_eq!(option(0, "timestamp")["echo"], 0);
    assert_eq!(option(1, "timestamp")["echo"], option(0, "timestamp")["value"]);
    assert!(option(0, "window_scale").is_u64() && option(1, "window_scale").is_u64());
    for ack in &segments[2..] {
        assert_eq!((&ack["options"]["mss"], &ack["options"]["window_scale"]), (&Value::Null, &Value::Null), "{ack}");
        assert!(ack["options"]["timestamp"]["value"].is_u64(), "{ack}");
    }
}

/// Each host knows only its own socket, so only the server's host knows the cause of the server's reset. Read together, the
/// connection has that cause, whatever kinds of recordings the two hosts have made.
#[test]
fn recordings_of_two_hosts_have_the_cause_that_one_of_them_knows() {
    const PORT: u16 = 4116;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let ends = Ends::between(&left, &right, veth.right_v4(PORT));
    for (at_client, at_server) in [("a.ttr", "b.jsonl"), ("a.jsonl", "b.ttr"), ("a.ttr", "b.ttr")] {
        let folder = tempfile::tempdir().expect("a folder");
        let [at_client, at_server] = [at_client, at_server].map(|name| folder.path().join(name));
        let [client, server] = [(&left, &at_client), (&right, &at_server)].map(|(netns, path)| {
            Tracer::start(netns, &["-p", &PORT.to_string(), "--netns", "own", "-w", path.to_str().expect("UTF-8")])
        });
        let connection = ends.open();
        let address = connection.client_address();
        send(&connection.client, 10);
        receive_nothing_and_close(connection.server);
        for tracer in [&client, &server] {
            tracer.wait_for("a close", |record| is_type(record, "close"));
        }
        drop(connection.client);
        let [alone, explained] =
            [client, server].map(|tracer| text(&tracer.stop().of_type("close")[0]["reset"], "cause").to_owned());
        assert_eq!((&*alone, &*explained), ("unknown", "unread_data"));

        let mut merge = Command::new(binary());
        merge.args(["--json", "--emit", "close", "-r"]).args([&at_client, &at_server]);
        let merged = output(&mut merge);
        let closes: Vec<Value> = merged.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let closes: Vec<_> = closes.iter().filter(|record| is_type(record, "close")).collect();
        let [close] = closes[..] else { panic!("{merged}") };
        assert_eq!(close["reset"], json!({ "by": "server", "cause": "unread_data" }), "{close}");
        assert_eq!(endpoint(close, "client"), Some(address), "{close}");
        let causes: Vec<_> = close["joined"]["views"].as_array().expect("views").iter().collect();
        let causes: Vec<_> = causes.iter().map(|view| &view["reset"]["cause"]).collect();
        assert_eq!(causes, ["unknown", "unread_data"], "{close}");
        assert!(close["joined"]["round_trip_ns"].is_u64(), "{close}");
    }
}

/// Closes a socket with unread data, so that the kernel resets the connection.
#[track_caller]
fn receive_nothing_and_close(socket: std::net::TcpStream) {
    socket.peek(&mut [0]).expect("data comes");
    drop(socket);
}
