//! Requests, assembled from spans, log records or metrics that are already encoded.
//!
//! All three kinds of requests use the same field numbers for the resource, its scopes and their items, and Protocol Buffers
//! allows a message to be written field by field.

use opentelemetry_proto::tonic::{common::v1::InstrumentationScope, resource::v1::Resource};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint},
};

/// Field numbers: of the resource's part in a request, of the resource in that, of the scope's part there, of the scope and
/// of the items in that.
const PART_OF_RESOURCE: u32 = 1;
const RESOURCE: u32 = 1;
const PART_OF_SCOPE: u32 = 2;
const SCOPE: u32 = 1;
const ITEM: u32 = 2;

/// Appends an item to those of a scope.
pub(super) fn append_item(items: &mut Vec<u8>, item: &impl Message) {
    encode_key(ITEM, WireType::LengthDelimited, items);
    encode_varint(item.encoded_len() as u64, items);
    item.encode_raw(items);
}

/// Encodes a resource for [`request`].
pub(super) fn encode_resource(resource: &Resource) -> Vec<u8> {
    let mut encoded = Vec::new();
    append(&mut encoded, RESOURCE, &resource.encode_to_vec());
    encoded
}

/// Returns a request with the items of one resource.
pub(super) fn request(resource: &[u8], items: &[u8]) -> Vec<u8> {
    let scope = InstrumentationScope {
        name: "tcptrace".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let mut begun = Vec::new();
    append(&mut begun, SCOPE, &scope.encode_to_vec());
    let of_scope = begun.len() + items.len();
    let of_resource = resource.len() + field_length(of_scope);
    let mut request = Vec::with_capacity(field_length(of_resource));
    begin(&mut request, PART_OF_RESOURCE, of_resource);
    request.extend_from_slice(resource);
    begin(&mut request, PART_OF_SCOPE, of_scope);
    request.extend_from_slice(&begun);
    request.extend_from_slice(items);
    request
}

/// Begins a field of `length` bytes.
fn begin(buffer: &mut Vec<u8>, field: u32, length: usize) {
    encode_key(field, WireType::LengthDelimited, buffer);
    encode_varint(length as u64, buffer);
}

fn append(buffer: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    begin(buffer, field, bytes.len());
    buffer.extend_from_slice(bytes);
}

/// Returns the length of a field with its key and length prefix; keys up to 15 take one byte.
fn field_length(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{
        collector::{
            logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
            trace::v1::ExportTraceServiceRequest,
        },
        common::v1::any_value::Value,
        logs::v1::LogRecord,
        metrics::v1::Metric,
        trace::v1::Span,
    };

    use super::*;
    use crate::otlp::attributes::key_value;

    fn resource() -> Resource {
        let attributes = vec![key_value("host.name", Value::StringValue("web7".to_owned()))];
        Resource { attributes, ..Resource::default() }
    }

    /// A request with two items, each longer than a one-byte varint can express.
    fn encoded(item: &impl Message) -> Vec<u8> {
        let mut items = Vec::new();
        append_item(&mut items, item);
        append_item(&mut items, item);
        request(&encode_resource(&resource()), &items)
    }

    #[test]
    fn spans_log_records_and_metrics_are_read_as_they_were() {
        let name = "n".repeat(300);
        let span = Span { name: name.clone(), ..Span::default() };
        let read = ExportTraceServiceRequest::decode(&*encoded(&span)).expect("a request");
        let part = read.resource_spans.first().expect("one resource");
        assert_eq!(part.resource, Some(resource()));
        let scope = part.scope_spans.first().expect("one scope");
        assert_eq!(scope.spans, [span.clone(), span]);
        assert_eq!(scope.scope.as_ref().map(|scope| scope.name.as_str()), Some("tcptrace"));

        let log = LogRecord { event_name: name.clone(), ..LogRecord::default() };
        let read = ExportLogsServiceRequest::decode(&*encoded(&log)).expect("a request");
        assert_eq!(read.resource_logs[0].scope_logs[0].log_records, [log.clone(), log]);

        let metric = Metric { name, ..Metric::default() };
        let read = ExportMetricsServiceRequest::decode(&*encoded(&metric)).expect("a request");
        assert_eq!(read.resource_metrics[0].scope_metrics[0].metrics, [metric.clone(), metric]);
    }
}
