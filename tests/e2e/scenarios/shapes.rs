//! A connection in every shape that it can have: other headers around it, other paths through the host, other kinds of
//! sockets. Both its records are compared as a whole.

mod address_translation;
mod fragments;
mod headers;
mod interfaces;
pub(crate) mod listeners;
mod malformed;
mod many;
mod mapped;
mod mptcp;
mod namespaces;
mod offload;
mod router;
mod several_interfaces;
mod vlan;
mod wire;

use std::net::SocketAddr;

use serde_json::{Value, json};
use tcptrace_tests::{
    ANY, Connection, Ends, Netns, SOME, Trace, Tracer, Verdicts, assert_record, is_type, lines_of, no_retransmissions,
    process_name, receive, send,
};

/// Bytes that the client sends by default.
const UP: usize = 33;

/// Bytes that the server sends.
const DOWN: usize = 29;

/// The segments of [`exchange`] that are shown without `--segments all`.
const SEGMENTS: [&str; 7] = [
    "client S 0:0",
    "server S. 0:0 ack 1",
    "client . 1:1 ack 1",
    "client F. 34:34 ack 30",
    "server . 30:30 ack 35",
    "server F. 30:30 ack 35",
    "client . 35:35 ack 31",
];

/// Traces everything at some ports inside `netns`.
#[track_caller]
fn start(netns: &Netns, ports: &[u16]) -> Tracer {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    Tracer::start(netns, &["-p", &ports.join(",")])
}

/// Sends bytes both ways, and closes in four segments, the client first. Returns the client's address.
#[track_caller]
fn exchange(ends: &Ends, connection: Connection) -> SocketAddr {
    let client = connection.client_address();
    send(&connection.client, UP);
    receive(&connection.server, UP);
    send(&connection.server, DOWN);
    receive(&connection.client, DOWN);
    ends.close_in_four(connection);
    client
}

/// Waits until this many connections inside `netns` have opened, and this many have closed.
#[track_caller]
fn wait_verdicts(tracer: &Tracer, netns: &Netns, handshakes: usize, closes: usize) {
    tracer.wait_until(&format!("{handshakes} handshakes and {closes} closes"), |records| {
        let here =
            |kind| records.iter().filter(move |record| is_type(record, kind) && record["netns"] == netns.inode());
        here("handshake").count() >= handshakes && here("close").count() >= closes
    });
}

/// Returns the verdicts on the only connection inside the namespace, to which all segments belong.
#[track_caller]
fn only_verdicts<'a>(trace: &'a Trace, netns: &Netns) -> Verdicts<'a> {
    let mut verdicts = trace.verdicts(netns);
    assert_eq!(verdicts.len(), 1, "one connection: {verdicts:#?}");
    let verdicts = verdicts.remove(0);
    let strangers =
        trace.of_type("segment").into_iter().filter(|segment| segment["conn"] != verdicts.handshake["conn"]);
    assert_eq!(strangers.count(), 0, "{:#?}", trace.records);
    verdicts
}

/// A connection of actors that has opened, exchanged bytes and closed in four segments without any obstacle.
#[derive(Clone, Copy)]
struct Plain<'a> {
    /// The namespace in which it was seen.
    netns: &'a Netns,
    client: SocketAddr,
    server: SocketAddr,
    /// True for each end whose socket is in that namespace; the tracer has seen the listener open.
    here: (bool, bool),
    bytes: (usize, usize),
}

impl<'a> Plain<'a> {
    /// Creates one with [`UP`] and [`DOWN`] bytes and both sockets on this host.
    fn new(netns: &'a Netns, client: SocketAddr, server: SocketAddr) -> Self {
        Self { netns, client, server, here: (true, true), bytes: (UP, DOWN) }
    }

    /// The expected verdict on its opening.
    fn handshake(&self) -> Value {
        let end = |address: SocketAddr, process: Process| {
            let Process { pid, comm, thread } = process;
            json!({
                "addr": address.ip(), "port": address.port(), "netns": ANY, "isn": SOME, "pid": pid, "comm": comm, "thread": thread, "options": SOME,
            })
        };
        let (client, server) = self.processes();
        json!({
            "netns": self.netns.inode(), "kind": "three_way", "outcome": "established", "by_icmp": false, "passed_over": null, "accept_queue": null, "syn_queue": null,
            "waiting_for": null, "client": end(self.client, client), "server": end(self.server, server),
            "role_inferred": false, "syn_to_synack_ns": SOME, "synack_to_ack_ns": SOME,
            "connect_ns": if self.here.0 { json!(SOME) } else { Value::Null },
            "retransmissions": no_retransmissions(self.netns, ["syn", "synack"]), "incomplete": false, "missing": [], "reset": null,
            "summary": ["three-way handshake, established in "],
        })
    }

    /// The expected verdict on its close.
    fn close(&self) -> Value {
        let end = |address: SocketAddr, process: Process| {
            let Process { pid, comm, thread } = process;
            json!({ "addr": address.ip(), "port": address.port(), "netns": ANY, "pid": pid, "comm": comm, "thread": thread })
        };
        let (client, server) = self.processes();
        let (up, down) = self.bytes;
        json!({
            "netns": self.netns.inode(), "kind": "four_segment", "initiator": "client",
            "client": end(self.client, client), "server": end(self.server, server),
            "half_close_ns": SOME, "half_closed_bytes": 0,
            "bytes": { "client_to_server": up, "server_to_client": down },
            "duration_ns": SOME, "time_wait": "client", "reset": null, "retransmissions": no_retransmissions(self.netns, ["client", "server"]),
            "states": {
                "client": states_of(self.here.0, &["SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"]),
                "server": states_of(self.here.1, &["SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"]),
            },
            "incomplete": false, "missing": [],
            "summary": [
                "closed by the client, four segments; ", format!("; {up} B →, {down} B ←; lasted "),
                "; the client holds TIME_WAIT for 60 s",
            ],
        })
    }

    /// Compares both records with the expected ones.
    #[track_caller]
    fn check(&self, verdicts: &Verdicts<'_>) {
        assert_record(verdicts.handshake, &self.handshake());
        assert_record(verdicts.close.expect("a close"), &self.close());
    }

    /// Asserts that it is the only one in its namespace, that each of its segments is shown once, and that its records are
    /// as expected.
    #[track_caller]
    fn check_only(&self, trace: &Trace) {
        assert_eq!(lines_of(&trace.of_type("segment"), self.server.port()), SEGMENTS);
        self.check(&only_verdicts(trace, self.netns));
    }

    fn processes(&self) -> (Process, Process) {
        let of = |here| match here {
            true => Process { pid: Some(std::process::id()), comm: Some(process_name()), thread: Some(ANY) },
            false => NOBODY,
        };
        (of(self.here.0), of(self.here.1))
    }
}

/// The process of an end, if it is known.
struct Process {
    pid: Option<u32>,
    comm: Option<&'static str>,
    thread: Option<&'static str>,
}

const NOBODY: Process = Process { pid: None, comm: None, thread: None };

/// States of an end; how long it stayed in the last one is not known.
fn states_of(here: bool, names: &[&str]) -> Value {
    let count = if here { names.len() } else { 0 };
    let stay = |(at, name): (usize, &&str)| json!({ "state": name, "ns": if at + 1 < count { json!(SOME) } else { Value::Null } });
    names.iter().take(count).enumerate().map(stay).collect()
}
