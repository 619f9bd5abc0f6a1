//! Segments of an open connection that this host drops: the stall and the time-out name who does it.

use socket2::SockRef;
use tcptrace_tests::{Connection, Ends, LIMIT, eventually, receive, send};

use super::*;

fn start_dropping(netns: &Netns, hook: &str, rule: &str) {
    netns.nft(&format!(
        "add table ip later; add chain ip later c {{ type filter hook {hook} priority 0; }}; add rule ip later c {rule} drop"
    ));
}

/// Exchanges a byte on a new connection.
fn opened(ends: &Ends) -> Connection {
    let connection = ends.open();
    send(&connection.client, 1);
    receive(&connection.server, 1);
    connection
}

/// The rule of a firewall comes in mid-life; returns the stall and the close.
fn check_time_out(hook: &str, at: u16) -> (Value, Value) {
    let netns = Netns::new();
    let ends = Ends::on(&netns, (Ipv4Addr::LOCALHOST, at).into());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.ttr");
    let tracer = start(&netns, at, &["-w", path.to_str().expect("UTF-8")]);
    let connection = opened(&ends);
    start_dropping(&netns, hook, &format!("tcp sport {}", connection.client_address().port()));
    send(&connection.client, 100);
    tracer.wait_for("a stall", |record| is_type(record, "stalled") && !record["dropped_segments"].is_null());
    // It gives up at the next retransmission.
    let patience = Some(Duration::from_secs(1));
    SockRef::from(&connection.client).set_tcp_user_timeout(patience).expect("a socket has that option");
    let port = connection.client_address().port();
    eventually("the client's time-out", LIMIT, || ends.client.socket_state(port, at).is_none());
    ends.client.close(connection.client);
    let trace = tracer.stop();
    drop(connection.server);

    let close = trace.of_type("close").pop().expect("a close").clone();
    let stalled = trace
        .of_type("stalled")
        .into_iter()
        .find(|record| !record["dropped_segments"].is_null())
        .expect("a stall")
        .clone();
    let read = output(Command::new(binary()).arg("-r").arg(&path).arg("--json"));
    let read: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(read.contains(&close) && read.contains(&stalled), "the recording says the same: {read:#?}");
    let text = output(Command::new(binary()).arg("-r").arg(&path).env("LC_ALL", "C.UTF-8").env("COLUMNS", "200"));
    let advice =
        "look at: `nft list ruleset` in each network namespace of this host that it passes: a rule drops the client's";
    assert!(text.contains(advice) && !text.contains("the network"), "{text}");
    (stalled, close)
}

fn assert_named(record: &Value) {
    let dropped = &record["dropped_segments"];
    assert_eq!((&dropped["sender"], &dropped["reason"]), (&json!("client"), &json!("NETFILTER_DROP")), "{record}");
    assert!(number(dropped, "segments") >= 2, "{record}");
    assert!(text(record, "summary").contains("; netfilter on this host dropped "), "{record}");
}

#[test]
fn data_that_a_firewall_drops_as_it_comes_in_times_out_because_of_that() {
    let (stalled, close) = check_time_out("input", 4985);
    assert_named(&stalled);
    assert_named(&close);
    assert_eq!((&stalled["turn"], &close["kind"]), (&json!("network"), &json!("timed_out")));
}

#[test]
fn data_that_a_firewall_drops_as_it_goes_out_times_out_because_of_that() {
    let (stalled, close) = check_time_out("output", 4986);
    assert_named(&stalled);
    assert_named(&close);
    assert_eq!((&close["kind"], &close["gave_up"]), (&json!("timed_out"), &json!("client")));
}

#[test]
fn a_fin_that_a_firewall_drops_as_it_goes_out_is_not_said_to_wait_behind_data() {
    let netns = Netns::new();
    let ends = Ends::on(&netns, (Ipv4Addr::LOCALHOST, 4987).into());
    let tracer = start(&netns, 4987, &[]);
    let connection = opened(&ends);
    start_dropping(&netns, "output", &format!("tcp sport {}", connection.client_address().port()));
    ends.client.close(connection.client);
    tracer.wait_for("a stall", |record| is_type(record, "stalled"));
    let trace = tracer.stop();
    let stalled = trace.of_type("stalled")[0];
    let words = "the client closed its side, but its FIN was not seen to leave; netfilter on this host dropped ";
    assert!(text(stalled, "summary").starts_with(words), "{stalled}");
    let [close] = trace.of_type("close")[..] else { panic!("one close: {:#?}", trace.records) };
    assert_eq!((&close["kind"], &close["initiator"]), (&json!("unfinished"), &json!("client")));
    let words = "unfinished: the client has closed its side, but its FIN was not seen to leave; tracing stopped first";
    assert!(text(close, "summary").starts_with(words), "{close}");
    assert_named(close);
}

