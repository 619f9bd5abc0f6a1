//! Histograms whose buckets grow by a constant factor: native histograms of Prometheus, exponential ones of OpenTelemetry.
//!
//! Bucket `i` of schema `n` has the times up to 2^(i / 2^n) seconds that are longer than the bound of bucket `i - 1`. Only
//! buckets that are not empty take memory. See <https://prometheus.io/docs/specs/native_histograms/>.

use std::{collections::BTreeMap, f64::consts::SQRT_2};

/// The schema of a new histogram: eight buckets for each power of 2, so a bound is 9 % above the one before.
const SCHEMA: i32 = 3;

/// Powers of 2^(1/8) from 1 to below 2: the lower bounds of the buckets of [`SCHEMA`] between 1 and 2 seconds.
const BOUNDS: [f64; 8] = [
    1.0,
    1.090_507_732_665_257_7,
    1.189_207_115_002_721,
    1.296_839_554_651_009_6,
    SQRT_2,
    1.542_210_825_407_940_7,
    1.681_792_830_507_429,
    1.834_008_086_409_342_4,
];

/// Maximum number of buckets that are not empty. With more, pairs of neighbours become one bucket.
const MAX_BUCKETS: usize = 160;

/// Times up to this one, in seconds, count as 0: 2^-128, as the specification recommends.
pub(crate) const ZERO_THRESHOLD: f64 = f64::from_bits((1023 - 128) << FRACTION_BITS);

/// Number of bits of a double that are its fraction; above them is the exponent, which is 1023 for numbers from 1 to below 2.
const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;

/// The buckets of a histogram of times in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Exponential {
    /// Resolution: each power of 2 has 2^schema buckets.
    pub(crate) schema: i32,
    /// Number of times that count as 0.
    pub(crate) zeros: u64,
    /// Number of times in each bucket, by its index; at least 1.
    pub(crate) buckets: BTreeMap<i32, u64>,
}

impl Default for Exponential {
    fn default() -> Self {
        Self { schema: SCHEMA, zeros: 0, buckets: BTreeMap::new() }
    }
}

impl Exponential {
    /// Adds a time, which is not negative.
    pub(super) fn observe(&mut self, seconds: f64) {
        if seconds <= ZERO_THRESHOLD {
            self.zeros += 1;
            return;
        }
        let index = (self.schema..SCHEMA).fold(index(seconds), |index, _| halved(index));
        *self.buckets.entry(index).or_default() += 1;
        while self.buckets.len() > MAX_BUCKETS {
            self.halve();
        }
    }

    /// Returns the ranges of buckets without a gap: the index of the first one, and the number of times in each.
    pub(crate) fn spans(&self) -> Vec<(i32, Vec<u64>)> {
        let mut spans: Vec<(i32, Vec<u64>)> = Vec::new();
        let mut next = None;
        for (&index, &count) in &self.buckets {
            match spans.last_mut() {
                Some((_, counts)) if next == Some(index) => counts.push(count),
                _ => spans.push((index, vec![count])),
            }
            next = Some(index + 1);
        }
        spans
    }

    /// Halves the resolution.
    fn halve(&mut self) {
        self.schema -= 1;
        for (index, count) in std::mem::take(&mut self.buckets) {
            *self.buckets.entry(halved(index)).or_default() += count;
        }
    }
}

/// Returns the index of a time's bucket in [`SCHEMA`]. The time is above [`ZERO_THRESHOLD`].
fn index(seconds: f64) -> i32 {
    let bits = seconds.to_bits();
    // With a sign of 0, the exponent has eleven bits, which fit.
    let exponent = (bits >> FRACTION_BITS) as i32 - 1023;
    let fraction = f64::from_bits(bits & ((1 << FRACTION_BITS) - 1) | 1.0_f64.to_bits());
    // A bound belongs to the bucket below it.
    (exponent << SCHEMA) + BOUNDS.partition_point(|&bound| bound < fraction) as i32
}

