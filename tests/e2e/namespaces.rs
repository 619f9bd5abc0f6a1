//! `--netns`: the connections of other network namespaces, with their segments.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::Command,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tcptrace_tests::{Attached, Ends, LIMIT, Netns, Trace, Tracer, Veth, eventually, is_type, receive, send};

/// Waits until the programs are attached to an interface.
#[track_caller]
pub(crate) fn wait_covered(netns: &Netns, interface: &str) {
    eventually(&format!("filters on {interface}"), LIMIT, || {
        Attached::to(netns, interface).egress.contains("tcptrace-")
    });
}

/// Asserts that nothing is left on an interface.
#[track_caller]
fn assert_clean(netns: &Netns, interface: &str) {
    let attached = Attached::to(netns, interface);
    assert!(attached.egress.is_empty() && attached.ingress.is_empty(), "{attached:?}");
    assert!(!attached.qdiscs.contains(&"clsact".to_owned()), "{attached:?}");
}

/// A bridge with two pods on it, none of them in the tracer's namespace.
struct Node {
    own: Netns,
    node: Netns,
    pods: [Netns; 2],
}

impl Node {
    const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 8, 0, 11), Ipv4Addr::new(10, 8, 0, 12)];

    #[track_caller]
    fn new() -> Self {
        let own = Netns::new();
        let (node, pods) = (own.another(), [own.another(), own.another()]);
        node.ip(&["link", "add", "br0", "type", "bridge"]);
        node.ip(&["link", "set", "br0", "up"]);
        for (index, (pod, address)) in pods.iter().zip(Self::ADDRESSES).enumerate() {
            let port = format!("port{index}");
            node.ip(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", pod.name()]);
            node.ip(&["link", "set", &port, "master", "br0", "up"]);
            pod.ip(&["addr", "add", &format!("{address}/24"), "dev", "eth0"]);
            pod.ip(&["link", "set", "eth0", "up"]);
        }
        for pod in &pods {
            eventually("a carrier", LIMIT, || pod.ip(&["link", "show", "dev", "eth0"]).contains("state UP"));
        }
        Self { own, node, pods }
    }

    /// Starts a tracer of the node and both pods, and waits until it is attached in all of them.
    #[track_caller]
    fn trace(&self, filter: &[&str]) -> Tracer {
        let [a, b] = &self.pods;
        let of_all = ["--netns", self.node.name(), "--netns", a.name(), "--netns", b.name()];
        let tracer = Tracer::start(&self.own, &[filter, &of_all].concat());
        wait_covered(&self.node, "port1");
        [a, b].into_iter().for_each(|pod| wait_covered(pod, "eth0"));
        tracer
    }
}

/// Returns the only handshake and the only close.
#[track_caller]
fn only(trace: &Trace) -> (&Value, &Value) {
    let (handshakes, closes) = (trace.of_type("handshake"), trace.of_type("close"));
    match (&handshakes[..], &closes[..]) {
        (&[handshake], &[close]) => (handshake, close),
        _ => panic!("{handshakes:#?} {closes:#?}"),
    }
}

/// Sends a few bytes each way, and closes from the client.
#[track_caller]
fn exchange(ends: &Ends) {
    let connection = ends.open();
    send(&connection.client, 33);
    receive(&connection.server, 33);
    send(&connection.server, 29);
    receive(&connection.client, 29);
    ends.close_in_four(connection);
}

