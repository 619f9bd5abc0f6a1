//! Both ends close, and every byte has arrived.

use std::{
    io::{ErrorKind, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    process::Command,
};

use serde_json::{Value, json};
use tcptrace_tests::{
    ACK, Ends, Netns, SOME, TRAFFIC_LIMIT, Trace, Veth, assert_record, but, close, endpoint, eventually, is_type,
    lines_of, number, of_sender, receive, receive_end, send, set_option, text,
};

use super::{
    FIN_WAIT1, FIN_WAIT2, addresses, loopback, on_tun::PeerOnTun, plain, start, states, traced, wait_client,
    wait_verdicts,
};
use crate::scenarios::until_in_time;

#[test]
fn four_segments() {
    const PORT: u16 = 4701;
    let netns = Netns::new();
    let trace = traced(&netns, PORT, |ends, connection| {
        send(&connection.client, 7);
        receive(&connection.server, 7);
        send(&connection.server, 18);
        receive(&connection.client, 18);
        ends.close_in_four(connection);
    });
    let expected = json!({
        "bytes": { "client_to_server": 7, "server_to_client": 18 },
        "summary": ["closed by the client, four segments; 7 B →, 18 B ←; lasted ", "; the client holds TIME_WAIT for 60 s"],
    });
    assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), expected));
}

#[test]
fn three_segments_when_the_other_fin_carries_the_ack() {
    const PORT: u16 = 4702;
    let words = "closed by the client, three segments; 0 B →, 0 B ←; lasted ";
    let expected = json!({ "kind": "three_segment", "summary": [words, "; the client holds TIME_WAIT for 60 s"] });
    until_in_time(|| {
        let netns = Netns::new();
        let trace = traced(&netns, PORT, |ends, connection| ends.close_in_three(connection));
        let story = of_sender(&lines_of(&trace.segments(&netns, PORT), PORT), "server");
        let three = story == ["S. 0:0 ack 1", "F. 1:1 ack 2"];
        if three {
            assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), expected.clone()));
        } else {
            assert_eq!(story[1], ". 1:1 ack 2", "the ACK came by itself: {story:#?}");
            assert_eq!(trace.closed(&netns)["kind"], "four_segment", "{story:#?}");
        }
        three
    });
}

#[test]
fn fins_that_cross_close_both_ends_at_once() {
    let on_tun = PeerOnTun::new(4703, &[]);
    let (stream, mut peer) = on_tun.connect();
    on_tun.client.close(stream);
    let fin = peer.receive_any();
    assert!(fin.fin, "{fin:?}");
    // Our FIN is on its way before we have received that.
    peer.send_fin();
    let ack = peer.receive_any();
    assert_eq!(ack.ack, Some(1), "{ack:?}");
    on_tun.tracer.wait_for("CLOSING", |record| is_type(record, "state") && text(record, "new") == "CLOSING");
    peer.note_received(&fin);
    peer.send(ACK);
    let (trace, plain, netns) = on_tun.outcome();
    let expected = json!({
        "kind": "simultaneous", "initiator": null, "time_wait": "both",
        "states": states(&["FIN_WAIT1", "CLOSING", "TIME_WAIT"], &[]),
        "summary": ["closed by both ends at once; 0 B →, 0 B ←; lasted ", "; both hold TIME_WAIT for 60 s"],
    });
    assert_record(trace.closed(&netns), &but(plain, expected));
}

/// Plays a request, `shutdown(SHUT_WR)` and an answer of 1000 bytes; `answer` reads the request to its end and answers.
fn half_closed(netns: &Netns, port: u16, answer: impl FnOnce(&Ends, TcpStream, (SocketAddr, SocketAddr))) -> Trace {
    traced(netns, port, |ends, connection| {
        let addresses = addresses(&connection);
        let client = connection.client;
        send(&client, 10);
        receive(&connection.server, 10);
        let client = ends.client.start(move || {
            client.shutdown(Shutdown::Write).expect("a connected stream can be shut down");
            client
        });
        answer(ends, connection.server, addresses);
        let client = client.finish();
        receive(&client, 1000);
        receive_end(&client);
        ends.client.close(client);
    })
}

fn of_half_closed() -> Value {
    json!({
        "bytes": { "client_to_server": 10, "server_to_client": 1000 }, "half_closed_bytes": 1000,
        "summary": ["closed by the client, four segments; 10 B →, 1000 B ←; lasted ", "; the client holds TIME_WAIT for 60 s"],
    })
}

#[test]
fn the_ack_of_the_first_fin_rides_on_the_answer() {
    const PORT: u16 = 4704;
    let netns = Netns::new();
    let trace = half_closed(&netns, PORT, |ends, server, _| {
        let answered = ends.server.start(move || {
            receive_end(&server);
            send(&server, 1000);
            close(server);
        });
        answered.finish();
    });
    let lines = of_sender(&lines_of(&trace.segments(&netns, PORT), PORT), "server");
    assert_eq!(lines, ["S. 0:0 ack 1", "P. 1:1001 ack 12", "F. 1001:1001 ack 12"]);
    assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), of_half_closed()));
}

