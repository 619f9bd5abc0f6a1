//! Socket metadata that the kernel reports for the resets and SYN,ACKs it sends, and for sockets that close.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};
use socket2::SockRef;
use tcptrace_tests::{Actor, Ends, Netns, Trace, Tracer, endpoint, is_type, number, receive_end, send};

fn v4(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Connects to a port without a listener.
fn refused(client: &Actor, to: SocketAddr, from: SocketAddr) {
    let error = client.connect_with(to, move |socket| socket.bind(&from.into()).expect("a free port"));
    assert_eq!(error.expect_err("it is refused").kind(), std::io::ErrorKind::ConnectionRefused);
}

/// Returns the fields of a hint that a test compares as a whole.
fn compared_fields(hint: &Value) -> Value {
    let fields = ["name", "value", "state", "queue_full"];
    fields.iter().map(|&field| (field.to_owned(), hint[field].clone())).collect::<serde_json::Map<_, _>>().into()
}

fn is_hint(record: &Value, name: &str) -> bool {
    is_type(record, "hint") && record["name"] == name
}

/// Returns the evidence in the last state of the socket at `local`.
#[track_caller]
fn evidence(trace: &Trace, netns: &Netns, local: SocketAddr, remote: SocketAddr) -> Value {
    let states = trace.states(netns, local.port());
    let mut own = states.into_iter().filter(|state| endpoint(state, "local") == Some(local));
    let close = own.find(|state| state["new"] == "CLOSE" && endpoint(state, "remote") == Some(remote));
    close.expect("the socket's end")["evidence"].clone()
}

#[test]
fn a_reset_where_nobody_listens_says_so_before_it_is_sent() {
    for (address, port) in [(IpAddr::V4(Ipv4Addr::LOCALHOST), 4501), (IpAddr::V6(Ipv6Addr::LOCALHOST), 4502)] {
        let netns = Netns::new();
        let client = Actor::new(&netns, "tt-client");
        let (to, from) = (SocketAddr::new(address, port), SocketAddr::new(address, 5501));
        let tracer = Tracer::start(&netns, &["-p", &port.to_string()]);
        refused(&client, to, from);
        tracer.wait_for("the end of the handshake", |record| is_type(record, "handshake"));
        let trace = tracer.stop();
        let hints = trace.hints(&netns, port);
        let [hint] = hints[..] else { panic!("one hint: {hints:#?}") };
        let expected = json!({ "name": "tcp_send_reset", "value": "no_socket", "state": null, "queue_full": null });
        assert_eq!(compared_fields(hint), expected, "{hint}");
        assert_eq!((endpoint(hint, "local"), endpoint(hint, "remote")), (Some(to), Some(from)), "{hint}");
        assert_eq!((number(hint, "conn"), &hint["socket"]), (1, &Value::Null), "{hint}");
        let order: Vec<_> =
            trace.records.iter().filter(|record| record["conn"] == 1).map(|record| &record["type"]).collect();
        assert_eq!(order, ["state", "segment", "hint", "segment", "state", "handshake"]);
        let [handshake] = trace.of_type("handshake")[..] else { panic!("one handshake: {:#?}", trace.records) };
        assert_eq!(handshake["reset"], json!({ "by": "server", "cause": "no_listener" }), "{handshake}");
        trace.nothing_lost();
    }
}

#[test]
fn filters_hold_for_hints_too() {
    let netns = Netns::alone();
    let client = Actor::new(&netns, "tt-client");
    let (wanted, other) = (v4(4503), v4(4504));
    for (arguments, events) in [
        (["-p", "4503"], 5),
        // The sender of the reset has this port; the socket itself has another.
        (["--local-port", "4503"], 3),
        (["--remote-port", "4503"], 4),
        (["-i", "lo"], 10),
        (["--host", "127.0.0.2"], 0),
        (["--host", "127.0.0.1/32"], 10),
    ] {
        let tracer = Tracer::start(&netns, &arguments);
        for to in [other, wanted] {
            refused(&client, to, v4(0));
        }
        netns.settle();
        let trace = tracer.stop();
        assert_eq!(number(trace.end(), "events"), events, "{arguments:?}: {:#?}", trace.records);
        let of_other = trace.hints(&netns, other.port()).len();
        assert_eq!(of_other, usize::from(events == 10), "{arguments:?}");
    }
    let tracer = Tracer::start(&netns, &["-6"]);
    refused(&client, wanted, v4(0));
    assert_eq!(number(tracer.stop().end(), "events"), 0);
}

/// Creates a listener that has room for one connection and accepts none.
fn listener_for_one(server: &Actor, at: SocketAddr) -> TcpListener {
    let listener = server.listen(at);
    SockRef::from(&listener).listen(0).expect("a listener can be given another backlog");
    listener
}

/// Drops all ACKs to `port`, so that its server completes no handshake.
fn hold_acks(netns: &Netns, port: u16) {
    netns.nft(&format!(
        "table inet t {{ chain c {{ type filter hook input priority 0; \
         tcp dport {port} tcp flags & (syn | ack | rst) == ack drop; }}; }}"
    ));
}

#[test]
fn a_syn_ack_that_is_sent_again_is_told_with_its_connection() {
    const PORT: u16 = 4505;
    let netns = Netns::new();
    let ends = Ends::on(&netns, v4(PORT));
    hold_acks(&netns, PORT);
    let tracer = Tracer::start(&netns, &["-p", "4505", "--segments", "none"]);
    let client = ends.client.connect(v4(PORT));
    let own = client.local_addr().expect("a connected socket has an address");
    tracer.wait_for("a repeated SYN,ACK", |record| is_hint(record, "tcp_retransmit_synack"));
    let trace = tracer.stop();
    let hint = trace.hints(&netns, PORT)[0];
    let expected = json!({ "name": "tcp_retransmit_synack", "value": null, "state": "LISTEN", "queue_full": null });
    assert_eq!(compared_fields(hint), expected, "{hint}");
    assert_eq!((endpoint(hint, "local"), endpoint(hint, "remote")), (Some(v4(PORT)), Some(own)), "{hint}");
    // No segment is seen: the client's states alone identify the connection.
    assert_eq!((number(hint, "conn"), &hint["netns"]), (1, &netns.inode().into()), "{hint}");
}

#[test]
fn a_listener_with_a_full_queue_that_aborts_says_so() {
    const PORT: u16 = 4506;
    let netns = Netns::new();
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    netns.sysctl("ipv4/tcp_abort_on_overflow", "1");
    let listener = listener_for_one(&server, v4(PORT));
    let tracer = Tracer::start(&netns, &["-p", "4506"]);
    // The first handshake is held before its last segment, while the second one takes the only place.
    hold_acks(&netns, PORT);
    let first: TcpStream = client.connect(v4(PORT));
    netns.nft("delete table inet t");
    let second = client.connect(v4(PORT));
    let [first_end, second_end] = [&first, &second].map(|stream| stream.local_addr().expect("an address"));
    send(&first, 1);
    tracer.wait_for("the reset", |record| is_hint(record, "tcp_send_reset"));
    server.close(listener);
    client.close(first);
    client.close(second);
    let trace = tracer.stop();
    let hints = trace.hints(&netns, PORT);
    let resets: Vec<_> = hints.into_iter().filter(|hint| is_hint(hint, "tcp_send_reset")).collect();
    let [overflow, closed] = resets[..] else { panic!("two resets: {resets:#?}") };
    assert_eq!((&overflow["state"], &overflow["queue_full"]), (&json!("LISTEN"), &json!(true)), "{overflow}");
    let overflow_ends = (endpoint(overflow, "local"), endpoint(overflow, "remote"));
    assert_eq!(overflow_ends, (Some(v4(PORT)), Some(first_end)), "{overflow}");
    // The other one was aborted together with the listener in whose queue it was.
    assert_eq!((&closed["value"], &closed["queue_full"]), (&json!("tcp_state"), &Value::Null), "{closed}");
    assert_eq!(evidence(&trace, &netns, v4(PORT), second_end), json!(["unaccepted"]));
    let of = |kind: &str, client: SocketAddr| {
        let is = |record: &&Value| is_type(record, kind) && record["client"]["port"] == client.port();
        trace.records.iter().find(is).unwrap_or_else(|| panic!("a {kind} of {client}: {:#?}", trace.records))
    };
    let broken_off = of("handshake", first_end);
    assert_eq!(broken_off["outcome"], "reset", "{broken_off}");
    assert_eq!(broken_off["reset"], json!({ "by": "server", "cause": "overflow" }), "{broken_off}");
    let closed_with = of("close", second_end);
    assert_eq!(closed_with["reset"], json!({ "by": "server", "cause": "listener_closed" }), "{closed_with}");
    trace.nothing_lost();
}

#[test]
fn what_was_accepted_is_told_from_what_was_not() {
    const PORT: u16 = 4507;
    let netns = Netns::new();
    let ends = Ends::on(&netns, v4(PORT));
    let tracer = Tracer::start(&netns, &["-p", "4507"]);
    let lingers = ends.open();
    SockRef::from(&lingers.server).set_linger(Some(Duration::ZERO)).expect("a socket can linger");
    let unread = ends.open();
    send(&unread.client, 1);
    unread.server.peek(&mut [0; 1]).expect("the byte arrives");
    // The other end's FIN occupies a sequence number that has not been read, but it is not data.
    let fin = ends.open();
    SockRef::from(&fin.server).set_linger(Some(Duration::ZERO)).expect("a socket can linger");
    let ended = [&lingers, &unread, &fin].map(tcptrace_tests::Connection::client_address);
    ends.client.close(fin.client);
    tracer.wait_state("CLOSE_WAIT", v4(PORT), ended[2]);
    ends.server.close(fin.server);
    ends.server.close(lingers.server);
    ends.server.close(unread.server);
    let orderly = ends.open();
    let orderly_end = orderly.client_address();
    ends.close_in_four(orderly);
    let waiting = ends.client.connect(v4(PORT));
    let waiting_end = waiting.local_addr().expect("a connected socket has an address");
    tracer.wait_state("ESTABLISHED", v4(PORT), waiting_end);
    ends.server.close(ends.listener);
    tracer.wait_state("CLOSE", v4(PORT), waiting_end);
    let trace = tracer.stop();
    let found = ended.map(|client| evidence(&trace, &netns, v4(PORT), client));
    assert_eq!(found, [json!(["linger"]), json!(["unread"]), json!(["linger"])]);
    assert_eq!(evidence(&trace, &netns, v4(PORT), orderly_end), Value::Null);
    assert_eq!(evidence(&trace, &netns, v4(PORT), waiting_end), json!(["unaccepted"]));
}

#[test]
fn data_for_a_socket_that_is_gone_is_answered_from_time_wait() {
    const PORT: u16 = 4508;
    let netns = Netns::new();
    let ends = Ends::on(&netns, v4(PORT));
    let tracer = Tracer::start(&netns, &["-p", "4508"]);
    let connection = ends.open();
    ends.server.close(connection.server);
    receive_end(&connection.client);
    // Replaced in FIN_WAIT2: the kernel keeps less than a socket, and no more may be read from it.
    tracer.wait_for("the server's end", |record| record["old"] == "FIN_WAIT2" && record["new"] == "CLOSE");
    send(&connection.client, 1);
    tracer.wait_for("the reset", |record| is_hint(record, "tcp_send_reset"));
    let trace = tracer.stop();
    let hint = trace.hints(&netns, PORT)[0];
    let expected =
        json!({ "name": "tcp_send_reset", "value": "tcp_timewait_socket", "state": "TIME_WAIT", "queue_full": null });
    assert_eq!(compared_fields(hint), expected, "{hint}");
    assert_eq!((&hint["conn"], &hint["netns"]), (&json!(1), &netns.inode().into()), "{hint}");
    drop(connection.client);
}
