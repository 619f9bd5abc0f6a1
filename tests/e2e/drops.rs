//! Dropped segments: each is reported with its reason, at its connection, and nothing else is reported as dropped.

mod later;

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tcptrace_tests::{
    Actor, Ends, Netns, RawSender, SYN, Trace, Tracer, Veth, binary, endpoint, is_type, number, output, port,
    tcp_packet, text,
};

const ACK: u8 = 0x10;

/// Returns the dropped segments of the connections to a port.
fn drops(trace: &Trace, wanted: u16) -> Vec<&Value> {
    trace.of_type("drop").into_iter().filter(|one| port(one, "dst") == Some(wanted)).collect()
}

/// Sends SYNs to an address from which no answer comes.
fn send_first_syn(netns: &Netns, at: SocketAddr) {
    netns.run(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
        socket.connect_timeout(&at.into(), Duration::from_millis(300)).expect_err("nobody answers");
    });
}

fn start(netns: &Netns, port: u16, more: &[&str]) -> Tracer {
    Tracer::start(netns, &[&["-p", &port.to_string()], more].concat())
}

fn only_handshake(trace: &Trace) -> &Value {
    let [handshake] = trace.of_type("handshake")[..] else { panic!("one handshake: {:#?}", trace.records) };
    handshake
}

/// A firewall drops SYNs at a hook of netfilter; a recording gives the same result.
fn check_firewall(hook: &str, recording: &str, at: u16) -> Trace {
    let netns = Netns::new();
    netns.nft(&format!("table ip t {{ chain c {{ type filter hook {hook} priority 0; tcp dport {at} drop; }}; }}"));
    netns.sysctl("ipv4/tcp_syn_retries", "1");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(recording);
    let tracer = start(&netns, at, &["-w", path.to_str().expect("UTF-8")]);
    let client = Actor::new(&netns, "tt-client");
    client.connect_with((Ipv4Addr::LOCALHOST, at).into(), |_| {}).expect_err("nothing arrives");
    tracer.wait_for("a handshake", |record| is_type(record, "handshake"));
    let trace = tracer.stop();

    let handshake = only_handshake(&trace);
    let dropped = drops(&trace, at);
    assert!(dropped.len() >= 2, "{:#?}", trace.records);
    for drop in &dropped {
        assert_eq!(
            (&drop["reason"], &drop["flags"], &drop["conn"]),
            (&json!("NETFILTER_DROP"), &json!("S"), &json!(1))
        );
        assert_eq!((&drop["netns"], number(drop, "length")), (&json!(netns.inode()), 0), "{drop}");
        assert!(text(drop, "location").starts_with("nf"), "{drop}");
        assert_eq!(endpoint(drop, "src"), endpoint(handshake, "client"), "{drop}");
    }
    let expected = json!({ "reason": "NETFILTER_DROP", "of_synack": false, "segments": dropped.len() });
    assert_eq!((&handshake["dropped"], &handshake["outcome"]), (&expected, &json!("timed_out")), "{handshake}");
    assert!(text(handshake, "summary").contains("; netfilter on this host dropped the SYN"), "{handshake}");
    trace.nothing_lost();

    let read = output(Command::new(binary()).arg("-r").arg(&path).arg("--json"));
    let read: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let kinds = ["state", "segment", "drop", "handshake"];
    let of_kinds = |records: &[Value]| -> Vec<Value> {
        records.iter().filter(|record| kinds.iter().any(|kind| is_type(record, kind))).cloned().collect()
    };
    assert_eq!(of_kinds(&read), of_kinds(&trace.records), "the recording says the same");
    trace
}

#[test]
fn what_a_firewall_drops_as_it_comes_in_is_told_at_its_interface() {
    let trace = check_firewall("input", "trace.jsonl", 4950);
    assert!(drops(&trace, 4950).iter().all(|drop| drop["interface"] == "lo"), "{:#?}", trace.records);
    assert_eq!(only_handshake(&trace)["syn_left"], true);
}

#[test]
fn what_a_firewall_drops_as_it_goes_out_has_got_to_no_interface() {
    let trace = check_firewall("output", "trace.ttr", 4951);
    assert!(drops(&trace, 4951).iter().all(|drop| drop["interface"].is_null()), "{:#?}", trace.records);
    assert_eq!(only_handshake(&trace)["syn_left"], false);
    // The dropped SYN shows the port long before the socket's next change.
    let state = trace.of_type("state")[0];
    assert!(port(state, "local").is_some(), "{state}");
    let handshake = only_handshake(&trace);
    assert_eq!(endpoint(state, "local"), endpoint(handshake, "client"));
}

