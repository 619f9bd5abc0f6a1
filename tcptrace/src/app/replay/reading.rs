//! The output of one of several files that are merged: it passes on finished connections.

use std::sync::mpsc::SyncSender;

use super::merge::Message;
use crate::output::Collect;
use tcptrace_core::{join::Views, output_record::OutputRecord};

/// Maximum number of messages in a batch: passing on each by itself, and waking the joiner for it, takes longer than joining.
const BATCH: usize = 64;

/// Collects the records of each connection, and passes them on in batches.
#[derive(Debug)]
pub(super) struct Reading {
    views: Views,
    batch: Vec<Message>,
    to: SyncSender<Vec<Message>>,
}

impl Reading {
    pub(super) fn new(to: SyncSender<Vec<Message>>) -> Self {
        Self { views: Views::default(), batch: Vec::with_capacity(BATCH), to }
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
                rest.into_iter().for_each(|view| self.add(Message::View(view)));
                self.add(Message::Ended(end));
            }
            record => {
                if let Some(view) = self.views.take(record) {
                    self.add(Message::View(view));
                }
            }
        }
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
