//! A second connection with the same addresses and ports, or by the same socket.

use std::net::SocketAddr;

use serde_json::json;
use socket2::{Domain, Socket, Type};
use tcptrace_tests::{ACK, ANY, Actor, Netns, Peer, RST, Tun, assert_record, but};

use super::{loopback, no_client_socket, no_synack, plain, start, wait_verdicts};

#[test]
fn a_challenge_ack_to_a_syn_belongs_to_the_old_connection() {
    const PORT: u16 = 4691;
    let (from, to) = (SocketAddr::from(([10, 8, 0, 9], 5691)), SocketAddr::from(([10, 8, 0, 1], PORT)));
    let netns = Netns::new();
    let tun = Tun::new(&netns, "tun0");
    let server = Actor::new(&netns, "tt-server");
    let listener = server.listen(to);
    let tracer = start(&netns, PORT);
    let mut peer = Peer::send_first_syn(&tun, from, to, 77);
    peer.receive_synack();
    peer.send(ACK);
    let first = server.accept(&listener);
    // The host at the other side has restarted and forgotten everything.
    let mut anew = Peer::send_first_syn(&tun, from, to, 3_000_000_000);
    let challenge = anew.receive_any();
    assert!(!challenge.syn && challenge.ack == Some(78), "{challenge:?}");
    peer.send(RST);
    anew.send_syn(0);
    anew.receive_synack();
    anew.send(ACK);
    let second = server.accept(&listener);
    wait_verdicts(&tracer, &netns, 2, 1);
    let trace = tracer.stop();
    drop((first, second, listener));
    let [old, new] = trace.verdicts(&netns).try_into().expect("two connections");
    let plain = but(plain(&netns, from.ip(), to), no_client_socket());
    let ports = |isn: u32| json!({ "client": { "port": 5691, "isn": isn } });
    assert_record(old.handshake, &but(plain.clone(), ports(77)));
    let close = old.close.expect("a close");
    assert_eq!((&close["kind"], &close["initiator"]), (&json!("reset"), &json!("client")), "{old:#?}");
    let twice = json!({
        "retransmissions": { "syn": 1 },
        "summary": ["three-way handshake, established in ", "the SYN was sent 2 times"],
    });
    assert_record(new.handshake, &but(but(plain, ports(3_000_000_000)), twice));
}

#[test]
fn a_second_connect_of_a_socket_after_one_that_failed_is_a_connection_of_its_own() {
    const PORT: u16 = 4692;
    let (from, to) = (loopback(5692), loopback(PORT));
    let netns = Netns::new();
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let tracer = start(&netns, PORT);
    let socket = client.run(move || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
        socket.bind(&from.into()).expect("a free port");
        let error = socket.connect(&to.into()).expect_err("nobody listens");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        socket
    });
    let listener = server.listen(to);
    let socket = client.run(move || {
        socket.connect(&to.into()).expect("somebody listens now");
        socket
    });
    wait_verdicts(&tracer, &netns, 2, 0);
    let trace = tracer.stop();
    drop((socket, listener));
    let [first, second] = trace.verdicts(&netns).try_into().expect("two connections");
    let plain = but(plain(&netns, from.ip(), to), json!({ "client": { "port": 5692 } }));
    let refused = json!({ "outcome": "refused", "reset": { "by": "server", "cause": ANY }, "summary": ["three-way handshake, refused: ", "nobody listens there"] });
    assert_record(first.handshake, &but(but(plain.clone(), no_synack()), refused));
    assert_record(second.handshake, &plain);
}
