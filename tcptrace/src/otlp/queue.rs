//! The queue between the tracing loop, which must not block, and the delivering thread. It holds encoded items, so that its
//! memory is bounded.

mod items;

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prost::Message;
use tokio::{sync::Notify, time::Instant};

pub(super) use self::items::{Items, Outcomes};
use super::{endpoint::Signal, envelope::append_item};
use crate::metrics::Metrics;

/// Maximum number of bytes of waiting items, some 30,000 spans, in addition to the memory of tracing itself.
pub(super) const BUDGET: usize = 32 << 20;

/// Bytes and items after which a batch is full.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_ITEMS: u64 = 2048;

/// Time after which a batch is sent even if it is not full.
const BATCH_AGE: Duration = Duration::from_secs(1);

/// The run whose records are exported.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The encoded resource.
    pub(super) resource: Arc<[u8]>,
    /// Its counters and histograms.
    pub(super) metrics: Arc<Metrics>,
    /// Time at which it began, in nanoseconds since the epoch.
    pub(super) began: u64,
}

/// Items of one signal and one resource.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) signal: Signal,
    pub(super) resource: Arc<[u8]>,
    /// The encoded items.
    pub(super) items: Vec<u8>,
    pub(super) count: u64,
}

impl Batch {
    /// Returns the number of items, by signal.
    pub(super) fn counted(&self) -> Items {
        Items::of(self.signal, self.count)
    }
}

/// A batch that may still grow.
#[derive(Debug)]
struct Filling {
    batch: Batch,
    since: Instant,
}

#[derive(Debug, Default)]
struct State {
    run: Option<Run>,
    traces: Option<Filling>,
    logs: Option<Filling>,
    full: VecDeque<Batch>,
    /// Bytes in all batches.
    held: usize,
    in_flight: Items,
    outcomes: Outcomes,
    /// True if no more items come.
    finishing: bool,
    /// True if nothing is delivered any more.
    ended: bool,
}

/// The next task of the delivering thread.
#[derive(Debug)]
pub(super) enum Task {
    /// Deliver this.
    Deliver(Batch),
    /// Wait for [`Queue::changed`], or until this time.
    Wait(Option<Instant>),
    /// End.
    Over,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    budget: usize,
    state: Mutex<State>,
    changed: Notify,
    room: Condvar,
}

impl Queue {
    /// Creates a queue for at most `budget` bytes.
    pub(super) fn new(budget: usize) -> Self {
        Self { budget, state: Mutex::default(), changed: Notify::new(), room: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins another run.
    pub(super) fn begin(&self, run: Run) {
        let mut state = self.state();
        state.seal_all();
        state.run = Some(run);
        drop(state);
        self.changed.notify_one();
    }

    /// Returns the run whose records are exported; `None` before the first one has begun.
    pub(super) fn run(&self) -> Option<Run> {
        self.state().run.clone()
    }

    /// Waits until there is room, or nothing is delivered any more.
    pub(super) fn wait_for_room(&self) {
        let no_room = |state: &mut State| !state.ended && state.held >= self.budget;
        drop(self.room.wait_while(self.state(), no_room).unwrap_or_else(PoisonError::into_inner));
    }

    /// Adds a span or a log record. The oldest ones make room.
    pub(super) fn push(&self, signal: Signal, item: &impl Message) {
        let mut state = self.state();
        let wakes = state.push(signal, item);
        state.make_room(self.budget);
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
    }

    /// Adds an export of metrics, encoded as items.
    pub(super) fn push_metrics(&self, items: Vec<u8>) {
        let mut state = self.state();
        let Some(run) = &state.run else { return };
        let batch = Batch { signal: Signal::Metrics, resource: Arc::clone(&run.resource), items, count: 1 };
        state.held += batch.items.len();
        state.full.push_back(batch);
        state.make_room(self.budget);
        drop(state);
        self.changed.notify_one();
    }

    /// Notes that no more items come.
    pub(super) fn finish(&self) {
        self.state().finishing = true;
        self.changed.notify_one();
    }

    /// Returns true if [`Self::finish`] was called.
    pub(super) fn is_finishing(&self) -> bool {
        self.state().finishing
    }

    /// Waits until there may be another task.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns the next task at `now`.
    pub(super) fn next(&self, now: Instant) -> Task {
        let mut state = self.state();
        if state.finishing {
            state.seal_all();
        } else {
            state.seal_due(now);
        }
        if let Some(batch) = state.full.pop_front() {
            state.held = state.held.saturating_sub(batch.items.len());
            state.in_flight = batch.counted();
            drop(state);
            self.room.notify_all();
            return Task::Deliver(batch);
        }
        if state.finishing {
            return Task::Over;
        }
        Task::Wait([&state.traces, &state.logs].into_iter().flatten().map(|filling| filling.since + BATCH_AGE).min())
    }

    /// Notes the outcomes of the items that were sent.
    pub(super) fn settle(&self, note: impl FnOnce(&mut Outcomes)) {
        let mut state = self.state();
        state.in_flight = Items::default();
        note(&mut state.outcomes);
    }

    /// Notes that nothing is delivered any more: the rest counts as left.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        drop(state);
        self.room.notify_all();
    }

    /// Returns the outcomes of all items so far; those waiting or in flight count as left.
    pub(super) fn outcomes(&self) -> Outcomes {
        let mut state = self.state();
        state.seal_all();
        let mut outcomes = state.outcomes;
        outcomes.left += state.in_flight;
        state.full.iter().for_each(|batch| outcomes.left += batch.counted());
        outcomes
    }

    /// Returns the items that have made room for later ones.
    pub(super) fn dropped(&self) -> Items {
        self.state().outcomes.dropped
    }
}

impl State {
    /// Adds an item. Returns true if the delivering thread must be notified.
    fn push(&mut self, signal: Signal, item: &impl Message) -> bool {
        let Some(run) = &self.run else { return false };
        let place = if signal == Signal::Logs { &mut self.logs } else { &mut self.traces };
        let first = place.is_none();
        let Filling { batch, .. } = place.get_or_insert_with(|| {
            let batch = Batch { signal, resource: Arc::clone(&run.resource), items: Vec::new(), count: 0 };
            Filling { batch, since: Instant::now() }
        });
        let before = batch.items.len();
        append_item(&mut batch.items, item);
        batch.count += 1;
        self.held += batch.items.len() - before;
        let full = batch.items.len() >= BATCH_BYTES || batch.count >= BATCH_ITEMS;
        if full && let Some(Filling { batch, .. }) = place.take() {
            self.seal(batch);
        }
        first || full
    }

    fn seal(&mut self, mut batch: Batch) {
        // Bytes are counted, not capacity.
        batch.items.shrink_to_fit();
        self.full.push_back(batch);
    }

    fn seal_all(&mut self) {
        for filling in [self.traces.take(), self.logs.take()].into_iter().flatten() {
            self.seal(filling.batch);
        }
    }

    fn seal_due(&mut self, now: Instant) {
        let is_due = |filling: &mut Filling| filling.since + BATCH_AGE <= now;
        for filling in [self.traces.take_if(is_due), self.logs.take_if(is_due)].into_iter().flatten() {
            self.seal(filling.batch);
        }
    }

    /// Drops the oldest batches that do not fit.
    fn make_room(&mut self, budget: usize) {
        while self.held > budget {
            let Some(batch) = self.full.pop_front() else { return };
            self.held = self.held.saturating_sub(batch.items.len());
            self.outcomes.dropped += batch.counted();
        }
    }
}

#[cfg(test)]
mod tests;
