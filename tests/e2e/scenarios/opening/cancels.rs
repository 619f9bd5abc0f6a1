//! Applications that do not wait for their connection.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tcptrace_tests::{Actor, Netns, Trace, Tun, assert_record, but, number, text};

use super::{again, no_synack, plain, start, wait_segments, wait_verdicts};

fn check(netns: &Netns, trace: &Trace, server: SocketAddr) {
    let handshake = trace.failed_handshake(netns);
    let syns = again(handshake, "syn") + 1;
    let expected = json!({
        "outcome": "cancelled", "retransmissions": { "syn": syns - 1 },
        "summary": [
            "three-way handshake, cancelled by the client's application after ",
            format!(" s and {syns} SYNs without an answer"),
        ],
    });
    assert_record(handshake, &but(but(plain(netns, [10, 8, 0, 1].into(), server), no_synack()), expected));
    assert!(syns >= 2, "{handshake}");
    let states = trace.of_type("state");
    let [opened, closed] = [states[0], states[1]].map(|state| number(state, "boot_ns"));
    let seconds: f64 = text(handshake, "summary")
        .split_once(" after ")
        .and_then(|(_, rest)| rest.split_once(" s and ")?.0.parse().ok())
        .expect("a number of seconds");
    let took = Duration::from_nanos(closed - opened).as_secs_f64();
    assert!(seconds <= took && took < seconds + 0.11, "{took}: {handshake}");
    let close = states[1];
    assert_eq!((&close["error"], &close["pid"]), (&Value::Null, &std::process::id().into()), "{close}");
}

#[test]
fn the_client_closes_while_its_syn_is_not_answered() {
    let server: SocketAddr = "10.8.0.9:4631".parse().expect("an endpoint");
    let netns = Netns::new();
    let _tun = Tun::new(&netns, "tun0");
    let client = Actor::new(&netns, "tt-client");
    let tracer = start(&netns, server.port());
    let socket = client.begin_connect(server);
    wait_segments(&tracer, "S", 2);
    client.close(socket);
    wait_verdicts(&tracer, &netns, 1, 0);
    check(&netns, &tracer.stop(), server);
}

#[test]
fn a_time_out_of_the_application_is_no_time_out_of_the_kernel() {
    let server: SocketAddr = "10.8.0.9:4632".parse().expect("an endpoint");
    let netns = Netns::new();
    let _tun = Tun::new(&netns, "tun0");
    let client = Actor::new(&netns, "tt-client");
    let tracer = start(&netns, server.port());
    // A connect() that blocks waits as long as a send() may (socket(7), SO_SNDTIMEO).
    let limit = Some(Duration::from_millis(2500));
    let error = client
        .connect_with(server, move |socket| socket.set_write_timeout(limit).expect("a socket can have a time-out"))
        .expect_err("nobody is there");
    assert_eq!(error.raw_os_error(), Some(libc::EINPROGRESS), "EINPROGRESS, and no {:?}: {error}", ErrorKind::TimedOut);
    wait_verdicts(&tracer, &netns, 1, 0);
    check(&netns, &tracer.stop(), server);
}
