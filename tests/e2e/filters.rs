//! Filters: events that do not match never reach user space. The tests count `end.events`, the records taken from the ring
//! buffer, instead of lines on stdout.

mod addresses;
mod interfaces;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};
use socket2::SockRef;
use tcptrace_tests::{Connection, Ends, Netns, Trace, Tracer, Veth, endpoint, is_type, lines_of, number};

/// Number of connections that do not match, beside the one that does. Tests with them run alone: the kernel skips a program
/// that an interrupt hits in the middle of itself, so one test's noise would be another one's loss.
const NOISE: usize = 50;

/// State changes and segments of a connection over loopback that closes in four segments.
const WHOLE: usize = 10 + 7;

const CLIENTS_STATES: [&str; 5] = [
    "client CLOSE > SYN_SENT",
    "client SYN_SENT > ESTABLISHED",
    "client ESTABLISHED > FIN_WAIT1",
    "client FIN_WAIT1 > FIN_WAIT2",
    "client FIN_WAIT2 > CLOSE",
];

const SERVERS_STATES: [&str; 5] = [
    "server LISTEN > SYN_RECV",
    "server SYN_RECV > ESTABLISHED",
    "server ESTABLISHED > CLOSE_WAIT",
    "server CLOSE_WAIT > LAST_ACK",
    "server LAST_ACK > CLOSE",
];

const SEGMENTS: [&str; 7] = [
    "client S 0:0",
    "server S. 0:0 ack 1",
    "client . 1:1 ack 1",
    "client F. 1:1 ack 1",
    "server . 1:1 ack 2",
    "server F. 1:1 ack 2",
    "client . 2:2 ack 2",
];

