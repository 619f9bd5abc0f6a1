//! The other end has vanished.

use std::{
    io::{ErrorKind, Read as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};
use socket2::{SockRef, TcpKeepalive};
use tcptrace_tests::{assert_record, but, is_type, lines_of, number, of_sender, send, text};

use super::{on_tun::PeerOnTun, plain, played, states, without_fins};

/// Returns the fields that differ from the default close if the client's kernel gave up before any FIN. None of the recorded
/// segments shows the number of bytes sent.
fn gave_up() -> Value {
    let expected = json!({
        "kind": "timed_out", "initiator": null, "bytes": { "client_to_server": null, "server_to_client": null },
        "states": states(&["CLOSE"], &[]),
        "summary": ["timed out: what was sent was not acknowledged in time; lasted "],
    });
    but(without_fins(), expected)
}

/// Returns the fields if a FIN or a reset shows that neither end sent anything.
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
    let on_tun = PeerOnTun::new(PORT, &[("ipv4/tcp_retries2", "2")]);
    let (stream, _peer) = on_tun.connect();
    send(&stream, 100);
    assert_timed_out(&stream);
    on_tun.client.close(stream);
    let (trace, plain, netns) = on_tun.outcome();
    assert_record(trace.closed(&netns), &but(plain, gave_up()));
}

#[test]
fn where_all_segments_are_shown_they_tell_how_much_was_sent() {
    const PORT: u16 = 4736;
    let on_tun = PeerOnTun::traced_with(PORT, &[("ipv4/tcp_retries2", "2")], &["--segments", "all"]);
    let (stream, _peer) = on_tun.connect();
    send(&stream, 100);
    assert_timed_out(&stream);
    on_tun.client.close(stream);
    let (trace, plain, netns) = on_tun.outcome();
    let expected = json!({
        "bytes": { "client_to_server": 100, "server_to_client": 0 },
        "summary": ["timed out: what was sent was not acknowledged in time; 100 B →, 0 B ←; lasted "],
    });
    assert_record(trace.closed(&netns), &but(plain, but(gave_up(), expected)));
}

#[test]
fn tcp_user_timeout_gives_up_without_a_reset() {
    const PORT: u16 = 4732;
    let on_tun = PeerOnTun::new(PORT, &[]);
    let (stream, _peer) = on_tun.connect();
    SockRef::from(&stream).set_tcp_user_timeout(Some(Duration::from_millis(500))).expect("a socket has that option");
    send(&stream, 100);
    assert_timed_out(&stream);
    on_tun.client.close(stream);
    let (trace, plain, netns) = on_tun.outcome();
    assert_record(trace.closed(&netns), &but(plain, gave_up()));
}

#[test]
fn keep_alive_probes_without_an_answer_end_in_a_reset() {
    const PORT: u16 = 4733;
    let on_tun = PeerOnTun::new(PORT, &[]);
    let (stream, _peer) = on_tun.connect();
    let second = Duration::from_secs(1);
    let probes = TcpKeepalive::new().with_time(second).with_interval(second).with_retries(1);
    SockRef::from(&stream).set_tcp_keepalive(&probes).expect("a socket has these options");
    assert_timed_out(&stream);
    on_tun.client.close(stream);
    let (trace, plain, netns) = on_tun.outcome();
    let lines = of_sender(&lines_of(&trace.segments(&netns, PORT), PORT), "client");
    assert_eq!(lines, ["S 0:0", ". 1:1 ack 1", "R. 1:1 ack 1"]);
    let expected = json!({ "reset": { "by": "client", "cause": "keepalive" } });
    let expected = but(but(gave_up(), sent_nothing("timed out: keep-alive probes were not answered")), expected);
    assert_record(trace.closed(&netns), &but(plain, expected));
}

#[test]
fn a_fin_without_an_answer() {
    const PORT: u16 = 4734;
    let on_tun = PeerOnTun::new(PORT, &[("ipv4/tcp_orphan_retries", "2")]);
    let (stream, _peer) = on_tun.connect();
    on_tun.client.close(stream);
    let (trace, plain, netns) = on_tun.outcome();
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
    let on_tun = PeerOnTun::new(PORT, &[]);
    let (stream, mut peer) = on_tun.connect();
    on_tun.client.close(stream);
    peer.receive_fin();
    // The kernel has replaced the socket by a smaller one, which waits for 60 s, and so does the tracer.
    on_tun
        .tracer
        .wait_for("the end of the socket", |record| is_type(record, "state") && text(record, "new") == "CLOSE");
    let plain = but(plain(&on_tun.netns, on_tun.server), played(on_tun.server));
    let trace = on_tun.tracer.stop();
    let expected = json!({
        "kind": "unfinished", "half_close_ns": null, "half_closed_bytes": null, "time_wait": null,
        "retransmissions": { "server": null }, "states": states(&["FIN_WAIT1", "FIN_WAIT2"], &[]),
        "summary": ["unfinished: the client has closed its side; tracing stopped first; "],
    });
    assert_record(trace.closed(&on_tun.netns), &but(plain, expected));
}
