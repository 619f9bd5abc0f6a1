//! What the destinations need of the records and verdicts; nothing else is made.

use tcptrace_core::{correlate::Correlated, describe::Describer};

use super::Output;
use crate::metrics::Metrics;

impl Output {
    /// Returns true if anything uses the results of the correlator.
    pub fn needs_verdicts(&self) -> bool {
        !self.stdout.discards
            || self.has_file()
            || self.fail_on.is_some()
            || self.metrics.is_some()
            || self.exporter.is_some()
    }

    /// Returns true if [`Self::write`] would write the output record of `correlated` anywhere.
    pub fn wants(&self, correlated: &Correlated) -> bool {
        let counted = || self.metrics.is_some() && Metrics::NEEDS.contains(correlated.emit());
        let exported = || self.exporter.as_ref().is_some_and(|exporter| exporter.needs().contains(correlated.emit()));
        self.has_file()
            || self.fail_on.is_some()
            || self.stdout.needs.contains(correlated.emit())
            || counted()
            || exported()
    }

    /// Offers an event to what collects records in place of stdout. Returns true if no record of it is needed.
    pub fn take_unshown(&mut self, event: &Correlated, describer: &Describer) -> bool {
        self.stdout.take_unshown(event, describer)
    }
}