#[test]
fn the_first_fin_is_acknowledged_by_itself_before_the_answer() {
    const PORT: u16 = 4705;
    let netns = Netns::new();
    let trace = half_closed(&netns, PORT, |ends, server, addresses| {
        receive_end(&server);
        wait_client(ends, addresses, FIN_WAIT1);
        let (client, port) = (addresses.0.port(), addresses.1.port());
        assert_eq!(ends.client.socket_state(client, port).as_deref(), Some(FIN_WAIT2));
        send(&server, 1000);
        ends.server.close(server);
    });
    let lines = of_sender(&lines_of(&trace.segments(&netns, PORT), PORT), "server");
    assert_eq!(lines, ["S. 0:0 ack 1", ". 1:1 ack 12", "P. 1:1001 ack 12", "F. 1001:1001 ack 12"]);
    assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), of_half_closed()));
}

/// Sends until nothing more fits anywhere; returns the number of bytes.
fn fill(mut to: &TcpStream) -> usize {
    to.set_nonblocking(true).expect("a socket need not block");
    let mut sent = 0;
    loop {
        match to.write(&[b'x'; 4096]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return sent,
            Err(error) => panic!("the bytes cannot be sent: {error}"),
        }
    }
}

#[test]
fn a_fin_behind_queued_data_leaves_later_than_its_state() {
    const PORT: u16 = 4706;
    let netns = Netns::new();
    let ends = Ends::on(&netns, loopback(PORT));
    let tracer = start(&netns, PORT);
    let connection = ends.open();
    let (client, server) = addresses(&connection);
    let count = fill(&connection.client);
    ends.client.close(connection.client);
    tracer.wait_state("FIN_WAIT1", client, server);
    tracer.look(|records| {
        let fin = records.iter().find(|record| is_type(record, "segment") && text(record, "flags").contains('F'));
        assert!(fin.is_none(), "no window, no FIN: {fin:?}");
    });
    receive(&connection.server, count);
    receive_end(&connection.server);
    wait_client(&ends, (client, server), FIN_WAIT1);
    ends.server.close(connection.server);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    let close = trace.closed(&netns);
    let expected = json!({
        // On a busy machine the server may have no room for a segment with the FIN.
        "retransmissions": { "client": SOME },
        "bytes": { "client_to_server": count, "server_to_client": 0 },
        "summary": [format!("closed by the client, four segments; {count} B →, 0 B ←; lasted ")],
    });
    assert_record(close, &but(plain(&netns, loopback(PORT)), expected));
}

#[test]
fn a_fin_that_the_receiver_has_merged_into_data_counts_from_behind_it() {
    const PORT: u16 = 4707;
    const PACED: usize = 11;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    // Segments pass the cable one by one, and the receiver merges those that arrive together.
    left.output(Command::new("ethtool").args(["-K", &veth.left, "tso", "off", "gso", "off"]));
    right.output(Command::new("ethtool").args(["-K", &veth.right, "gro", "on"]));
    let ends = Ends::between(&left, &right, veth.right_v4(PORT));
    let tracer = start(&right, PORT);
    let connection = ends.open();
    let (client, server) = addresses(&connection);
    // The kernel paces segments after the first ten: a second passes after the last of these, in which data and FIN come
    // together.
    connection.client.set_nodelay(true).expect("a socket need not delay");
    for _ in 1..PACED {
        send(&connection.client, 1);
        receive(&connection.server, 1);
    }
    set_option(&connection.client, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, &1000_u32.to_ne_bytes());
    send(&connection.client, 1000);
    receive(&connection.server, 1000);
    send(&connection.client, 2800);
    ends.client.close(connection.client);
    receive(&connection.server, 2800);
    receive_end(&connection.server);
    eventually("the ACK of the client's FIN", TRAFFIC_LIMIT, || {
        ends.client.socket_state(client.port(), server.port()).as_deref() != Some(FIN_WAIT1)
    });
    ends.server.close(connection.server);
    wait_verdicts(&tracer, &right, 1, 1);
    let trace = tracer.stop();
    let segments = trace.segments(&right, PORT);
    let is_fin = |record: &&&Value| endpoint(record, "src") == Some(client) && text(record, "flags").contains('F');
    let fin = segments.iter().find(is_fin).expect("a FIN");
    assert_eq!((number(fin, "gso_segments"), number(fin, "length"), text(fin, "flags")), (2, 2800, "FP."), "{fin}");
    let expected = json!({
        "client": { "addr": client.ip(), "pid": null, "comm": null, "thread": null },
        "bytes": { "client_to_server": 10 + 1000 + 2800, "server_to_client": 0 },
        "states": states(&[], &["CLOSE_WAIT", "LAST_ACK", "CLOSE"]),
        "summary": ["closed by the client, four segments; 3810 B →, 0 B ←; lasted "],
    });
    assert_record(trace.closed(&right), &but(plain(&right, server), expected));
}
