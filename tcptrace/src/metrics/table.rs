//! Numbers by labels. Unlike the metric types of `prometheus_client`, they can be read back, which OTLP requires.

use std::{
    collections::HashMap,
    fmt::{self, Debug},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

use super::exponential::Exponential;

/// A number for each set of labels.
#[derive(Debug)]
pub(super) struct Table<L, N>(Arc<Mutex<HashMap<L, N>>>);

// A derived impl would require `Clone` of labels and numbers.
impl<L, N> Clone for Table<L, N> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L, N> Default for Table<L, N> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<L, N> Table<L, N> {
    fn entries(&self) -> MutexGuard<'_, HashMap<L, N>> {
        // No code that holds the lock can leave an entry half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Eq + Hash, N: Default> Table<L, N> {
    /// Changes the number with these labels.
    pub(super) fn change(&self, labels: L, change: impl FnOnce(&mut N)) {
        change(self.entries().entry(labels).or_default());
    }
}

impl<L: Clone, N: Clone> Table<L, N> {
    /// Returns a copy of all entries.
    pub(super) fn copy(&self) -> Vec<(L, N)> {
        self.entries().iter().map(|(labels, number)| (labels.clone(), number.clone())).collect()
    }
}

impl<L, N> EncodeMetric for Table<L, N>
where
    L: EncodeLabelSet,
    N: EncodeMetric + TypedMetric,
{
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        self.entries().iter().try_for_each(|(labels, number)| number.encode(encoder.encode_family(labels)?))
    }

    fn metric_type(&self) -> MetricType {
        N::TYPE
    }

    fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }
}

/// A counter of occurrences.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count(pub(super) u64);

impl TypedMetric for Count {
    const TYPE: MetricType = MetricType::Counter;
}

impl EncodeMetric for Count {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_counter::<NoLabelSet, _, u64>(&self.0, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

/// Upper bounds of a histogram's buckets in seconds, without the last bucket, which has none.
pub(crate) trait Bounds {
    /// In ascending order.
    const SECONDS: [f64; 12];
}

/// A histogram of times in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Durations<B> {
    /// Number of times in each bucket; the last one has those above all bounds.
    pub(crate) buckets: [u64; 13],
    /// Sum of all times in seconds.
    pub(crate) sum: f64,
    /// The same times in buckets that grow by a constant factor.
    pub(crate) exponential: Exponential,
    bounds: std::marker::PhantomData<B>,
}

impl<B> Default for Durations<B> {
    fn default() -> Self {
        Self { buckets: [0; 13], sum: 0.0, exponential: Exponential::default(), bounds: std::marker::PhantomData }
    }
}

impl<B: Bounds> Durations<B> {
    /// Adds a time.
    pub(super) fn observe(&mut self, seconds: f64) {
        let bucket = B::SECONDS.iter().position(|&bound| seconds <= bound).unwrap_or(B::SECONDS.len());
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
        self.sum += seconds;
        self.exponential.observe(seconds);
    }

    /// Returns the number of times.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl<B> TypedMetric for Durations<B> {
    const TYPE: MetricType = MetricType::Histogram;
}

impl<B: Bounds> EncodeMetric for Durations<B> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = B::SECONDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(self.buckets).collect();
        encoder.encode_histogram::<NoLabelSet>(self.sum, self.count(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