/// The router's errors do not end the socket; its timers give up later, with the error that the last of them has left.
#[test]
fn an_open_connection_whose_router_rejects_it_times_out_because_of_that() {
    let routed = Routed::new();
    let server = routed.router.another();
    let beyond = Veth::between(&routed.router, &server, 1);
    server.ip(&["route", "add", "default", "via", &beyond.left_v4(0).ip().to_string()]);
    let at = beyond.right_v4(4991);
    let ends = Ends::between(&routed.client, &server, at);
    let tracer = start(&routed.client, 4991, &[]);
    let connection = opened(&ends);
    let patience = Some(Duration::from_secs(1));
    SockRef::from(&connection.client).set_tcp_user_timeout(patience).expect("a socket has that option");
    routed.router.ip(&["route", "add", "prohibit", &at.ip().to_string()]);
    send(&connection.client, 100);
    let port = connection.client_address().port();
    eventually("the client's time-out", LIMIT, || ends.client.socket_state(port, 4991).is_none());
    let trace = tracer.stop();
    drop(connection);
    let [close] = trace.of_type("close")[..] else { panic!("one close: {:#?}", trace.records) };
    assert_eq!((&close["kind"], &close["gave_up"]), (&json!("timed_out"), &json!("client")), "{close}");
    let router = routed.cable.right_v4(0).ip();
    let kind = "communication administratively prohibited";
    let icmp = json!({ "from": router, "kind": kind, "icmp_type": 3, "icmp_code": 13 });
    // The server's socket is still open, and nothing of it is missing.
    assert_eq!((&close["icmp"], &close["missing"], &close["severity"]), (&icmp, &json!([]), &json!("failed")));
    let words = format!(
        "timed out: what was sent was not acknowledged in time (EHOSTUNREACH); an ICMP error had come from {router}: {kind}"
    );
    assert!(text(close, "summary").starts_with(&words), "{close}");
}

#[test]
fn an_open_connection_that_a_router_stops_forwarding_stalls() {
    let routed = Routed::new();
    let server = routed.router.another();
    let beyond = Veth::between(&routed.router, &server, 1);
    server.ip(&["route", "add", "default", "via", &beyond.left_v4(0).ip().to_string()]);
    let ends = Ends::between(&routed.client, &server, beyond.right_v4(4988));
    let tracer = start(&routed.router, 4988, &[]);
    let connection = opened(&ends);
    start_dropping(&routed.router, "forward", "tcp dport 4988");
    send(&connection.client, 50);
    tracer.wait_for("a stall", |record| is_type(record, "stalled"));
    let trace = tracer.stop();
    let stalled = trace.of_type("stalled")[0];
    assert_named(stalled);
    assert_eq!((&stalled["waiting_for"], &stalled["turn"]), (&json!("data_ack"), &json!("network")), "{stalled}");
    assert!(text(stalled, "summary").starts_with("a segment of the client was sent "), "{stalled}");
}

#[test]
fn what_is_answered_although_it_is_old_was_not_dropped() {
    let netns = Netns::new();
    let ends = Ends::on(&netns, (Ipv4Addr::LOCALHOST, 4989).into());
    let tracer = start(&netns, 4989, &["--segments", "all"]);
    let connection = opened(&ends);
    let often = socket2::TcpKeepalive::new().with_time(Duration::from_secs(1)).with_interval(Duration::from_secs(1));
    SockRef::from(&connection.client).set_tcp_keepalive(&often).expect("a socket can ask");
    tracer.wait_for("an answer to a probe", |record| record["note"] == "keep_alive_answer");
    let trace = tracer.stop();
    drop(connection);
    assert_eq!(trace.of_type("drop"), Vec::<&Value>::new());
}

#[test]
fn the_last_ack_of_a_handshake_is_dropped_and_not_the_syn_ack_that_it_answers() {
    let netns = Netns::new();
    let ends = Ends::on(&netns, (Ipv4Addr::LOCALHOST, 4990).into());
    start_dropping(&netns, "input", "tcp dport 4990 tcp flags & (syn | ack) == ack");
    let tracer = start(&netns, 4990, &[]);
    let connected = ends.client.connect(ends.address);
    tracer
        .wait_for("a SYN,ACK that is sent again", |record| record["flags"] == "S." && record["retransmission"] == true);
    tracer.wait_for("a stall", |record| is_type(record, "stalled") && !record["dropped_segments"].is_null());
    let trace = tracer.stop();
    drop(connected);
    let handshake = only_handshake(&trace);
    assert_eq!((&handshake["outcome"], &handshake["dropped"]), (&json!("unanswered"), &Value::Null), "{handshake}");
    assert_named(handshake);
}
