//! Warnings about a collector: each fault once, and the beginning and the end of a failure.

use std::time::Duration;

use log::{debug, warn};
use tokio::time::Instant;

use crate::otlp::queue::{Items, Queue};

/// Minimum time between warnings about a collector that fails intermittently.
const QUIET: Duration = Duration::from_secs(60);

/// The warnings that the user has seen.
#[derive(Debug)]
pub(super) struct Notices {
    /// URL of the collector, as given.
    url: String,
    /// True if the collector accepts nothing.
    failing: bool,
    /// True if that was reported.
    reported_failing: bool,
    /// Time of the last message about that.
    last_report: Option<Instant>,
    /// True if dropped items were reported since the last success.
    reported_dropped: bool,
    /// Items dropped until then.
    dropped_before: Items,
    /// Faults that were reported.
    reported_faults: Vec<String>,
}

impl Notices {
    /// Creates the notices about the collector at `url`; nothing has been reported yet.
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            failing: false,
            reported_failing: false,
            last_report: None,
            reported_dropped: false,
            dropped_before: Items::default(),
            reported_faults: Vec::new(),
        }
    }

    /// Warns of a fault once; `fault` is a sentence about the collector, without its subject.
    pub(super) fn fault(&mut self, fault: std::fmt::Arguments<'_>) {
        let fault = format!("{} {fault}", self.url);
        // The sentences of a collector may differ each time.
        if self.reported_faults.len() < 8 && !self.reported_faults.contains(&fault) {
            warn!("{fault}");
            self.reported_faults.push(fault);
        }
    }

    /// An attempt failed: warns when failures begin, but not again within [`QUIET`].
    pub(super) fn failed(&mut self, why: &str, queue: &Queue) {
        let first = !std::mem::replace(&mut self.failing, true);
        if first && self.last_report.is_none_or(|at| at.elapsed() >= QUIET) {
            self.last_report = Some(Instant::now());
            self.reported_failing = true;
            warn!("nothing is exported to {} for now: {why}; trying again", self.url);
        } else {
            debug!("{}: {why}", self.url);
        }
        self.dropped(queue);
    }

    /// Warns when the queue begins to drop items.
    pub(super) fn dropped(&mut self, queue: &Queue) {
        if !self.reported_dropped && queue.dropped() != self.dropped_before {
            self.reported_dropped = true;
            warn!("{} has accepted nothing for too long: the oldest items to export are dropped", self.url);
        }
    }

    /// Notes a successful attempt: reports it after a warning, with the number of dropped items.
    pub(super) fn recovered(&mut self, queue: &Queue) {
        self.failing = false;
        let (reported_failing, reported_dropped) = (&mut self.reported_failing, &mut self.reported_dropped);
        if std::mem::take(reported_failing) | std::mem::take(reported_dropped) {
            self.dropped_before = queue.dropped();
            warn!("{} accepts exports again; dropped so far: {}", self.url, self.dropped_before);
        }
    }
}
