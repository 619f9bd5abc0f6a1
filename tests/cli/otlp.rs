//! `--otlp` with a recording: the export to a collector, and its failures.

mod failures;

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};
use tcptrace_tests::{Certificate, Collector, Posted, assert_same_as_records, binary};

use super::{run, wrong_usage};

fn recording(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// A command that exports a recording.
fn export(name: &str, url: &str) -> Command {
    let mut command = Command::new(binary());
    command.arg("-r").arg(recording(name)).args(["-o", "none", "--otlp", url]);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(variable);
        }
    }
    command
}

/// Exports the recording of a reset to a collector, which must get all records.
#[track_caller]
fn delivered(collector: &Collector) {
    let (code, stdout, stderr) = run(&mut export("reset.jsonl", &collector.url()));
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{stderr}");
}

fn of_path<'a>(posted: &'a [Posted], path: &'a str) -> Vec<&'a Posted> {
    posted.iter().filter(|request| request.path == path).collect()
}

#[test]
fn spans_log_records_and_metrics_are_those_of_the_records() {
    for name in ["ladder.jsonl", "reset.jsonl", "unfinished.jsonl"] {
        let collector = Collector::start();
        let (code, stdout, stderr) = run(&mut export(name, &collector.url()));
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));
        let (code, lines, _) = run(Command::new(binary()).arg("-r").arg(recording(name)).arg("--json"));
        assert_eq!(code, Some(0));
        let records: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        let exported = collector.exported();
        assert_same_as_records(&exported, &records);
        let count = |kind: &str| records.iter().filter(|record| record["type"] == kind).count() as f64;
        assert_eq!(exported.sum("system.network.tcp.closes", &[]), count("close"), "{name}");
        assert_eq!(exported.sum("system.network.tcp.stalls", &[]), count("stalled"), "{name}");
        let open = records.last().expect("an end")["open"].as_f64();
        assert_eq!(Some(exported.sum("system.network.tcp.connections", &[])), open, "{name}");
        let start = &records[0];
        for item in exported.spans.iter().chain(&exported.logs) {
            assert_eq!(item["resource"]["host.name"], start["hostname"], "{item}");
            assert_eq!(item["resource"]["service.name"], "tcptrace", "{item}");
        }
    }
}

#[test]
fn a_span_has_these_attributes() {
    let collector = Collector::start();
    delivered(&collector);
    let exported = collector.exported();
    let connection = exported.spans.iter().find(|span| span["name"] == "TCP connection").expect("a connection");
    let handshake = exported.spans.iter().find(|span| span["name"] == "TCP handshake").expect("a handshake");
    assert_eq!(handshake["parent"], connection["span"]);
    assert_eq!((&handshake["trace"], &connection["parent"]), (&connection["trace"], &json!("")));
    let log = exported.logs.first().expect("a log record");
    assert_eq!((&log["trace"], &log["span"]), (&connection["trace"], &connection["span"]));
    assert_eq!(log["event"], "tcptrace.connection.failed");
    let mut attributes = connection["attributes"].clone();
    // It is in the summary, too.
    let id = attributes["tcptrace.community_id"].take();
    assert!(id.as_str().is_some_and(|id| id.starts_with("1:")), "{id}");
    let expected = json!({
        "network.transport": "tcp",
        "network.type": "ipv4",
        "client.address": "127.0.0.1",
        "client.port": 43742,
        "server.address": "127.0.0.1",
        "server.port": 8001,
        "network.tcp.handshake.role": "both",
        "network.tcp.reset.by": "server",
        "network.tcp.reset.cause": "unread_data",
        "error.type": "reset",
        "process.pid": 8819,
        "process.executable.name": "curl",
        "tcptrace.server.pid": 8717,
        "tcptrace.server.comm": "python3",
        "tcptrace.conn": 1,
        "tcptrace.netns": 4_026_532_178_u64,
        "tcptrace.community_id": null,
        "tcptrace.severity": "failed",
        "tcptrace.summary": "reset by the server: it closed with data unread; 78 B →, 0 B ←; lasted 103.9 ms; 0 B were answered",
        "tcptrace.kind": "reset",
        "tcptrace.initiator": "server",
        "tcptrace.duration_ns": 103_973_624,
        "tcptrace.bytes.client_to_server": 78,
        "tcptrace.bytes.server_to_client": 0,
        "tcptrace.rtt.handshake_ns": 176_251,
    });
    assert_eq!(attributes, expected);
}

