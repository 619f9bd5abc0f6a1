//! Segments after the end of a connection: a reset into TIME_WAIT, and reuse of the same addresses and ports.

use serde_json::json;
use tcptrace_tests::{
    Connection, Ends, Netns, RST, TRAFFIC_LIMIT, assert_opened, assert_record, but, eventually, receive_end,
};

use super::{FIN_WAIT1, TIME_WAIT, loopback, on_tun::PeerOnTun, plain, start, states, wait_verdicts};

#[test]
fn a_reset_into_time_wait_ends_nothing_but_that() {
    let on_tun = PeerOnTun::new(4741, &[]);
    let (stream, mut peer) = on_tun.connect();
    let port = stream.local_addr().expect("a connected socket has an address").port();
    on_tun.client.close(stream);
    peer.receive_fin();
    peer.send_fin();
    peer.receive_any();
    assert_eq!(on_tun.client.socket_state(port, on_tun.server.port()).as_deref(), Some(TIME_WAIT));
    peer.send(RST);
    eventually("the end of TIME_WAIT", TRAFFIC_LIMIT, || {
        on_tun.client.socket_state(port, on_tun.server.port()).is_none()
    });
    let (trace, plain, netns) = on_tun.outcome();
    let expected = json!({
        "reset": { "by": "server", "cause": "unknown" },
        "states": states(&["FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"], &[]),
        "summary": [
            "closed by the client, four segments; 0 B →, 0 B ←; lasted ",
            "; the client holds TIME_WAIT for 60 s, into which the server sent a reset",
        ],
    });
    assert_record(trace.closed(&netns), &but(plain, expected));
}

#[test]
fn a_syn_into_time_wait_begins_a_connection_of_its_own() {
    const PORT: u16 = 4742;
    let (from, to) = (loopback(5742), loopback(PORT));
    let netns = Netns::new();
    let ends = Ends::on(&netns, to);
    let tracer = start(&netns, PORT);
    let open = || Connection { client: ends.client.connect_from(from, to), server: ends.server.accept(&ends.listener) };
    let close = |connection: Connection| {
        // The server's end keeps TIME_WAIT, and the client's port is free.
        ends.server.close(connection.server);
        receive_end(&connection.client);
        eventually("the ACK of the server's FIN", TRAFFIC_LIMIT, || {
            ends.server.socket_state(PORT, from.port()).as_deref() != Some(FIN_WAIT1)
        });
        ends.client.close(connection.client);
        netns.settle();
    };
    close(open());
    assert_eq!(ends.server.socket_state(PORT, from.port()).as_deref(), Some(TIME_WAIT));
    close(open());
    wait_verdicts(&tracer, &netns, 2, 2);
    let trace = tracer.stop();
    let verdicts: [_; 2] = trace.verdicts(&netns).try_into().expect("two connections");
    assert_ne!(verdicts[0].handshake["client"]["isn"], verdicts[1].handshake["client"]["isn"]);
    for connection in verdicts {
        assert_opened(connection.handshake);
        let close = connection.close.expect("a close");
        trace.recount(close);
        let expected = json!({
            "initiator": "server", "client": { "port": 5742 }, "time_wait": "server",
            "states": states(&["CLOSE_WAIT", "LAST_ACK", "CLOSE"], &["FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"]),
            "summary": ["closed by the server, four segments; 0 B →, 0 B ←; lasted ", "; the server holds TIME_WAIT for 60 s"],
        });
        assert_record(close, &but(plain(&netns, to), expected));
    }
}

#[test]
fn a_syn_that_meets_an_older_connection_resets_that_one() {
    const PORT: u16 = 4744;
    let (from, to) = (loopback(5744), loopback(PORT));
    let netns = Netns::new();
    // The time, in seconds, for which the client's end waits for the FIN that does not come.
    netns.sysctl("ipv4/tcp_fin_timeout", "1");
    let ends = Ends::on(&netns, to);
    let tracer = start(&netns, PORT);
    let open = || Connection { client: ends.client.connect_from(from, to), server: ends.server.accept(&ends.listener) };
    let old = open();
    ends.client.close(old.client);
    receive_end(&old.server);
    eventually("the end of FIN_WAIT2", TRAFFIC_LIMIT, || ends.client.socket_state(from.port(), PORT).is_none());
    let new = open();
    wait_verdicts(&tracer, &netns, 2, 1);
    let trace = tracer.stop();
    drop((old.server, new));
    let [old, new]: [_; 2] = trace.verdicts(&netns).try_into().expect("two connections");
    let close = old.close.expect("a close");
    assert_eq!(close["reset"], json!({ "by": "client", "cause": "unknown" }), "{close}");
    assert_eq!((&close["initiator"], &close["missing"]), (&json!("client"), &json!([])), "{close}");
    assert_eq!(new.handshake["outcome"], "established", "{}", new.handshake);
}
