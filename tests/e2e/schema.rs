//! The program's output conforms to the JSON Schema that it prints.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::Command,
    time::Duration,
};

use jsonschema::Validator;
use serde_json::{Value, json};
use socket2::SockRef;
use tcptrace_tests::{Ends, Netns, Trace, Tracer, binary, number, output, send};

fn schema() -> Validator {
    let schema: Value = serde_json::from_str(&output(Command::new(binary()).arg("--json-schema"))).expect("JSON");
    jsonschema::validator_for(&schema).expect("a JSON Schema")
}

/// Returns a trace with every type of record that can be produced at will.
fn trace(port: u16) -> Trace {
    let netns = Netns::new();
    netns.nft(&format!(
        "table inet t {{ chain c {{ type filter hook input priority 0; tcp dport {} reject with icmpx port-unreachable; }}; }}",
        port + 1
    ));
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let tracer = Tracer::start(&netns, &["-p", &format!("{port}-{}", port + 1), "--segments", "all"]);
    let connection = ends.open();
    send(&connection.client, 100);
    tcptrace_tests::receive(&connection.server, 100);
    ends.close_in_four(connection);
    // A reset, with the evidence of the socket and of the kernel.
    let aborted = ends.open();
    SockRef::from(&aborted.server).set_linger(Some(Duration::ZERO)).expect("a socket can linger");
    ends.server.close(aborted.server);
    let refused = SocketAddr::from((Ipv4Addr::LOCALHOST, port + 1));
    ends.client.connect_with(refused, |_| {}).expect_err("the packet filter refuses");
    drop(ends);
    tracer.stop()
}

#[test]
fn every_line_of_a_real_run_is_valid() {
    let (schema, trace) = (schema(), trace(4141));
    for kind in ["start", "state", "segment", "icmp", "hint", "handshake", "close", "end"] {
        assert!(!trace.of_type(kind).is_empty(), "no {kind}");
    }
    for record in &trace.records {
        if let Err(error) = schema.validate(record) {
            panic!("{error} at {}: {record}", error.instance_path());
        }
    }
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let (schema, trace) = (schema(), trace(4143));
    assert!(!schema.is_valid(&json!({})));
    let first = |kind| (*trace.of_type(kind).first().expect("one of every type")).clone();
    for (kind, field, wrong) in [
        ("state", "type", json!("nonsense")),
        ("state", "new", json!(1)),
        ("state", "new", json!("ASLEEP")),
        ("state", "local", json!("127.0.0.1:80")),
        ("segment", "seq", json!("1")),
        ("segment", "flags", json!(2)),
        ("segment", "direction", json!("up")),
        ("segment", "boot_ns", json!(-1)),
        ("hint", "name", json!("tcp_probe")),
        ("hint", "value", json!("")),
        ("hint", "queue_full", json!(null)),
        ("end", "lost", json!(null)),
    ] {
        let mut record = first(kind);
        assert!(schema.is_valid(&record));
        record[field] = wrong;
        assert!(!schema.is_valid(&record), "{record}");
    }
}

#[test]
fn every_record_has_its_time_by_both_clocks() {
    let trace = trace(4145);
    for record in &trace.records {
        // 2026-01-02T03:04:05.123456789Z
        let time = record["time"].as_str().expect("a time");
        assert_eq!(time.len(), "2026-01-02T03:04:05.123456789Z".len(), "{time}");
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T' && time.as_bytes()[19] == b'.', "{time}");
        assert!(number(record, "boot_ns") > 0, "{record}");
    }
}

#[test]
fn the_start_says_what_is_traced_by_what() {
    let trace = trace(4147);
    let start = trace.start();
    assert_eq!(start["schema"], 2);
    assert_eq!(start["interfaces"], json!(["lo"]));
    let read = |path| std::fs::read_to_string(path).expect("readable by all").trim().to_owned();
    assert_eq!(start["kernel"], read("/proc/sys/kernel/osrelease"));
    assert_eq!(start["hostname"], read("/proc/sys/kernel/hostname"));
    let run = start["run"].as_str().expect("a UUID");
    assert_eq!(run.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{run}");
    for record in ["handshake", "close"].into_iter().flat_map(|kind| trace.of_type(kind)) {
        assert_eq!((&record["host"], &record["run"]), (&start["hostname"], &start["run"]), "{record}");
        let first = trace.records.iter().find(|event| event["conn"] == record["conn"]).expect("its first event");
        assert_eq!((&record["started"], &record["started_ns"]), (&first["time"], &first["boot_ns"]), "{record}");
        let failed = record["kind"] == "reset" || record["outcome"] == "refused";
        assert_eq!(record["severity"], if failed { "failed" } else { "ok" }, "{record}");
        let id = record["community_id"].as_str().expect("a Community ID");
        assert!(id.starts_with("1:") && id.len() == 30, "{id}");
    }
    let filter = start["filter"].as_str().expect("text");
    assert!(filter.contains("4147"), "{filter}");
    let version = output(Command::new(binary()).arg("--version"));
    assert_eq!(version.trim(), format!("tcptrace {}", start["version"].as_str().expect("text")));
}
