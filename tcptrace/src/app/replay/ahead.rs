//! Decoding of a file on a thread of its own, ahead of the correlator: both take about as long, so on two processors
//! together they take half the time.
//!
//! Items come in batches, each with the decoder's state after it. A batch ends when it is full, or when the next item may
//! have to be waited for, so that the reader of a pipe sees results at once.

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
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

/// Starts to decode. The thread inherits the rights of the calling one, and ends with the file or when the receiver is
/// dropped.
///
/// # Errors
/// When the thread cannot be started.
pub(super) fn start<S: Source>(source: S) -> Result<Receiver<Batch<S>>> {
    let (sender, receiver) = sync_channel(WAITING);
    let started: io::Result<_> = thread::Builder::new().name("decode".to_owned()).spawn(move || run(source, &sender));
    started.context("cannot start a thread for reading; raise the limit on processes (ulimit -u)")?;
    Ok(receiver)
}

/// Returns the items of `all` after the first `known`, which were returned before.
pub(super) fn new_ones<T: Clone>(all: &[T], known: &mut usize) -> Vec<T> {
    let new = all.get(*known..).unwrap_or_default().to_vec();
    *known = all.len();
    new
}

fn run<S: Source>(mut source: S, sender: &SyncSender<Batch<S>>) {
    loop {
        let (batch, last) = decode(&mut source);
        if sender.send(batch).is_err() || last {
            return;
        }
    }
}

/// Decodes a batch; true if it is the last.
fn decode<S: Source>(source: &mut S) -> (Batch<S>, bool) {
    let mut items = Vec::with_capacity(BATCH);
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
        let batches: Vec<_> = start(Numbers((1..=1000).collect(), 0)).unwrap().into_iter().collect();
        let items: Vec<u32> = batches.iter().flat_map(|batch| batch.items.iter().copied()).collect();
        assert_eq!(items, (1..=1000).collect::<Vec<_>>());
        assert!(batches.iter().all(|batch| batch.items.len() <= BATCH && batch.error.is_none()));
        let dry: Vec<u32> = batches.iter().filter(|batch| batch.dry).map(|batch| batch.state).collect();
        assert!((1..=10).all(|hundred| dry.contains(&(hundred * 100))), "{dry:?}");
    }

    #[test]
    fn what_comes_before_an_error_is_delivered() {
        let batches: Vec<_> = start(Numbers((1001..=2000).collect(), 1)).unwrap().into_iter().collect();
        let items: Vec<u32> = batches.iter().flat_map(|batch| batch.items.iter().copied()).collect();
        assert_eq!(items, (1001..1050).collect::<Vec<_>>());
        assert_eq!(batches.last().and_then(|batch| batch.error), Some("unreadable"));
        assert_eq!(batches.iter().filter(|batch| batch.error.is_some()).count(), 1);
    }

    #[test]
    fn nothing_is_decoded_for_nobody() {
        let receiver = start(Numbers((1..).take(1 << 20).collect(), 0)).unwrap();
        assert!(receiver.recv().is_ok());
        // The thread ends when it cannot send; no deadlock may occur here.
        drop(receiver);
    }
}
