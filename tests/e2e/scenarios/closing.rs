//! The ends of connections. Each scenario states the differences of its record from that of a plain close.

mod losses;
mod many;
mod on_tun;
mod orderly;
mod processes;
mod resets;
mod reuse;
mod silent;
mod timeouts;
mod volume;
mod why;

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};
use tcptrace_tests::{
    ANY, Connection, Ends, Netns, SOME, TRAFFIC_LIMIT, Trace, but, eventually, no_retransmissions, process_name,
};

use super::{drop_at_input, loopback, receive_reset, start, wait_verdicts};

// States as /proc/net/tcp has them.
const FIN_WAIT1: &str = "04";
const FIN_WAIT2: &str = "05";
const TIME_WAIT: &str = "06";
const CLOSING: &str = "0B";

/// Plays with a connection on loopback; returns the trace of a tracer that has seen the listener open.
#[track_caller]
fn traced(netns: &Netns, port: u16, play: impl FnOnce(&Ends, Connection)) -> Trace {
    let tracer = start(netns, port);
    let ends = Ends::on(netns, loopback(port));
    let connection = ends.open();
    play(&ends, connection);
    wait_verdicts(&tracer, netns, 1, 1);
    let trace = tracer.stop();
    drop(ends);
    trace
}

/// Returns the close begun by the client of two actors, in which neither end sent anything, with both sockets on this host.
pub(crate) fn plain(netns: &Netns, server: SocketAddr) -> Value {
    json!({
        "netns": netns.inode(), "kind": "four_segment", "initiator": "client",
        "client": { "addr": server.ip(), "port": SOME, "netns": ANY, "pid": std::process::id(), "comm": process_name(), "thread": ANY },
        "server": { "addr": server.ip(), "port": server.port(), "netns": ANY, "pid": std::process::id(), "comm": process_name(), "thread": ANY },
        "half_close_ns": SOME, "half_closed_bytes": 0, "bytes": { "client_to_server": 0, "server_to_client": 0 },
        "duration_ns": SOME, "time_wait": "client", "reset": null, "retransmissions": no_retransmissions(netns, ["client", "server"]),
        "states": states(&["FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"], &["CLOSE_WAIT", "LAST_ACK", "CLOSE"]),
        "incomplete": false, "missing": [],
        "summary": ["closed by the client, four segments; 0 B →, 0 B ←; lasted ", "; the client holds TIME_WAIT for 60 s"],
    })
}

/// Returns the fields that differ if nobody sent a FIN.
fn without_fins() -> Value {
    json!({
        "half_close_ns": null, "half_closed_bytes": null, "time_wait": null,
        "retransmissions": { "client": null, "server": null },
        "states": states(&["CLOSE"], &["CLOSE"]),
    })
}

/// Returns the fields that differ if an end that had not closed resets the connection.
fn reset(by: &str, cause: &str, words: &str) -> Value {
    let how = json!({
        "kind": "reset", "initiator": by, "reset": { "by": by, "cause": cause },
        "summary": [format!("reset by the {by}{words}")],
    });
    but(without_fins(), how)
}

/// Returns the fields that differ if the other end of the client's connection is played by the test.
fn played(server: SocketAddr) -> Value {
    let client: IpAddr = [10, 8, 0, 1].into();
    json!({ "client": { "addr": client }, "server": { "addr": server.ip(), "pid": null, "comm": null, "thread": null } })
}

/// Returns the states of both ends after ESTABLISHED; none if an end's socket is not on this host.
pub(crate) fn states(client: &[&str], server: &[&str]) -> Value {
    json!({ "client": states_with_times("SYN_SENT", client), "server": states_with_times("SYN_RECV", server) })
}

fn states_with_times(first: &str, then: &[&str]) -> Value {
    let Some((last, passed)) = then.split_last() else { return json!([]) };
    let opening = [first, "ESTABLISHED"];
    let passed = opening.iter().chain(passed).map(|state| json!({ "state": state, "ns": SOME }));
    passed.chain([json!({ "state": last, "ns": null })]).collect()
}

/// Waits until the client has left a state.
#[track_caller]
fn wait_client(ends: &Ends, (client, server): (SocketAddr, SocketAddr), left: &str) {
    eventually("another state of the client", TRAFFIC_LIMIT, || {
        ends.client.socket_state(client.port(), server.port()).as_deref() != Some(left)
    });
}

/// Returns the addresses of both ends.
fn addresses(connection: &Connection) -> (SocketAddr, SocketAddr) {
    (connection.client_address(), connection.server_address())
}
