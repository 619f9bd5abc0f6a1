//! Pauses between attempts.

use std::{collections::hash_map::RandomState, hash::BuildHasher as _, time::Duration};

/// The first pause.
const FIRST: Duration = Duration::from_millis(500);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// Pauses that double, each randomised between 80 and 120 % of its length, so that many hosts do not return at once.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Backoff {
    /// Returns the next pause.
    pub(super) fn next_pause(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        // The keys of `RandomState` are random.
        let percent = 80 + RandomState::new().hash_one(()) % 41;
        pause.mul_f64(percent as f64 / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        for middle in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let pause = backoff.next_pause().as_millis();
            assert!((middle * 8 / 10..=middle * 12 / 10).contains(&pause), "{pause} {middle}");
        }
    }
}
