//! The metrics with their names, for each format in its spelling.

use prometheus_client::registry::{Metric, Registry, Unit};

pub(super) use super::labels::Pairs;
use super::{
    Metrics,
    exponential::Exponential,
    labels::Labels,
    table::{Bounds, Count, Durations, Table},
};
use crate::host_clock;

/// The name of a metric and its meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    /// In Prometheus' spelling, without suffixes for unit and type.
    pub(crate) prometheus: &'static str,
    /// In OpenTelemetry's spelling.
    pub(crate) otel: &'static str,
    /// The unit in UCUM, as OpenTelemetry requires.
    pub(crate) unit: &'static str,
    /// The help text.
    pub(crate) help: &'static str,
}

impl Name {
    /// Registers a metric by its name for Prometheus.
    pub(super) fn register(self, registry: &mut Registry, metric: impl Metric) {
        if self.unit == SECONDS {
            registry.register_with_unit(self.prometheus, self.help, Unit::Seconds, metric);
        } else {
            registry.register(self.prometheus, self.help, metric);
        }
    }

    /// Returns the unit in Prometheus' spelling, if the name has one.
    pub(super) fn prometheus_unit(self) -> Option<&'static str> {
        (self.unit == SECONDS).then_some("seconds")
    }
}

const SECONDS: &str = "s";

/// The version of this build, which only Prometheus has as a metric: name, help text and label.
pub(super) const BUILD: (&str, &str, [(&str, &str); 1]) =
    ("tcptrace_build", "This build", [("version", env!("CARGO_PKG_VERSION"))]);

/// The names.
pub(super) mod names {
    use super::{Name, SECONDS};

    pub(in super::super) const HANDSHAKES: Name = Name {
        prometheus: "system_network_tcp_handshakes",
        otel: "system.network.tcp.handshakes",
        unit: "{handshake}",
        help: "Handshakes by outcome",
    };
    pub(in super::super) const CLOSES: Name = Name {
        prometheus: "system_network_tcp_closes",
        otel: "system.network.tcp.closes",
        unit: "{connection}",
        help: "Ends of connections by kind",
    };
    pub(in super::super) const STALLS: Name = Name {
        prometheus: "system_network_tcp_stalls",
        otel: "system.network.tcp.stalls",
        unit: "{report}",
        help: "Reports that a connection makes no progress",
    };
    pub(in super::super) const CONNECT: Name = Name {
        prometheus: "system_network_tcp_connect_duration",
        otel: "system.network.tcp.connect.duration",
        unit: SECONDS,
        help: "Time from SYN_SENT to ESTABLISHED of the client's socket",
    };
    pub(in super::super) const HANDSHAKE: Name = Name {
        prometheus: "system_network_tcp_handshake_duration",
        otel: "system.network.tcp.handshake.duration",
        unit: SECONDS,
        help: "Time from the first SYN to the ACK that completes the handshake",
    };
    pub(in super::super) const DURATION: Name = Name {
        prometheus: "system_network_tcp_connection_duration",
        otel: "system.network.tcp.connection.duration",
        unit: SECONDS,
        help: "Time from the first SYN to the end of a connection",
    };
    pub(in super::super) const OPEN: Name = Name {
        prometheus: "system_network_tcp_connections",
        otel: "system.network.tcp.connections",
        unit: "{connection}",
        help: "Connections that have not ended",
    };
    pub(in super::super) const LOST: Name = Name {
        prometheus: "tcptrace_lost_events",
        otel: "tcptrace.lost_events",
        unit: "{event}",
        help: "Events and records lost",
    };
    pub(in super::super) const EVICTED: Name = Name {
        prometheus: "tcptrace_evicted_connections",
        otel: "tcptrace.evicted_connections",
        unit: "{connection}",
        help: "Connections forgotten before they ended",
    };
    pub(in super::super) const PROCESSOR_TIME: Name = Name {
        prometheus: "process_cpu",
        otel: "process.cpu.time",
        unit: SECONDS,
        help: "Processor time that tcptrace has used",
    };
}

/// Ends a help text as the encoders of text do for registered metrics.
pub(super) fn sentence(help: &str) -> String {
    format!("{help}.")
}

/// A metric with all its values.
#[derive(Debug)]
pub(crate) struct Family {
    /// Its name.
    pub(crate) name: Name,
    /// Its values.
    pub(crate) points: Points,
}

/// The values of a metric, by labels.
#[derive(Debug)]
pub(crate) enum Points {
    /// Totals since tracing began.
    Counts(Vec<(Pairs, u64)>),
    /// Total in seconds since tracing began.
    Seconds(f64),
    /// Current value of a gauge.
    Now(i64),
    /// Histograms by labels.
    Times(Vec<(Pairs, Times)>),
}

impl Points {
    /// Returns true if nothing was counted yet.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Counts(points) => points.is_empty(),
            Self::Times(points) => points.is_empty(),
            Self::Seconds(_) | Self::Now(_) => false,
        }
    }
}

/// A histogram of times in seconds.
#[derive(Debug)]
pub(crate) struct Times {
    /// Upper bounds of all buckets but the last.
    pub(crate) bounds: [f64; 12],
    /// Number of times in each bucket.
    pub(crate) buckets: [u64; 13],
    /// Sum of all times in seconds.
    pub(crate) sum: f64,
    /// The same times in buckets that grow by a constant factor.
    pub(crate) exponential: Exponential,
}

impl Metrics {
    /// Returns all metrics except the version of the build; the processor time of this process only with `own_cost`.
    pub(crate) fn families(&self, own_cost: bool) -> Vec<Family> {
        let mut families = vec![
            counts(names::HANDSHAKES, &self.handshakes),
            counts(names::CLOSES, &self.closes),
            counts(names::STALLS, &self.stalls),
            times(names::CONNECT, &self.connect),
            times(names::HANDSHAKE, &self.handshake),
            times(names::DURATION, &self.duration),
            Family { name: names::OPEN, points: Points::Now(self.open.get()) },
            counts(names::LOST, &self.lost),
            Family { name: names::EVICTED, points: Points::Counts(vec![(Vec::new(), self.evicted.get())]) },
        ];
        if own_cost {
            let seconds = host_clock::process_time().as_secs_f64();
            families.push(Family { name: names::PROCESSOR_TIME, points: Points::Seconds(seconds) });
        }
        families
    }
}

fn counts<L: Labels + Clone>(name: Name, table: &Table<L, Count>) -> Family {
    let points = table.copy().into_iter().map(|(labels, Count(count))| (labels.pairs(), count));
    Family { name, points: Points::Counts(points.collect()) }
}

fn times<L: Labels + Clone, B: Bounds + Clone>(name: Name, table: &Table<L, Durations<B>>) -> Family {
    let points = table.copy().into_iter().map(|(labels, durations)| {
        let Durations { buckets, sum, exponential, .. } = durations;
        (labels.pairs(), Times { bounds: B::SECONDS, buckets, sum, exponential })
    });
    Family { name, points: Points::Times(points.collect()) }
}
