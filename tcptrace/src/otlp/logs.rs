//! Log records: one per failure and one per stall.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, any_value::Value},
    logs::v1::{LogRecord, SeverityNumber},
};
use tcptrace_core::{
    output_record::{CloseOutput, HandshakeOutput, StalledOutput, Stamp},
    tcp::TcpState,
    verdict::Severity,
};

use super::{
    attributes::Attributes,
    ids::{RunId, SpanOf},
    keys::Key,
    spans::{connection_attributes, handshake_attributes, left_behind, unix_nanoseconds},
};

/// Returns the log record of a handshake; `None` unless it failed.
pub(super) fn of_handshake(output: &HandshakeOutput, run: &RunId) -> Option<LogRecord> {
    let conn = output.record.conn;
    (output.context.severity == Severity::Failed).then(|| LogRecord {
        event_name: "tcptrace.handshake.failed".to_owned(),
        body: text(&output.record.summary),
        attributes: handshake_attributes(output).0,
        trace_id: run.trace(conn),
        span_id: run.span(conn, SpanOf::Handshake),
        ..error(output.stamp)
    })
}

/// Returns the log record of a connection that has ended; `None` unless it failed.
pub(super) fn of_connection(output: &CloseOutput, run: &RunId) -> Option<LogRecord> {
    let conn = output.record.conn;
    (output.context.severity == Severity::Failed).then(|| LogRecord {
        event_name: "tcptrace.connection.failed".to_owned(),
        body: text(&output.record.summary),
        attributes: connection_attributes(output).0,
        trace_id: run.trace(conn),
        span_id: run.span(conn, SpanOf::Connection),
        ..error(output.stamp)
    })
}

/// Returns the log record of a stall. It names no span: the connection's span is not known yet.
pub(super) fn of_stall(output: &StalledOutput, run: &RunId) -> LogRecord {
    LogRecord {
        event_name: "tcptrace.connection.stalled".to_owned(),
        body: text(&output.record.summary),
        attributes: stall_attributes(output).0,
        trace_id: run.trace(output.record.conn),
        ..at(output.stamp, SeverityNumber::Warn, "WARN")
    }
}

fn stall_attributes(output: &StalledOutput) -> Attributes {
    let stalled = &*output.record;
    let mut attributes = Attributes::new();
    attributes.ends(&(&stalled.client).into(), &(&stalled.server).into());
    attributes.number(Key::Conn, Some(stalled.conn));
    attributes.number(Key::Netns, stalled.netns);
    attributes.text(Key::Summary, stalled.summary.as_str());
    attributes.text(Key::Since, output.since.to_string());
    attributes.word(Key::ClientState, stalled.state.client.map(TcpState::name));
    attributes.word(Key::ServerState, stalled.state.server.map(TcpState::name));
    attributes.word(Key::WaitingFor, stalled.waiting_for);
    attributes.word(Key::Turn, stalled.turn);
    attributes.number(Key::UnackedBytes, stalled.unacked_bytes);
    attributes.number(Key::Retransmissions, stalled.retransmissions);
    attributes.drops(stalled.dropped, stalled.dropped_segments);
    left_behind(&mut attributes, &stalled.client, &stalled.server);
    attributes
}

fn error(stamp: Stamp) -> LogRecord {
    at(stamp, SeverityNumber::Error, "ERROR")
}

fn at(stamp: Stamp, severity: SeverityNumber, text: &str) -> LogRecord {
    let time = unix_nanoseconds(stamp.time);
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time,
        severity_number: severity.into(),
        severity_text: text.to_owned(),
        ..LogRecord::default()
    }
}

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) })
}
