//! The exports that a collector has received by OTLP, as JSON for comparison by tests.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value as Any},
    logs::v1::LogRecord,
    metrics::v1::{Metric, metric::Data, number_data_point::Value as Number},
    trace::v1::Span,
};
use prost::Message as _;
use serde_json::{Map, Value, json};

use crate::collector::Posted;

/// Spans, log records and metrics.
#[derive(Debug, Default)]
pub struct Exported {
    /// `name`, `kind`, `trace`, `span`, `parent`, `start`, `end`, `status` {`code`, `message`}, `attributes`, and `resource`.
    pub spans: Vec<Value>,
    /// `event`, `severity`, `body`, `time`, `trace`, `span`, `attributes`, and `resource`.
    pub logs: Vec<Value>,
    /// The latest metrics: `name`, `unit`, and `points` of `attributes` and a number or a histogram.
    pub metrics: Vec<Value>,
}

impl Exported {
    /// Decodes the bodies of requests.
    #[track_caller]
    pub(crate) fn of(posted: &[Posted]) -> Self {
        let mut exported = Self::default();
        for Posted { path, body, .. } in posted {
            let body = body.as_slice();
            if path.ends_with("/v1/traces") {
                for part in ExportTraceServiceRequest::decode(body).expect("spans").resource_spans {
                    let resource = attributes(&part.resource.expect("a resource").attributes);
                    let spans = part.scope_spans.iter().flat_map(|scope| &scope.spans);
                    exported.spans.extend(spans.map(|span| of_span(span, &resource)));
                }
            } else if path.ends_with("/v1/logs") {
                for part in ExportLogsServiceRequest::decode(body).expect("log records").resource_logs {
                    let resource = attributes(&part.resource.expect("a resource").attributes);
                    let logs = part.scope_logs.iter().flat_map(|scope| &scope.log_records);
                    exported.logs.extend(logs.map(|log| of_log(log, &resource)));
                }
            } else {
                assert!(path.ends_with("/v1/metrics"), "{path}");
                let parts = ExportMetricsServiceRequest::decode(body).expect("metrics").resource_metrics;
                let scopes = parts.iter().flat_map(|part| &part.scope_metrics);
                exported.metrics = scopes.flat_map(|scope| &scope.metrics).map(of_metric).collect();
            }
        }
        exported
    }

    /// Returns the sum of the points of a metric whose attributes include these; for histograms, of their counts.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let points = self
            .metrics
            .iter()
            .filter(|metric| metric["name"] == name)
            .flat_map(|metric| metric["points"].as_array().cloned().unwrap_or_default());
        let chosen = points.filter(|point| labels.iter().all(|(name, value)| point["attributes"][name] == *value));
        chosen.filter_map(|point| point["value"].as_f64().or(point["count"].as_f64())).sum()
    }
}

fn of_span(span: &Span, resource: &Value) -> Value {
    json!({
        "name": span.name,
        "kind": span.kind,
        "trace": hex(&span.trace_id),
        "span": hex(&span.span_id),
        "parent": hex(&span.parent_span_id),
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "status": span.status.as_ref().map(|status| json!({"code": status.code, "message": status.message})),
        "attributes": attributes(&span.attributes),
        "resource": resource,
    })
}

fn of_log(log: &LogRecord, resource: &Value) -> Value {
    json!({
        "event": log.event_name,
        "severity": log.severity_text,
        "body": log.body.as_ref().map(value),
        "time": log.time_unix_nano,
        "trace": hex(&log.trace_id),
        "span": hex(&log.span_id),
        "attributes": attributes(&log.attributes),
        "resource": resource,
    })
}

fn of_metric(metric: &Metric) -> Value {
    let numbers = match metric.data.as_ref() {
        Some(Data::Sum(sum)) => &*sum.data_points,
        Some(Data::Gauge(gauge)) => &*gauge.data_points,
        _ => &[],
    };
    let numbers = numbers.iter().map(|point| {
        let value = match point.value {
            Some(Number::AsInt(number)) => json!(number),
            Some(Number::AsDouble(number)) => json!(number),
            None => Value::Null,
        };
        json!({"attributes": attributes(&point.attributes), "value": value})
    });
    let histograms = match metric.data.as_ref() {
        Some(Data::Histogram(histogram)) => &*histogram.data_points,
        _ => &[],
    };
    let histograms = histograms.iter().map(|point| {
        json!({
            "attributes": attributes(&point.attributes),
            "count": point.count,
            "sum": point.sum,
            "buckets": point.bucket_counts,
            "bounds": point.explicit_bounds,
        })
    });
    let exponential = match metric.data.as_ref() {
        Some(Data::ExponentialHistogram(histogram)) => &*histogram.data_points,
        _ => &[],
    };
    let exponential = exponential.iter().map(|point| {
        json!({
            "attributes": attributes(&point.attributes),
            "count": point.count,
            "sum": point.sum,
            "scale": point.scale,
            "zeros": point.zero_count,
            "offset": point.positive.as_ref().map(|buckets| buckets.offset),
            "buckets": point.positive.as_ref().map(|buckets| &buckets.bucket_counts),
        })
    });
    let points: Vec<_> = numbers.chain(histograms).chain(exponential).collect();
    json!({"name": metric.name, "unit": metric.unit, "points": points})
}

