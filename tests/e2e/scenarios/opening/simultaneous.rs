//! Simultaneous open, and a socket connected to itself.

use std::net::SocketAddr;

use serde_json::json;
use tcptrace_tests::{
    ACK, ANY, Actor, Netns, Peer, SOME, Tun, assert_record, but, lines_of, no_retransmissions, process_name, receive,
    send,
};

use super::{drop_at_input, loopback, plain, start, wait_segments, wait_verdicts};

#[test]
fn a_syn_that_crosses_ours_makes_a_simultaneous_open() {
    let server: SocketAddr = "10.8.0.9:4651".parse().expect("an endpoint");
    let netns = Netns::new();
    let tun = Tun::new(&netns, "tun0");
    let client = Actor::new(&netns, "tt-client");
    let tracer = start(&netns, server.port());
    let connecting = client.start_connect(server, |_| {});
    let mut peer = Peer::await_syn(&tun);
    peer.send_syn(0);
    peer.receive_synack();
    peer.send_syn(ACK);
    let stream = connecting.finish().expect("the peer has answered");
    wait_verdicts(&tracer, &netns, 1, 0);
    let trace = tracer.stop();
    drop(stream);
    let story = lines_of(&trace.about(&netns, server.port()), server.port());
    assert_eq!(
        story[..7],
        [
            "client CLOSE > SYN_SENT",
            "client S 0:0",
            "server S 0:0",
            "client SYN_SENT > SYN_RECV",
            "client S. 0:0 ack 1",
            "server S. 0:0 ack 1",
            "client SYN_RECV > ESTABLISHED",
        ]
    );
    let verdicts = trace.only_verdicts(&netns);
    let expected = json!({
        // Our own acknowledgement comes before the other end's.
        "kind": "simultaneous", "server": { "isn": Peer::ISN }, "synack_to_ack_ns": null,
        "summary": ["simultaneous open, established"],
    });
    assert_record(verdicts.handshake, &but(plain(&netns, [10, 8, 0, 1].into(), server), expected));
}

#[test]
fn two_sockets_of_one_host_that_open_at_once_are_one_connection() {
    let (first, second) = (loopback(5652), loopback(4652));
    let netns = Netns::new();
    // The first SYN is lost, so that the second crosses it.
    drop_at_input(&netns, "tcp dport 4652 tcp flags & (syn | ack) == syn numgen inc mod 1000 0");
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let tracer = start(&netns, 4652);
    let bind = |to: SocketAddr| move |socket: &socket2::Socket| socket.bind(&to.into()).expect("a free port");
    let connecting = client.start_connect(second, bind(first));
    wait_segments(&tracer, "S", 1);
    let other = server.connect_with(first, bind(second)).expect("the first has opened too");
    let stream = connecting.finish().expect("the second has opened too");
    wait_verdicts(&tracer, &netns, 1, 0);
    let trace = tracer.stop();
    drop((stream, other));
    let verdicts = trace.only_verdicts(&netns);
    let expected = json!({
        "kind": "simultaneous", "client": { "port": 5652 },
        "server": { "pid": std::process::id(), "comm": process_name(), "thread": ANY },
        // The first has sent its SYN with the ACK, so the second need not.
        "syn_to_synack_ns": null, "synack_to_ack_ns": null, "retransmissions": { "synack": null },
        "summary": ["simultaneous open, established"],
    });
    assert_record(verdicts.handshake, &but(plain(&netns, first.ip(), second), expected));
}

#[test]
fn a_socket_connected_to_itself_is_both_ends() {
    let address = loopback(4653);
    let netns = Netns::new();
    let client = Actor::new(&netns, "tt-client");
    let tracer = start(&netns, address.port());
    let stream = client.connect_from(address, address);
    wait_verdicts(&tracer, &netns, 1, 0);
    send(&stream, 7);
    receive(&stream, 7);
    client.close(stream);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    let verdicts = trace.only_verdicts(&netns);
    let expected = json!({
        "kind": "simultaneous", "client": { "port": 4653 }, "synack_to_ack_ns": null,
        "server": { "isn": verdicts.handshake["client"]["isn"], "options": verdicts.handshake["client"]["options"] },
        "summary": ["simultaneous open, established"],
    });
    assert_record(verdicts.handshake, &but(plain(&netns, address.ip(), address), expected));
    let state = |name: &str| json!({ "state": name, "ns": SOME });
    let states = ["SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "CLOSING"].map(state);
    let states = [states.as_slice(), &[json!({ "state": "TIME_WAIT", "ns": null })]].concat();
    let end = json!({ "addr": address.ip(), "port": 4653, "netns": ANY, "pid": std::process::id(), "comm": process_name(), "thread": ANY });
    let expected = json!({
        "netns": netns.inode(), "kind": "simultaneous", "initiator": null, "client": end,
        "server": but(end.clone(), json!({ "pid": ANY, "comm": ANY, "thread": ANY })),
        "half_close_ns": 0, "half_closed_bytes": 0, "bytes": { "client_to_server": 7, "server_to_client": 7 },
        "duration_ns": SOME, "time_wait": "both", "reset": null, "retransmissions": no_retransmissions(&netns, ["client", "server"]),
        "states": { "client": states, "server": ANY },
        "incomplete": false, "missing": [], "summary": ["closed by both ends at once"],
    });
    assert_record(verdicts.close.expect("a close"), &expected);
}
