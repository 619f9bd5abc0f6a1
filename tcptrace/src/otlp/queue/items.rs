//! Numbers of items, and their outcomes.

use std::{
    fmt::{self, Display, Formatter},
    ops::AddAssign,
};

use crate::otlp::endpoint::Signal;

/// Numbers of items by signal.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::otlp) struct Items {
    pub(in crate::otlp) spans: u64,
    pub(in crate::otlp) logs: u64,
    /// Exports of all metrics.
    pub(in crate::otlp) metrics: u64,
}

impl Items {
    /// Returns `count` items of one signal.
    pub(in crate::otlp) fn of(signal: Signal, count: u64) -> Self {
        match signal {
            Signal::Traces => Self { spans: count, ..Self::default() },
            Signal::Logs => Self { logs: count, ..Self::default() },
            Signal::Metrics => Self { metrics: count, ..Self::default() },
        }
    }

    /// Returns true if there are none.
    pub(in crate::otlp) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl AddAssign for Items {
    fn add_assign(&mut self, more: Self) {
        self.spans += more.spans;
        self.logs += more.logs;
        self.metrics += more.metrics;
    }
}

/// Writes the numbers for human readers: `3 spans and 1 log record`.
impl Display for Items {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let words = [
            (self.spans, "span", "spans"),
            (self.logs, "log record", "log records"),
            (self.metrics, "export of metrics", "exports of metrics"),
        ];
        let some = words.iter().filter(|(count, ..)| *count > 0);
        let parts: Vec<_> =
            some.map(|(count, one, more)| format!("{count} {}", if *count == 1 { one } else { more })).collect();
        match parts.split_last() {
            None => f.write_str("nothing"),
            Some((last, [])) => f.write_str(last),
            Some((last, first)) => write!(f, "{} and {last}", first.join(", ")),
        }
    }
}

/// Numbers of items by their outcome.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::otlp) struct Outcomes {
    /// Accepted by the collector.
    pub(in crate::otlp) delivered: Items,
    /// Accepted with an answer that is not OTLP, so the server may not be a collector.
    pub(in crate::otlp) unclear: Items,
    /// Rejected by the collector, as a part of a request or by its status.
    pub(in crate::otlp) rejected: Items,
    /// Dropped to make room for later ones.
    pub(in crate::otlp) dropped: Items,
    /// Not delivered when the exporter ended.
    pub(in crate::otlp) left: Items,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_words() {
        let items = |spans, logs, metrics| Items { spans, logs, metrics }.to_string();
        assert_eq!(items(0, 0, 0), "nothing");
        assert_eq!(items(1, 0, 0), "1 span");
        assert_eq!(items(2, 1, 0), "2 spans and 1 log record");
        assert_eq!(items(2, 2, 1), "2 spans, 2 log records and 1 export of metrics");
    }
}
