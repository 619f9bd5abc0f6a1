//! Connections that are refused: by a reset, and by a packet filter's ICMP error.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::Value;
use tcptrace_tests::{Actor, Netns, Trace, Tracer, endpoint, tell_all};

/// Connects to a port where nobody is, and returns the trace, with the client's own endpoint.
fn refused(netns: &Netns, to: SocketAddr) -> (Trace, SocketAddr) {
    let client = Actor::new(netns, "tt-client");
    let from = SocketAddr::new(to.ip(), 5351);
    let tracer = Tracer::start(netns, &["-p", &to.port().to_string()]);
    let error = client.connect_with(to, move |socket| socket.bind(&from.into()).expect("a free port"));
    assert_eq!(error.expect_err("it is refused").kind(), std::io::ErrorKind::ConnectionRefused);
    tracer.wait_state("CLOSE", from, to);
    (tracer.stop(), from)
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
    trace.nothing_lost();
}

#[test]
fn a_reset_answers_a_syn_to_a_port_where_nobody_listens() {
    for (address, port) in [(IpAddr::V4(Ipv4Addr::LOCALHOST), 4351), (IpAddr::V6(Ipv6Addr::LOCALHOST), 4352)] {
        let netns = Netns::new();
        let (trace, _) = refused(&netns, SocketAddr::new(address, port));
        assert_eq!(
            tell_all(&trace.about(&netns, port), port),
            [
                "client CLOSE > SYN_SENT",
                "client S 0:0",
                // Nothing tells this end's initial sequence number, so the first that is seen counts as 1.
                "server R. 1:1 ack 1",
                "client SYN_SENT > CLOSE",
            ]
        );
        let reset = trace.segments(&netns, port)[1];
        assert_eq!((&reset["seq"], &reset["window"]), (&0.into(), &0.into()), "{reset}");
        check_end(&trace, &netns, port);
    }
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
        // On loopback the first error arrives while connect() still holds the socket, and the kernel passes over it; the
        // SYN is sent again a second later.
        let icmp = format!("icmp {icmp_type}/{icmp_code}");
        assert_eq!(
            tell_all(&trace.about(&netns, port), port),
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
    }
}
