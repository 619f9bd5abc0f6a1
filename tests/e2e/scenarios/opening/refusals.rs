//! Connections that are refused: by a reset, and by a packet filter, with a reset and with an ICMP error.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use serde_json::{Value, json};
use tcptrace_tests::{ANY, Actor, Netns, Trace, Tracer, Veth, assert_record, but, endpoint, lines_of, text};

use super::{loopback, no_client_socket, no_synack, plain, start, wait_verdicts};

/// Connects to a port without a listener, and returns the trace, with the client's own endpoint.
fn refused(netns: &Netns, to: SocketAddr) -> (Trace, SocketAddr) {
    let client = Actor::new(netns, "tt-client");
    let from = SocketAddr::new(to.ip(), 5351);
    let tracer = start(netns, to.port());
    connect_in_vain(&client, from, to);
    tracer.wait_state("CLOSE", from, to);
    wait_verdicts(&tracer, netns, 1, 0);
    (tracer.stop(), from)
}

fn connect_in_vain(client: &Actor, from: SocketAddr, to: SocketAddr) {
    let error = client.connect_with(to, move |socket| socket.bind(&from.into()).expect("a free port"));
    assert_eq!(error.expect_err("it is refused").kind(), ErrorKind::ConnectionRefused);
}

fn check_end(trace: &Trace, netns: &Netns, port: u16) {
    let events = trace.about(netns, port);
    Trace::only_connection(&events);
    let end = events.last().expect("events");
    assert_eq!(
        (&end["error"], &end["pid"], &end["comm"]),
        (&"ECONNREFUSED".into(), &Value::Null, &Value::Null),
        "{end}"
    );
}

/// Returns the record of a refusal by a reset, which must be the connection's last.
fn by_reset(netns: &Netns, client: IpAddr, server: SocketAddr) -> Value {
    let refused = json!({ "outcome": "refused", "reset": { "by": "server", "cause": ANY }, "summary": ["three-way handshake, refused: ", "nobody listens there"] });
    but(but(plain(netns, client, server), no_synack()), refused)
}

#[test]
fn a_listener_that_is_bound_to_another_interface_takes_no_syn() {
    const PORT: u16 = 4356;
    let (near, far) = (Netns::new(), Netns::new());
    let veth = Veth::between(&near, &far, 0);
    let server = Actor::new(&far, "tt-server");
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
    let listener = server.listen_with(any, 1, |socket| socket.bind_device(Some(b"lo")).expect("root may bind"));
    let tracer = start(&far, PORT);
    let (from, to) = (veth.left_v4(5356), veth.right_v4(PORT));
    connect_in_vain(&Actor::new(&near, "tt-client"), from, to);
    wait_verdicts(&tracer, &far, 1, 0);
    let trace = tracer.stop();
    drop(listener);
    let handshake = trace.failed_handshake(&far);
    let known = handshake["reset"]["cause"] == "no_listener";
    assert_eq!(handshake["outcome"], "refused", "{handshake}");
    let listens = if known { "0.0.0.0".into() } else { Value::Null };
    assert_eq!(handshake["passed_over"], listens, "{handshake}");
    let said = "three-way handshake, refused: 0.0.0.0:4356 listens, but not for this SYN";
    assert_eq!(text(handshake, "summary").starts_with(said), known, "{handshake}");
}

const REFUSAL: [&str; 4] = [
    "client CLOSE > SYN_SENT",
    "client S 0:0",
    // Nothing shows this end's initial sequence number, so the first number seen counts as 1.
    "server R. 1:1 ack 1",
    "client SYN_SENT > CLOSE",
];

