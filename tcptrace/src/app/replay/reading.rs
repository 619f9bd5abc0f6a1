//! The output of one of several files that are merged: it passes on finished connections.

use std::sync::mpsc::SyncSender;

use super::merge::Message;
use crate::output::Collect;
use tcptrace_core::{
    correlate::Correlated,
    describe::Describer,
    filter::Emit,
    join::{View, Views},
    output_record::OutputRecord,
};

/// Maximum number of messages in a batch: passing on each by itself, and waking the joiner for it, takes longer than joining.
const BATCH: usize = 64;

/// Collects the records of each connection, and passes them on in batches.
#[derive(Debug)]
pub(super) struct Reading {
    views: Views,
    /// Types of the records that are shown: others are only compared.
    emitted: Emit,
    batch: Vec<Message>,
    to: SyncSender<Vec<Message>>,
}

impl Reading {
    pub(super) fn new(emitted: Emit, to: SyncSender<Vec<Message>>) -> Self {
        Self { views: Views::default(), emitted, batch: Vec::with_capacity(BATCH), to }
    }

    fn add_view(&mut self, view: Box<View>) {
        self.add(if view.has_times() { Message::View(view) } else { Message::Untimed });
    }

    fn add(&mut self, message: Message) {
        self.batch.push(message);
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }
}

impl Collect for Reading {
    fn collect(&mut self, record: OutputRecord) {
        match record {
            OutputRecord::Start(start) => {
                let _none = self.views.take(OutputRecord::Start(start.clone()));
                self.add(Message::Begun(Box::new(start)));
                // The joiner begins when it has those of all files.
                self.flush();
            }
            OutputRecord::Lost(lost) => self.add(Message::Lost(lost)),
            OutputRecord::End(end) => {
                let rest: Vec<_> = self.views.finish(end.stamp.time).collect();
                rest.into_iter().for_each(|view| self.add_view(view));
                self.add(Message::Ended(end));
            }
            record => {
                if let Some(view) = self.views.take(record) {
                    self.add_view(view);
                }
            }
        }
    }

    fn collect_unshown(&mut self, event: &Correlated, describer: &Describer) -> bool {
        let at = match event {
            Correlated::Segment(placed) => placed.segment.at,
            Correlated::State(placed) => placed.change.at,
            _ => return false,
        };
        if self.emitted.contains(event.emit()) {
            return false;
        }
        self.views.take_unshown(describer.stamp(at), event);
        true
    }

    fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        // Without a receiver, the process is about to end.
        let _gone = self.to.send(batch);
    }
}
