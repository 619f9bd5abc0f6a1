//! Resets of connections by one end, and their causes.

use std::{
    net::{Shutdown, TcpStream},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use socket2::SockRef;
use tcptrace_tests::{
    Connection, Ends, Netns, RST, SOME, TRAFFIC_LIMIT, Trace, Veth, assert_record, but, eventually, lines_of,
    of_sender, output, receive, receive_end, send, set_option, text,
};

use super::{
    FIN_WAIT2, addresses, loopback, on_tun::PeerOnTun, plain, receive_reset, reset, start, states, traced,
    wait_verdicts,
};

#[test]
fn so_linger_0() {
    const PORT: u16 = 4711;
    let netns = Netns::new();
    let trace = traced(&netns, PORT, |ends, connection| {
        SockRef::from(&connection.client).set_linger(Some(Duration::ZERO)).expect("a socket can linger");
        ends.client.close(connection.client);
        receive_reset(&connection.server);
        ends.server.close(connection.server);
    });
    let expected = reset("client", "linger", ": it closed with SO_LINGER 0");
    assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), expected));
}

#[test]
fn closed_with_unread_data() {
    const PORT: u16 = 4712;
    let netns = Netns::new();
    let trace = traced(&netns, PORT, |ends, connection| {
        send(&connection.client, 14);
        connection.server.peek(&mut [0; 14]).expect("data to come");
        ends.server.close(connection.server);
        receive_reset(&connection.client);
        ends.client.close(connection.client);
    });
    let expected = but(
        reset("server", "unread_data", ": it closed with 14 bytes unread; 14 B →, 0 B ←"),
        json!({ "bytes": { "client_to_server": 14 } }),
    );
    assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), expected));
}

/// The server ends its connection by a negative TCP_LINGER2, as its FIN is acknowledged, or with `shut_first` as it closes.
fn closed_without_fin_wait2(port: u16, shut_first: bool) -> Value {
    let netns = Netns::new();
    let trace = traced(&netns, port, |ends, connection| {
        let (client, server) = addresses(&connection);
        set_option(&connection.server, libc::IPPROTO_TCP, libc::TCP_LINGER2, &(-1_i32).to_ne_bytes());
        if shut_first {
            connection.server.shutdown(Shutdown::Write).expect("an open socket can be shut down");
            eventually("the ACK of the server's FIN", TRAFFIC_LIMIT, || {
                ends.server.socket_state(server.port(), client.port()).as_deref() == Some(FIN_WAIT2)
            });
        }
        ends.server.close(connection.server);
        eventually("the reset", TRAFFIC_LIMIT, || ends.client.socket_state(client.port(), server.port()).is_none());
        ends.client.close(connection.client);
    });
    trace.closed(&netns).clone()
}

#[test]
fn a_negative_tcp_linger2() {
    for (port, shut_first) in [(4741, false), (4742, true)] {
        let close = closed_without_fin_wait2(port, shut_first);
        assert_eq!(close["kind"], "reset", "{close}");
        assert_eq!(close["initiator"], "server", "{close}");
        assert_eq!(close["reset"], json!({ "by": "server", "cause": "linger2" }), "{close}");
        assert_eq!((&close["evidence"], &close["time_wait"]), (&json!(["linger2"]), &Value::Null), "{close}");
        let said =
            "reset by the server: its TCP_LINGER2 is negative, so its socket did not wait for the other end's FIN; ";
        assert!(text(&close, "summary").starts_with(said), "{close}");
    }
}

/// The server closes. As soon as its FIN has been acknowledged, the client acts in a way that the server answers by a reset.
fn closed_by_server(netns: &Netns, port: u16, play: impl FnOnce(&Ends, TcpStream)) -> Trace {
    traced(netns, port, |ends, connection| {
        let (client, server) = addresses(&connection);
        ends.server.close(connection.server);
        receive_end(&connection.client);
        eventually("the ACK of the server's FIN", TRAFFIC_LIMIT, || {
            ends.server.socket_state(server.port(), client.port()).as_deref() == Some(FIN_WAIT2)
        });
        play(ends, connection.client);
        eventually("the reset", TRAFFIC_LIMIT, || ends.client.socket_state(client.port(), server.port()).is_none());
    })
}

/// Fields that differ from the default close where the client writes `count` bytes into the server's closed socket.
fn after_close(count: usize) -> Value {
    json!({
        "kind": "reset", "initiator": "server", "reset": { "by": "server", "cause": "data_after_close" },
        "bytes": { "client_to_server": count }, "half_close_ns": null, "half_closed_bytes": null, "time_wait": null,
        "retransmissions": { "client": null },
        "states": states(&["CLOSE_WAIT", "CLOSE"], &["FIN_WAIT1", "FIN_WAIT2"]),
    })
}

