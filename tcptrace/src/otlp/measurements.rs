//! The metrics of `--metrics` in OTLP's form.

use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{
        AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
        HistogramDataPoint, Metric, NumberDataPoint, Sum, exponential_histogram_data_point::Buckets, metric::Data,
        number_data_point::Value as Number,
    },
};

use super::{attributes::key_value, envelope::append_item, settings::Histograms};
use crate::metrics::{Exponential, Family, Metrics, Points, Times, ZERO_THRESHOLD};

/// The period that metrics cover, in nanoseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    /// Time at which counting began.
    pub(super) began: u64,
    /// The current time, or the last time in a recording.
    pub(super) now: u64,
}

/// Returns the metrics, encoded as items of a request; the processor time of this process only with `own_cost`.
pub(super) fn encode(metrics: &Metrics, period: Period, own_cost: bool, histograms: Histograms) -> Vec<u8> {
    let mut items = Vec::new();
    for family in metrics.families(own_cost) {
        if let Some(metric) = metric(family, period, histograms) {
            append_item(&mut items, &metric);
        }
    }
    items
}

/// Returns a metric; `None` if it has no values yet.
fn metric(Family { name, points }: Family, period: Period, histograms: Histograms) -> Option<Metric> {
    let is_empty = points.is_empty();
    let cumulative = AggregationTemporality::Cumulative.into();
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
        Points::Times(points) => match histograms {
            Histograms::Explicit => {
                let point = |(labels, times)| explicit(attributes(labels), times, period);
                let data_points = points.into_iter().map(point).collect();
                Data::Histogram(Histogram { data_points, aggregation_temporality: cumulative })
            }
            Histograms::Exponential => {
                let point = |(labels, times)| exponential(attributes(labels), times, period);
                let data_points = points.into_iter().map(point).collect();
                Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality: cumulative })
            }
        },
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

fn explicit(attributes: Vec<KeyValue>, times: Times, period: Period) -> HistogramDataPoint {
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

fn exponential(attributes: Vec<KeyValue>, times: Times, period: Period) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        attributes,
        start_time_unix_nano: period.began,
        time_unix_nano: period.now,
        count: times.buckets.iter().sum(),
        sum: Some(times.sum),
        scale: times.exponential.schema,
        zero_count: times.exponential.zeros,
        zero_threshold: ZERO_THRESHOLD,
        positive: buckets(&times.exponential),
        ..ExponentialHistogramDataPoint::default()
    }
}

/// Returns the buckets from the first one that is not empty to the last; `None` if all are.
fn buckets(Exponential { buckets, .. }: &Exponential) -> Option<Buckets> {
    let (&first, &last) = (buckets.first_key_value()?.0, buckets.last_key_value()?.0);
    let bucket_counts = (first..=last).map(|index| buckets.get(&index).copied().unwrap_or(0)).collect();
    // An index of OTLP stands for a bucket's lower bound, one of Prometheus for the upper.
    Some(Buckets { offset: first - 1, bucket_counts })
}

fn attributes(labels: Vec<(&'static str, String)>) -> Vec<KeyValue> {
    labels.into_iter().map(|(name, value)| key_value(name, Value::StringValue(value))).collect()
}