fn v4(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Returns the number of events taken from the ring buffer.
fn taken(trace: &Trace) -> usize {
    usize::try_from(number(trace.end(), "events")).expect("a small number")
}

/// Asserts that the ring buffer held `expected` events and no other, all of them about `port`.
#[track_caller]
fn only(trace: &Trace, netns: &Netns, port: u16, expected: usize) {
    let events = trace.about(netns, port);
    assert_eq!(events.len(), expected, "{:#?}", lines_of(&events, port));
    assert_eq!(
        taken(trace),
        expected,
        "events were taken from the ring that are not among these: {:#?}",
        trace.records
    );
    trace.nothing_lost();
}

#[track_caller]
fn states(trace: &Trace, netns: &Netns, port: u16) -> Vec<String> {
    lines_of(&trace.states(netns, port), port)
}

#[track_caller]
fn segments(trace: &Trace, netns: &Netns, port: u16) -> Vec<String> {
    lines_of(&trace.segments(netns, port), port)
}

#[test]
fn port_keeps_both_sockets_and_the_segments_of_its_connections() {
    let netns = Netns::alone();
    let (wanted, other) = (Ends::on(&netns, v4(4201)), Ends::on(&netns, v4(4202)));
    let tracer = Tracer::start(&netns, &["-p", "4201"]);
    other.churn(NOISE);
    wanted.repeat(1);
    other.churn(NOISE);
    let trace = tracer.stop();
    only(&trace, &netns, 4201, WHOLE);
    assert_eq!(segments(&trace, &netns, 4201), SEGMENTS);
}

#[test]
fn port_takes_lists_and_ranges_and_may_be_repeated() {
    let netns = Netns::new();
    let ends: Vec<_> = (4203..4210).map(|port| Ends::on(&netns, v4(port))).collect();
    let tracer = Tracer::start(&netns, &["-p", "4203,4205-4206", "--port", "4208"]);
    for ends in &ends {
        ends.repeat(2);
    }
    let trace = tracer.stop();
    let counts: Vec<_> = (4203..4210).map(|port| trace.about(&netns, port).len()).collect();
    assert_eq!(counts, [2 * WHOLE, 0, 2 * WHOLE, 2 * WHOLE, 0, 2 * WHOLE, 0]);
    assert_eq!(taken(&trace), 8 * WHOLE);
}

#[test]
fn local_port_of_a_listener_keeps_its_sockets_alone() {
    const PORT: u16 = 4211;
    let netns = Netns::alone();
    let (wanted, other) = (Ends::on(&netns, v4(PORT)), Ends::on(&netns, v4(4212)));
    let tracer = Tracer::start(&netns, &["--local-port", "4211"]);
    other.churn(NOISE);
    wanted.repeat(1);
    let trace = tracer.stop();
    // On loopback either end of a segment is local.
    only(&trace, &netns, PORT, 5 + 7);
    assert_eq!(states(&trace, &netns, PORT), SERVERS_STATES);
    assert_eq!(segments(&trace, &netns, PORT), SEGMENTS);
}

#[test]
fn local_port_that_a_client_bound_shows_its_active_open_with_the_port() {
    let netns = Netns::alone();
    let ends = Ends::on(&netns, v4(4213));
    let tracer = Tracer::start(&netns, &["--local-port", "5213"]);
    ends.churn(NOISE);
    let client = ends.client.connect_from(v4(5213), v4(4213));
    check_active_open(&netns, &ends, tracer, client);
}

#[test]
fn local_port_that_the_kernel_chose_shows_its_active_open_with_the_port() {
    let netns = Netns::alone();
    let ends = Ends::on(&netns, v4(4214));
    let tracer = Tracer::start(&netns, &["--local-port", "5214"]);
    ends.churn(NOISE);
    // The kernel has a single port to choose from; at SYN_SENT it has not chosen it yet.
    netns.sysctl("ipv4/ip_local_port_range", "5214 5214");
    let client = ends.client.connect(v4(4214));
    check_active_open(&netns, &ends, tracer, client);
}

/// Plays the rest of a connection of which only the client's port is wanted. SYN_SENTs that do not get that port stay in the
/// kernel.
fn check_active_open(netns: &Netns, ends: &Ends, tracer: Tracer, client: TcpStream) {
    let connection = Connection { client, server: ends.server.accept(&ends.listener) };
    let (client, server) = (connection.client_address(), connection.server_address());
    ends.close_in_four(connection);
    let trace = tracer.stop();
    only(&trace, netns, client.port(), 5 + 7);
    assert_eq!(states(&trace, netns, server.port()), CLIENTS_STATES);
    assert_eq!(segments(&trace, netns, server.port()), SEGMENTS);
    let own = trace.states(netns, client.port());
    assert!(own.iter().all(|state| endpoint(state, "local") == Some(client)), "{own:#?}");
}

#[test]
fn remote_port_keeps_the_clients_of_a_server_alone() {
    const PORT: u16 = 4215;
    let netns = Netns::alone();
    let (wanted, other) = (Ends::on(&netns, v4(PORT)), Ends::on(&netns, v4(4216)));
    let tracer = Tracer::start(&netns, &["--remote-port", "4215"]);
    other.churn(NOISE);
    wanted.repeat(1);
    let trace = tracer.stop();
    only(&trace, &netns, PORT, 5 + 7);
    assert_eq!(states(&trace, &netns, PORT), CLIENTS_STATES);
    assert_eq!(segments(&trace, &netns, PORT), SEGMENTS);
}

#[test]
fn the_local_end_of_a_segment_depends_on_its_direction() {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let (by_local, by_remote) = (Ends::between(&left, &right, veth.right_v4(4217)), veth.right_v4(4218));
    let by_remote = Ends::between(&left, &right, by_remote);
    let tracer = Tracer::start_confined(&left, &["--local-port", "4217"]);
    by_local.repeat(2);
    let trace = tracer.stop();
    // In the client's namespace 4217 is always the remote port; the server's sockets are in the other one.
    assert_eq!(trace.of_type("segment").len(), 0);
    assert_eq!(states(&trace, &left, 4217), Vec::<String>::new());
    assert_eq!(states(&trace, &right, 4217), [SERVERS_STATES, SERVERS_STATES].concat());

    let tracer = Tracer::start(&left, &["--remote-port", "4218"]);
    by_remote.repeat(1);
    let trace = tracer.stop();
    only(&trace, &left, 4218, 5 + 7);
    assert_eq!(segments(&trace, &left, 4218), SEGMENTS);
}

#[test]
fn an_end_whose_states_are_left_out_is_not_awaited() {
    const PORT: u16 = 4226;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let by_port = (Ends::on(&left, v4(PORT)), &["--remote-port", "4226"][..]);
    let by_netns = (Ends::between(&left, &right, veth.right_v4(PORT)), &["--netns", "own"][..]);
    for (ends, arguments) in [by_port, by_netns] {
        let tracer = Tracer::start(&left, arguments);
        let connection = ends.open();
        let established = |record: &Value| is_type(record, "handshake") && record["outcome"] == "established";
        tracer.wait_until("a handshake", |records| records.iter().any(established));
        SockRef::from(&connection.client).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
        ends.client.close(connection.client);
        tracer.wait_until("a close", |records| records.iter().any(|record| is_type(record, "close")));
        let trace = tracer.stop();
        let close = trace.only_verdicts(&left).close.expect("a close");
        let told = json!([close["kind"], close["reset"]]);
        assert_eq!(told, json!(["reset", { "by": "client", "cause": "linger" }]), "{close:#}");
        ends.server.close(connection.server);
    }
}