#[test]
fn headers_compression_and_resource_come_from_the_environment() {
    let collector = Collector::start();
    let (code, _, stderr) = run(export("reset.jsonl", &format!("{}/otlp/", collector.url()))
        .env("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%2Cb,x-tenant=blue")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,host.name=other"));
    assert_eq!(code, Some(0), "{stderr}");
    let posted = collector.requests();
    assert_eq!(of_path(&posted, "/otlp/v1/traces").len(), 1, "{posted:?}");
    for Posted { headers, .. } in &posted {
        assert_eq!((headers["api-key"].as_str(), headers["x-tenant"].as_str()), ("a,b", "blue"));
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert_eq!(headers["content-encoding"], "gzip");
    }
    let resource = &collector.exported().spans[0]["resource"];
    assert_eq!((&resource["host.name"], &resource["deployment.environment.name"]), (&json!("other"), &json!("test")));
}

#[test]
fn histograms_are_exponential_on_request() {
    let collector = Collector::start();
    let (code, _, stderr) = run(export("reset.jsonl", &collector.url())
        .env("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram"));
    assert_eq!(code, Some(0), "{stderr}");
    let exported = collector.exported();
    let name = "system.network.tcp.connection.duration";
    let metric = exported.metrics.iter().find(|metric| metric["name"] == name).expect("its duration");
    // The one connection took more than 2^(-27/8) s, and at most 2^(-26/8) s.
    let expected = json!({
        "attributes": {"network.tcp.handshake.role": "both"},
        "count": 1,
        "sum": 0.103_973_624,
        "scale": 3,
        "zeros": 0,
        "offset": -27,
        "buckets": [1],
    });
    assert_eq!(metric["points"], json!([expected]));
}

#[test]
fn the_same_recording_has_the_same_ids() {
    let ids = || {
        let collector = Collector::start();
        delivered(&collector);
        let spans = collector.exported().spans;
        spans.iter().map(|span| (span["trace"].clone(), span["span"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(ids(), ids());
}

#[test]
fn a_collector_is_trusted_by_its_certificate() {
    let certificate = Certificate::make();
    let collector = Collector::with_tls(&certificate);
    let (code, _, stderr) =
        run(export("reset.jsonl", &collector.url()).env("OTEL_EXPORTER_OTLP_CERTIFICATE", certificate.path()));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(collector.exported().spans.len(), 2);
}

#[test]
fn a_url_that_is_none_is_wrong_usage() {
    wrong_usage(&["--otlp", "localhost:4318"], "'localhost:4318' is not the URL of a collector");
    wrong_usage(&["--otlp", "grpc://localhost:4317"], "only OTLP over HTTP is supported");
    wrong_usage(&["--otlp", "http://me:secret@localhost"], "OTEL_EXPORTER_OTLP_HEADERS");
    wrong_usage(&["--otlp", "http://localhost:0"], "'http://localhost:0' is not the URL of a collector");
    wrong_usage(
        &["-r", "a", "-r", "b", "--otlp", "http://localhost"],
        "--otlp cannot be used when several files are merged",
    );
}

#[test]
fn what_the_environment_says_wrong_is_named() {
    for (variable, value, named) in [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "a number of milliseconds from 1"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "a list such as name=value"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip or none"),
    ] {
        let (code, stdout, stderr) = run(export("reset.jsonl", "http://127.0.0.1:9").env(variable, value));
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert!(stderr.contains(variable) && stderr.contains(named) && !stderr.contains(value), "{stderr}");
    }
    let (code, _, stderr) = run(&mut export("reset.jsonl", "http://collector.invalid:4318"));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("http://collector.invalid:4318 has no address"), "{stderr}");
    let (code, _, stderr) =
        run(export("reset.jsonl", "https://127.0.0.1:9").env("OTEL_EXPORTER_OTLP_CERTIFICATE", recording("otlp.md")));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("otlp.md has no certificates in PEM"), "{stderr}");
}
