//! Handshakes that wait for data, and connections without a handshake.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::json;
use tcptrace_tests::{Actor, Netns, Tracer, close, is_type, send, set_option, text};

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn start(netns: &Netns, port: u16) -> Tracer {
    Tracer::start(netns, &["-p", &port.to_string()])
}

#[test]
fn a_server_that_waits_for_data_is_said_to() {
    let to = address(6111);
    let netns = Netns::new();
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen_with(to, 16, |socket| {
        set_option(socket, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, &30_i32.to_ne_bytes());
    });
    let tracer = start(&netns, to.port());
    let stream = client.connect(to);
    tracer.wait_for("that it waits", |record| {
        is_type(record, "stalled")
            && text(record, "summary") == "the server waits for the client's data: TCP_DEFER_ACCEPT"
    });
    send(&stream, 5);
    let accepted = server.accept(&listener);
    tracer.wait_for("the handshake", |record| is_type(record, "handshake"));
    let trace = tracer.stop();
    [stream, accepted].into_iter().for_each(close);
    close(listener);
    let [hint] = trace.hints(&netns, to.port())[..] else { panic!("one hint: {:#?}", trace.records) };
    assert_eq!((&hint["name"], &hint["state"]), (&json!("defer_accept"), &json!("LISTEN")), "{hint}");
    let verdict = trace.only_verdicts(&netns).handshake;
    let summary = text(verdict, "summary");
    assert!(summary.contains("; the server waited ") && summary.ends_with("TCP_DEFER_ACCEPT"), "{summary}");
}

#[test]
fn a_syn_that_waits_for_data_in_vain_is_not_missing() {
    let to = address(6112);
    let netns = Netns::new();
    // As a client, without cookies: TFO_CLIENT_ENABLE and TFO_CLIENT_NO_COOKIE of include/net/tcp.h.
    netns.sysctl("ipv4/tcp_fastopen", "5");
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen(to);
    let tracer = start(&netns, to.port());
    let stream = client.connect_with(to, |socket| {
        set_option(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, &1_i32.to_ne_bytes());
    });
    client.close(stream.expect("it does not wait for an answer"));
    tracer.wait_for("the handshake", |record| is_type(record, "handshake"));
    let trace = tracer.stop();
    close(listener);
    let verdict = trace.failed_handshake(&netns);
    assert_eq!((&verdict["outcome"], &verdict["missing"]), (&json!("cancelled"), &json!([])), "{verdict}");
    let summary = text(verdict, "summary");
    assert!(summary.ends_with("the SYN waited for data and was not sent (TCP_FASTOPEN_CONNECT)"), "{summary}");
}

#[test]
fn a_restored_socket_had_no_handshake() {
    let to = address(6113);
    let netns = Netns::new();
    let client = Actor::new(&netns, "tt-client");
    let tracer = start(&netns, to.port());
    // Nothing is sent, and nobody listens there.
    let stream = client.connect_with(to, |socket| {
        set_option(socket, libc::IPPROTO_TCP, libc::TCP_REPAIR, &1_i32.to_ne_bytes());
        socket.bind(&address(6114).into()).expect("a free port");
    });
    let stream = stream.expect("a socket in repair is connected at once");
    // Closed in repair mode, it sends nothing either.
    client.close(stream);
    tracer.wait_for("the close", |record| is_type(record, "close"));
    let trace = tracer.stop();
    let handshake = trace.only_verdicts(&netns).handshake;
    assert_eq!((&handshake["kind"], &handshake["missing"]), (&json!("unseen"), &json!([])), "{handshake}");
    let summary = text(handshake, "summary");
    assert!(summary.starts_with("no handshake: its socket was restored (TCP_REPAIR)"), "{summary}");
}

#[test]
fn a_cookie_that_meets_a_full_queue_makes_no_socket() {
    let to = address(6115);
    let netns = Netns::new();
    netns.sysctl("ipv4/tcp_syncookies", "2");
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen_with(to, 0, |_| {});
    // The first ACK is held, and the second connection takes the only place.
    netns.nft(
        "table inet t { chain c { type filter hook input priority 0; tcp dport 6115 tcp flags & (syn | ack | psh) == ack drop; }; }",
    );
    let tracer = start(&netns, to.port());
    let late = client.connect(to);
    netns.nft("delete table inet t");
    let quick = client.connect(to);
    let own = quick.local_addr().expect("a connected socket has an address");
    tracer.wait_state("ESTABLISHED", to, own);
    // Its cookie is no longer accepted.
    netns.sysctl("ipv4/tcp_syncookies", "0");
    send(&late, 7);
    tracer.wait_for("the close", |record| is_type(record, "close"));
    let trace = tracer.stop();
    [late, quick].into_iter().for_each(close);
    close(listener);
    let closes = trace.of_type("close");
    let [closed] = closes[..] else { panic!("one close: {closes:#?}") };
    assert_eq!(closed["reset"], json!({ "by": "server", "cause": "queue_full" }), "{closed}");
    assert!(text(closed, "summary").contains("so it never had a socket"), "{closed}");
}
