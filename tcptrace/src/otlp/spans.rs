//! Spans: one per handshake and one per connection.

use opentelemetry_proto::tonic::{
    common::v1::any_value::Value,
    trace::v1::{Span, Status, span::SpanKind, status::StatusCode},
};
use tcptrace_core::{
    output_record::{CloseOutput, Context, HandshakeOutput, Stamp},
    text::WallTime,
    verdict::{Close, CloseEnd, Handshake, Missing, NoSegments, Outcome, Role, Severity},
};

use super::{
    attributes::{Attributes, End, Here},
    ids::{RunId, SpanOf},
    keys::Key,
};

/// Returns the span of a handshake; `None` if it was over before tracing began.
pub(super) fn of_handshake(output: &HandshakeOutput, run: &RunId) -> Option<Span> {
    let handshake = &*output.record;
    let outcome = handshake.outcome?;
    let conn = handshake.conn;
    let parent = if outcome == Outcome::Established { run.span(conn, SpanOf::Connection) } else { Vec::new() };
    Some(Span {
        trace_id: run.trace(conn),
        span_id: run.span(conn, SpanOf::Handshake),
        parent_span_id: parent,
        name: "TCP handshake".to_owned(),
        kind: kind(&(&handshake.client).into(), &(&handshake.server).into()),
        attributes: handshake_attributes(output).0,
        status: status(output.context.severity, &handshake.summary),
        ..times(&output.context, output.stamp)
    })
}

/// Returns the span of a connection that has ended.
pub(super) fn of_connection(output: &CloseOutput, run: &RunId) -> Span {
    let close = &*output.record;
    Span {
        trace_id: run.trace(close.conn),
        span_id: run.span(close.conn, SpanOf::Connection),
        name: "TCP connection".to_owned(),
        kind: kind(&(&close.client).into(), &(&close.server).into()),
        attributes: connection_attributes(output).0,
        status: status(output.context.severity, &close.summary),
        ..times(&output.context, output.stamp)
    }
}

/// Returns the attributes of a handshake.
pub(super) fn handshake_attributes(output: &HandshakeOutput) -> Attributes {
    let Handshake { client, server, .. } = &*output.record;
    let handshake = &*output.record;
    let mut attributes = Attributes::new();
    attributes.ends(&client.into(), &server.into());
    attributes.context(&output.context);
    common(&mut attributes, handshake.conn, handshake.netns, handshake.no_segments, &handshake.missing);
    same_as(&mut attributes, handshake.same_as.as_deref());
    attributes.text(Key::Summary, handshake.summary.as_str());
    attributes.text(Key::Kind, <&str>::from(handshake.kind));
    attributes.word(Key::Outcome, handshake.outcome);
    if output.context.severity == Severity::Failed {
        attributes.word(Key::ErrorType, handshake.outcome);
    }
    attributes.reset(handshake.reset);
    attributes.word(Key::WaitingFor, handshake.waiting_for);
    attributes.truth(Key::ByIcmp, handshake.by_icmp);
    if let Some(icmp) = &handshake.icmp {
        attributes.text(Key::IcmpFrom, icmp.from.to_string());
        attributes.text(Key::IcmpKind, icmp.kind);
    }
    attributes.drops(handshake.dropped, handshake.dropped_segments);
    attributes.truth(Key::RoleInferred, handshake.role_inferred);
    attributes.number(Key::ClientIsn, client.isn);
    attributes.number(Key::ServerIsn, server.isn);
    attributes.number(Key::SynToSynack, handshake.syn_to_synack_ns);
    attributes.number(Key::SynackToAck, handshake.synack_to_ack_ns);
    attributes.number(Key::Connect, handshake.connect_ns);
    attributes.number(Key::SynRetransmissions, handshake.retransmissions.syn);
    attributes.number(Key::SynackRetransmissions, handshake.retransmissions.synack);
    if let Some(queue) = handshake.accept_queue {
        attributes.number(Key::AcceptQueueLength, Some(queue.length));
        attributes.number(Key::AcceptQueueLimit, Some(queue.limit));
    }
    if let Some(queue) = handshake.syn_queue {
        attributes.number(Key::SynQueueLength, Some(queue.length));
        attributes.number(Key::SynQueueLimit, Some(queue.limit));
    }
    attributes
}