/// Returns the index of the bucket that has the times of bucket `index` at half the resolution.
fn halved(index: i32) -> i32 {
    (index + 1) >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: impl IntoIterator<Item = f64>) -> Exponential {
        let mut histogram = Exponential::default();
        times.into_iter().for_each(|seconds| histogram.observe(seconds));
        histogram
    }

    /// Asserts that each time is in a bucket whose bounds include it.
    fn assert_bounds(histogram: &Exponential, times: &[f64]) {
        let per_power = 2_f64.powi(histogram.schema);
        let mut counts = BTreeMap::new();
        for &seconds in times.iter().filter(|&&seconds| seconds > ZERO_THRESHOLD) {
            // Exact, unless a time is a bound that is no power of 2.
            *counts.entry((seconds.log2() * per_power).ceil() as i32).or_insert(0_u64) += 1;
        }
        assert_eq!(histogram.buckets, counts);
    }

    #[test]
    fn a_power_of_two_is_the_upper_bound_of_its_bucket() {
        for power in -127..=100 {
            let bound = 2_f64.powi(power);
            assert_eq!(index(bound), 8 * power, "2^{power}");
            assert_eq!(index(bound.next_up()), 8 * power + 1, "above 2^{power}");
            assert_eq!(index(bound.next_down()), 8 * power, "below 2^{power}");
        }
    }

    #[test]
    fn each_bound_between_one_and_two_is_an_eighth_of_the_way() {
        for (eighth, &bound) in (0..).zip(&BOUNDS) {
            assert!((bound.log2() - f64::from(eighth) / 8.0).abs() < 1e-15, "{bound}");
            assert_eq!((index(bound), index(bound.next_up())), (eighth, eighth + 1), "{bound}");
        }
    }

    #[test]
    fn known_times_have_known_buckets() {
        // As Prometheus' own library has them.
        for (seconds, expected) in
            [(1e-9, -239), (1e-6, -159), (0.001, -79), (0.0333, -39), (0.5, -8), (1.05, 1), (3.0, 13), (86_400.0, 132)]
        {
            assert_eq!(index(seconds), expected, "{seconds}");
        }
        assert_eq!((index(u64::MAX as f64 / 1e9), index(f64::MAX)), (273, 8192));
    }

    #[test]
    fn zero_has_a_bucket_of_its_own() {
        let histogram = of([0.0, ZERO_THRESHOLD, 1e-9]);
        assert_eq!((histogram.zeros, histogram.buckets.len()), (2, 1));
        assert_eq!(ZERO_THRESHOLD, 2_f64.powi(-128));
    }

    #[test]
    fn spans_have_all_times_and_no_gap() {
        assert!(of([]).spans().is_empty());
        let histogram = of([1.0, 0.25, 1.05, 1.05, 1.1, 2.0, 1.95]);
        assert_eq!(histogram.spans(), [(-16, vec![1]), (0, vec![1, 2, 1]), (8, vec![2])]);
    }

    #[test]
    fn the_resolution_is_halved_when_there_are_too_many_buckets() {
        // One time in each bucket.
        let times: Vec<f64> = (0..161).map(|number| 2_f64.powf((f64::from(number) - 80.5) / 8.0)).collect();
        let mut histogram = of(times[..MAX_BUCKETS].iter().copied());
        assert_eq!((histogram.schema, histogram.buckets.len()), (3, MAX_BUCKETS));
        histogram.observe(times[MAX_BUCKETS]);
        assert_eq!(histogram.schema, 2);
        assert_bounds(&histogram, &times);
        // Those that follow go to the wider buckets.
        histogram.observe(1.5);
        assert_bounds(&histogram, &[times, vec![1.5]].concat());
    }

    #[test]
    fn all_times_there_are_fit_in_the_buckets() {
        // Every eighth of a power of 2 that a number of nanoseconds can be.
        let times: Vec<f64> = (0..=512).map(|eighth| 2_f64.powf(f64::from(eighth) / 8.0 + 0.01) / 1e9).collect();
        let histogram = of(times.iter().copied());
        assert!(histogram.buckets.len() <= MAX_BUCKETS && histogram.schema == 1, "{histogram:?}");
        assert_bounds(&histogram, &times);
        // Numbers that are no times end, too.
        let histogram = of((0..=8800).map(|eighth| 2_f64.powf(f64::from(eighth) / 8.0 - 100.01)));
        assert!(histogram.buckets.len() <= MAX_BUCKETS && histogram.schema >= -4, "{histogram:?}");
    }
}
