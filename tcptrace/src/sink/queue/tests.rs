use std::thread;

use super::*;

#[test]
fn whoever_waits_for_the_reader_does_not_fill_the_budget() {
    const CHUNKS: usize = 40;
    let queue = Queue::new(64 << 20).unwrap();
    let chunk = || Chunk { bytes: vec![0; BATCH_BYTES / 2].into(), held: Held::from(1) };
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let held = (0..CHUNKS).map(|_| {
                assert_eq!(queue.push_waiting(chunk()), Offer::Accepted);
                queue.held()
            });
            held.max()
        });
        let (mut batch, mut written) = (Vec::new(), 0);
        while written < CHUNKS {
            // The slowest possible reader: it takes nothing before the sender must wait.
            let left = (CHUNKS - written) * BATCH_BYTES / 2;
            while queue.held() < WAITING_BYTES.min(left) {
                thread::yield_now();
            }
            assert!(matches!(queue.next(&mut batch), WriterTask::Write));
            written += batch.len();
            queue.written(&mut batch);
        }
        assert!(sender.join().unwrap() <= Some(WAITING_BYTES));
    });
}
