//! Records of connections until these are over.

use super::{Diagram, unfinished::Unfinished};
use crate::{
    output_record::{OutputRecord, StalledOutput},
    render::{
        ladder::{Drawing, open_blocks::OpenBlocks, rows::Rows, sides::SideContent, tied::TiedGroups},
        mood::Mood,
    },
};

/// Collects the records of connections until these are over: a translated one is when all of its sides are. The correlator
/// bounds them, since each has a side that it has not finished.
#[derive(Debug)]
pub(in crate::render) struct Diagrams {
    drawing: Drawing,
    blocks: OpenBlocks,
    begun: TiedGroups<Unfinished>,
}

impl Diagrams {
    pub(in crate::render) fn new(drawing: Drawing) -> Self {
        Self { drawing, blocks: OpenBlocks::default(), begun: TiedGroups::default() }
    }

    /// Takes a record. Returns a connection if the record is its last one.
    pub(in crate::render) fn take(&mut self, record: &OutputRecord) -> Option<Diagram> {
        if self.blocks.hold(record) {
            return None;
        }
        match record {
            OutputRecord::Handshake(handshake) => {
                let record = &handshake.record;
                let Some(mood) = Mood::of_handshake(record) else {
                    self.blocks.of(record.conn).unseen = Some(record.summary.clone());
                    return None;
                };
                let open = self.blocks.take(record.conn);
                let is_last = record.failure().is_some();
                self.add(SideContent::of_handshake(handshake, mood, open), |unfinished, content| {
                    unfinished.add(content, is_last);
                })
            }
            OutputRecord::Close(close) => {
                let open = self.blocks.take(close.record.conn);
                let content = SideContent::of_close(close, open, self.drawing);
                self.add(content, |unfinished, content| unfinished.add(content, true))
            }
            OutputRecord::Stalled(stalled) => self.stalled(stalled),
            OutputRecord::Evicted(evicted) => {
                let open = self.blocks.take(evicted.conn);
                let mut unfinished = self.begun.take(evicted.conn)?;
                unfinished.forget(evicted.conn, open);
                self.finish_or_keep(unfinished)
            }
            _ => None,
        }
    }

    /// Returns the connections that are open at the end, as far as recorded, in the order of their numbers.
    pub(in crate::render) fn open(&mut self) -> Vec<Diagram> {
        let Self { drawing, blocks, begun } = self;
        let end = |mut unfinished: Unfinished| {
            unfinished.interrupt(|conn| blocks.take(conn));
            unfinished.finish("open", *drawing)
        };
        let open = begun.take_all().into_iter().filter_map(end).collect();
        blocks.clear();
        open
    }

    /// Adds a stall, whose events stay for the handshake or the close that follows it.
    fn stalled(&mut self, stalled: &StalledOutput) -> Option<Diagram> {
        let open = self.blocks.of(stalled.record.conn);
        let goes_on = std::mem::replace(&mut open.shown, open.rows.len()) == open.rows.len();
        let content = SideContent::of_stall(stalled, open.is_quoted(), Rows::default());
        self.add(content, |unfinished, content| unfinished.stall(content, goes_on))
    }

    /// Adds a content to its connection, to which all sides that it names belong from now on.
    fn add(
        &mut self,
        content: SideContent<'_>,
        add: impl FnOnce(&mut Unfinished, SideContent<'static>),
    ) -> Option<Diagram> {
        let mut unfinished = Unfinished::default();
        for conn in content.conns() {
            if let Some(other) = self.begun.take(conn) {
                unfinished.merge(other);
            }
        }
        add(&mut unfinished, content.into_owned());
        self.finish_or_keep(unfinished)
    }

    fn finish_or_keep(&mut self, mut unfinished: Unfinished) -> Option<Diagram> {
        let is_begun = |conn| self.blocks.has_events(conn);
        if unfinished.is_over(is_begun) {
            return unfinished.finish("evicted", self.drawing);
        }
        unfinished.draw_whole_phases(is_begun, self.drawing);
        self.begun.insert(unfinished.conns(), unfinished);
        None
    }

    /// Returns the numbers of connections of which something is kept.
    #[cfg(test)]
    pub(in crate::render::ladder) fn kept(&self) -> usize {
        self.blocks.len() + self.begun.iter().count()
    }
}
