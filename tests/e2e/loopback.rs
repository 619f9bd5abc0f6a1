//! A connection over loopback, with both ends on this host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::Value;
use tcptrace_tests::{
    Actor, Ends, Netns, Trace, Tracer, endpoint, is_type, line_of, lines_of, number, process_name, receive, send,
};

/// The expected events, in order, when the client closes first and the server a while later.
const STORY: [&str; 17] = [
    "client CLOSE > SYN_SENT",
    "client S 0:0",
    "server S. 0:0 ack 1",
    "client SYN_SENT > ESTABLISHED",
    "client . 1:1 ack 1",
    "server LISTEN > SYN_RECV",
    "server SYN_RECV > ESTABLISHED",
    "client ESTABLISHED > FIN_WAIT1",
    "client F. 34:34 ack 30",
    "server ESTABLISHED > CLOSE_WAIT",
    "server . 30:30 ack 35",
    "client FIN_WAIT1 > FIN_WAIT2",
    "client FIN_WAIT2 > CLOSE",
    "server CLOSE_WAIT > LAST_ACK",
    "server F. 30:30 ack 35",
    "client . 35:35 ack 31",
    "server LAST_ACK > CLOSE",
];

/// Exchanges bytes between both ends, and closes in four segments.
fn exchange(ends: &Ends) -> (SocketAddr, SocketAddr) {
    let connection = ends.open();
    let addresses = (connection.client_address(), connection.server_address());
    send(&connection.client, 33);
    receive(&connection.server, 33);
    send(&connection.server, 29);
    receive(&connection.client, 29);
    ends.close_in_four(connection);
    addresses
}

/// Traces [`exchange`] with a client of `client_ip` and a listener at `listen`, and checks the whole trace.
fn check(client_ip: IpAddr, listen: SocketAddr) {
    let netns = Netns::new();
    let port = listen.port();
    let ends = Ends { address: SocketAddr::new(client_ip, port), ..Ends::on(&netns, listen) };
    let tracer = Tracer::start(&netns, &["-p", &port.to_string()]);
    let (client, server) = exchange(&ends);
    let trace = tracer.stop();

    let events = trace.about(&netns, port);
    assert_eq!(lines_of(&events, port), STORY);
    assert_eq!(Trace::only_connection(&events), 1);
    // The owner of the listener may be reported, too.
    let records = trace.records.len() - trace.of_type("owner").len();
    assert_eq!(records, STORY.len() + 4, "start, these, handshake, close, end: {:#?}", trace.records);
    trace.nothing_lost();
    let end = ["connections", "open", "evicted", "events"].map(|field| number(trace.end(), field));
    assert_eq!(end, [1, 0, 0, 17]);

    for record in events {
        let from_client = line_of(record, port).starts_with("client");
        let ends = if from_client { (Some(client), Some(server)) } else { (Some(server), Some(client)) };
        if is_type(record, "state") {
            assert_eq!((endpoint(record, "local"), endpoint(record, "remote")), ends, "{record}");
            assert_eq!(record["netns"], netns.inode(), "{record}");
            assert_eq!(record["error"], Value::Null, "{record}");
        } else {
            assert_eq!((endpoint(record, "src"), endpoint(record, "dst")), ends, "{record}");
            assert_eq!((&record["interface"], &record["direction"]), (&"lo".into(), &"out".into()), "{record}");
        }
    }
}

#[test]
fn an_ipv4_connection_shows_ten_state_changes_and_seven_segments_in_kernel_order() {
    check(Ipv4Addr::LOCALHOST.into(), SocketAddr::from((Ipv4Addr::LOCALHOST, 4101)));
}

#[test]
fn an_ipv6_connection_shows_the_same() {
    check(Ipv6Addr::LOCALHOST.into(), SocketAddr::from((Ipv6Addr::LOCALHOST, 4102)));
}

#[test]
fn an_ipv4_client_of_a_dual_stack_listener_shows_ipv4_at_both_ends() {
    check(Ipv4Addr::LOCALHOST.into(), SocketAddr::from((Ipv6Addr::UNSPECIFIED, 4103)));
}

