//! Other protocols that use the same tracepoint, or the same interfaces: MPTCP and SCTP.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::Command,
};

use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};
use tcptrace_tests::{
    Actor, Connection, Ends, Netns, RawSender, TRAFFIC_LIMIT, Tcpdump, Tracer, Veth, assert_record, binary, but,
    endpoint, eventually, lines_of, output, receive, receive_end, send, tcp_packet, text,
};

use super::{DOWN, Plain, SEGMENTS, UP, exchange, only_verdicts, start, wait_verdicts};

fn mptcp_socket() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP)).expect("this kernel has MPTCP");
    for set in [Socket::set_read_timeout, Socket::set_write_timeout] {
        set(&socket, Some(TRAFFIC_LIMIT)).expect("a socket can have a time-out");
    }
    socket
}

fn mptcp_listener(server: &Actor, at: SocketAddr) -> TcpListener {
    server.run(move || {
        let socket = mptcp_socket();
        socket.bind(&at.into()).expect("a free port");
        socket.listen(16).expect("a bound socket can listen");
        socket.into()
    })
}

fn mptcp_client(client: &Actor, to: SocketAddr) -> TcpStream {
    client.run(move || {
        let socket = mptcp_socket();
        socket.connect(&to.into()).expect("the server listens");
        socket.into()
    })
}

/// MPTCP's own FINs are options; its workers decide when the subflows close, and which end is first.
const ORDINARY: [&str; 3] = ["three_segment", "four_segment", "simultaneous"];

#[test]
fn a_subflow_is_a_connection_and_the_mptcp_socket_above_it_is_none() {
    const PORT: u16 = 4830;
    let netns = Netns::new();
    let tracer = start(&netns, &[PORT]);
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let listener = mptcp_listener(&server, address);
    let stream = mptcp_client(&client, address);
    let connection = Connection { client: stream, server: server.accept(&listener) };
    let from = connection.client_address();
    send(&connection.client, UP);
    receive(&connection.server, UP);
    send(&connection.server, DOWN);
    receive(&connection.client, DOWN);
    client.close(connection.client);
    receive_end(&connection.server);
    server.close(connection.server);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    drop(listener);
    let verdicts = only_verdicts(&trace, &netns);
    let plain = Plain::new(&netns, from, address);
    assert_record(verdicts.handshake, &plain.handshake());
    let close = verdicts.close.expect("a close");
    assert!(ORDINARY.contains(&text(close, "kind")), "{close}");
    assert_eq!(close["bytes"], json!({ "client_to_server": UP, "server_to_client": DOWN }), "{close}");
    assert_eq!((&close["incomplete"], &close["reset"]), (&json!(false), &json!(null)), "{close}");
}

#[test]
fn its_options_read_as_in_tcpdump() {
    const PORT: u16 = 4833;
    let netns = Netns::new();
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join("trace.jsonl");
    let written = recording.to_str().expect("UTF-8");
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "--segments", "all", "-w", written]);
    let tcpdump = Tcpdump::start(&netns, "lo", &format!("tcp port {PORT}"));
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let listener = mptcp_listener(&server, address);
    let stream = mptcp_client(&client, address);
    let connection = Connection { client: stream, server: server.accept(&listener) };
    send(&connection.client, UP);
    receive(&connection.server, UP);
    send(&connection.server, DOWN);
    receive(&connection.client, DOWN);
    client.close(connection.client);
    receive_end(&connection.server);
    server.close(connection.server);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    drop(listener);

    let segments = trace.segments(&netns, PORT);
    let keys = |segment: &&Value| segment["options"]["mptcp_options"][0]["keys"].as_u64();
    assert_eq!(segments.iter().take(3).map(keys).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)], "{segments:#?}");
    let is_dss = |segment: &&Value| segment["options"]["mptcp_options"][0]["subtype"] == "dss";
    assert!(segments.iter().any(is_dss), "{segments:#?}");
    let events = output(Command::new(binary()).arg("-r").arg(&recording).args(["-o", "events", "--segments", "all"]));
    let ours = options(events.lines());
    let theirs = tcpdump.finish_text(segments.len());
    let mut theirs = options(theirs.iter().map(String::as_str));
    assert_eq!(ours.len(), segments.len());
    for option in ours {
        let place = theirs.iter().position(|theirs| *theirs == option);
        theirs.remove(place.unwrap_or_else(|| panic!("tcpdump has no {option}: {theirs:#?}")));
    }
}

/// Returns the options in each line, without the two details of MP_CAPABLE that only newer versions of tcpdump show.
fn options<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let within = |line: &'a str| Some(line.split_once("options [")?.1.rsplit_once("], length")?.0);
    let without = |text: &str, begins: &str, ends: &[char]| match text.split_once(begins) {
        Some((before, behind)) => format!("{before}{}", &behind[behind.find(ends).expect("an end")..]),
        None => text.to_owned(),
    };
    let older = |text: &str| without(&without(text, " flags [", &[']']), ",data_len=", &['}']).replace("]", "");
    lines.filter_map(within).map(older).collect()
}