#[test]
fn two_pods_on_a_bridge_have_one_connection_with_both_sockets_and_each_segment_once() {
    const PORT: u16 = 4901;
    let node = Node::new();
    let tracer = node.trace(&["-p", &PORT.to_string()]);
    let [client, server] = &node.pods;
    exchange(&Ends::between(client, server, SocketAddr::from((Node::ADDRESSES[1], PORT))));
    tracer.wait_for("a close", |record| is_type(record, "close"));
    let trace = tracer.stop();
    let (handshake, close) = only(&trace);
    assert_eq!((&handshake["outcome"], &handshake["missing"]), (&json!("established"), &json!([])), "{handshake}");
    assert_eq!((&close["kind"], &close["missing"]), (&json!("four_segment"), &json!([])), "{close}");
    for record in [handshake, close] {
        assert_eq!(record["netns"], client.inode(), "{record}");
        assert_eq!(record["client"]["netns"], client.inode(), "{record}");
        assert_eq!(record["server"]["netns"], server.inode(), "{record}");
        assert_eq!(record["netns_name"], client.name(), "{record}");
        assert_eq!(record["client"]["netns_name"], client.name(), "{record}");
        assert_eq!(record["server"]["netns_name"], server.name(), "{record}");
    }
    let covered = |netns: &Netns, interfaces: &[&str]| {
        let mut of_it = trace.of_type("namespace").into_iter().filter(|record| record["netns"] == netns.inode());
        let last = of_it.next_back().unwrap_or_else(|| panic!("{} is covered", netns.name()));
        assert_eq!((&last["netns_name"], &last["interfaces"]), (&json!(netns.name()), &json!(interfaces)), "{last}");
    };
    [client, server].into_iter().for_each(|pod| covered(pod, &["lo", "eth0"]));
    assert_eq!(trace.of_type("segment").len(), 7, "{:#?}", trace.records);
    trace.nothing_lost();
    for netns in [client, server] {
        assert_clean(netns, "eth0");
    }
    assert_clean(&node.node, "port0");
}

#[test]
fn a_refusal_in_a_pod_has_its_cause() {
    const PORT: u16 = 4902;
    let node = Node::new();
    let tracer = node.trace(&["-p", &PORT.to_string()]);
    let address = SocketAddr::from((Node::ADDRESSES[1], PORT));
    node.pods[0].run(|| TcpStream::connect(address).expect_err("nobody listens"));
    tracer.wait_for("a handshake", |record| is_type(record, "handshake"));
    let trace = tracer.stop();
    let handshakes = trace.of_type("handshake");
    let [handshake] = handshakes[..] else { panic!("{handshakes:#?}") };
    assert_eq!(handshake["outcome"], "refused", "{handshake}");
    assert_eq!(handshake["reset"], json!({ "by": "server", "cause": "no_listener" }), "{handshake}");
}

#[test]
fn what_stays_within_a_pod_is_seen() {
    const PORT: u16 = 4903;
    let own = Netns::new();
    let pod = own.another();
    let tracer = Tracer::start(&own, &["-p", &PORT.to_string(), "--netns", pod.name()]);
    wait_covered(&pod, "lo");
    exchange(&Ends::on(&pod, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))));
    tracer.wait_for("a close", |record| is_type(record, "close"));
    let trace = tracer.stop();
    let (handshake, close) = only(&trace);
    assert_eq!((&handshake["missing"], &close["missing"]), (&json!([]), &json!([])), "{handshake} {close}");
    let segments = trace.of_type("segment");
    assert_eq!(segments.len(), 7, "{segments:#?}");
    for segment in segments {
        assert_eq!((&segment["netns"], &segment["interface"]), (&json!(pod.inode()), &json!("lo")), "{segment}");
    }
}

/// Opens, and closes, a connection over loopback between these two ports.
fn between_ports(netns: &Netns, client: u16, server: u16) -> (Socket, TcpStream, TcpListener) {
    netns.run(|| {
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address(server)).expect("a free port");
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&address(client).into()).expect("a free port");
        socket.connect(&address(server).into()).expect("somebody listens");
        let (accepted, _) = listener.accept().expect("it is there");
        (socket, accepted, listener)
    })
}

#[test]
fn equal_addresses_in_two_namespaces_at_the_same_time_are_two_connections() {
    const PORT: u16 = 4904;
    let own = Netns::new();
    let pods = [own.another(), own.another()];
    let arguments = ["-p", &PORT.to_string(), "--netns", pods[0].name(), "--netns", pods[1].name()];
    let tracer = Tracer::start(&own, &arguments);
    pods.iter().for_each(|pod| wait_covered(pod, "lo"));
    let open: Vec<_> = pods.iter().map(|pod| between_ports(pod, 41_000, PORT)).collect();
    drop(open);
    let closes = |records: &[Value]| records.iter().filter(|record| is_type(record, "close")).count();
    tracer.wait_until("two closes", |records| closes(records) == 2);
    let trace = tracer.stop();
    let mut seen: Vec<u64> = Vec::new();
    for handshake in trace.of_type("handshake") {
        assert_eq!((&handshake["outcome"], &handshake["missing"]), (&json!("established"), &json!([])), "{handshake}");
        assert_eq!(handshake["client"]["port"], 41_000, "{handshake}");
        seen.push(handshake["netns"].as_u64().expect("it is known"));
    }
    assert_eq!(seen, pods.each_ref().map(|pod| u64::from(pod.inode())));
}

