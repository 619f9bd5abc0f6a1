//! Collectors that do not take what is exported.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message as _;
use tcptrace_tests::{Collector, Reply};

use super::{delivered, export, of_path};
use crate::run;

/// Exports the recording of a reset, and returns the exit status and the messages.
fn messages(collector: &Collector) -> (Option<i32>, String) {
    let (code, _, stderr) = run(&mut export("reset.jsonl", &collector.url()));
    (code, stderr)
}

/// Creates a collector that refuses the first request with spans by `reply`.
fn reluctant(reply: Reply) -> Collector {
    let first = std::sync::atomic::AtomicBool::new(true);
    Collector::answering(move |request, _| {
        let refuses = request.path == "/v1/traces" && first.swap(false, std::sync::atomic::Ordering::SeqCst);
        if refuses { reply.clone() } else { Reply::ok() }
    })
}

#[test]
fn what_is_not_taken_now_is_sent_again() {
    for reply in [
        Reply::Status(429, "", Vec::new()),
        Reply::Status(502, "", Vec::new()),
        Reply::Status(503, "Retry-After: 0\r\n", Vec::new()),
        Reply::Status(504, "", b"<html>".to_vec()),
        Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntorn"),
    ] {
        let collector = reluctant(reply.clone());
        let (code, stderr) = messages(&collector);
        assert_eq!(code, Some(0), "{reply:?}: {stderr}");
        assert!(stderr.contains("nothing is exported to http://127.0.0.1:"), "{stderr}");
        assert!(stderr.contains("accepts exports again; dropped so far: nothing"), "{stderr}");
        let posted = collector.requests();
        let traces = of_path(&posted, "/v1/traces");
        assert_eq!(traces.len(), 2, "{reply:?}");
        assert_eq!(traces[0].body, traces[1].body);
    }
}

#[test]
fn a_connection_that_has_broken_is_replaced_without_a_word() {
    for reply in [Reply::Raw(b"SSH-2.0-OpenSSH_9.2\r\n"), Reply::Raw(b"")] {
        // The metrics go out before it, on the same connection.
        let collector = reluctant(reply.clone());
        let (code, stderr) = messages(&collector);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{reply:?}");
        assert_eq!(of_path(&collector.requests(), "/v1/traces").len(), 2, "{reply:?}");
    }
}

#[test]
fn a_service_that_does_not_speak_http_is_said() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let collector = Collector::answering(move |_, _| {
        let greets = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        if greets { Reply::Raw(b"SSH-2.0-OpenSSH_9.2\r\n") } else { Reply::ok() }
    });
    let (code, stderr) = messages(&collector);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("its answer is not valid HTTP"), "{stderr}");
    assert_eq!(collector.requests().len(), 4);
}

#[test]
fn the_time_that_a_collector_asks_for_is_waited() {
    let collector = reluctant(Reply::Status(429, "Retry-After: 2\r\n", Vec::new()));
    delivered(&collector);
    let posted = collector.requests();
    let traces = of_path(&posted, "/v1/traces");
    // Without it, the pause would be 600 ms at most.
    assert!(traces[1].at - traces[0].at >= Duration::from_secs(2), "{traces:?}");
}

#[test]
fn a_collector_that_asks_for_no_time_is_not_asked_again_at_once() {
    let collector = reluctant(Reply::Status(503, "Retry-After: 0\r\n", Vec::new()));
    delivered(&collector);
    let posted = collector.requests();
    let traces = of_path(&posted, "/v1/traces");
    // The shortest of the first pauses.
    assert!(traces[1].at - traces[0].at >= Duration::from_millis(400), "{traces:?}");
}

#[test]
fn a_collector_that_says_nothing_is_asked_again() {
    let collector = reluctant(Reply::Silence);
    let (code, _, stderr) = run(export("reset.jsonl", &collector.url()).env("OTEL_EXPORTER_OTLP_TIMEOUT", "200"));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("it does not answer within 200 ms (OTEL_EXPORTER_OTLP_TIMEOUT)"), "{stderr}");
    // On a busy machine a later answer may come too late, too.
    assert!(of_path(&collector.requests(), "/v1/traces").len() >= 2);
}

#[test]
fn what_is_refused_is_counted_and_not_sent_again() {
    for status in [301, 400, 401, 404, 413, 500] {
        let collector = reluctant(Reply::Status(status, "", Vec::new()));
        let (code, stderr) = messages(&collector);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(&format!("with status {status}")), "{stderr}");
        assert!(stderr.contains("2 spans rejected by the collector"), "{stderr}");
        assert_eq!(of_path(&collector.requests(), "/v1/traces").len(), 1);
    }
}

#[test]
fn what_is_rejected_of_a_request_is_counted() {
    let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: "no\u{1b}[31m room".to_owned() };
    let answer = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let collector = reluctant(Reply::Status(200, "", answer));
    let (code, stderr) = messages(&collector);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(r"rejects some of what is exported: no\x1b[31m room"), "{stderr}");
    assert!(
        stderr.contains(": 1 span, 1 log record and 1 export of metrics; 1 span rejected by the collector"),
        "{stderr}"
    );
    assert_eq!(of_path(&collector.requests(), "/v1/traces").len(), 1);
}

#[test]
fn an_answer_that_is_not_otlp_is_said() {
    let collector = reluctant(Reply::Status(200, "Content-Type: text/html\r\n", b"<html>It works!</html>".to_vec()));
    let (code, stderr) = messages(&collector);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("answers with something that is not OTLP: is it a collector?"), "{stderr}");
    assert!(stderr.contains("2 spans sent and not answered as a collector does"), "{stderr}");
}
