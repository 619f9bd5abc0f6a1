//! A tun device, which has no Ethernet header, created after tracing has begun.

use std::net::{Ipv4Addr, Shutdown, SocketAddr};

use serde_json::json;
use tcptrace_tests::{
    Actor, Ends, Netns, Peer, Trace, Tracer, Tun, close, lines_of, number, receive_end, send, wait_attached,
};

const STORY: [&str; 12] = [
    "client CLOSE > SYN_SENT",
    "client S 0:0",
    "server S. 0:0 ack 1",
    "client SYN_SENT > ESTABLISHED",
    "client . 1:1 ack 1",
    "client ESTABLISHED > FIN_WAIT1",
    "client F. 101:101 ack 1",
    "server . 1:1 ack 102",
    "client FIN_WAIT1 > FIN_WAIT2",
    "server F. 1:1 ack 102",
    "client . 102:102 ack 2",
    // The client only shut down its sending side: its socket lives until the server's FIN.
    "client FIN_WAIT2 > CLOSE",
];

fn check(address: &str) {
    let netns = Netns::new();
    let client = Actor::new(&netns, "tt-client");
    let address: SocketAddr = address.parse().expect("an endpoint");
    let port = address.port();
    let tracer = Tracer::start(&netns, &["-p", &port.to_string()]);

    let tun = Tun::new(&netns, "tun0");
    wait_attached(&netns, "tun0");
    let connecting = client.start_connect(address, |_| {});
    let mut peer = Peer::accept(&tun);
    let stream = connecting.finish().expect("the peer accepts");
    send(&stream, 100);
    assert_eq!(peer.receive_data(), 100);
    stream.shutdown(Shutdown::Write).expect("a connected stream can be shut down");
    peer.receive_fin();
    peer.close();
    receive_end(&stream);
    tracer.wait_state("CLOSE", stream.local_addr().expect("a connected stream has an address"), address);
    let trace = tracer.stop();

    let events = trace.about(&netns, port);
    assert_eq!(lines_of(&events, port), STORY);
    Trace::only_connection(&events);
    let segments = trace.segments(&netns, port);
    assert!(segments.iter().all(|segment| segment["interface"] == "tun0"), "{segments:#?}");
    assert_eq!(segments[1]["options"]["mss"], Peer::MSS);
    assert_eq!(number(segments[1], "seq"), u64::from(Peer::ISN));
    let directions: Vec<_> = segments.iter().map(|segment| segment["direction"].as_str().expect("known")).collect();
    assert_eq!(directions, ["out", "in", "out", "out", "in", "in", "out"]);
    trace.nothing_lost();
}

#[test]
fn an_ipv4_connection_over_a_tun_device_that_came_later() {
    check("10.8.0.9:4121");
}

#[test]
fn an_ipv6_connection_over_a_tun_device_that_came_later() {
    check("[fd08::9]:4122");
}

#[test]
fn an_interface_that_goes_away_ends_nothing() {
    const PORT: u16 = 4123;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string()]);
    for _ in 0..3 {
        let tun = Tun::new(&netns, "tun0");
        wait_attached(&netns, "tun0");
        close(tun);
    }
    let connection = ends.open();
    ends.close_in_four(connection);
    let trace = tracer.stop();
    assert_eq!(trace.about(&netns, PORT).len(), 10 + 7);
    trace.nothing_lost();
}

/// Its owner is the socket of the open device (tun_get_user of drivers/net/tun.c).
#[test]
fn what_a_process_writes_to_the_device_is_not_what_a_socket_of_this_host_sends() {
    const PORT: u16 = 4124;
    let netns = Netns::new();
    let client = Actor::new(&netns, "tt-client");
    let tun = Tun::new(&netns, "tun0");
    let tracer = Tracer::start(&netns, &["--netns", "all", "-p", &PORT.to_string()]);
    let address = SocketAddr::from(([10, 8, 0, 9], PORT));
    let connecting = client.start_connect(address, |_| {});
    let mut peer = Peer::accept(&tun);
    let stream = connecting.finish().expect("the peer accepts");
    stream.shutdown(Shutdown::Write).expect("a connected stream can be shut down");
    peer.receive_fin();
    peer.close();
    receive_end(&stream);
    tracer.wait_state("CLOSE", stream.local_addr().expect("a connected stream has an address"), address);
    let trace = tracer.stop();
    let verdicts = trace.only_verdicts(&netns);
    let missing = verdicts.close.map(|close| &close["missing"]);
    assert_eq!(missing, Some(&json!([])), "{verdicts:#?}");
}
