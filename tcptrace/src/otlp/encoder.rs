//! Conversion of output records to spans, log records and metrics, for the queue.

use std::sync::Arc;

use opentelemetry_proto::tonic::{common::v1::any_value::Value, resource::v1::Resource};
use tcptrace_core::{
    correlate::Totals,
    output_record::{EndOutput, OutputRecord, StartOutput},
    verdict::{Close, CloseEnd, Handshake, HandshakeEnd, Stalled},
};

use super::{
    attributes::key_value,
    delivery::Source,
    endpoint::Signal,
    envelope::encode_resource,
    ids::RunId,
    logs,
    measurements::{self, Period},
    own_connections::OwnConnections,
    queue::{Queue, Run},
    settings::{Histograms, Settings},
    spans::{self, unix_nanoseconds},
};
use crate::metrics::Metrics;

/// The exported run.
#[derive(Debug)]
struct Current {
    id: RunId,
    began: u64,
    metrics: Arc<Metrics>,
}

/// Converts records to items.
#[derive(Debug)]
pub(super) struct Encoder {
    queue: Arc<Queue>,
    own: OwnConnections,
    source: Source,
    /// Attributes of the resource given by the user.
    resource: Vec<(String, String)>,
    histograms: Histograms,
    current: Option<Current>,
}

impl Encoder {
    pub(super) fn new(queue: Arc<Queue>, own: OwnConnections, source: Source, settings: &Settings) -> Self {
        let Settings { resource, histograms, .. } = settings;
        Self { queue, own, source, resource: resource.clone(), histograms: *histograms, current: None }
    }

    /// Exports a record. Records before the first `start` belong to no run, and are left out.
    pub(super) fn encode(&mut self, record: &OutputRecord) {
        if let OutputRecord::Start(start) = record {
            self.begin(start);
        }
        let Some(Current { id, metrics, .. }) = &self.current else { return };
        if self.is_own(record) {
            return;
        }
        metrics.count(record);
        match record {
            OutputRecord::Handshake(output) => {
                if let Some(span) = spans::of_handshake(output, id) {
                    self.queue.push(Signal::Traces, &span);
                }
                if let Some(log) = logs::of_handshake(output, id) {
                    self.queue.push(Signal::Logs, &log);
                }
            }
            OutputRecord::Close(output) => {
                self.queue.push(Signal::Traces, &spans::of_connection(output, id));
                if let Some(log) = logs::of_connection(output, id) {
                    self.queue.push(Signal::Logs, &log);
                }
            }
            OutputRecord::Stalled(output) => self.queue.push(Signal::Logs, &logs::of_stall(output, id)),
            OutputRecord::End(end) => self.end(end),
            _ => {}
        }
    }

    /// Notes the number of open connections.
    pub(super) fn note(&self, totals: Totals) {
        if let Some(current) = &self.current {
            current.metrics.note(totals);
        }
    }

    fn begin(&mut self, start: &StartOutput) {
        let (began, metrics) = (unix_nanoseconds(start.stamp.time), Arc::new(Metrics::default()));
        let resource = Arc::from(encode_resource(&resource(start, &self.resource)));
        self.queue.begin(Run { resource, metrics: Arc::clone(&metrics), began });
        self.current = Some(Current { id: RunId::new(start), began, metrics });
    }

    /// Exports the totals of the run.
    fn end(&self, end: &EndOutput) {
        if let Some(Current { began, metrics, .. }) = &self.current {
            let period = Period { began: *began, now: unix_nanoseconds(end.stamp.time).max(*began) };
            let own_cost = self.source == Source::Live;
            self.queue.push_metrics(measurements::encode(metrics, period, own_cost, self.histograms));
        }
    }

    /// Returns true if a record is about a connection of the exporter itself.
    fn is_own(&self, record: &OutputRecord) -> bool {
        let of_closes = |client: &CloseEnd, server: &CloseEnd| {
            client.netns.is_some() && self.own.contain(client.port, (server.addr, server.port))
        };
        let of_handshake = |client: &HandshakeEnd, server: &HandshakeEnd| {
            client.netns.is_some() && self.own.contain(client.port, (server.addr, server.port))
        };
        match record {
            OutputRecord::Handshake(output) => {
                let Handshake { client, server, .. } = &*output.record;
                of_handshake(client, server)
            }
            OutputRecord::Close(output) => {
                let Close { client, server, .. } = &*output.record;
                of_closes(client, server)
            }
            OutputRecord::Stalled(output) => {
                let Stalled { client, server, .. } = &*output.record;
                of_closes(client, server)
            }
            _ => false,
        }
    }
}

/// Returns names and values of the resource's attributes.
fn resource_attributes(start: &StartOutput) -> Vec<(&'static str, String)> {
    let mut attributes =
        vec![("service.name", "tcptrace".to_owned()), ("service.version", env!("CARGO_PKG_VERSION").to_owned())];
    if let Some(run) = &start.run {
        attributes.push(("service.instance.id", run.to_string()));
    }
    // A capture does not name its host.
    if let Some(kernel) = &start.kernel {
        attributes.push(("host.name", start.hostname.clone()));
        attributes.push(("os.type", "linux".to_owned()));
        attributes.push(("os.version", kernel.clone()));
    }
    attributes
}

/// Returns the resource of a run: attributes given by the user replace known ones.
fn resource(start: &StartOutput, given: &[(String, String)]) -> Resource {
    let known = resource_attributes(start);
    let known = known.iter().map(|(name, value)| (*name, value.as_str()));
    let known = known.filter(|(name, _)| given.iter().all(|(other, _)| other != name));
    let given = given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let attributes = known.chain(given).map(|(name, value)| key_value(name, Value::StringValue(value.to_owned())));
    Resource { attributes: attributes.collect(), ..Resource::default() }
}
