//! Decoding of a file on a thread of its own, ahead of the correlator: both take about as long, so on two processors
//! together they take half the time.
//!
//! Items come in batches, each with the decoder's state after it. A batch ends when it is full, or when the next item may
//! have to be waited for, so that the reader of a pipe sees results at once.

use std::{
    io,
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread,
};

use anyhow::{Context as _, Result};

/// Maximum number of items in a batch: few enough to stay in a processor's cache on their way.
const BATCH: usize = 512;

/// Maximum number of batches that wait for the correlator.
const WAITING: usize = 8;

/// A decoder, as far as it differs between captures and recordings.
pub(super) trait Source: Send + 'static {
    /// A decoded item.
    type Item: Send;
    /// Facts besides the items, as of one of them: counts, and the names that are new since the last call of
    /// [`Self::state`].
    type State: Send;
    /// The reason why decoding cannot continue.
    type Error: Send;

    /// Decodes the next item; `None` at the end of the file.
    fn next(&mut self) -> Option<Result<Self::Item, Self::Error>>;

    /// Returns true if the next item may have to be waited for.
    fn is_dry(&self) -> bool;

    /// Returns the state after the last item.
    fn state(&mut self) -> Self::State;
}

/// Items in the order of the file.
pub(super) struct Batch<S: Source> {
    pub(super) items: Vec<S::Item>,
    /// The state after the last item.
    pub(super) state: S::State,
    /// True if the next batch may have to be waited for.
    pub(super) dry: bool,
    /// The reason why nothing follows although the file has not ended.
    pub(super) error: Option<S::Error>,
}

/// The batches of a thread that decodes.
pub(super) struct Ahead<S: Source> {
    pub(super) batches: Receiver<Batch<S>>,
    /// The room of batches that have been handled, for later ones: fresh memory costs more than what is decoded into it.
    handled: Sender<Vec<S::Item>>,
}

impl<S: Source> Ahead<S> {
    /// Gives back the room of a batch.
    pub(super) fn reuse(&self, mut items: Vec<S::Item>) {
        items.clear();
        // The thread has ended if the file has.
        let _ended = self.handled.send(items);
    }
}

/// Starts to decode. The thread inherits the rights of the calling one, and ends with the file or when what it returns is
/// dropped.
///
/// # Errors
/// When the thread cannot be started.
pub(super) fn start<S: Source>(source: S) -> Result<Ahead<S>> {
    let (sender, batches) = sync_channel(WAITING);
    let (handled, room) = channel();
    let run = move || run(source, &sender, &room);
    let started: io::Result<_> = thread::Builder::new().name("decode".to_owned()).spawn(run);
    started.context("cannot start a thread for reading; raise the limit on processes (ulimit -u)")?;
    Ok(Ahead { batches, handled })
}

/// Returns the items of `all` after the first `known`, which were returned before.
pub(super) fn new_ones<T: Clone>(all: &[T], known: &mut usize) -> Vec<T> {
    let new = all.get(*known..).unwrap_or_default().to_vec();
    *known = all.len();
    new
}

fn run<S: Source>(mut source: S, sender: &SyncSender<Batch<S>>, room: &Receiver<Vec<S::Item>>) {
    loop {
        let items = room.try_recv().unwrap_or_else(|_| Vec::with_capacity(BATCH));
        let (batch, last) = decode(&mut source, items);
        if sender.send(batch).is_err() || last {
            return;
        }
    }
}

/// Decodes a batch into `items`, which are none so far; true if it is the last.
fn decode<S: Source>(source: &mut S, mut items: Vec<S::Item>) -> (Batch<S>, bool) {
    let (mut error, mut last, mut dry) = (None, false, false);
    while !last && !dry && items.len() < BATCH {
        match source.next() {
            Some(Ok(item)) => items.push(item),
            Some(Err(reason)) => (error, last) = (Some(reason), true),
            None => last = true,
        }
        dry = source.is_dry();
    }
    (Batch { items, state: source.state(), dry, error }, last)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A source of numbers; after each multiple of 100 the next must be waited for, and 1,050 is an error.
    struct Numbers(VecDeque<u32>, u32);

    impl Source for Numbers {
        type Item = u32;
        type State = u32;
        type Error = &'static str;

        fn next(&mut self) -> Option<Result<u32, &'static str>> {
            let number = self.0.pop_front()?;
            self.1 = number;
            Some(if number == 1050 { Err("unreadable") } else { Ok(number) })
        }

        fn is_dry(&self) -> bool {
            self.1.is_multiple_of(100)
        }

        fn state(&mut self) -> u32 {
            self.1
        }
    }

    #[test]
    fn everything_comes_in_order_and_as_soon_as_the_rest_has_to_be_waited_for() {
        let batches: Vec<_> = start(Numbers((1..=1000).collect(), 0)).unwrap().batches.into_iter().collect();
        let items: Vec<u32> = batches.iter().flat_map(|batch| batch.items.iter().copied()).collect();
        assert_eq!(items, (1..=1000).collect::<Vec<_>>());
        assert!(batches.iter().all(|batch| batch.items.len() <= BATCH && batch.error.is_none()));
        let dry: Vec<u32> = batches.iter().filter(|batch| batch.dry).map(|batch| batch.state).collect();
        assert!((1..=10).all(|hundred| dry.contains(&(hundred * 100))), "{dry:?}");
    }

    #[test]
    fn what_comes_before_an_error_is_delivered() {
        let batches: Vec<_> = start(Numbers((1001..=2000).collect(), 1)).unwrap().batches.into_iter().collect();
        let items: Vec<u32> = batches.iter().flat_map(|batch| batch.items.iter().copied()).collect();
        assert_eq!(items, (1001..1050).collect::<Vec<_>>());
        assert_eq!(batches.last().and_then(|batch| batch.error), Some("unreadable"));
        assert_eq!(batches.iter().filter(|batch| batch.error.is_some()).count(), 1);
    }

    #[test]
    fn nothing_is_decoded_for_nobody() {
        let ahead = start(Numbers((1..).take(1 << 20).collect(), 0)).unwrap();
        assert!(ahead.batches.recv().is_ok());
        // The thread ends when it cannot send; no deadlock may occur here.
        drop(ahead);
    }

    #[test]
    fn a_batch_may_use_the_room_of_an_earlier_one() {
        let ahead = start(Numbers((1..=1000).collect(), 0)).unwrap();
        let mut numbers = Vec::new();
        while let Ok(batch) = ahead.batches.recv() {
            numbers.extend_from_slice(&batch.items);
            ahead.reuse(batch.items);
        }
        assert_eq!(numbers, (1..=1000).collect::<Vec<u32>>(), "each once");
    }
}
