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
//! - `open_blocks`, `open_block`, `rows`: events until they are drawn;
//! - `advice`: what to examine after a failure; `inferred_states`: states that no row shows; `translations`: other
//!   addresses of the same connection;
//! - `sides`, `timeline`: the sides of a translated connection as one block, and their events in order;
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
mod row_layout;
mod rows;
mod sides;
mod single_lines;
pub(super) mod styled_text;
mod timeline;
mod translations;

pub use self::glyphs::Drawing;
use self::{
    block::Block,
    heading::Sentence,
    open_block::{End, OpenBlock},
    open_blocks::OpenBlocks,
    rows::{Row, Rows},
    sides::{PendingSides, SideContent, Verdict},
};
use super::{Events, Render, joined, mood::Mood};
use crate::{
    output_record::{CloseOutput, HandshakeOutput, OutputRecord},
    verdict::{Each, Stalled},
};

/// Minimum width in columns; narrower terminals wrap the lines themselves.
const NARROWEST: usize = 60;

/// Renders records as ladders.
pub struct Ladder {
    drawing: Drawing,
    /// Returns the number of columns of the reader's terminal, which may change.
    width: Box<dyn Fn() -> usize>,
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

impl std::fmt::Debug for Ladder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ladder").field("blocks", &self.blocks).finish_non_exhaustive()
    }
}

impl Ladder {
    /// Creates a renderer; `width` is called whenever something is printed.
    pub fn new(drawing: Drawing, width: impl Fn() -> usize + 'static) -> Self {
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
        match record {
            OutputRecord::State(state) => match state.conn {
                Some(conn) if !state.late => self.blocks.of(conn).rows.push(Row::State(state.clone())),
                Some(conn) => self.late(conn, record, out),
                // A listener destroyed from outside, as by `ss -K`, is set to CLOSE twice: by tcp_abort() and tcp_done().
                None if state.old == state.new => {}
                None => self.line(out, |this, out| single_lines::listener(state, this.drawing, out)),
            },
            OutputRecord::Segment(segment) if segment.late => self.late(segment.conn, record, out),
            OutputRecord::Segment(segment) => self.blocks.of(segment.conn).rows.push(Row::Segment(segment.clone())),
            OutputRecord::Icmp(icmp) if icmp.late => self.late(icmp.conn, record, out),
            OutputRecord::Icmp(icmp) => self.blocks.of(icmp.conn).rows.push(Row::Icmp(icmp.clone())),
            OutputRecord::Hint(hint) => {
                // A hint after the last record adds nothing to it.
                if let Some(conn) = hint.conn
                    && !hint.late
                {
                    self.blocks.of(conn).hint(hint);
                }
            }
            OutputRecord::Drop(dropped) => match dropped.conn {
                Some(conn) if dropped.late => self.late(conn, record, out),
                Some(conn) => self.blocks.of(conn).rows.push(Row::Drop(dropped.clone())),
                // It belongs to none of the connections that are shown.
                None => {}
            },
            // The records name the processes; those of listeners are shown with the connections they accept.
            OutputRecord::Owner(_) => {}
            // The headings name the namespaces.
            OutputRecord::Namespace(_) => {}
            // The record of a stall interprets it.
            OutputRecord::Report(_) => {}
            OutputRecord::Handshake(handshake) => self.handshake(handshake, out),
            OutputRecord::Close(close) => self.close(close, out),
            OutputRecord::Stalled(stalled) => self.stalled(&stalled.record, stalled.stamp.time.0, out),
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
    fn handshake(
        &mut self,
        HandshakeOutput { record, encapsulation, joined, .. }: &HandshakeOutput,
        out: &mut Vec<u8>,
    ) {
        let Some(mood) = Mood::of_handshake(record) else {
            self.blocks.of(record.conn).unseen = Some(record.summary.clone());
            return self.settle(record.conn, out);
        };
        let ends = Each { client: End::from(&record.client), server: End::from(&record.server) };
        let content = SideContent {
            encapsulation: encapsulation.clone(),
            sentence: Some(Sentence { style: mood.style(), text: record.summary.as_str().into() }),
            nat: record.nat.clone().unwrap_or_default(),
            elsewhere: joined.as_deref().map(joined::lines).unwrap_or_default(),
            advice: advice::handshake(record),
            ..SideContent::new(record.conn, ends, self.blocks.take(record.conn), (&**record).into())
        };
        self.show_or_hold(content, out);
    }

    fn close(&mut self, CloseOutput { record, encapsulation, joined, .. }: &CloseOutput, out: &mut Vec<u8>) {
        let ends = Each { client: End::from(&record.client), server: End::from(&record.server) };
        let content = SideContent {
            encapsulation: encapsulation.clone(),
            sentence: Some(Sentence { style: Mood::of_close(record).style(), text: record.summary.as_str().into() }),
            nat: record.nat.clone().unwrap_or_default(),
            elsewhere: joined.as_deref().map(joined::lines).unwrap_or_default(),
            states: inferred_states::known(record, self.drawing),
            advice: advice::close(record),
            ..SideContent::new(record.conn, ends, self.blocks.take(record.conn), (&**record).into())
        };
        self.show_or_hold(content, out);
    }

    /// Shows a stall. Its events are shown again when the handshake or the close is finished, but not with each later report of
    /// the stall. `at` is the time of the report in nanoseconds since 1970.
    fn stalled(&mut self, record: &Stalled, at: i64, out: &mut Vec<u8>) {
        let open = self.blocks.of(record.conn);
        let quoted = open.rows.iter().any(|row| matches!(row, Row::Icmp(_)));
        open.stalled_at = Some(at);
        let known = std::mem::replace(&mut open.shown, open.rows.len()) == open.rows.len();
        let rows = if known { Rows::default() } else { open.rows.clone() };
        let text = format!("{}: {}", record.word(), record.summary);
        let ends = Each { client: End::from(&record.client), server: End::from(&record.server) };
        let verdict = Verdict::Stalled { turn: record.turn, at };
        let content = SideContent {
            sentence: Some(Sentence { style: Mood::Pending.style(), text: text.into() }),
            unfinished: Some(record.turn),
            nat: record.nat.clone().unwrap_or_default(),
            advice: advice::stalled(record, quoted),
            ..SideContent::new(record.conn, ends, Box::new(OpenBlock::of_rows(rows)), verdict)
        };
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
    fn settle_all(&mut self, out: &mut Vec<u8>) {
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
