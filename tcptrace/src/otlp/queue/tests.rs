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
