//! Traffic read by Wireshark's dissector, by `tcptrace -r` from the same capture, and live: all agree on the facts that they
//! define alike.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use socket2::SockRef;
use tcptrace_tests::{
    Capture, Completeness, Connection, Ends, Netns, TRAFFIC_LIMIT, Tracer, binary, endpoint, eventually, is_type,
    output, receive, receive_end, send, text, tshark,
};

const PORT: u16 = 4841;
const CLOSED_PORT: u16 = 4842;

/// Both records of each connection, by its ends; the second may be missing.
type Verdicts = BTreeMap<(SocketAddr, SocketAddr), (Value, Option<Value>)>;

fn verdicts(records: &[Value]) -> Verdicts {
    let mut verdicts = Verdicts::new();
    for record in records.iter().filter(|record| is_type(record, "handshake") || is_type(record, "close")) {
        let ends = endpoint(record, "client").zip(endpoint(record, "server")).expect("two endpoints");
        if is_type(record, "handshake") {
            assert!(verdicts.insert(ends, (record.clone(), None)).is_none(), "ports are not used twice: {record}");
        } else {
            let (_, close) = verdicts.get_mut(&ends).expect("a handshake before it");
            assert!(close.replace(record.clone()).is_none(), "one close: {record}");
        }
    }
    verdicts
}

