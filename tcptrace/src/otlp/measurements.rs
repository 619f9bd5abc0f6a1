//! The metrics of `--metrics` in OTLP's form.

use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum, metric::Data,
        number_data_point::Value as Number,
    },
};

use super::{attributes::key_value, envelope::append_item};
use crate::metrics::{Family, Metrics, Points, Times};

/// The period that metrics cover, in nanoseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    /// Time at which counting began.
    pub(super) began: u64,
    /// The current time, or the last time in a recording.
    pub(super) now: u64,
}

/// Returns the metrics, encoded as items of a request; the processor time of this process only with `own_cost`.
pub(super) fn encode(metrics: &Metrics, period: Period, own_cost: bool) -> Vec<u8> {
    let mut items = Vec::new();
    for family in metrics.families(own_cost) {
        if let Some(metric) = metric(family, period) {
            append_item(&mut items, &metric);
        }
    }
    items
}

/// Returns a metric; `None` if it has no values yet.
fn metric(Family { name, points }: Family, period: Period) -> Option<Metric> {
    let is_empty = match &points {
        Points::Counts(points) => points.is_empty(),
        Points::Times(points) => points.is_empty(),
        Points::Seconds(_) | Points::Now(_) => false,
    };
    let data = match points {
        Points::Counts(points) => sum(points.into_iter().map(|(labels, count)| {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            number(attributes(labels), Number::AsInt(count), period)
        })),
        Points::Seconds(seconds) => sum([number(Vec::new(), Number::AsDouble(seconds), period)]),
        Points::Now(now) => {
            let point = NumberDataPoint {
                time_unix_nano: period.now,
                value: Some(Number::AsInt(now)),
                ..NumberDataPoint::default()
            };
            Data::Gauge(Gauge { data_points: vec![point] })
        }
        Points::Times(points) => Data::Histogram(Histogram {
            data_points: points
                .into_iter()
                .map(|(labels, times)| histogram(attributes(labels), times, period))
                .collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        }),
    };
    (!is_empty).then(|| Metric {
        name: name.otel.to_owned(),
        description: name.help.to_owned(),
        unit: name.unit.to_owned(),
        metadata: Vec::new(),
        data: Some(data),
    })
}

fn sum(points: impl IntoIterator<Item = NumberDataPoint>) -> Data {
    Data::Sum(Sum {
        data_points: points.into_iter().collect(),
        aggregation_temporality: AggregationTemporality::Cumulative.into(),
        is_monotonic: true,
    })
}

fn number(attributes: Vec<KeyValue>, value: Number, period: Period) -> NumberDataPoint {
    NumberDataPoint {
        attributes,
        start_time_unix_nano: period.began,
        time_unix_nano: period.now,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn histogram(attributes: Vec<KeyValue>, times: Times, period: Period) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes,
        start_time_unix_nano: period.began,
        time_unix_nano: period.now,
        count: times.buckets.iter().sum(),
        sum: Some(times.sum),
        bucket_counts: times.buckets.into(),
        explicit_bounds: times.bounds.into(),
        ..HistogramDataPoint::default()
    }
}

fn attributes(labels: Vec<(&'static str, String)>) -> Vec<KeyValue> {
    labels.into_iter().map(|(name, value)| key_value(name, Value::StringValue(value))).collect()
}
