//! Schedule of draining the ring buffer, and the resulting progress of event time.

use std::time::Duration;

use tokio::time::Instant;

use crate::{app::trace::Trace, host_clock};

/// Maximum number of records taken from the ring before signals, timers and other inputs are handled.
pub(super) const DRAIN_BATCH: usize = 4096;

/// Pause between two drains of the ring while many records come. Each wake-up of this thread costs the traced processes
/// time, but records that wait for longer are no longer in the processor's caches.
const SHORT_PAUSE: Duration = Duration::from_millis(5);

/// Pause between two drains while few records come: at 1,000 connections a second, this thread takes little more than half
/// the processor time that it takes with the other pause, and nobody reads faster.
const LONG_PAUSE: Duration = Duration::from_millis(20);

/// Number of records in one drain from which pauses are short.
const MANY_RECORDS: u64 = 1024;

/// Size of a ring, in bytes, that holds what a sudden burst of connections brings within [`LONG_PAUSE`].
const ROOMY_RING: u32 = 8 << 20;

/// Number of records in one drain from which the ring counts as busy: the kernel then need not wake this thread until it is
/// empty.
const BUSY_DRAIN: u64 = 64;

/// Upper bound of the time from an event to its readable record, unless the CPU is preempted in between. Timers run this
/// much later, so that in a recording they come after all events before them.
pub(super) const RECORD_LATENCY: Duration = Duration::from_millis(1);

/// Handles the records in the ring. Returns the time of the next drain: now if more records are left, after
/// a pause if there were any or the ring has been busy until now, and otherwise `None`, to wait for a wake-up.
pub(super) fn drain(trace: &mut Trace) -> Option<Instant> {
    let before = trace.pipeline.counts().0;
    let Trace { ring, pipeline, namespaces, .. } = trace;
    let more = ring.drain(DRAIN_BATCH, |record| pipeline.take(record));
    pipeline.flush();
    if std::mem::take(&mut pipeline.strange_netns)
        && let Some(namespaces) = namespaces
    {
        namespaces.look();
    }
    let taken = pipeline.counts().0 - before;
    if taken > 0 {
        if taken >= BUSY_DRAIN {
            ring.stay_awake();
        }
        let pause = if more { Duration::ZERO } else { pause_after(taken, ring.size()) };
        return Some(Instant::now() + pause);
    }
    (!ring.rest()).then(|| Instant::now() + SHORT_PAUSE)
}

/// Returns the pause after a drain that found `taken` records in a ring of `ring_size` bytes.
fn pause_after(taken: u64, ring_size: u32) -> Duration {
    if taken < MANY_RECORDS && ring_size >= ROOMY_RING { LONG_PAUSE } else { SHORT_PAUSE }
}

/// Advances the time of events: handles the records in the ring, which are older than now, and then the timers that are due.
pub(super) fn pass_time(trace: &mut Trace) {
    let now = host_clock::now();
    let Trace { ring, pipeline, .. } = trace;
    let more = ring.drain(DRAIN_BATCH, |record| pipeline.take(record));
    // Otherwise the remaining records advance the time.
    if !more {
        pipeline.handle_timeout(now - RECORD_LATENCY);
    }
    pipeline.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_records_are_waited_for_longer_if_the_ring_has_room() {
        for (taken, ring_size, pause) in [
            (1, 16 << 20, LONG_PAUSE),
            (MANY_RECORDS - 1, ROOMY_RING, LONG_PAUSE),
            (MANY_RECORDS, ROOMY_RING, SHORT_PAUSE),
            (1, ROOMY_RING / 2, SHORT_PAUSE),
        ] {
            assert_eq!(pause_after(taken, ring_size), pause, "{taken} records, {ring_size} bytes");
        }
    }
}