#[test]
fn a_reset_answers_a_syn_to_a_port_where_nobody_listens() {
    for (address, port) in [(IpAddr::V4(Ipv4Addr::LOCALHOST), 4351), (IpAddr::V6(Ipv6Addr::LOCALHOST), 4352)] {
        let netns = Netns::new();
        let to = SocketAddr::new(address, port);
        let (trace, _) = refused(&netns, to);
        assert_eq!(lines_of(&trace.about(&netns, port), port), REFUSAL);
        let reset = trace.segments(&netns, port)[1];
        assert_eq!((&reset["seq"], &reset["window"]), (&0.into(), &0.into()), "{reset}");
        check_end(&trace, &netns, port);
        assert_record(trace.failed_handshake(&netns), &by_reset(&netns, address, to));
    }
}

#[test]
fn a_reset_by_a_packet_filter_looks_the_same() {
    const PORT: u16 = 4601;
    let netns = Netns::new();
    netns.nft(&format!(
        "table ip t {{ chain c {{ type filter hook input priority 0; tcp dport {PORT} reject with tcp reset; }}; }}"
    ));
    let server = Actor::new(&netns, "tt-server");
    let listener = server.listen(loopback(PORT));
    let (trace, from) = refused(&netns, loopback(PORT));
    drop(listener);
    assert_eq!(lines_of(&trace.about(&netns, PORT), PORT), REFUSAL);
    check_end(&trace, &netns, PORT);
    let expected =
        json!({ "reset": { "cause": "unknown" }, "summary": ["three-way handshake, refused", "a firewall"] });
    assert_record(trace.failed_handshake(&netns), &but(by_reset(&netns, from.ip(), loopback(PORT)), expected));
}

#[test]
fn a_refusal_seen_from_the_host_that_refuses_has_no_socket() {
    const PORT: u16 = 4602;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let (from, to) = (veth.left_v4(5602), veth.right_v4(PORT));
    let tracer = Tracer::start(&right, &["-p", &PORT.to_string(), "-i", &veth.right]);
    connect_in_vain(&Actor::new(&left, "tt-client"), from, to);
    wait_verdicts(&tracer, &right, 1, 0);
    let trace = tracer.stop();
    let expected = but(by_reset(&right, from.ip(), to), no_client_socket());
    assert_record(trace.failed_handshake(&right), &but(expected, json!({ "client": { "port": 5602 } })));
}

#[test]
fn an_icmp_error_belongs_to_the_connection_whose_segment_it_quotes() {
    let families = [(IpAddr::V4(Ipv4Addr::LOCALHOST), 4353, 3, 3), (IpAddr::V6(Ipv6Addr::LOCALHOST), 4354, 1, 4)];
    for (address, port, icmp_type, icmp_code) in families {
        let netns = Netns::new();
        netns.nft(&format!(
            "table inet t {{ chain c {{ type filter hook input priority 0; tcp dport {port} reject with icmpx port-unreachable; }}; }}"
        ));
        let to = SocketAddr::new(address, port);
        let (trace, from) = refused(&netns, to);
        // On loopback the first error arrives while connect() still holds the socket, and the kernel ignores it; the SYN is
        // sent again a second later.
        let icmp = format!("icmp {icmp_type}/{icmp_code}");
        assert_eq!(
            lines_of(&trace.about(&netns, port), port),
            [
                "client CLOSE > SYN_SENT",
                "client S 0:0",
                icmp.as_str(),
                "client S 0:0",
                icmp.as_str(),
                "client SYN_SENT > CLOSE",
            ]
        );
        for error in trace.of_type("icmp") {
            assert_eq!((endpoint(error, "src"), endpoint(error, "dst")), (Some(from), Some(to)), "{error}");
            assert_eq!((&error["from"], &error["interface"]), (&address.to_string().into(), &"lo".into()), "{error}");
            assert_eq!(error["direction"], "out", "{error}");
            assert!(error["kind"].as_str().is_some_and(|kind| kind.contains("port")), "{error}");
        }
        check_end(&trace, &netns, port);
        let by_icmp = json!({
            "by_icmp": true, "reset": null, "retransmissions": { "syn": 1 },
            "summary": ["three-way handshake, refused by ICMP: port unreachable"],
        });
        assert_record(trace.failed_handshake(&netns), &but(by_reset(&netns, address, to), by_icmp));
    }
}
