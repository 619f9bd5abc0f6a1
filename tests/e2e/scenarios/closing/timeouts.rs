//! The other end has vanished.

use std::{
    io::{ErrorKind, Read as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};
use socket2::{SockRef, TcpKeepalive};
use tcptrace_tests::{
    Actor, Netns, Peer, Trace, Tracer, Tun, assert_record, but, is_type, number, of_sender, send, tell_all, text,
};

use super::{plain, played, states, wait_told, without_fins};

/// A client connected to a peer over a tun device, which never says anything again.
struct Lonely {
    netns: Netns,
    server: SocketAddr,
    client: Actor,
    tracer: Tracer,
    tun: Tun,
}

impl Lonely {
    #[track_caller]
    fn new(port: u16, sysctls: &[(&str, &str)]) -> Self {
        Self::traced_with(port, sysctls, &[])
    }

    #[track_caller]
    fn traced_with(port: u16, sysctls: &[(&str, &str)], arguments: &[&str]) -> Self {
        let netns = Netns::new();
        sysctls.iter().for_each(|(key, value)| netns.sysctl(key, value));
        let tun = Tun::new(&netns, "tun0");
        let client = Actor::new(&netns, "tt-client");
        let tracer = Tracer::start(&netns, &[&["-p", &port.to_string()], arguments].concat());
        Self { netns, server: SocketAddr::from(([10, 8, 0, 9], port)), client, tracer, tun }
    }

    #[track_caller]
    fn connect(&self) -> (TcpStream, Peer<'_>) {
        let connecting = self.client.start_connect(self.server, |_| {});
        let peer = Peer::accept(&self.tun);
        (connecting.finish().expect("the peer accepts"), peer)
    }

    #[track_caller]
    fn told(self) -> (Trace, Value, Netns) {
        wait_told(&self.tracer, &self.netns, 1, 1);
        let plain = but(plain(&self.netns, self.server), played(self.server));
        (self.tracer.stop(), plain, self.netns)
    }
}

/// What is different where the client's kernel gave up, without a FIN before. No segment that is shown tells how far the
/// ends had got.
fn gave_up() -> Value {
    let expected = json!({
        "kind": "timed_out", "initiator": null, "bytes": { "client_to_server": null, "server_to_client": null },
        "states": states(&["CLOSE"], &[]),
        "summary": ["timed out: the other end did not answer any more; lasted "],
    });
    but(without_fins(), expected)
}

/// Where a FIN or a reset tells that neither end sent anything.
fn sent_nothing(words: &str) -> Value {
    json!({
        "bytes": { "client_to_server": 0, "server_to_client": 0 },
        "summary": [format!("{words}; 0 B →, 0 B ←; lasted ")],
    })
}

#[track_caller]
fn assert_timed_out(mut stream: &TcpStream) {
    assert_eq!(stream.read(&mut [0]).expect_err("a time-out").kind(), ErrorKind::TimedOut);
}

#[test]
fn retransmissions_without_an_answer() {
    const PORT: u16 = 4731;
    let lonely = Lonely::new(PORT, &[("ipv4/tcp_retries2", "2")]);
    let (stream, _peer) = lonely.connect();
    send(&stream, 100);
    assert_timed_out(&stream);
    lonely.client.close(stream);
    let (trace, plain, netns) = lonely.told();
    assert_record(trace.closed(&netns), &but(plain, gave_up()));
}

#[test]
fn where_all_segments_are_shown_they_tell_how_much_was_sent() {
    const PORT: u16 = 4736;
    let lonely = Lonely::traced_with(PORT, &[("ipv4/tcp_retries2", "2")], &["--segments", "all"]);
    let (stream, _peer) = lonely.connect();
    send(&stream, 100);
    assert_timed_out(&stream);
    lonely.client.close(stream);
    let (trace, plain, netns) = lonely.told();
    let expected = json!({
        "bytes": { "client_to_server": 100, "server_to_client": 0 },
        "summary": ["timed out: the other end did not answer any more; 100 B →, 0 B ←; lasted "],
    });
    assert_record(trace.closed(&netns), &but(plain, but(gave_up(), expected)));
}

#[test]
fn tcp_user_timeout_gives_up_without_a_reset() {
    const PORT: u16 = 4732;
    let lonely = Lonely::new(PORT, &[]);
    let (stream, _peer) = lonely.connect();
    SockRef::from(&stream).set_tcp_user_timeout(Some(Duration::from_millis(500))).expect("a socket has that option");
    send(&stream, 100);
    assert_timed_out(&stream);
    lonely.client.close(stream);
    let (trace, plain, netns) = lonely.told();
    assert_record(trace.closed(&netns), &but(plain, gave_up()));
}

#[test]
fn keep_alive_probes_without_an_answer_end_in_a_reset() {
    const PORT: u16 = 4733;
    let lonely = Lonely::new(PORT, &[]);
    let (stream, _peer) = lonely.connect();
    let second = Duration::from_secs(1);
    let probes = TcpKeepalive::new().with_time(second).with_interval(second).with_retries(1);
    SockRef::from(&stream).set_tcp_keepalive(&probes).expect("a socket has these options");
    assert_timed_out(&stream);
    lonely.client.close(stream);
    let (trace, plain, netns) = lonely.told();
    let told = of_sender(&tell_all(&trace.segments(&netns, PORT), PORT), "client");
    assert_eq!(told, ["S 0:0", ". 1:1 ack 1", "R. 1:1 ack 1"]);
    let expected = json!({ "reset": { "by": "client", "cause": "keepalive" } });
    let expected = but(but(gave_up(), sent_nothing("timed out: keep-alive probes were not answered")), expected);
    assert_record(trace.closed(&netns), &but(plain, expected));
}

#[test]
fn a_fin_without_an_answer() {
    const PORT: u16 = 4734;
    let lonely = Lonely::new(PORT, &[("ipv4/tcp_orphan_retries", "2")]);
    let (stream, _peer) = lonely.connect();
    lonely.client.close(stream);
    let (trace, plain, netns) = lonely.told();
    let close = trace.closed(&netns);
    let again = number(&close["retransmissions"], "client");
    assert!(again >= 1, "{close}");
    let expected = json!({
        "initiator": "client", "retransmissions": { "client": again }, "states": states(&["FIN_WAIT1", "CLOSE"], &[]),
    });
    let expected = but(but(gave_up(), sent_nothing("timed out after the client had closed")), expected);
    assert_record(close, &but(plain, expected));
}

#[test]
fn an_orphan_whose_peer_never_closes_waits_in_fin_wait2() {
    const PORT: u16 = 4735;
    let lonely = Lonely::new(PORT, &[]);
    let (stream, mut peer) = lonely.connect();
    lonely.client.close(stream);
    peer.receive_fin();
    // The kernel has put something smaller into the socket's place, which waits for 60 s, and so does the tracer.
    lonely
        .tracer
        .wait_for("the end of the socket", |record| is_type(record, "state") && text(record, "new") == "CLOSE");
    let plain = but(plain(&lonely.netns, lonely.server), played(lonely.server));
    let trace = lonely.tracer.stop();
    let expected = json!({
        "kind": "unfinished", "half_close_ns": null, "half_closed_bytes": null, "time_wait": null,
        "retransmissions": { "server": null }, "states": states(&["FIN_WAIT1", "FIN_WAIT2"], &[]),
        "summary": ["unfinished: the client has closed its side; tracing stopped first; "],
    });
    assert_record(trace.closed(&lonely.netns), &but(plain, expected));
}