#[test]
fn a_write_into_a_socket_that_is_closed_already() {
    const PORT: u16 = 4713;
    let netns = Netns::new();
    let trace = closed_by_server(&netns, PORT, |ends, client| {
        send(&client, 14);
        ends.client.close(client);
    });
    let words = json!({ "summary": [
        "reset by the server: the other end wrote to a socket that was closed already (", " before), and further writes \
         fail with EPIPE; 14 B →, 0 B ←; lasted ",
    ], "closed_before_ns": SOME, "close_known": true, "evidence": null });
    assert_record(trace.closed(&netns), &but(but(plain(&netns, loopback(PORT)), after_close(14)), words));
}

#[test]
fn a_close_notify_into_a_socket_that_is_closed_already_is_harmless() {
    const PORT: u16 = 4714;
    let netns = Netns::new();
    let trace = closed_by_server(&netns, PORT, |ends, client| {
        // A record of TLS 1.3: 5 bytes of header, 2 of alert, 1 of type and 16 of authentication.
        send(&client, 24);
        ends.client.close(client);
    });
    let words = json!({ "summary": [
        "reset by the server: the other end sent 24 B to a socket that was closed already: \
         harmless if that was TLS's close_notify, whose length it is; ", "24 B →, 0 B ←; lasted ",
    ] });
    assert_record(trace.closed(&netns), &but(but(plain(&netns, loopback(PORT)), after_close(24)), words));
}

#[test]
fn both_fins_are_sent_and_still_there_is_a_reset() {
    const PORT: u16 = 4715;
    let netns = Netns::new();
    let trace = closed_by_server(&netns, PORT, |ends, client| {
        SockRef::from(&client).set_tcp_cork(true).expect("a socket can be corked");
        send(&client, 31);
        ends.client.close(client);
    });
    let lines = of_sender(&lines_of(&trace.segments(&netns, PORT), PORT), "client");
    assert_eq!(lines, ["S 0:0", ". 1:1 ack 1", ". 1:1 ack 2", "FP. 1:32 ack 2"]);
    let expected = json!({
        "half_close_ns": SOME, "half_closed_bytes": 31, "retransmissions": { "client": 0 },
        "states": states(&["CLOSE_WAIT", "LAST_ACK", "CLOSE"], &["FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"]),
        "summary": ["reset by the server: the other end still sent 31 B while it closed too, as TLS does with close_notify: \
                     harmless; 31 B →, 0 B ←; lasted "],
    });
    let expected = but(after_close(31), expected);
    assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), expected));
}

/// Destroys the client's socket from outside, as `ss -K` does.
fn kill(ends: &Ends, connection: &Connection) {
    let port = connection.client_address().port();
    let mut ss = Command::new("ss");
    ss.args(["-K", "-t", "sport", "=", &format!(":{port}")]);
    ends.client.run(move || output(&mut ss));
}

#[test]
fn a_socket_destroyed_from_outside() {
    const PORT: u16 = 4716;
    let netns = Netns::new();
    let trace = traced(&netns, PORT, |ends, connection| {
        kill(ends, &connection);
        receive_reset(&connection.server);
        ends.client.close(connection.client);
        ends.server.close(connection.server);
    });
    let expected = reset("client", "killed", ": its socket was destroyed from outside");
    assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), expected));
}

#[test]
fn from_the_other_end_alone_nobody_can_tell_that_it_was_destroyed() {
    const PORT: u16 = 4717;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let tracer = start(&right, PORT);
    let ends = Ends::between(&left, &right, veth.right_v4(PORT));
    let connection = ends.open();
    let (client, server) = addresses(&connection);
    kill(&ends, &connection);
    receive_reset(&connection.server);
    ends.client.close(connection.client);
    ends.server.close(connection.server);
    wait_verdicts(&tracer, &right, 1, 1);
    let trace = tracer.stop();
    let expected = json!({
        "client": { "addr": client.ip(), "pid": null, "comm": null, "thread": null }, "states": states(&[], &["CLOSE"]),
    });
    let expected = but(reset("client", "unknown", ""), expected);
    assert_record(trace.closed(&right), &but(plain(&right, server), expected));
}

#[test]
fn a_peer_that_has_forgotten_the_connection() {
    let on_tun = PeerOnTun::new(4718, &[]);
    let (stream, mut peer) = on_tun.connect();
    send(&stream, 100);
    assert_eq!(peer.receive_data(), 100);
    peer.send_data(20);
    receive(&stream, 20);
    let ack = peer.receive_any();
    assert_eq!((ack.length, ack.ack), (0, Some(20)), "{ack:?}");
    // The next segment is answered by a bare reset, as after a restart or by a NAT that has lost its state.
    send(&stream, 50);
    let data = peer.receive_any();
    assert_eq!((data.length, data.ack), (50, Some(20)), "{data:?}");
    peer.send(RST);
    receive_reset(&stream);
    on_tun.client.close(stream);
    let (trace, plain, netns) = on_tun.outcome();
    // No segment shown reveals how far the client had got.
    let expected = json!({
        "bytes": { "client_to_server": null, "server_to_client": 20 }, "states": states(&["CLOSE"], &[]),
    });
    let words = ": as if it knew no such connection; 20 B ←; lasted ";
    let expected = but(reset("server", "no_connection", words), expected);
    assert_record(trace.closed(&netns), &but(plain, expected));
}
