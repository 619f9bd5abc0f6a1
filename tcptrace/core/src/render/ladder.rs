//! The default text: a ladder for the handshake of each connection, and one for its close.
//!
//! ```text
//! #1 10.0.0.1:54762 curl[6980] → 10.0.0.2:9999 server[801]   three-way handshake, established in 0.21 ms
//!  12:06:49.679               client                              server
//!     +0.000 ms    CLOSE → SYN_SENT │                            │
//!     +0.031 ms                     ├── SYN seq 721203976 ──────▶│ win 65495 mss 65495 sackOK ts wscale 10
//! ```
//!
//! The events of a connection are held until a record describes their result, so that blocks never mix: the record of
//! its handshake, of its close, or of a stall. After a stall the events are shown again in the next block. Nothing is
//! derived here: everything in a block is in the records.
//!
//! - `open_blocks`, `open_block`, `rows`, `row`: events until they are drawn;
//! - `advice`: what to examine after a failure; `inferred_states`: states that no row shows; `translations`: other
//!   addresses of the same connection;
//! - `tied`, `sides`, `timeline`: the sides of a translated connection, as one block, and their events in order;
//! - `cells`: contents of a row; `columns`: positions; `row_layout`, `heading`, `block`: drawing;
//! - `single_lines`: lines between the blocks; `diagram`: a whole connection for formats other than lines of text;
//! - `styled_text`, `glyphs`: text of known width, and the characters it consists of.

mod advice;
pub(super) mod block;
pub(super) mod cells;
mod columns;
pub(super) mod diagram;
mod glyphs;
pub(super) mod heading;
mod inferred_states;
pub(super) mod open_block;
mod open_blocks;
mod row;
mod row_layout;
mod rows;
mod sides;
mod single_lines;
pub(super) mod styled_text;
mod tied;
mod timeline;
pub(super) mod translations;

pub use self::glyphs::Drawing;
use self::{
    block::Block,
    open_block::End,
    open_blocks::OpenBlocks,
    rows::Rows,
    sides::{PendingSides, SideContent, Verdict},
};
use std::fmt;

use super::{Events, Render, mood::Mood};
use crate::{
    output_record::{CloseOutput, HandshakeOutput, OutputRecord, StalledOutput, Stamp},
    verdict::Each,
};

/// Minimum width in columns; narrower terminals wrap the lines themselves.
const NARROWEST: usize = 60;

/// Renders records as ladders.
pub struct Ladder {
    drawing: Drawing,
    /// Returns the number of columns of the reader's terminal, which may change.
    width: Box<dyn Fn() -> usize + Send>,
    /// Renderer of the lines that both text formats share.
    events: Events,
    blocks: OpenBlocks,
    /// Sides of translated connections that wait for the others.
    pending_sides: PendingSides,
    /// Kind of the text printed last, if any.
    last: Option<Kind>,
}

/// Kind of text: blank lines separate different kinds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Line,
    Block,
}

impl fmt::Debug for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ladder").field("blocks", &self.blocks).finish_non_exhaustive()
    }
}

impl Ladder {
    /// Creates a renderer; `width` is called whenever something is printed.
    pub fn new(drawing: Drawing, width: impl Fn() -> usize + Send + 'static) -> Self {
        Self {
            drawing,
            width: Box::new(width),
            events: drawing.into(),
            blocks: OpenBlocks::default(),
            pending_sides: PendingSides::default(),
            last: None,
        }
    }

    /// Returns the number of connections with events that no block has shown yet.
    #[cfg(test)]
    pub(crate) fn open_blocks(&self) -> usize {
        self.blocks.len() + self.pending_sides.len()
    }
}

impl Render for Ladder {
    fn render(&mut self, record: &OutputRecord, out: &mut Vec<u8>) {
        if self.blocks.hold(record) {
            return;
        }
        match record {
            OutputRecord::State(state) => match state.conn {
                Some(conn) => self.late(conn, record, out),
                // A listener destroyed from outside, as by `ss -K`, is set to CLOSE twice: by tcp_abort() and tcp_done().
                None if state.old == state.new => {}
                None => self.line(out, |this, out| single_lines::listener(state, this.drawing, out)),
            },
            OutputRecord::Segment(segment) => self.late(segment.conn, record, out),
            OutputRecord::Icmp(icmp) => self.late(icmp.conn, record, out),
            // A hint after the last record adds nothing to it.
            OutputRecord::Hint(_) => {}
            OutputRecord::Drop(dropped) => {
                // Others belong to none of the connections that are shown.
                if let Some(conn) = dropped.conn {
                    self.late(conn, record, out);
                }
            }
            // The records name the processes; those of listeners are shown with the connections they accept.
            OutputRecord::Owner(_) => {}
            // The headings name the namespaces.
            OutputRecord::Namespace(_) => {}
            // The record of a stall interprets it.
            OutputRecord::Report(_) => {}
            OutputRecord::Handshake(handshake) => self.handshake(handshake, out),
            OutputRecord::Close(close) => self.close(close, out),
            OutputRecord::Stalled(stalled) => self.stalled(stalled, out),
            OutputRecord::Evicted(evicted) => {
                let open = self.blocks.take(evicted.conn);
                self.blocks.recycle(open);
                self.settle(evicted.conn, out);
            }
            OutputRecord::Start(_) => {
                // Another run of a recording, whose connections have the same numbers.
                self.settle_all(out);
                self.line(out, |this, out| this.events.render(record, out));
            }
            OutputRecord::Existing(_) | OutputRecord::Leak(_) | OutputRecord::Lost(_) => {
                self.line(out, |this, out| this.events.render(record, out));
            }
            OutputRecord::End(_) => {
                self.settle_all(out);
                self.blocks.clear();
                self.line(out, |this, out| this.events.render(record, out));
            }
        }
    }
}

