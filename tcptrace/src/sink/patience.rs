//! The patience of a sink that ends with its reader.

use std::time::Duration;

use tcptrace_core::event::BootTime;

/// Maximum time to wait for a reader that is still reading, unless it may be idle for longer.
const READING_LIMIT: Duration = Duration::from_secs(5);

/// Decides whether to wait for a reader that has not taken everything yet.
#[derive(Debug)]
pub(super) struct Patience {
    limit: BootTime,
    /// Number of bytes that the reader had taken at the last check; it may wrap.
    taken: usize,
}

impl Patience {
    /// Starts at `now`, with a reader that has taken `taken` bytes and will be checked every `idle`.
    pub(super) fn new(idle: Duration, taken: usize, now: BootTime) -> Self {
        Self { limit: now + idle.max(READING_LIMIT), taken }
    }

    /// Returns true to continue waiting: the reader has taken more bytes since the last check, and the limit is not reached.
    pub(super) fn lasts(&mut self, taken: usize, now: BootTime) -> bool {
        std::mem::replace(&mut self.taken, taken) != taken && now < self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_millis(200);

    #[test]
    fn a_reader_is_waited_for_while_it_reads() {
        let begun = BootTime(7);
        let mut patience = Patience::new(IDLE, 10, begun);
        assert!(patience.lasts(11, begun + IDLE));
        assert!(patience.lasts(2_000, begun + 2 * IDLE));
        assert!(!patience.lasts(2_000, begun + 3 * IDLE));
    }

    #[test]
    fn a_reader_that_never_comes_to_the_end_is_given_up() {
        let begun = BootTime(7);
        let mut patience = Patience::new(IDLE, 10, begun);
        assert!(patience.lasts(11, begun + READING_LIMIT - IDLE));
        assert!(!patience.lasts(12, begun + READING_LIMIT));
        // If an idle reader may take longer, so may one that reads.
        let mut patience = Patience::new(2 * READING_LIMIT, 10, begun);
        assert!(patience.lasts(11, begun + READING_LIMIT));
    }
}