#[test]
fn a_namespace_that_is_made_while_tracing_is_covered_and_one_that_is_removed_is_not_kept() {
    const PORT: u16 = 4905;
    let own = Netns::alone();
    let tracer = Tracer::start(&own, &["-p", &PORT.to_string(), "--netns", "all"]);
    let pod = own.another();
    let veth = Veth::between(&own, &pod, 0);
    wait_covered(&pod, &veth.right);
    exchange(&Ends::between(&own, &pod, veth.right_v4(PORT)));
    tracer.wait_for("a close", |record| is_type(record, "close"));
    drop(pod);
    // The namespace goes with its last reference, and takes its end of the cable with it.
    let left = veth.left.clone();
    eventually("the cable is gone", LIMIT, || !own.ip(&["-o", "link"]).contains(&left));
    let trace = tracer.stop();
    let (handshake, close) = only(&trace);
    assert_eq!((&handshake["missing"], &close["missing"]), (&json!([]), &json!([])), "{handshake} {close}");
}

#[test]
fn what_a_killed_tracer_left_in_a_namespace_is_removed_by_the_next_one() {
    const PORT: u16 = 4906;
    let own = Netns::new();
    let pod = own.another();
    let arguments = ["-p", &PORT.to_string(), "--netns", pod.name()];
    let first = Tracer::start(&own, &arguments);
    wait_covered(&pod, "lo");
    let killed = format!("tcptrace-{}-", first.id());
    first.signal(Signal::KILL);
    eventually("it has ended", LIMIT, || !std::path::Path::new(&format!("/proc/{}/exe", first.id())).exists());
    assert!(Attached::to(&pod, "lo").egress.contains(&killed));
    let second = Tracer::start(&own, &arguments);
    eventually("its filter is gone", LIMIT, || !Attached::to(&pod, "lo").egress.contains(&killed));
    wait_covered(&pod, "lo");
    second.stop();
    assert_clean(&pod, "lo");
}

/// A segment passes interfaces of both namespaces, and may match as it leaves the one or as it comes into the other.
#[test]
fn filters_on_one_end_see_every_segment_between_namespaces() {
    const PORT: u16 = 4908;
    let node = Node::new();
    let [client, server] = &node.pods;
    for option in ["--local-port", "--remote-port"] {
        let tracer = node.trace(&[option, &PORT.to_string()]);
        exchange(&Ends::between(client, server, SocketAddr::from((Node::ADDRESSES[1], PORT))));
        tracer.wait_for("a close", |record| is_type(record, "close"));
        let trace = tracer.stop();
        let (handshake, close) = only(&trace);
        assert_eq!((&handshake["outcome"], &handshake["missing"]), (&json!("established"), &json!([])), "{handshake}");
        assert_eq!((&close["kind"], &close["missing"]), (&json!("four_segment"), &json!(["states"])), "{close}");
        assert_eq!(trace.of_type("segment").len(), 7, "{:#?}", trace.records);
        let states = trace.of_type("state").into_iter().filter(|state| !state["conn"].is_null());
        assert_eq!(states.count(), 5, "{:#?}", trace.records);
    }
}

#[test]
fn own_hides_the_sockets_of_other_namespaces() {
    const PORT: u16 = 4907;
    let own = Netns::new();
    let other = own.another();
    let tracer = Tracer::start(&own, &["-p", &PORT.to_string(), "--netns", "own"]);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    exchange(&Ends::on(&other, address));
    exchange(&Ends::on(&own, address));
    tracer.wait_for("a close", |record| is_type(record, "close"));
    let trace = tracer.stop();
    for state in trace.of_type("state") {
        assert_eq!(state["netns"], own.inode(), "{state}");
    }
    only(&trace);
}

#[test]
fn a_namespace_that_is_not_there_is_named_with_those_that_are() {
    let own = Netns::new();
    let mut command = Command::new("ip");
    command.args(["netns", "exec", own.name()]).arg(tcptrace_tests::binary()).args(["--netns", "tt-nobody"]);
    let said = command.output().expect("ip can be run");
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("there is no network namespace tt-nobody; there are: "), "{said}");
    assert!(said.contains(own.name()), "{said}");
}
