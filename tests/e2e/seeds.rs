//! The five documents: each watches a client and a server with tcpdump. The tests play the same client and server, at the
//! same ports and with as many bytes, and the trace must show the segments of the document. Values chosen by its kernel
//! (windows, timestamps, initial sequence numbers, maximum segment size of loopback) are not compared; pauses are as short
//! as their effects allow.

mod port_10000;
mod port_20000;
mod port_54321;
mod port_9502;
mod port_9999;

use std::net::SocketAddr;

use serde_json::{Value, json};
use tcptrace_tests::{Netns, Trace, Tracer, but, lines_of, of_sender};

use crate::scenarios::closing::{plain, states};

/// Traces everything at a port inside `netns`.
fn start(netns: &Netns, port: u16) -> Tracer {
    Tracer::start_confined(netns, &["-p", &port.to_string(), "--segments", "all"])
}

/// Returns the segments of the client and those of the server, each in order: `S 0:0`, `P. 1:34 ack 1`. Between the two
/// directions the order depends on the processors, as the first document's two captures show.
fn sent(trace: &Trace, netns: &Netns, port: u16) -> (Vec<String>, Vec<String>) {
    let lines = lines_of(&trace.segments(netns, port), port);
    (of_sender(&lines, "client"), of_sender(&lines, "server"))
}

/// Returns the states that each end's socket passed.
fn went(trace: &Trace, netns: &Netns, port: u16) -> (Vec<String>, Vec<String>) {
    let lines = lines_of(&trace.states(netns, port), port);
    (of_sender(&lines, "client"), of_sender(&lines, "server"))
}

/// Returns the end of most documents' connections: the server closes first, in three segments, after this much payload each
/// way.
fn three_segments(netns: &Netns, server: SocketAddr, sent: u64, answered: u64) -> Value {
    let words = format!("closed by the server, three segments; {sent} B →, {answered} B ←; lasted ");
    let expected = json!({
        "kind": "three_segment", "initiator": "server", "time_wait": "server",
        "bytes": { "client_to_server": sent, "server_to_client": answered },
        "states": states(&["CLOSE_WAIT", "LAST_ACK", "CLOSE"], &["FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"]),
        "summary": [words, "; the server holds TIME_WAIT for 60 s"],
    });
    but(plain(netns, server), expected)
}

/// Returns [`three_segments`] on the host of one end, which does not have the other's socket.
fn seen_by(own_end: &str, netns: &Netns, [client, server]: [SocketAddr; 2], sent: u64, answered: u64) -> Value {
    let other = if own_end == "client" { "server" } else { "client" };
    let elsewhere = json!({ other: { "pid": null, "comm": null, "thread": null }, "states": { other: [] } });
    let client = json!({ "client": { "addr": client.ip(), "port": client.port() } });
    but(but(three_segments(netns, server, sent, answered), client), elsewhere)
}

/// Asserts that a document's SYNs carry the same five options.
#[track_caller]
fn check_options_of_syns(trace: &Trace, netns: &Netns, port: u16) {
    let segments = trace.segments(netns, port);
    let (syn, syn_ack) = (&segments[0]["options"], &segments[1]["options"]);
    for options in [syn, syn_ack] {
        assert!(options["mss"].is_u64() && options["window_scale"].is_u64(), "{options}");
        assert_eq!(options["sack_permitted"], true, "{options}");
    }
    assert_eq!(syn["timestamp"]["echo"], 0);
    assert_eq!(syn_ack["timestamp"]["echo"], syn["timestamp"]["value"]);
    for data in &segments[2..] {
        let timed = data["options"]["timestamp"] != Value::Null;
        assert_eq!(timed, data["flags"] != "R", "every later segment has a timestamp, except that reset: {data}");
    }
}