impl Ladder {
    fn handshake(&mut self, handshake: &HandshakeOutput, out: &mut Vec<u8>) {
        let record = &handshake.record;
        let Some(mood) = Mood::of_handshake(record) else {
            self.blocks.of(record.conn).unseen = Some(record.summary.clone());
            return self.settle(record.conn, out);
        };
        let open = self.blocks.take(record.conn);
        self.show_or_hold(SideContent::of_handshake(handshake, mood, open), out);
    }

    fn close(&mut self, close: &CloseOutput, out: &mut Vec<u8>) {
        let open = self.blocks.take(close.record.conn);
        self.show_or_hold(SideContent::of_close(close, open, self.drawing), out);
    }

    /// Shows a stall. Its events are shown again when the handshake or the close is finished, but not with each later report of
    /// the stall.
    fn stalled(&mut self, stalled: &StalledOutput, out: &mut Vec<u8>) {
        let open = self.blocks.of(stalled.record.conn);
        open.stalled_at = Some(stalled.stamp.time.0);
        let known = std::mem::replace(&mut open.shown, open.rows.len()) == open.rows.len();
        let rows = if known { Rows::default() } else { open.rows.clone() };
        let content = SideContent::of_stall(stalled, open.is_quoted(), rows);
        self.show_or_hold(content, out);
    }

    /// Shows the events of a connection that no block has shown yet, as an unfinished block.
    pub(super) fn unfinished(&mut self, conn: u64, ends: Each<End>, out: &mut Vec<u8>) {
        let open = self.blocks.take(conn);
        if open.rows.len() <= open.shown && self.last.is_some() {
            return self.blocks.keep(conn, open);
        }
        let content = SideContent { unfinished: Some(None), ..SideContent::new(conn, ends, open, Verdict::Open) };
        let group = [content];
        sides::draw(&group, |block| self.show(block, out));
        let [SideContent { open, .. }] = group;
        self.blocks.keep(conn, open);
    }

    /// Draws the content of a connection, or holds that of a side of a translated one until the others are known.
    fn show_or_hold(&mut self, content: SideContent<'_>, out: &mut Vec<u8>) {
        let conn = content.conn;
        if content.nat.is_empty() {
            self.show_group([content], out);
            return self.settle(conn, out);
        }
        let blocks = &self.blocks;
        for group in self.pending_sides.add(content, |verdict, conn| blocks.is_pending(verdict, conn)) {
            self.show_group(group, out);
        }
    }

    /// Shows the sides that waited for a connection, if there are any and they need not wait any longer.
    fn settle(&mut self, conn: u64, out: &mut Vec<u8>) {
        let blocks = &self.blocks;
        if let Some(group) = self.pending_sides.settle(conn, |verdict, conn| blocks.is_pending(verdict, conn)) {
            self.show_group(group, out);
        }
    }

    /// Shows all sides that wait for others.
    pub(super) fn settle_all(&mut self, out: &mut Vec<u8>) {
        for group in self.pending_sides.take_all() {
            self.show_group(group, out);
        }
    }

    fn show_group<'a>(
        &mut self,
        group: impl IntoIterator<Item = SideContent<'a>> + AsRef<[SideContent<'a>]>,
        out: &mut Vec<u8>,
    ) {
        sides::draw(group.as_ref(), |block| self.show(block, out));
        group.into_iter().for_each(|content| self.blocks.recycle(content.open));
    }

    /// Writes an event that follows the last record of its connection.
    fn late(&mut self, conn: u64, record: &OutputRecord, out: &mut Vec<u8>) {
        if let Some(group) = self.pending_sides.take(conn) {
            self.show_group(group, out);
        }
        self.line(out, |this, out| single_lines::late(conn, record, this.drawing, out));
    }

    /// Prints a block, preceded by a blank line.
    fn show(&mut self, block: &Block<'_>, out: &mut Vec<u8>) {
        if self.last.is_some() {
            out.push(b'\n');
        }
        block.write(self.drawing, (self.width)().max(NARROWEST), out);
        self.last = Some(Kind::Block);
    }

    /// Writes a line about the output itself.
    pub(super) fn note(&mut self, stamp: &Stamp, text: fmt::Arguments<'_>, out: &mut Vec<u8>) {
        self.line(out, |this, out| this.events.note(stamp, text, out));
    }

    /// Prints a single line, with a blank line between it and a block.
    fn line(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Self, &mut Vec<u8>)) {
        if self.last == Some(Kind::Block) {
            out.push(b'\n');
        }
        write(self, out);
        self.last = Some(Kind::Line);
    }
}

#[cfg(test)]
mod tests;
