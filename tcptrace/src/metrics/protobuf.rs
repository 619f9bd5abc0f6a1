//! Prometheus' protocol buffers: the messages of `metrics.proto`
//! (<https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto>), as far as they are used.
//!
//! Their code is written here rather than generated, since the compiler of such files takes longer than the rest of a build.

use std::iter;

use prost::Message;

use super::{
    Metrics,
    exponential::{Exponential, ZERO_THRESHOLD},
    families::{BUILD, Family, Pairs, Points, Times, sentence},
};

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricFamily {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) help: String,
    #[prost(enumeration = "MetricType", tag = "3")]
    pub(super) r#type: i32,
    #[prost(message, repeated, tag = "4")]
    pub(super) metric: Vec<Metric>,
    #[prost(string, tag = "5")]
    pub(super) unit: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum MetricType {
    Counter = 0,
    Gauge = 1,
    Histogram = 4,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(message, repeated, tag = "1")]
    pub(super) label: Vec<LabelPair>,
    #[prost(oneof = "Value", tags = "2, 3, 7")]
    pub(super) value: Option<Value>,
}

/// The field of a metric that its type requires.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Value {
    #[prost(message, tag = "2")]
    Gauge(Number),
    #[prost(message, tag = "3")]
    Counter(Number),
    #[prost(message, tag = "7")]
    Histogram(Histogram),
}

/// `Gauge` and `Counter`, whose values have the same tag.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Number {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LabelPair {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    #[prost(uint64, tag = "1")]
    pub(super) sample_count: u64,
    #[prost(double, tag = "2")]
    pub(super) sample_sum: f64,
    /// The classic buckets.
    #[prost(message, repeated, tag = "3")]
    pub(super) bucket: Vec<Bucket>,
    /// This one and those below: the native buckets.
    #[prost(sint32, tag = "5")]
    pub(super) schema: i32,
    #[prost(double, tag = "6")]
    pub(super) zero_threshold: f64,
    #[prost(uint64, tag = "7")]
    pub(super) zero_count: u64,
    #[prost(message, repeated, tag = "12")]
    pub(super) positive_span: Vec<BucketSpan>,
    /// Difference between the number of times in a bucket and that in the one before.
    #[prost(sint64, repeated, tag = "13")]
    pub(super) positive_delta: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Bucket {
    #[prost(uint64, tag = "1")]
    pub(super) cumulative_count: u64,
    #[prost(double, tag = "2")]
    pub(super) upper_bound: f64,
}

/// Buckets that follow each other without a gap.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BucketSpan {
    /// Number of buckets between the span before and this one; of the first span, the index of its first bucket.
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(super) length: u32,
}

/// Returns all metrics, each with its length before it.
pub(super) fn encode(metrics: &Metrics) -> Vec<u8> {
    let families = metrics.families(true).into_iter().filter(|family| !family.points.is_empty()).map(family);
    families.chain([build()]).fold(Vec::new(), |mut encoded, family| {
        encoded.extend(family.encode_length_delimited_to_vec());
        encoded
    })
}

fn family(Family { name, points }: Family) -> MetricFamily {
    let number = |value| Number { value };
    let (r#type, metric) = match points {
        Points::Counts(points) => {
            let metric = |(labels, count)| metric(labels, Value::Counter(number(count as f64)));
            (MetricType::Counter, points.into_iter().map(metric).collect())
        }
        Points::Seconds(seconds) => (MetricType::Counter, vec![metric(Pairs::new(), Value::Counter(number(seconds)))]),
        Points::Now(now) => (MetricType::Gauge, vec![metric(Pairs::new(), Value::Gauge(number(now as f64)))]),
        Points::Times(points) => {
            let metric = |(labels, times)| metric(labels, Value::Histogram(histogram(times)));
            (MetricType::Histogram, points.into_iter().map(metric).collect())
        }
    };
    let unit = name.prometheus_unit().unwrap_or_default();
    let parts = [name.prometheus, unit, if r#type == MetricType::Counter { "total" } else { "" }];
    MetricFamily {
        name: parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_"),
        help: sentence(name.help),
        r#type: r#type.into(),
        metric,
        unit: unit.to_owned(),
    }
}

/// Returns the version of this build: a gauge, since there is no type for information.
fn build() -> MetricFamily {
    let (name, help, labels) = BUILD;
    let label = |(name, value): (&str, &str)| LabelPair { name: name.to_owned(), value: value.to_owned() };
    let metric =
        Metric { label: labels.into_iter().map(label).collect(), value: Some(Value::Gauge(Number { value: 1.0 })) };
    MetricFamily {
        name: format!("{name}_info"),
        help: sentence(help),
        r#type: MetricType::Gauge.into(),
        metric: vec![metric],
        unit: String::new(),
    }
}

fn metric(labels: Pairs, value: Value) -> Metric {
    let label = |(name, value): (&str, String)| LabelPair { name: name.replace('.', "_"), value };
    Metric { label: labels.into_iter().map(label).collect(), value: Some(value) }
}

fn histogram(Times { bounds, buckets, sum, exponential }: Times) -> Histogram {
    let cumulative = buckets.into_iter().scan(0, |total, count| {
        *total += count;
        Some(*total)
    });
    let bucket = |(upper_bound, cumulative_count)| Bucket { cumulative_count, upper_bound };
    let (positive_span, positive_delta) = spans_and_deltas(&exponential);
    Histogram {
        sample_count: buckets.iter().sum(),
        sample_sum: sum,
        bucket: bounds.into_iter().chain([f64::INFINITY]).zip(cumulative).map(bucket).collect(),
        schema: exponential.schema,
        zero_threshold: ZERO_THRESHOLD,
        zero_count: exponential.zeros,
        positive_span,
        positive_delta,
    }
}

fn spans_and_deltas(exponential: &Exponential) -> (Vec<BucketSpan>, Vec<i64>) {
    let spans = exponential.spans();
    let ends = spans.iter().map(|(first, counts)| first + length(counts) as i32);
    let offsets = spans.iter().zip(iter::once(0).chain(ends)).map(|((first, _), before)| first - before);
    let lengths = spans.iter().map(|(_, counts)| length(counts));
    let positive_span = offsets.zip(lengths).map(|(offset, length)| BucketSpan { offset, length }).collect();
    let counts = spans.iter().flat_map(|(_, counts)| counts).map(|&count| i64::try_from(count).unwrap_or(i64::MAX));
    let deltas = counts.scan(0, |before, count| Some(count - std::mem::replace(before, count))).collect();
    (positive_span, deltas)
}

/// Returns the number of buckets in a span, which is limited.
fn length(counts: &[u64]) -> u32 {
    counts.len() as u32
}

#[cfg(test)]
mod tests;
