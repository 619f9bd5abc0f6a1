//! The output of one of several files that are merged: it passes on finished connections.

use std::sync::mpsc::SyncSender;

use super::merge::Message;
use tcptrace_core::{join::Views, output_record::OutputRecord, render::Render};

/// Takes the place of a renderer, and writes nothing.
#[derive(Debug)]
pub(super) struct Reading {
    views: Views,
    to: SyncSender<Message>,
}

impl Reading {
    pub(super) fn new(to: SyncSender<Message>) -> Self {
        Self { views: Views::default(), to }
    }

    fn send(&self, message: Message) {
        // Without a receiver, the process is about to end.
        let _gone = self.to.send(message);
    }
}

impl Render for Reading {
    fn render(&mut self, record: &OutputRecord, _: &mut Vec<u8>) {
        if let OutputRecord::End(end) = record {
            for view in self.views.finish(end.stamp.time) {
                self.send(Message::View(Box::new(view)));
            }
        }
        let over = self.views.take(record).map(|view| Message::View(Box::new(view)));
        let message = match record {
            OutputRecord::Start(start) => Some(Message::Begun(Box::new(start.clone()))),
            OutputRecord::Lost(lost) => Some(Message::Lost(lost.clone())),
            OutputRecord::End(end) => Some(Message::Ended(end.clone())),
            _ => over,
        };
        if let Some(message) = message {
            self.send(message);
        }
    }
}
