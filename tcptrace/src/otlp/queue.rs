//! The queue between the tracing loop, which must not block, and the thread that delivers. It holds encoded items, so that its
//! memory is known.

use std::{
    collections::VecDeque,
    fmt::{self, Display, Formatter},
    ops::AddAssign,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prost::Message;
use tokio::{sync::Notify, time::Instant};

use super::{endpoint::Signal, envelope::append_item};
use crate::metrics::Metrics;

/// Maximum bytes of items that wait: some 30,000 spans. What tracing itself takes comes on top of that.
pub(super) const BUDGET: usize = 32 << 20;

/// Bytes and items after which a batch is full.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_ITEMS: u64 = 2048;

/// Time after which a batch that is not full goes out, too.
const BATCH_AGE: Duration = Duration::from_secs(1);

/// Numbers of items by signal.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Items {
    pub(super) spans: u64,
    pub(super) logs: u64,
    /// Exports of all metrics.
    pub(super) metrics: u64,
}

impl Items {
    /// `count` items of one signal.
    pub(super) fn of(signal: Signal, count: u64) -> Self {
        match signal {
            Signal::Traces => Self { spans: count, ..Self::default() },
            Signal::Logs => Self { logs: count, ..Self::default() },
            Signal::Metrics => Self { metrics: count, ..Self::default() },
        }
    }

    /// Returns whether there are none.
    pub(super) fn is_empty(self) -> bool {
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

/// For people: `3 spans and 1 log record`.
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

/// What became of items.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcomes {
    /// The collector has taken them.
    pub(super) delivered: Items,
    /// Taken with an answer that is not OTLP, so that it may be no collector.
    pub(super) unclear: Items,
    /// The collector rejected them, as a part of a request or by its status.
    pub(super) rejected: Items,
    /// They made room for later ones.
    pub(super) dropped: Items,
    /// They were not delivered when the exporter ended.
    pub(super) left: Items,
}

/// The run whose records are exported.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The encoded resource.
    pub(super) resource: Arc<[u8]>,
    /// What is counted of it.
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
    /// Returns how many items of which signal there are.
    pub(super) fn counted(&self) -> Items {
        Items::of(self.signal, self.count)
    }
}

/// A batch that more items may come to.
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
    /// No more items come.
    finishing: bool,
    /// Nothing is delivered any more.
    ended: bool,
}

/// The next task of the thread that delivers.
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
    /// A queue for at most `budget` bytes.
    pub(super) fn new(budget: usize) -> Self {
        Self { budget, state: Mutex::default(), changed: Notify::new(), room: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another run begins.
    pub(super) fn begin(&self, run: Run) {
        let mut state = self.state();
        state.seal_all();
        state.run = Some(run);
        drop(state);
        self.changed.notify_one();
    }

    /// The run whose records are exported; none before the first one has begun.
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

    /// No more items come.
    pub(super) fn finish(&self) {
        self.state().finishing = true;
        self.changed.notify_one();
    }

    /// Returns whether [`Self::finish`] was called.
    pub(super) fn is_finishing(&self) -> bool {
        self.state().finishing
    }

    /// Waits until there may be another task.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The next task at `now`.
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

    /// Notes what became of the items on their way.
    pub(super) fn settle(&self, note: impl FnOnce(&mut Outcomes)) {
        let mut state = self.state();
        state.in_flight = Items::default();
        note(&mut state.outcomes);
    }

    /// Nothing is delivered any more: what is left counts so.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        drop(state);
        self.room.notify_all();
    }

    /// What became of all items by now; those that wait or are on their way are left.
    pub(super) fn outcomes(&self) -> Outcomes {
        let mut state = self.state();
        state.seal_all();
        let mut outcomes = state.outcomes;
        outcomes.left += state.in_flight;
        state.full.iter().for_each(|batch| outcomes.left += batch.counted());
        outcomes
    }

    /// Items that have made room for later ones.
    pub(super) fn dropped(&self) -> Items {
        self.state().outcomes.dropped
    }
}

