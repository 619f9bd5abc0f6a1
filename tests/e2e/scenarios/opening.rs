//! Handshakes that are not plain. Each scenario states the differences of its record from that of a plain one.

mod cancels;
mod cookies;
mod fast_open;
mod loss;
mod queues;
mod refusals;
mod scans;
mod silence;
mod simultaneous;
mod twice;
mod unreachable;
mod unseen;

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};
use tcptrace_tests::{ANY, Netns, SOME, no_retransmissions, number, process_name};

use super::{drop_at_input, loopback, receive_reset, start, wait_segments, wait_verdicts};

/// Returns the handshake of an actor in `netns` without any obstacle. The cause of a reset and the owner of the server's
/// socket are present only where there is proof.
fn plain(netns: &Netns, client: IpAddr, server: SocketAddr) -> Value {
    json!({
        "netns": netns.inode(), "kind": "three_way", "outcome": "established", "by_icmp": false, "passed_over": null, "accept_queue": null, "syn_queue": null, "waiting_for": null,
        "client": {
            "addr": client, "port": SOME, "netns": ANY, "isn": SOME, "pid": std::process::id(), "comm": process_name(), "thread": "tt-client", "options": SOME,
        },
        "server": {
            "addr": server.ip(), "port": server.port(), "netns": ANY, "isn": SOME, "pid": ANY, "comm": ANY, "thread": ANY, "options": SOME,
        },
        "role_inferred": false, "syn_to_synack_ns": SOME, "synack_to_ack_ns": SOME, "connect_ns": SOME,
        "retransmissions": no_retransmissions(netns, ["syn", "synack"]), "incomplete": false, "missing": [], "reset": null,
        "summary": ["three-way handshake, established in "],
    })
}

/// Returns the fields that the record of a SYN without a SYN,ACK lacks.
fn no_synack() -> Value {
    json!({
        "server": { "isn": null, "options": null },
        "syn_to_synack_ns": null, "synack_to_ack_ns": null, "connect_ns": null,
        "retransmissions": { "synack": null },
    })
}

/// Returns the fields that are missing if the client's socket is not on this host.
fn no_client_socket() -> Value {
    json!({ "client": { "pid": null, "comm": null, "thread": null }, "connect_ns": null })
}

/// Returns the fields that differ from the default handshake if a kernel gave up. The number of its SYNs depends on its
/// version.
#[track_caller]
fn timed_out(handshake: &Value) -> Value {
    let syns = again(handshake, "syn") + 1;
    assert!(syns > 1, "{handshake}");
    json!({
        "outcome": "timed_out", "retransmissions": { "syn": syns - 1 },
        "summary": [format!("three-way handshake, timed out after {syns} SYNs, "), " s without an answer"],
    })
}

/// Returns the number of retransmissions of a kind of segment in a handshake.
#[track_caller]
fn again(handshake: &Value, kind: &str) -> u64 {
    number(&handshake["retransmissions"], kind)
}

/// Returns the close of a connection whose ends sent no data, reset by `server`.
fn reset_by_server(plain: &Value) -> Value {
    let end = |name: &str| {
        let end = &plain[name];
        json!({ "addr": end["addr"], "port": end["port"], "netns": end["netns"], "pid": end["pid"], "comm": end["comm"], "thread": ANY })
    };
    let states = |first: &str| json!([{ "state": first, "ns": SOME }, { "state": "ESTABLISHED", "ns": SOME }, { "state": "CLOSE", "ns": null }]);
    json!({
        "netns": plain["netns"], "kind": "reset", "initiator": "server",
        "client": end("client"), "server": end("server"),
        "half_close_ns": null, "half_closed_bytes": null,
        "bytes": { "client_to_server": 0, "server_to_client": 0 },
        "duration_ns": SOME, "time_wait": null, "reset": { "by": "server", "cause": ANY },
        "retransmissions": { "client": null, "server": null },
        "states": { "client": states("SYN_SENT"), "server": states("SYN_RECV") },
        "incomplete": false, "missing": [], "summary": ["reset by the server"],
    })
}