#[test]
fn a_process_is_named_where_the_change_runs_in_its_context_and_nowhere_else() {
    const PORT: u16 = 4104;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "--segments", "none"]);
    exchange(&ends);
    let trace = tracer.stop();

    let owner = |record: &Value| {
        if record["pid"].is_null() {
            assert_eq!((&record["tid"], &record["comm"]), (&Value::Null, &Value::Null), "{record}");
            return "nobody".to_owned();
        }
        let actor = [&ends.client, &ends.server].into_iter().find(|actor| record["tid"] == actor.tid());
        assert_eq!(record["pid"], std::process::id(), "{record}");
        assert_eq!(record["comm"], process_name(), "{record}");
        assert_eq!(record["thread"], actor.expect("the thread of an end").name(), "{record}");
        record["thread"].as_str().expect("a name").to_owned()
    };
    let states = trace.states(&netns, PORT);
    let owners: Vec<_> = states.iter().map(|state| format!("{}: {}", line_of(state, PORT), owner(state))).collect();
    assert_eq!(
        owners,
        [
            "client CLOSE > SYN_SENT: tt-client",
            "client SYN_SENT > ESTABLISHED: nobody",
            "server LISTEN > SYN_RECV: nobody",
            "server SYN_RECV > ESTABLISHED: nobody",
            "client ESTABLISHED > FIN_WAIT1: tt-client",
            "server ESTABLISHED > CLOSE_WAIT: nobody",
            "client FIN_WAIT1 > FIN_WAIT2: nobody",
            "client FIN_WAIT2 > CLOSE: nobody",
            "server CLOSE_WAIT > LAST_ACK: tt-server",
            "server LAST_ACK > CLOSE: nobody",
        ]
    );
}

#[test]
fn each_socket_has_a_small_number_and_the_time_spent_in_every_state() {
    const PORT: u16 = 4105;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "--segments", "none"]);
    exchange(&ends);
    let trace = tracer.stop();

    let mut numbers = Vec::new();
    for role in ["client", "server"] {
        let states: Vec<_> = trace.states(&netns, PORT).into_iter().filter(|state| state["role"] == role).collect();
        let socket = number(states[0], "socket");
        assert!(socket < 1000, "{}", states[0]);
        assert!(states.iter().all(|state| state["socket"] == socket), "{states:#?}");
        assert_eq!(states[0]["old_state_ns"], Value::Null, "its beginning was not seen");
        for pair in states.windows(2) {
            assert_eq!(pair[0]["new"], pair[1]["old"]);
            let spent = number(pair[1], "boot_ns").saturating_sub(number(pair[0], "boot_ns"));
            assert_eq!(number(pair[1], "old_state_ns"), spent, "{pair:#?}");
        }
        numbers.push(socket);
    }
    assert_ne!(numbers[0], numbers[1]);
}

#[test]
fn a_listener_belongs_to_no_connection() {
    const PORT: u16 = 4106;
    let netns = Netns::new();
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string()]);
    let server = Actor::new(&netns, "tt-server");
    server.close(server.listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT))));
    let trace = tracer.stop();

    let states = trace.states(&netns, PORT);
    assert_eq!(lines_of(&states, PORT), ["listener CLOSE > LISTEN", "listener LISTEN > CLOSE"]);
    for state in states {
        assert_eq!(state["local"]["addr"], "::");
        assert_eq!(state["remote"], Value::Null);
        assert_eq!((&state["pid"], &state["comm"]), (&std::process::id().into(), &process_name().into()));
        assert_eq!(state["thread"], "tt-server");
    }
    assert_eq!(number(trace.end(), "connections"), 0);
}

#[test]
fn connections_one_after_the_other_are_numbered_in_their_order() {
    const PORT: u16 = 4107;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string()]);
    // Two uses of one four-tuple in succession are two connections.
    let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 5107));
    for round in 1..=2 {
        let client = ends.client.connect_from(from, ends.address);
        let server = ends.server.accept(&ends.listener);
        // The server closes first and holds TIME_WAIT; a SYN with a higher ISN or a later timestamp may reuse it.
        let closing = ends.client.start_close_at_end(client);
        ends.server.close(server);
        closing.finish();
        tracer.wait_until("both sockets in CLOSE", |records| {
            records.iter().filter(|record| record["new"] == "CLOSE").count() == 2 * round
        });
    }
    let trace = tracer.stop();

    let events = trace.about(&netns, PORT);
    let numbers: Vec<_> = events.iter().map(|event| number(event, "conn")).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    let of = |wanted| {
        let own: Vec<_> = events.iter().copied().filter(|event| number(event, "conn") == wanted).collect();
        // On a busy machine the FIN may be acknowledged before the client sends its own.
        let mut lines = lines_of(&own, PORT);
        lines.retain(|line| line != "client . 1:1 ack 2");
        // The last ACK is sent by the socket or by its remnant in TIME_WAIT: the FIN may come while close() still runs.
        lines.sort_unstable();
        lines
    };
    let (first, second) = (of(1), of(2));
    assert_eq!((first.len(), &first), (10 + 6, &second), "{events:#?}");
}
