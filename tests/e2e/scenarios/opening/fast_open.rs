//! TCP Fast Open (RFC 7413): data in the SYN.

use serde_json::json;
use tcptrace_tests::{
    Actor, Netns, Trace, Tracer, assert_record, but, close, receive, receive_end, send, set_option, text,
};

use super::{loopback, plain, start, wait_verdicts};

/// A server that hands out cookies and accepts data with them.
struct Scene {
    netns: Netns,
    client: Actor,
    server: Actor,
    listener: std::net::TcpListener,
}

impl Scene {
    fn new(port: u16) -> Self {
        let netns = Netns::new();
        netns.sysctl("ipv4/tcp_fastopen", "3");
        let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
        let listener = server.listen_with(loopback(port), 16, |socket| {
            set_option(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, &16_i32.to_ne_bytes());
        });
        Self { netns, client, server, listener }
    }

    /// Opens a connection that sends seven bytes as early as possible, and closes it from the client.
    #[track_caller]
    fn exchange(&self, port: u16) {
        self.exchange_after(port, || {});
    }

    /// Plays an exchange with `between` run after connect() and before the first bytes, for which the SYN waits if the
    /// client has a cookie.
    #[track_caller]
    fn exchange_after(&self, port: u16, between: impl FnOnce()) {
        let stream = self.client.connect_with(loopback(port), |socket| {
            set_option(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, &1_i32.to_ne_bytes());
        });
        let stream = stream.expect("the server listens");
        between();
        send(&stream, 7);
        let accepted = self.server.accept(&self.listener);
        receive(&accepted, 7);
        self.client.close(stream);
        receive_end(&accepted);
        close(accepted);
        self.netns.settle();
    }
}

/// Returns the trace of two connections.
#[track_caller]
fn traced(scene: &Scene, port: u16, play: impl FnOnce(&Tracer)) -> Trace {
    let tracer = start(&scene.netns, port);
    play(&tracer);
    wait_verdicts(&tracer, &scene.netns, 2, 2);
    tracer.stop()
}

#[test]
fn the_first_connection_asks_for_a_cookie_and_the_second_sends_data_with_it() {
    const PORT: u16 = 4661;
    let scene = Scene::new(PORT);
    let trace = traced(&scene, PORT, |_| {
        scene.exchange(PORT);
        scene.exchange(PORT);
    });
    let [first, second] = trace.verdicts(&scene.netns).try_into().expect("two connections");
    let plain = plain(&scene.netns, loopback(0).ip(), loopback(PORT));
    assert_record(first.handshake, &plain);
    let expected = json!({ "kind": "fast_open", "summary": ["TCP Fast Open handshake, established"] });
    assert_record(second.handshake, &but(plain, expected));
    for verdicts in [first, second] {
        let bytes = json!({ "client_to_server": 7, "server_to_client": 0 });
        assert_eq!(verdicts.close.expect("a close")["bytes"], bytes, "{verdicts:#?}");
    }
}

#[test]
fn a_cookie_that_the_server_does_not_know_makes_a_plain_handshake() {
    const PORT: u16 = 4662;
    let scene = Scene::new(PORT);
    let trace = traced(&scene, PORT, |_| {
        scene.exchange(PORT);
        scene.netns.sysctl("ipv4/tcp_fastopen_key", "00000001-00000002-00000003-00000004");
        scene.exchange(PORT);
    });
    let [first, second] = trace.verdicts(&scene.netns).try_into().expect("two connections");
    let plain = plain(&scene.netns, loopback(0).ip(), loopback(PORT));
    let syn = trace.of_type("segment").into_iter().rfind(|segment| segment["flags"] == "S").expect("a SYN");
    assert_eq!(syn["length"], 7, "it carried data: {syn}");
    for verdicts in [first, second] {
        assert_record(verdicts.handshake, &plain);
        let bytes = json!({ "client_to_server": 7, "server_to_client": 0 });
        assert_eq!(verdicts.close.expect("a close")["bytes"], bytes, "{verdicts:#?}");
    }
}

#[test]
fn a_syn_that_waits_for_its_data_finds_its_socket() {
    const PORT: u16 = 4663;
    let scene = Scene::new(PORT);
    let trace = traced(&scene, PORT, |tracer| {
        scene.exchange(PORT);
        // The port shows when the SYN leaves. Until then the tracer waits, but not for ever.
        scene.exchange_after(PORT, || {
            tracer.wait_for("a socket without a port", |record| {
                record["new"] == "SYN_SENT" && record["local"]["port"].is_null()
            });
        });
    });
    let [first, second] = trace.verdicts(&scene.netns).try_into().expect("two connections");
    let plain = plain(&scene.netns, loopback(0).ip(), loopback(PORT));
    assert_record(first.handshake, &plain);
    // The time since SYN_SENT is known, although the event did not name its connection.
    let expected = json!({ "kind": "fast_open", "summary": ["TCP Fast Open handshake, established"] });
    assert_record(second.handshake, &but(plain, expected));
    for connection in [first, second] {
        let kind = text(connection.close.expect("a close"), "kind");
        // The scheduler decides whether the FIN is acknowledged before the server closes.
        assert!(["three_segment", "four_segment"].contains(&kind), "{kind}");
    }
}