#[test]
fn a_subflow_that_the_kernel_opens_itself_has_no_process() {
    const PORT: u16 = 4831;
    let (left, right) = (Netns::new(), Netns::new());
    let veths = [Veth::between(&left, &right, 0), Veth::between(&left, &right, 1)];
    for netns in [&left, &right] {
        netns.ip(&["mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "2"]);
    }
    let second = veths[1].left_v4(0).ip();
    left.ip(&["mptcp", "endpoint", "add", &second.to_string(), "dev", &veths[1].left, "subflow"]);
    // For the second route to the same address.
    right.sysctl("ipv4/conf/all/rp_filter", "0");
    left.ip(&["rule", "add", "from", &second.to_string(), "table", "7"]);
    let via = veths[1].right_v4(0).ip().to_string();
    left.ip(&["route", "add", "default", "via", &via, "dev", &veths[1].left, "table", "7"]);
    let tracer = start(&left, &[PORT]);
    let (client, server) = (Actor::new(&left, "tt-client"), Actor::new(&right, "tt-server"));
    let address = veths[0].right_v4(PORT);
    let listener = mptcp_listener(&server, address);
    let stream = mptcp_client(&client, address);
    let connection = Connection { client: stream, server: server.accept(&listener) };
    send(&connection.client, UP);
    receive(&connection.server, UP);
    wait_verdicts(&tracer, &left, 2, 0);
    let trace = tracer.stop();
    drop((connection, listener));
    let verdicts = trace.verdicts(&left);
    let joined: Vec<_> = verdicts
        .iter()
        .filter(|verdicts| endpoint(verdicts.handshake, "client").map(|end| end.ip()) == Some(second))
        .collect();
    let [joined] = joined.as_slice() else { panic!("one subflow from {second}: {verdicts:#?}") };
    let client = endpoint(joined.handshake, "client").expect("an endpoint");
    let plain = Plain { here: (true, false), ..Plain::new(&left, client, address) };
    let is_of_it =
        |segment: &&Value| ["src", "dst"].iter().any(|end| segment[end]["addr"] == json!(second.to_string()));
    let opening: Vec<_> = trace.segments(&left, PORT).into_iter().filter(is_of_it).collect();
    let [syn, synack, ack, ..] = opening.as_slice() else { panic!("three segments: {opening:#?}") };
    let read = |segment: &Value| {
        let option = &segment["options"]["mptcp_options"][0];
        let is_number = |field: &str| option[field].is_u64();
        assert_eq!((&segment["options"]["mptcp"], &option["subtype"]), (&json!(1), &json!("mp_join")), "{segment}");
        (option["backup"].clone(), ["address_id", "token", "nonce"].map(is_number))
    };
    assert_eq!(read(syn), (json!(false), [true, true, true]), "{syn}");
    assert_eq!(read(synack), (json!(false), [true, false, true]), "{synack}");
    assert_eq!(read(ack), (Value::Null, [false, false, false]), "{ack}");
    let by_the_kernel = json!({ "client": { "pid": null, "comm": null, "thread": null } });
    assert_record(joined.handshake, &but(plain.handshake(), by_the_kernel));
}

#[test]
fn sctp_at_the_same_ports_is_nothing() {
    const PORT: u16 = 4832;
    const SCTP: u8 = 132;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let address = veth.right_v4(PORT);
    let tracer = start(&right, &[PORT]);
    let ends = Ends::between(&left, &right, address);
    let connection = ends.open();
    // Has the ports in the positions that TCP gives them, and bits where TCP has its flags.
    let mut packet = tcp_packet(connection.client_address(), address, 0x02, (7, 0), &[], &[]);
    packet[9] = SCTP;
    let (before, sender) = (packets(&right, &veth.right), RawSender::new(&left));
    sender.send(&packet, address.ip());
    eventually("the packet", TRAFFIC_LIMIT, || packets(&right, &veth.right) > before);
    let client = exchange(&ends, connection);
    wait_verdicts(&tracer, &right, 1, 1);
    let trace = tracer.stop();
    let plain = Plain { here: (false, true), ..Plain::new(&right, client, address) };
    assert_eq!(lines_of(&trace.of_type("segment"), PORT), SEGMENTS);
    plain.check(&only_verdicts(&trace, &right));
}

/// Returns the number of packets that an interface has received.
fn packets(netns: &Netns, interface: &str) -> u64 {
    let links = netns.ip(&["-j", "-s", "link", "show", "dev", interface]);
    let links: Value = serde_json::from_str(&links).expect("JSON of ip");
    links[0]["stats64"]["rx"]["packets"].as_u64().expect("a counter")
}
