//! How long a sink that ends waits for its reader.

use std::time::Duration;

use tcptrace_core::event::BootTime;

/// Time for which a reader that goes on reading is waited for, unless it may be idle for longer.
const READING_LIMIT: Duration = Duration::from_secs(5);

/// Decides whether a reader that has not taken everything yet is waited for.
#[derive(Debug)]
pub(super) struct Patience {
    limit: BootTime,
    /// Number of bytes that the reader had taken when it was last looked at; it may wrap.
    taken: usize,
}

impl Patience {
    /// From `now` on, with a reader that has taken `taken` bytes and will be looked at each time that `idle` has passed.
    pub(super) fn new(idle: Duration, taken: usize, now: BootTime) -> Self {
        Self { limit: now + idle.max(READING_LIMIT), taken }
    }

    /// Returns whether to go on waiting: the reader has taken more bytes since it was last looked at, and the limit has not come.
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
        // Whoever has more time for an idle reader has it for one that reads.
        let mut patience = Patience::new(2 * READING_LIMIT, 10, begun);
        assert!(patience.lasts(11, begun + READING_LIMIT));
    }
}
