//! What the destinations need of the records and verdicts; nothing else is made.

use tcptrace_core::{correlate::Correlated, filter::Emit};

use super::Output;
use crate::metrics::Metrics;

impl Output {
    /// Returns the types of records that anything uses.
    pub fn needs(&self) -> Emit {
        let everything = self.has_file() || self.fail_on.is_some() || self.metrics.is_some() || self.exporter.is_some();
        if everything { Emit::ALL } else { self.stdout.needs }
    }

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
}