#[test]
fn what_a_firewall_rejects_with_a_reset_is_dropped_and_no_listener_is_looked_for() {
    let (netns, at) = (Netns::new(), 4992);
    netns.nft(&format!(
        "table ip t {{ chain c {{ type filter hook input priority 0; tcp dport {at} reject with tcp reset; }}; }}"
    ));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.ttr");
    let tracer = start(&netns, at, &["-w", path.to_str().expect("UTF-8")]);
    let client = Actor::new(&netns, "tt-client");
    client.connect_with((Ipv4Addr::LOCALHOST, at).into(), |_| {}).expect_err("it is refused");
    tracer.wait_for("a handshake", |record| is_type(record, "handshake"));
    let trace = tracer.stop();
    let handshake = only_handshake(&trace);
    let expected = json!({ "reason": "NETFILTER_DROP", "of_synack": false, "segments": 1 });
    assert_eq!((&handshake["dropped"], &handshake["outcome"]), (&expected, &json!("refused")), "{handshake}");
    let words = "refused by a firewall rule: netfilter on this host dropped the SYN, and a reset answered it";
    assert!(text(handshake, "summary").ends_with(words), "{handshake}");
    let text = output(Command::new(binary()).arg("-r").arg(&path).env("LC_ALL", "C.UTF-8").env("COLUMNS", "200"));
    let advice =
        "look at: `nft list ruleset` in each network namespace of this host that it passes: a rule rejects the SYN";
    assert!(text.contains(advice), "{text}");
}

/// A client behind a router.
struct Routed {
    client: Netns,
    router: Netns,
    cable: Veth,
}

impl Routed {
    fn new() -> Self {
        let router = Netns::new();
        let client = router.another();
        let cable = Veth::between(&client, &router, 0);
        client.ip(&["route", "add", "default", "via", &cable.right_v4(0).ip().to_string()]);
        router.sysctl("ipv4/ip_forward", "1");
        Self { client, router, cable }
    }

    /// Traces on the router while the client sends SYNs to an address beyond it; returns the trace.
    fn send_first_syn(&self, at: SocketAddr) -> Trace {
        let tracer = start(&self.router, at.port(), &[]);
        send_first_syn(&self.client, at);
        tracer.wait_for("a dropped segment", |record| is_type(record, "drop"));
        let trace = tracer.stop();
        let dropped = drops(&trace, at.port());
        assert!(!dropped.is_empty(), "{:#?}", trace.records);
        for drop in &dropped {
            assert_eq!((&drop["interface"], &drop["conn"]), (&json!(self.cable.right), &json!(1)), "{drop}");
            assert_eq!(drop["netns"], self.router.inode(), "{drop}");
        }
        trace
    }
}

#[test]
fn what_a_router_does_not_forward_is_told_there() {
    let routed = Routed::new();
    let server = routed.router.another();
    let beyond = Veth::between(&routed.router, &server, 1);
    routed.router.nft("table ip t { chain c { type filter hook forward priority 0; drop; }; }");
    let trace = routed.send_first_syn(beyond.right_v4(4952));
    assert!(drops(&trace, 4952).iter().all(|drop| drop["reason"] == "NETFILTER_DROP"), "{:#?}", trace.records);
    let handshake = only_handshake(&trace);
    assert_eq!(handshake["outcome"], "unanswered");
    assert!(text(handshake, "summary").contains("; netfilter on this host dropped the SYN"), "{handshake}");
}

#[test]
fn what_a_router_has_no_route_for_is_told_there() {
    let routed = Routed::new();
    let trace = routed.send_first_syn("198.51.100.9:4953".parse().expect("an endpoint"));
    assert!(drops(&trace, 4953).iter().all(|drop| drop["reason"] == "IP_INNOROUTES"), "{:#?}", trace.records);
    assert_eq!(only_handshake(&trace)["outcome"], "unreachable");
}

#[test]
fn a_wrong_checksum_is_the_reason() {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let at = veth.right_v4(4954);
    let listener = Actor::new(&right, "tt-server").listen(at);
    let tracer = start(&right, 4954, &[]);
    let mut packet = tcp_packet(veth.left_v4(5954), at, SYN, (7, 0), &[], &[]);
    // The checksum of the TCP header.
    packet[20 + 16] ^= 0x55;
    RawSender::new(&left).send(&packet, at.ip());
    tracer.wait_for("a dropped segment", |record| is_type(record, "drop"));
    let trace = tracer.stop();
    drop(listener);
    let [dropped] = drops(&trace, 4954)[..] else { panic!("one: {:#?}", trace.records) };
    assert_eq!((&dropped["reason"], &dropped["flags"], &dropped["seq"]), (&json!("TCP_CSUM"), &json!("S"), &json!(7)));
    let handshake = only_handshake(&trace);
    assert!(text(handshake, "summary").contains("; this host dropped the SYN (TCP_CSUM)"), "{handshake}");
}

