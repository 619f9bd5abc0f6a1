//! Interfaces that appear and disappear during a trace.

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};

use rustix::process::Signal;
use serde_json::{Value, json};
use tcptrace_tests::{
    ACK, ANY, Actor, Ends, Netns, Peer, RST, SOME, Tracer, Tun, Veth, assert_record, but, close, process_name,
    receive_end, send, text, wait_attached,
};

use super::{Plain, exchange, only_verdicts, start, states_of, wait_verdicts};

const NEVER_SENT: [&str; 2] = ["no SYN was seen to leave", "was not sent"];

/// A tun device unknown to the tracer so far, and a client that connects through it.
struct Appearing {
    netns: Netns,
    client: Actor,
    tracer: Tracer,
    tun: Tun,
}

impl Appearing {
    fn new(port: u16) -> Self {
        let netns = Netns::new();
        let client = Actor::new(&netns, "tt-client");
        let tracer = start(&netns, &[port]);
        // While it is stopped, it attaches to nothing; the records of state changes wait for it.
        tracer.signal(Signal::STOP);
        let tun = Tun::new(&netns, "tun0");
        Self { netns, client, tracer, tun }
    }

    /// Lets the tracer notice the interface.
    fn notice(&self) {
        self.tracer.signal(Signal::CONT);
        wait_attached(&self.netns, "tun0");
    }

    /// The client shuts down, then the peer closes.
    fn close(&self, stream: TcpStream, mut peer: Peer<'_>) {
        let shutting = self.client.start(move || {
            stream.shutdown(Shutdown::Write).expect("a connected stream can be shut down");
            receive_end(&stream);
            close(stream);
        });
        peer.receive_fin();
        peer.close();
        shutting.finish();
    }
}

fn server(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 8, 0, 9], port))
}

fn plain(netns: &Netns, stream: &TcpStream, port: u16, up: usize) -> (SocketAddr, Value, Value) {
    let client = stream.local_addr().expect("a connected stream has an address");
    let plain = Plain { here: (true, false), bytes: (up, 0), ..Plain::new(netns, client, server(port)) };
    (client, plain.handshake(), plain.close())
}

#[test]
fn a_connection_over_a_tun_device_that_appeared() {
    const PORT: u16 = 4824;
    let new = Appearing::new(PORT);
    new.notice();
    let connecting = new.client.start_connect(server(PORT), |_| {});
    let mut peer = Peer::accept(&new.tun);
    let stream = connecting.finish().expect("the peer accepts");
    send(&stream, 100);
    assert_eq!(peer.receive_data(), 100);
    let (_, handshake, close) = plain(&new.netns, &stream, PORT, 100);
    new.close(stream, peer);
    wait_verdicts(&new.tracer, &new.netns, 1, 1);
    let trace = new.tracer.stop();
    let verdicts = only_verdicts(&trace, &new.netns);
    assert_record(verdicts.handshake, &handshake);
    assert_record(verdicts.close.expect("a close"), &close);
}

#[test]
fn a_syn_that_left_before_its_interface_was_known() {
    const PORT: u16 = 4825;
    let new = Appearing::new(PORT);
    let connecting = new.client.start_connect(server(PORT), |_| {});
    let mut peer = Peer::await_syn(&new.tun);
    new.notice();
    peer.send_syn(ACK);
    assert_eq!(peer.receive_any().ack, Some(0), "the ACK of the handshake");
    let stream = connecting.finish().expect("the peer accepts");
    let (_, handshake, close) = plain(&new.netns, &stream, PORT, 0);
    new.close(stream, peer);
    wait_verdicts(&new.tracer, &new.netns, 1, 1);
    let trace = new.tracer.stop();
    let verdicts = only_verdicts(&trace, &new.netns);
    let expected = json!({
        "client": { "options": null }, "syn_to_synack_ns": null, "retransmissions": { "syn": null },
        "incomplete": true, "missing": ["syn"],
        "summary": ["three-way handshake, established in ", " (incomplete, not seen: SYN)"],
    });
    assert_record(verdicts.handshake, &but(handshake, expected));
    assert_record(verdicts.close.expect("a close"), &close);
    never_denied(&trace.records);
}

#[test]
fn a_handshake_that_was_over_before_its_interface_was_known() {
    const PORT: u16 = 4826;
    let new = Appearing::new(PORT);
    let connecting = new.client.start_connect(server(PORT), |_| {});
    let peer = Peer::accept(&new.tun);
    let stream = connecting.finish().expect("the peer accepts");
    new.notice();
    let (_, handshake, close) = plain(&new.netns, &stream, PORT, 0);
    new.close(stream, peer);
    wait_verdicts(&new.tracer, &new.netns, 1, 1);
    let trace = new.tracer.stop();
    let verdicts = only_verdicts(&trace, &new.netns);
    let end = json!({ "isn": null, "options": null });
    let expected = json!({
        "client": end, "server": end, "syn_to_synack_ns": null, "synack_to_ack_ns": null,
        "retransmissions": { "syn": null, "synack": null }, "incomplete": true, "missing": ["interface"],
        "summary": ["three-way handshake, established in ", "(incomplete, not seen: segments)"],
    });
    assert_record(verdicts.handshake, &but(handshake, expected));
    // Nothing shows where the numbers began.
    let unknown = json!({
        "bytes": { "client_to_server": null, "server_to_client": null },
        "summary": ["closed by the client, four segments; lasted ", "; the client holds TIME_WAIT for 60 s"],
    });
    assert_record(verdicts.close.expect("a close"), &but(close, unknown));
    never_denied(&trace.records);
}