impl State {
    /// Adds an item. Returns whether the thread that delivers has to know.
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
mod tests {
    use opentelemetry_proto::tonic::trace::v1::Span;

    use super::*;

    fn begun(budget: usize) -> Queue {
        let queue = Queue::new(budget);
        queue.begin(Run { resource: Arc::from([]), metrics: Arc::default(), began: 0 });
        queue
    }

    fn span(length: usize) -> Span {
        Span { name: "n".repeat(length), ..Span::default() }
    }

    fn delivered(queue: &Queue, now: Instant) -> Option<u64> {
        match queue.next(now) {
            Task::Deliver(batch) => Some(batch.count),
            Task::Wait(_) | Task::Over => None,
        }
    }

    #[test]
    fn a_batch_goes_out_when_it_is_full_or_old_enough() {
        let queue = begun(BUDGET);
        for _ in 0..=BATCH_ITEMS {
            queue.push(Signal::Traces, &span(1));
        }
        queue.push(Signal::Logs, &span(1));
        let now = Instant::now();
        assert_eq!(delivered(&queue, now), Some(BATCH_ITEMS));
        assert!(matches!(queue.next(now), Task::Wait(Some(_))));
        assert_eq!(delivered(&queue, now + BATCH_AGE), Some(1));
        assert_eq!(delivered(&queue, now + BATCH_AGE), Some(1));
        assert!(matches!(queue.next(now + BATCH_AGE), Task::Wait(None)));
        queue.push(Signal::Traces, &span(1));
        queue.finish();
        assert_eq!(delivered(&queue, now), Some(1), "nothing is waited for at the end");
        assert!(matches!(queue.next(now), Task::Over));
    }

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let queue = begun(4 * BATCH_BYTES);
        let pushed = 2000;
        for _ in 0..pushed {
            queue.push(Signal::Traces, &span(BATCH_BYTES / 100));
        }
        let Outcomes { dropped, left, .. } = queue.outcomes();
        assert!(dropped.spans > 0 && left.spans >= 300, "{dropped:?} {left:?}");
        assert_eq!(dropped.spans + left.spans, pushed);
        let state = queue.state();
        let capacity: usize = state.full.iter().map(|batch| batch.items.capacity()).sum();
        assert!(capacity <= 4 * BATCH_BYTES + BATCH_BYTES / 8, "{capacity}");
        assert_eq!(state.held, state.full.iter().map(|batch| batch.items.len()).sum::<usize>());
    }

    #[test]
    fn what_is_on_its_way_is_left_until_it_is_settled() {
        let queue = begun(BUDGET);
        queue.push(Signal::Logs, &span(1));
        queue.finish();
        assert_eq!(delivered(&queue, Instant::now()), Some(1));
        assert_eq!(queue.outcomes().left, Items::of(Signal::Logs, 1));
        queue.settle(|outcomes| outcomes.delivered += Items::of(Signal::Logs, 1));
        assert_eq!(queue.outcomes().left, Items::default());
    }

    #[test]
    fn each_run_has_batches_of_its_own() {
        let queue = begun(BUDGET);
        queue.push(Signal::Traces, &span(1));
        queue.begin(Run { resource: Arc::from([1]), metrics: Arc::default(), began: 0 });
        queue.push(Signal::Traces, &span(1));
        queue.finish();
        for resource in [&[][..], &[1]] {
            match queue.next(Instant::now()) {
                Task::Deliver(batch) => assert_eq!((&*batch.resource, batch.count), (resource, 1)),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn numbers_read_as_words() {
        let items = |spans, logs, metrics| Items { spans, logs, metrics }.to_string();
        assert_eq!(items(0, 0, 0), "nothing");
        assert_eq!(items(1, 0, 0), "1 span");
        assert_eq!(items(2, 1, 0), "2 spans and 1 log record");
        assert_eq!(items(2, 2, 1), "2 spans, 2 log records and 1 export of metrics");
    }
}
