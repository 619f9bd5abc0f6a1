//! Connections of other network namespaces that the tracer may not enter: their states are seen, their segments are not.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use tcptrace_tests::{Ends, Netns, Tracer, Veth, assert_record, but};

use super::{Plain, exchange, only_verdicts, states_of, wait_verdicts};

const NO_SEGMENTS: &str = "; no segments: other network namespace (incomplete, not seen: segments)";

/// Traces the states of all namespaces, and the segments of one.
#[track_caller]
fn start(own: &Netns, port: u16) -> Tracer {
    Tracer::start_confined(own, &["-p", &port.to_string()])
}

/// The fields of a handshake that are unknown without segments.
fn handshake(plain: &Plain<'_>) -> Value {
    let end = || json!({ "isn": null, "options": null });
    let unknown = json!({
        "client": end(), "server": end(), "syn_to_synack_ns": null, "synack_to_ack_ns": null,
        "retransmissions": { "syn": null, "synack": null }, "incomplete": true, "missing": ["interface"],
        "summary": ["three-way handshake, established", NO_SEGMENTS],
    });
    but(plain.handshake(), unknown)
}

/// The fields of a close that are unknown without segments.
fn close(plain: &Plain<'_>, kind: &str) -> Value {
    let unknown = json!({
        "kind": kind, "half_close_ns": null, "half_closed_bytes": null,
        "bytes": { "client_to_server": null, "server_to_client": null },
        "retransmissions": { "client": null, "server": null }, "incomplete": true, "missing": ["interface"],
    });
    but(plain.close(), unknown)
}

#[test]
fn a_connection_within_another_namespace() {
    const PORT: u16 = 4813;
    let (own, other) = (Netns::new(), Netns::new());
    let tracer = start(&own, PORT);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let ends = Ends::on(&other, address);
    let client = exchange(&ends, ends.open());
    wait_verdicts(&tracer, &other, 1, 1);
    let trace = tracer.stop();
    let verdicts = only_verdicts(&trace, &other);
    let plain = Plain::new(&other, client, address);
    assert_record(verdicts.handshake, &handshake(&plain));
    let how = json!({
        "states": { "client": states_of(true, &["SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2"]) },
        "summary": ["closed by the client, as the states show; the FINs were not seen; lasted ", NO_SEGMENTS],
    });
    assert_record(verdicts.close.expect("a close"), &but(close(&plain, "orderly"), how));
}

#[test]
fn each_end_in_another_namespace() {
    const PORT: u16 = 4814;
    let (own, left, right) = (Netns::new(), Netns::new(), Netns::new());
    let tracer = start(&own, PORT);
    let veth = Veth::between(&left, &right, 0);
    let address = veth.right_v4(PORT);
    let ends = Ends::between(&left, &right, address);
    let client = exchange(&ends, ends.open());
    wait_verdicts(&tracer, &left, 1, 1);
    wait_verdicts(&tracer, &right, 1, 1);
    let trace = tracer.stop();

    let plain = Plain { here: (true, false), ..Plain::new(&left, client, address) };
    let verdicts = only_verdicts(&trace, &left);
    assert_record(verdicts.handshake, &handshake(&plain));
    // Its kernel has replaced the socket by a smaller one: nothing shows whether the other end's FIN comes.
    let how = json!({
        "initiator": "client", "time_wait": null,
        "states": { "client": states_of(true, &["SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2"]) },
        "summary": ["closed by the client; how it ended was not seen", NO_SEGMENTS],
    });
    assert_record(verdicts.close.expect("a close"), &but(close(&plain, "unseen"), how));

    let plain = Plain { here: (false, true), ..Plain::new(&right, client, address) };
    let verdicts = only_verdicts(&trace, &right);
    assert_record(verdicts.handshake, &handshake(&plain));
    let how = json!({
        "duration_ns": null,
        "summary": ["closed by the client, as the states show; the FINs were not seen", "the client holds TIME_WAIT", NO_SEGMENTS],
    });
    assert_record(verdicts.close.expect("a close"), &but(close(&plain, "orderly"), how));
}