/// Returns the attributes of a connection that has ended.
pub(super) fn connection_attributes(output: &CloseOutput) -> Attributes {
    let Close { client, server, .. } = &*output.record;
    let close = &*output.record;
    let mut attributes = Attributes::new();
    attributes.ends(&client.into(), &server.into());
    attributes.context(&output.context);
    common(&mut attributes, close.conn, close.netns, close.no_segments, &close.missing);
    same_as(&mut attributes, close.same_as.as_deref());
    attributes.text(Key::Summary, close.summary.as_str());
    attributes.text(Key::Kind, <&str>::from(close.kind));
    if output.context.severity == Severity::Failed {
        attributes.text(Key::ErrorType, <&str>::from(close.kind));
    }
    attributes.reset(close.reset);
    attributes.word(Key::Initiator, close.initiator.map(Role::word));
    attributes.number(Key::Duration, close.duration_ns);
    attributes.number(Key::BytesToServer, close.bytes.client_to_server);
    attributes.number(Key::BytesToClient, close.bytes.server_to_client);
    attributes.number(Key::HalfClose, close.half_close_ns);
    attributes.number(Key::Idle, close.idle_ns);
    attributes.word(Key::TimeWait, close.time_wait);
    attributes.word(Key::GaveUp, close.gave_up.map(Role::word));
    if let Some(icmp) = &close.icmp {
        attributes.text(Key::IcmpFrom, icmp.from.to_string());
        attributes.text(Key::IcmpKind, icmp.kind);
    }
    attributes.drops(None, close.dropped_segments);
    attributes.number(Key::RttHandshake, close.rtt.handshake_ns);
    attributes.number(Key::RttSmoothed, close.rtt.smoothed_ns);
    attributes.number(Key::RttMin, close.rtt.min_ns);
    attributes.number(Key::ClientFinRetransmissions, close.retransmissions.client);
    attributes.number(Key::ServerFinRetransmissions, close.retransmissions.server);
    attributes.number(Key::ClientDataRetransmissions, close.data_retransmissions.client);
    attributes.number(Key::ServerDataRetransmissions, close.data_retransmissions.server);
    left_behind(&mut attributes, client, server);
    attributes
}

/// Adds the bytes that the ends of a connection have left unread or unsent.
pub(super) fn left_behind(attributes: &mut Attributes, client: &CloseEnd, server: &CloseEnd) {
    for (end, unread, unsent, signal, code) in [
        (client, Key::ClientUnread, Key::ClientUnsent, Key::ClientExitSignal, Key::ClientExitCode),
        (server, Key::ServerUnread, Key::ServerUnsent, Key::ServerExitSignal, Key::ServerExitCode),
    ] {
        attributes.number(unread, end.unread_bytes);
        attributes.number(unsent, end.unsent_bytes);
        attributes.number(signal, end.exit.and_then(|exit| exit.signal));
        attributes.number(code, end.exit.and_then(|exit| exit.code));
    }
}

fn common(
    attributes: &mut Attributes,
    conn: u64,
    netns: Option<u32>,
    no_segments: Option<NoSegments>,
    missing: &[Missing],
) {
    attributes.number(Key::Conn, Some(conn));
    attributes.number(Key::Netns, netns);
    attributes.word(Key::NoSegments, no_segments);
    attributes.list(Key::Missing, missing.iter().map(|&part| Value::StringValue(<&str>::from(part).to_owned())));
}

fn same_as(attributes: &mut Attributes, others: Option<&[u64]>) {
    let numbers = others.unwrap_or_default().iter().map(|&conn| i64::try_from(conn).unwrap_or(i64::MAX));
    attributes.list(Key::SameAs, numbers.map(Value::IntValue));
}

/// Returns a span from the connection's first event to the last one that the record includes.
fn times(context: &Context, stamp: Stamp) -> Span {
    let start = unix_nanoseconds(context.started);
    Span { start_time_unix_nano: start, end_time_unix_nano: unix_nanoseconds(stamp.time).max(start), ..Span::default() }
}

/// Returns nanoseconds since the epoch; 0 before it.
pub(super) fn unix_nanoseconds(WallTime(nanoseconds): WallTime) -> u64 {
    u64::try_from(nanoseconds).unwrap_or(0)
}

fn kind(client: &End<'_>, server: &End<'_>) -> i32 {
    let kind = match Here::of(client, server) {
        Here::Client => SpanKind::Client,
        Here::Server => SpanKind::Server,
        Here::Both | Here::Neither => SpanKind::Internal,
    };
    kind.into()
}

/// Returns an error status for a failure. Otherwise there is no status, as OpenTelemetry requires of instrumentation.
fn status(severity: Severity, summary: &str) -> Option<Status> {
    (severity == Severity::Failed).then(|| Status { code: StatusCode::Error.into(), message: summary.to_owned() })
}
