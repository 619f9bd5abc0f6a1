//! Metrics of handshakes and closes for `--metrics`, in Prometheus' formats.
//!
//! One thread counts, another one encodes: they share nothing but atomic counters and short locks, so a slow scraper never
//! delays the trace. Names follow the metrics that OpenTelemetry proposes for TCP (`system.network.tcp.*`), in Prometheus'
//! spelling.

mod exponential;
mod families;
mod format;
mod labels;
mod protobuf;
mod server;
mod table;

use std::sync::{Arc, Mutex, PoisonError};

pub use self::server::{Listener, ServeError};
pub(crate) use self::{
    exponential::{Exponential, ZERO_THRESHOLD},
    families::{Family, Points, Times},
    table::Bounds,
};
use self::{
    families::{BUILD, Name, names, sentence},
    format::Format,
    labels::{CloseLabels, HandshakeLabels, LossLabels, Names, RoleLabels, StallLabels},
    table::{Count, Durations, Table},
};
use crate::host_clock;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, prometheus_text, text},
    metrics::{
        counter::{ConstCounter, Counter},
        gauge::Gauge,
        info::Info,
    },
    registry::{Registry, Unit},
};
use tcptrace_core::{
    correlate::Totals,
    filter::Emit,
    output_record::OutputRecord,
    verdict::{Close, Handshake, Stalled},
};

/// Bucket bounds for handshakes.
#[derive(Clone, Copy, Debug)]
struct OfHandshakes;

impl Bounds for OfHandshakes {
    const SECONDS: [f64; 12] = [1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
}

/// Bucket bounds for the duration of connections.
#[derive(Clone, Copy, Debug)]
struct OfConnections;

impl Bounds for OfConnections {
    const SECONDS: [f64; 12] = [1e-3, 0.01, 0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0];
}

/// Counts of connections and their events since tracing began.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    names: Mutex<Names>,
    handshakes: Table<HandshakeLabels, Count>,
    closes: Table<CloseLabels, Count>,
    stalls: Table<StallLabels, Count>,
    connect: Table<RoleLabels, Durations<OfHandshakes>>,
    handshake: Table<RoleLabels, Durations<OfHandshakes>>,
    duration: Table<RoleLabels, Durations<OfConnections>>,
    open: Gauge,
    lost: Table<LossLabels, Count>,
    evicted: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            names: Mutex::default(),
            handshakes: Table::default(),
            closes: Table::default(),
            stalls: Table::default(),
            connect: Table::default(),
            handshake: Table::default(),
            duration: Table::default(),
            open: Gauge::default(),
            lost: Table::default(),
            evicted: Counter::default(),
        };
        let registry = &mut metrics.registry;
        names::HANDSHAKES.register(registry, metrics.handshakes.clone());
        names::CLOSES.register(registry, metrics.closes.clone());
        names::STALLS.register(registry, metrics.stalls.clone());
        names::CONNECT.register(registry, metrics.connect.clone());
        names::HANDSHAKE.register(registry, metrics.handshake.clone());
        names::DURATION.register(registry, metrics.duration.clone());
        names::OPEN.register(registry, metrics.open.clone());
        names::LOST.register(registry, metrics.lost.clone());
        names::EVICTED.register(registry, metrics.evicted.clone());
        let (name, help, labels) = BUILD;
        registry.register(name, help, Info::new(labels));
        registry.register_collector(Box::new(ProcessorTime));
        metrics
    }
}

impl Metrics {
    /// The types of records that are counted, apart from those that are always written.
    pub const NEEDS: Emit = Emit::HANDSHAKE.with(Emit::CLOSE).with(Emit::STALLED);

    /// Counts a record.
    pub fn count(&self, record: &OutputRecord) {
        match record {
            OutputRecord::Handshake(output) => self.count_handshake(&output.record),
            OutputRecord::Close(output) => self.count_close(&output.record),
            OutputRecord::Stalled(output) => self.count_stall(&output.record),
            OutputRecord::Lost(lost) => {
                self.lost.change(LossLabels { source: lost.source.word() }, |Count(lost_events)| {
                    *lost_events = lost_events.saturating_add(lost.count);
                });
            }
            OutputRecord::Evicted(_) => {
                self.evicted.inc();
            }
            OutputRecord::End(end) => _ = self.open.set(i64::try_from(end.open).unwrap_or(i64::MAX)),
            _ => {}
        }
    }

    /// Notes the number of open connections.
    pub fn note(&self, totals: Totals) {
        self.open.set(i64::try_from(totals.open()).unwrap_or(i64::MAX));
    }

    fn count_handshake(&self, handshake: &Handshake) {
        // The handshake of a connection that was open before is unknown.
        let Some(outcome) = handshake.outcome else { return };
        let labels = HandshakeLabels::new(handshake, outcome, &mut self.names());
        let role = labels.role();
        self.handshakes.change(labels, increase);
        if handshake.failure().is_some() {
            return;
        }
        if let Some(connect) = handshake.connect_ns {
            self.connect.change(role, |times| times.observe(seconds(connect)));
        }
        if let (Some(synack), Some(ack)) = (handshake.syn_to_synack_ns, handshake.synack_to_ack_ns) {
            self.handshake.change(role, |times| times.observe(seconds(synack.saturating_add(ack))));
        }
    }

    fn count_close(&self, close: &Close) {
        let labels = CloseLabels::new(close, &mut self.names());
        let role = labels.role();
        self.closes.change(labels, increase);
        if let Some(duration) = close.duration_ns {
            self.duration.change(role, |times| times.observe(seconds(duration)));
        }
    }

    fn count_stall(&self, stalled: &Stalled) {
        self.stalls.change(StallLabels::new(stalled, &mut self.names()), increase);
    }

    fn names(&self) -> std::sync::MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all metrics.
    ///
    /// # Errors
    /// Fails if the format has no way to express one, which no input can cause.
    fn encode(&self, format: Format) -> Result<Vec<u8>, std::fmt::Error> {
        let mut encoded = String::new();
        match format {
            Format::Text => prometheus_text::encode(&mut encoded, &self.registry)?,
            Format::OpenMetrics => text::encode(&mut encoded, &self.registry)?,
            Format::Protobuf => return Ok(protobuf::encode(self)),
        }
        Ok(encoded.into_bytes())
    }
}

/// Processor time of this process, read on request.
#[derive(Debug)]
struct ProcessorTime;

impl Collector for ProcessorTime {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counter = ConstCounter::new(host_clock::process_time().as_secs_f64());
        let Name { prometheus, help, .. } = names::PROCESSOR_TIME;
        let (help, unit) = (sentence(help), Some(&Unit::Seconds));
        counter.encode(encoder.encode_descriptor(prometheus, &help, unit, counter.metric_type())?)
    }
}

fn increase(Count(count): &mut Count) {
    *count += 1;
}

fn seconds(nanoseconds: u64) -> f64 {
    // Beyond 2^53, after 104 days, the precision is less than a nanosecond.
    nanoseconds as f64 / 1e9
}

/// Starts to serve the metrics.
///
/// # Errors
/// When the thread cannot be started.
pub fn serve(listener: Listener) -> Result<Arc<Metrics>, ServeError> {
    let metrics = Arc::new(Metrics::default());
    listener.serve(Arc::clone(&metrics))?;
    Ok(metrics)
}

#[cfg(test)]
mod tests;