#[test]
fn a_segment_behind_an_extension_header_is_told_when_it_is_dropped() {
    /// Destination options (RFC 8200 §4.6) that hold padding, in front of TCP.
    const PADDING: [u8; 8] = [libc::IPPROTO_TCP as u8, 0, 1, 4, 0, 0, 0, 0];
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let at = veth.right_v6(4958);
    right.nft("table ip6 t { chain c { type filter hook input priority 0; tcp dport 4958 drop; }; }");
    let tracer = start(&right, 4958, &[]);
    let mut packet = tcp_packet(veth.left_v6(5958), at, SYN, (7, 0), &[], b"four");
    packet[5] += PADDING.len() as u8;
    packet[6] = libc::IPPROTO_DSTOPTS as u8;
    packet.splice(40..40, PADDING);
    RawSender::new(&left).send(&packet, at.ip());
    tracer.wait_for("a dropped segment", |record| is_type(record, "drop"));
    let trace = tracer.stop();
    let [dropped] = drops(&trace, 4958)[..] else { panic!("one: {:#?}", trace.records) };
    assert_eq!((&dropped["reason"], &dropped["flags"]), (&json!("NETFILTER_DROP"), &json!("S")));
    assert_eq!((number(dropped, "seq"), number(dropped, "length")), (7, 4), "{dropped}");
}

#[test]
fn the_ack_that_finds_no_room_in_the_accept_queue_is_dropped() {
    let netns = Netns::new();
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 4955));
    let listener = server.listen_with(at, 0, |_| {});
    // Both SYNs are answered before either ACK arrives: there is room for one.
    let other = SocketAddr::from((Ipv4Addr::LOCALHOST, 5955));
    let tracer = start(&netns, 4955, &[]);
    let sender = RawSender::new(&netns);
    netns.nft("table ip t { chain c { type filter hook output priority 0; tcp dport 5955 tcp flags rst drop; tcp sport 5955 tcp flags rst drop; }; }");
    sender.send(&tcp_packet(other, at, SYN, (7, 0), &[], &[]), at.ip());
    tracer.wait_for("the SYN,ACK", |record| is_type(record, "segment") && record["flags"] == "S.");
    let first = client.connect(at);
    let mut number_of_server = 0;
    tracer.look(|records| {
        let answer = records.iter().find(|record| record["flags"] == "S." && port(record, "dst") == Some(5955));
        number_of_server = number(answer.expect("it was there"), "seq");
    });
    let isn = u32::try_from(number_of_server).expect("32 bits");
    sender.send(&tcp_packet(other, at, ACK, (8, isn.wrapping_add(1)), &[], &[]), at.ip());
    tracer.wait_for("the dropped ACK", |record| is_type(record, "drop") && port(record, "src") == Some(5955));
    let trace = tracer.stop();
    drop((first, listener));
    let dropped: Vec<_> = drops(&trace, 4955).into_iter().filter(|one| one["flags"] == ".").collect();
    assert!(dropped.iter().any(|one| one["reason"] == "TCP_LISTEN_OVERFLOW"), "{:#?}", trace.records);
}

#[test]
fn orderly_connections_and_refusals_drop_nothing() {
    let netns = Netns::new();
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 4956));
    let ends = Ends::on(&netns, at);
    let tracer = Tracer::start(&netns, &["-p", "4956,4957"]);
    ends.close_in_four(ends.open());
    ends.close_in_three(ends.open());
    ends.close_half_first(ends.open());
    ends.abort(ends.open(), &tracer);
    ends.client.connect_with((Ipv4Addr::LOCALHOST, 4957).into(), |_| {}).expect_err("nobody listens");
    tracer.wait_until("five handshakes", |records| {
        records.iter().filter(|record| is_type(record, "handshake")).count() == 5
    });
    netns.settle();
    let trace = tracer.stop();
    assert_eq!(trace.of_type("drop"), Vec::<&Value>::new());
}

#[test]
fn a_syn_that_was_dropped_before_leaves_late() {
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 4968));
    let netns = Netns::new();
    netns.nft("table ip t { chain c { type filter hook output priority 0; tcp dport 4968 drop; }; }");
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen(to);
    let tracer = start(&netns, to.port(), &[]);
    let stream = client.begin_connect(to);
    tracer.wait_for("the drop", |record| is_type(record, "drop"));
    netns.nft("flush ruleset");
    tracer.wait_for("the handshake", |record| is_type(record, "handshake"));
    let trace = tracer.stop();
    drop((stream, listener));
    let handshake = only_handshake(&trace);
    let summary = text(handshake, "summary");
    assert!(summary.contains("; no SYN was seen to leave for 1.") && summary.ends_with(" s before"), "{summary}");
    assert!(number(handshake, "connect_ns") >= 1_000_000_000, "{handshake}");
}