fn read(file: &Path) -> Vec<Value> {
    let text = output(Command::new(binary()).arg("-r").arg(file).arg("--json"));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Sends 1000 bytes up and 2000 down.
fn exchange(connection: &Connection) {
    for (from, to, count) in
        [(&connection.client, &connection.server, 1000), (&connection.server, &connection.client, 2000)]
    {
        send(from, count);
        receive(to, count);
    }
}

/// Closes a connection; the client's FIN is lost until it has been retransmitted.
fn close_with_lost_fins(ends: &Ends, connection: Connection, netns: &Netns, tracer: &Tracer) {
    let client = connection.client_address();
    netns.nft(&format!(
        "table ip t {{ chain c {{ type filter hook input priority 0; tcp sport {} tcp flags & fin == fin drop; }}; }}",
        client.port()
    ));
    ends.client.close(connection.client);
    tracer.wait_until("a FIN that was sent again", |records| {
        let fins = records.iter().filter(|record| endpoint(record, "src") == Some(client));
        fins.filter(|record| record["flags"].as_str().is_some_and(|flags| flags.contains('F'))).count() >= 2
    });
    netns.nft("flush ruleset");
    receive_end(&connection.server);
    ends.server.close(connection.server);
}

/// Returns the fields that are the same in the records of all vantage points.
fn common(record: Option<&Value>) -> Value {
    let Some(record) = record else { return Value::Null };
    const FIELDS: [&str; 10] = [
        "kind",
        "outcome",
        "by_icmp",
        "waiting_for",
        "initiator",
        "half_closed_bytes",
        "bytes",
        "time_wait",
        "retransmissions",
        "missing",
    ];
    let mut common: Value = FIELDS.iter().map(|&field| (field.to_owned(), record[field].clone())).collect();
    common["reset_by"] = record["reset"]["by"].clone();
    for end in ["client", "server"] {
        common[end] = json!({ "isn": record[end]["isn"], "options": record[end]["options"] });
    }
    common
}

/// Returns Wireshark's completeness of a connection, derived from our records.
fn completeness(handshake: &Value, close: Option<&Value>) -> Completeness {
    let of_close = |field: &str| close.map_or(Value::Null, |close| close[field].clone());
    let (bytes, fins) = (of_close("bytes"), of_close("retransmissions"));
    let either = |both: &Value, seen: fn(&Value) -> bool| both.as_object().is_some_and(|both| both.values().any(seen));
    let seen = [
        (Completeness::SYN, !handshake["retransmissions"]["syn"].is_null()),
        (Completeness::SYN_ACK, !handshake["retransmissions"]["synack"].is_null()),
        (Completeness::ACK, !handshake["synack_to_ack_ns"].is_null()),
        (Completeness::DATA, either(&bytes, |count| count.as_u64() > Some(0))),
        (Completeness::FIN, either(&fins, |count| !count.is_null())),
        (Completeness::RST, !handshake["reset"].is_null() || !of_close("reset").is_null()),
    ];
    Completeness(seen.into_iter().filter(|(_, seen)| *seen).map(|(bit, _)| bit).sum())
}

#[test]
fn wireshark_and_both_ways_to_trace_agree() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mix.pcap");
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let capture = Capture::start(&netns, "lo", &format!("tcp portrange {PORT}-{CLOSED_PORT}"), &file);
    let tracer = Tracer::start(&netns, &["-p", &format!("{PORT}-{CLOSED_PORT}"), "--segments", "all"]);

    let [in_four, in_three, by_reset, lost_fins, half_open, open, silent] = [(); 7].map(|()| ends.open());
    [&in_four, &in_three, &by_reset, &lost_fins, &half_open, &open].into_iter().for_each(exchange);
    ends.close_in_four(in_four);
    ends.close_in_three(in_three);
    SockRef::from(&by_reset.client).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
    ends.client.close(by_reset.client);
    close_with_lost_fins(&ends, lost_fins, &netns, &tracer);
    let refused = ends.client.connect_with(SocketAddr::from((Ipv4Addr::LOCALHOST, CLOSED_PORT)), |_| {});
    refused.expect_err("nobody listens there");
    let (client, server) = (half_open.client_address().port(), half_open.server_address().port());
    ends.server.close(half_open.server);
    receive_end(&half_open.client);
    eventually("the ACK of the server's FIN", TRAFFIC_LIMIT, || {
        ends.server.socket_state(server, client).as_deref() != Some("04")
    });
    tracer.wait_until("eight handshakes and four closes", |records| {
        let count = |kind| records.iter().filter(|record| is_type(record, kind)).count();
        count("handshake") == 8 && count("close") == 4
    });
    let trace = tracer.stop();
    trace.nothing_lost();
    capture.finish(trace.of_type("segment").len());
    drop((by_reset.server, half_open.client, open, silent));

    let (live, from_file, streams) = (verdicts(&trace.records), verdicts(&read(&file)), tshark(&file));
    assert_eq!((live.len(), from_file.len(), streams.len()), (8, 8, 8));
    let mut kinds: Vec<_> = live.values().flat_map(|(_, close)| close).map(|close| text(close, "kind")).collect();
    kinds.sort_unstable();
    assert_eq!(kinds.iter().filter(|kind| **kind == "unfinished").count(), 1, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "reset").count(), 1, "{kinds:?}");
    let mut again = 0;
    for stream in streams {
        let ends = stream.ends.expect("a stream has a segment");
        let ((handshake, close), (filed_handshake, filed_close)) = (&live[&ends], &from_file[&ends]);
        assert_eq!(common(Some(handshake)), common(Some(filed_handshake)));
        assert_eq!(common(close.as_ref()), common(filed_close.as_ref()));
        let mut seen = completeness(handshake, close.as_ref());
        if let Some(close) = close {
            let bytes = json!({ "client_to_server": stream.bytes.0, "server_to_client": stream.bytes.1 });
            assert_eq!(close["bytes"], bytes, "{close}: {stream:?}");
            // A FIN that was not sent at all has no number of retransmissions.
            let fins = ["client", "server"].map(|end| close["retransmissions"][end].as_u64().unwrap_or(0));
            assert_eq!(fins, [stream.fins_again.0, stream.fins_again.1], "{close}: {stream:?}");
            again += fins[0];
        } else {
            // No record describes data on an open connection.
            seen.0 |= stream.completeness.0 & Completeness::DATA;
        }
        if handshake["outcome"] == "refused" {
            // Wireshark takes the ACK of the reset for that of a handshake.
            seen.0 |= stream.completeness.0 & Completeness::ACK;
        }
        assert_eq!(seen, stream.completeness, "{handshake} {close:?}: {stream:?}");
    }
    assert!(again > 0, "a FIN was sent again");
}