/// Traces a refusal whose SYN was not seen; `missing` is the part that the record reports as missing.
fn check_refused(port: u16, notice_first: bool, missing: &str, reset: Value, words: &str) {
    let new = Appearing::new(port);
    let connecting = new.client.start_connect(server(port), |_| {});
    let peer = Peer::await_syn(&new.tun);
    if notice_first {
        new.notice();
    }
    peer.send(RST | ACK);
    connecting.finish().expect_err("the peer refuses");
    if !notice_first {
        new.notice();
    }
    wait_verdicts(&new.tracer, &new.netns, 1, 0);
    let trace = new.tracer.stop();
    let handshake = trace.failed_handshake(&new.netns);
    let expected = json!({
        "netns": new.netns.inode(), "kind": "three_way", "outcome": "refused", "by_icmp": false, "passed_over": null, "accept_queue": null, "syn_queue": null, "waiting_for": null,
        "client": {
            "addr": "10.8.0.1", "port": SOME, "netns": ANY, "isn": ANY, "pid": std::process::id(), "comm": process_name(), "thread": "tt-client", "options": null,
        },
        "server": { "addr": "10.8.0.9", "port": port, "netns": ANY, "isn": null, "pid": null, "comm": null, "thread": null, "options": null },
        "role_inferred": false, "syn_to_synack_ns": null, "synack_to_ack_ns": null, "connect_ns": null,
        "retransmissions": { "syn": null, "synack": null }, "incomplete": true, "missing": [missing],
        "reset": reset, "summary": ["three-way handshake, refused: ", words],
    });
    assert_record(handshake, &expected);
    never_denied(&trace.records);
}

#[test]
fn a_refusal_of_a_syn_that_left_before_its_interface_was_known() {
    let reset = json!({ "by": "server", "cause": "unknown" });
    check_refused(4827, true, "syn", reset, "a reset answered the SYN");
}

#[test]
fn a_refusal_before_its_interface_was_known() {
    check_refused(4828, false, "interface", Value::Null, "which was not seen");
}

/// Asserts that no record reports a SYN that was not sent.
#[track_caller]
fn never_denied(records: &[Value]) {
    for record in records.iter().filter(|record| record["summary"].is_string()) {
        let summary = text(record, "summary");
        assert!(!NEVER_SENT.iter().any(|words| summary.contains(words)), "{record}");
    }
}

#[test]
fn an_interface_that_goes_takes_nothing_with_it() {
    const PORT: u16 = 4829;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
    let tracer = start(&left, &[PORT]);
    let remote = Ends { address: veth.right_v4(PORT), ..Ends::between(&left, &right, address) };
    let connection = remote.open();
    let client = connection.client_address();
    left.ip(&["link", "del", &veth.left]);
    // Its reset cannot leave: only the socket shows it.
    let stream = connection.client;
    remote.client.run(move || {
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).expect("SO_LINGER");
        close(stream);
    });
    wait_verdicts(&tracer, &left, 1, 1);
    let local = Ends { address: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)), ..Ends::on(&left, address) };
    let local_client = exchange(&local, local.open());
    wait_verdicts(&tracer, &left, 2, 2);
    let trace = tracer.stop();
    drop(connection.server);

    let verdicts = trace.verdicts(&left);
    let [gone, after] = verdicts.as_slice() else { panic!("two connections: {verdicts:#?}") };
    let plain = Plain { here: (true, false), bytes: (0, 0), ..Plain::new(&left, client, veth.right_v4(PORT)) };
    assert_record(gone.handshake, &plain.handshake());
    let cut_off = json!({
        "kind": "reset", "initiator": "client", "reset": { "by": "client", "cause": "linger" }, "half_close_ns": null, "half_closed_bytes": null, "time_wait": null,
        "retransmissions": { "client": null, "server": null },
        "states": { "client": states_of(true, &["SYN_SENT", "ESTABLISHED", "CLOSE"]) },
        "bytes": { "client_to_server": null, "server_to_client": null },
        "incomplete": true, "missing": ["fin"],
        "summary": ["reset by the client: it closed with SO_LINGER 0; lasted ", " (incomplete, not seen: FIN or RST)"],
    });
    assert_record(gone.close.expect("a close"), &but(plain.close(), cut_off));
    Plain::new(&left, local_client, local.address).check(after);
}
