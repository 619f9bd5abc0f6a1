//! The answer of a collector that has accepted a batch.

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceResponse, metrics::v1::ExportMetricsServiceResponse,
    trace::v1::ExportTraceServiceResponse,
};
use prost::{DecodeError, Message as _};

use crate::otlp::endpoint::Signal;

/// Returns the number of items that an answer rejects, and the collector's sentence about it. An empty body is an empty
/// message.
pub(super) fn partial_success(signal: Signal, body: &[u8]) -> Result<(u64, String), DecodeError> {
    let partial = match signal {
        Signal::Traces => {
            let partial = ExportTraceServiceResponse::decode(body)?.partial_success;
            partial.map(|partial| (partial.rejected_spans, partial.error_message))
        }
        Signal::Logs => {
            let partial = ExportLogsServiceResponse::decode(body)?.partial_success;
            partial.map(|partial| (partial.rejected_log_records, partial.error_message))
        }
        Signal::Metrics => {
            let partial = ExportMetricsServiceResponse::decode(body)?.partial_success;
            partial.map(|partial| (partial.rejected_data_points, partial.error_message))
        }
    };
    let (rejected, sentence) = partial.unwrap_or_default();
    Ok((u64::try_from(rejected).unwrap_or(0), sentence))
}