fn attributes(list: &[KeyValue]) -> Value {
    let mut map = Map::new();
    for KeyValue { key, value: given, .. } in list {
        let before = map.insert(key.clone(), given.as_ref().map_or(Value::Null, value));
        assert!(before.is_none(), "{key} is there twice");
    }
    Value::Object(map)
}

fn value(AnyValue { value: given }: &AnyValue) -> Value {
    match given {
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::BoolValue(truth)) => json!(truth),
        Some(Any::IntValue(number)) => json!(number),
        Some(Any::DoubleValue(number)) => json!(number),
        Some(Any::ArrayValue(array)) => array.values.iter().map(value).collect(),
        other => panic!("no attribute has such a value: {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asserts that the spans and log records are exactly those of the same connections in JSON lines.
#[track_caller]
pub fn assert_same_as_records(exported: &Exported, records: &[Value]) {
    let of_type = |kind: &'static str| records.iter().filter(move |record| record["type"] == kind);
    let handshakes = of_type("handshake").filter(|record| !record["outcome"].is_null());
    let spans: Vec<_> = handshakes.chain(of_type("close")).collect();
    assert_eq!(exported.spans.len(), spans.len(), "{:#?}", exported.spans);
    for record in &spans {
        let name = if record["type"] == "close" { "TCP connection" } else { "TCP handshake" };
        let same = |span: &&Value| span["name"] == name && span["attributes"]["tcptrace.conn"] == record["conn"];
        let span = exported.spans.iter().find(same).unwrap_or_else(|| panic!("no span of {record}"));
        assert_fields(span, record);
        let failed = record["severity"] == "failed";
        assert_eq!(span["status"]["message"], if failed { record["summary"].clone() } else { Value::Null }, "{span}");
        assert_eq!(nanoseconds(&record["started"]), span["start"].as_u64(), "{record}");
        assert_eq!(nanoseconds(&record["time"]), span["end"].as_u64(), "{record}");
    }
    let failed = spans.iter().copied().filter(|record| record["severity"] == "failed");
    let logs: Vec<_> = failed.chain(of_type("stalled")).collect();
    assert_eq!(exported.logs.len(), logs.len(), "{:#?}", exported.logs);
    for record in logs {
        let same =
            |log: &&Value| log["body"] == record["summary"] && nanoseconds(&record["time"]) == log["time"].as_u64();
        let log = exported.logs.iter().find(same).unwrap_or_else(|| panic!("no log record of {record}"));
        assert_fields(log, record);
        assert_eq!(log["severity"], if record["type"] == "stalled" { "WARN" } else { "ERROR" });
    }
}

/// Asserts that the attributes equal the fields of the same names, and that the ends are those of the record.
#[track_caller]
fn assert_fields(item: &Value, record: &Value) {
    let attributes = item["attributes"].as_object().expect("attributes");
    for (name, value) in attributes {
        if let Some(path) = name.strip_prefix("tcptrace.") {
            let field = path.split('.').fold(record, |value, field| &value[field]);
            assert_eq!(value, field, "{name} in {record}");
        }
    }
    for end in ["client", "server"] {
        assert_eq!(attributes[&format!("{end}.address")], record[end]["addr"], "{record}");
        assert_eq!(attributes.get(&format!("{end}.port")).unwrap_or(&Value::Null), &record[end]["port"], "{record}");
    }
    let here = |end: &str| !record[end]["netns"].is_null();
    let process = if here("server") && !here("client") { "server" } else { "client" };
    for (attribute, field) in [
        ("process.pid", "pid"),
        ("process.executable.name", "comm"),
        ("process.user.id", "uid"),
        ("thread.name", "thread"),
    ] {
        assert_eq!(attributes.get(attribute).unwrap_or(&Value::Null), &record[process][field], "{attribute}: {record}");
    }
    let cause = attributes.get("network.tcp.reset.cause").unwrap_or(&Value::Null);
    assert_eq!(cause, &record["reset"]["cause"], "{record}");
}

/// Returns the nanoseconds since the epoch of an RFC 3339 time in UTC.
fn nanoseconds(time: &Value) -> Option<u64> {
    let (date, clock) = time.as_str()?.trim_end_matches('Z').split_once('T')?;
    let number = |text: &str| text.parse::<u64>().ok();
    let mut parts = date.split('-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    // Days from the civil calendar: years begin in March, so that the leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let (clock, fraction) = clock.split_once('.')?;
    let seconds = clock.split(':').map(number).try_fold(0, |seconds, part| Some(seconds * 60 + part?))?;
    Some((days * 86_400 + seconds) * 1_000_000_000 + number(fraction)?)
}
