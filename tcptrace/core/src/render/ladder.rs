//! The default text: a ladder for the handshake of each connection, and one for its close.
//!
//! ```text
//! #1 10.0.0.1:54762 curl[6980] → 10.0.0.2:9999 server[801]   three-way handshake, established in 0.21 ms
//!  12:06:49.679               client                              server
//!     +0.000 ms    CLOSE → SYN_SENT │                            │
//!     +0.031 ms                     ├── SYN seq 721203976 ──────▶│ win 65495 mss 65495 sackOK ts wscale 10
//! ```
//!
//! The events of a connection wait until the record of their phase comes, so that blocks never mix; one second at the most,
//! then the phase is shown as far as it got, and again when it is finished.
//!
//! - `table`, `track`, `progress`, `rows`: connections and their events until they are drawn; `ended`: what is over;
//! - `waiting`: what an unfinished phase waits for; `advice`: what to look at where something went wrong;
//! - `stays`: states that no row shows;
//! - `cells`: what a row says; `columns`: where; `ladder`, `heading`, `block`: how;
//! - `styled`, `drawing`: text whose width is known, and the characters it is made of.

mod advice;
mod block;
mod cells;
mod columns;
mod ended;
mod glyphs;
mod heading;
mod inferred_states;
mod open_block;
mod open_blocks;
mod progress;
mod row_layout;
mod rows;
mod single_lines;
mod styled_text;
mod waiting;

use anstyle::{AnsiColor, Style};

pub use self::glyphs::Drawing;
use self::{
    block::Block,
    cells::PENDING,
    ended::Ended,
    heading::Sentence,
    open_block::{Phase, Track, at},
    open_blocks::Table,
    progress::Process,
    waiting::Waiting,
};
use super::{Events, Render};
use crate::{
    event::{BootTime, Role},
    output_record::{CloseOutput, EndpointOutput, HandshakeOutput, OutputRecord},
    verdict::{CloseEnd, CloseKind, HandshakeEnd, Outcome},
};

/// Narrower terminals break the lines themselves.
const NARROWEST: usize = 60;

/// Renders entries as ladders.
pub struct Timeline {
    drawing: Drawing,
    /// Columns of the reader's terminal, which may change.
    width: Box<dyn Fn() -> usize>,
    /// For what is the same in a line for each event.
    events: Events,
    table: Table,
    ended: Ended,
    /// What was printed last.
    last: Option<Kind>,
}

/// What stands between blank lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Line,
    Block,
}

impl std::fmt::Debug for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timeline").field("table", &self.table).finish_non_exhaustive()
    }
}

impl Timeline {
    /// A renderer for a terminal with as many columns as `width` says whenever something is printed.
    pub fn new(drawing: Drawing, width: impl Fn() -> usize + 'static) -> Self {
        let Drawing { color, absolute_seq, unicode, zone } = drawing;
        Self {
            drawing,
            width: Box::new(width),
            events: Events { color, absolute_seq, unicode, zone },
            table: Table::default(),
            ended: Ended::default(),
            last: None,
        }
    }
}

impl Render for Timeline {
    fn render(&mut self, entry: &OutputRecord, out: &mut Vec<u8>) {
        match entry {
            OutputRecord::State(state) => {
                self.handle_timeout(at(&state.stamp), out);
                match (state.conn, state.remote) {
                    (Some(conn), Some(remote)) => {
                        let new = || Track::of_state(state, remote, conn);
                        self.event(conn, entry, new, |track| track.state(state, remote), out);
                    }
                    _ => self.line(out, |this, out| single_lines::listener(state, this.drawing, out)),
                }
            }
            OutputRecord::Segment(segment) => {
                self.handle_timeout(at(&segment.stamp), out);
                let new = || Track::of_segment(segment);
                self.event(segment.conn, entry, new, |track| track.segment(segment), out);
            }
            OutputRecord::Icmp(icmp) => {
                self.handle_timeout(at(&icmp.stamp), out);
                self.event(icmp.conn, entry, || Track::of_icmp(icmp), |track| track.icmp(icmp), out);
            }
            OutputRecord::Hint(hint) => {
                self.handle_timeout(at(&hint.stamp), out);
                // One that comes behind the last record says nothing that the record does not.
                if let Some(conn) = hint.conn {
                    self.table.change(conn, |track| track.hint(hint));
                }
            }
            OutputRecord::Owner(owner) => {
                // A listener's process shows with the connections it accepts.
                if let (Some(conn), Some(remote)) = (owner.conn, owner.remote) {
                    let mut track =
                        self.table.take(conn).unwrap_or_else(|| Box::new(Track::of_owner(owner, remote, conn)));
                    track.owner(owner);
                    self.keep(track, out);
                }
            }
            OutputRecord::Handshake(record) => self.handshake(record, out),
            OutputRecord::Close(record) => self.close(record, out),
            OutputRecord::Start(_) | OutputRecord::Lost(_) => {
                self.line(out, |this, out| this.events.render(entry, out));
            }
            OutputRecord::End(_) => {
                self.show_all(out);
                self.line(out, |this, out| this.events.render(entry, out));
            }
        }
    }

    fn poll_timeout(&self) -> Option<BootTime> {
        self.table.due()
    }

    fn handle_timeout(&mut self, now: BootTime, out: &mut Vec<u8>) {
        while let Some(mut track) = self.table.take_due(now) {
            if track.overdue(now) {
                self.show_unfinished(&track, out);
            }
            self.keep(track, out);
        }
    }
}

impl Timeline {
    /// Adds an event to its connection.
    fn event(
        &mut self,
        conn: u64,
        entry: &OutputRecord,
        new: impl Fn() -> Track,
        add: impl Fn(&mut Track),
        out: &mut Vec<u8>,
    ) {
        let known = self.table.change(conn, |track| {
            if track.without_events {
                // Who holds it was told before its first event, which says what it is at.
                *track = new().with_processes(track);
            }
            add(track);
        });
        if known {
            return;
        }
        if self.ended.contains(conn) {
            return self.line(out, |this, out| single_lines::late(conn, entry, this.drawing, out));
        }
        let mut track = Box::new(new());
        add(&mut track);
        self.keep(track, out);
    }

    fn handshake(&mut self, entry: &HandshakeOutput, out: &mut Vec<u8>) {
        let record = &entry.record;
        let end = |end: &HandshakeEnd| EndpointOutput { addr: end.addr, port: end.port };
        let (client, server) = (end(&record.client), end(&record.server));
        let mut track = self
            .table
            .take(record.conn)
            .unwrap_or_else(|| Box::new(Track::new(record.conn, at(&entry.stamp), Phase::Opening, client, server)));
        track.learn(client, server);
        let process = |end: &HandshakeEnd| Process::known(end.pid, end.comm);
        let processes = track.processes(process(&record.client), process(&record.server));
        (track.parties.client.process, track.parties.server.process) = (processes.client, processes.server);
        if record.outcome.is_none() {
            track.unseen = Some(record.summary.clone());
            return self.keep(track, out);
        }
        let reset_by = if track.parties.client.rst { Some(Role::Client) } else { None };
        let style = match record.outcome {
            Some(Outcome::Established) => judged(record.incomplete),
            Some(Outcome::Reset) if reset_by.is_some() => PENDING,
            _ => FAILED,
        };
        let sentences = vec![Sentence { style, text: record.summary.as_str().into() }];
        let advice = advice::handshake(record, reset_by, track.parties.server.full_queue.is_some());
        self.show(Block { track: &track, processes, sentences, unfinished: None, stays: Vec::new(), advice }, out);
        if record.outcome == Some(Outcome::Established) {
            track.opened();
            self.keep(track, out);
        } else {
            self.ended.insert(record.conn);
        }
    }

    fn close(&mut self, entry: &CloseOutput, out: &mut Vec<u8>) {
        let record = &entry.record;
        let end = |end: &CloseEnd| EndpointOutput { addr: end.addr, port: end.port };
        let (client, server) = (end(&record.client), end(&record.server));
        let mut track = self
            .table
            .take(record.conn)
            .unwrap_or_else(|| Box::new(Track::new(record.conn, at(&entry.stamp), Phase::Closing, client, server)));
        track.learn(client, server);
        let process = |end: &CloseEnd| Process::known(end.pid, end.comm);
        let processes = track.processes(process(&record.client), process(&record.server));
        let style = match record.kind {
            CloseKind::Reset | CloseKind::TimedOut => FAILED,
            CloseKind::Unfinished | CloseKind::Unseen => PENDING,
            _ => judged(record.incomplete),
        };
        let mut sentences = vec![Sentence { style, text: record.summary.as_str().into() }];
        sentences.extend(track.unseen.take().map(|text| Sentence { style: PENDING, text: text.into() }));
        let (stays, advice) = (inferred_states::inferred(record, self.drawing), advice::close(record));
        self.show(Block { track: &track, processes, sentences, unfinished: None, stays, advice }, out);
        self.ended.insert(record.conn);
    }

    /// Puts a connection back. What is given up for it is shown if it was about to be.
    fn keep(&mut self, track: Box<Track>, out: &mut Vec<u8>) {
        if let Some(oldest) = self.table.keep(track)
            && oldest.due.is_some()
        {
            self.show_unfinished(&oldest, out);
        }
    }

    /// Shows everything that has not been shown.
    fn show_all(&mut self, out: &mut Vec<u8>) {
        for track in self.table.take_all().filter(|track| track.due.is_some()) {
            self.show_unfinished(&track, out);
        }
    }

    fn show_unfinished(&mut self, track: &Track, out: &mut Vec<u8>) {
        let Waiting { sentence, turn } = Waiting::of(track);
        let sentences = vec![Sentence { style: PENDING, text: format!("unfinished: {sentence}").into() }];
        let processes = track.processes(None, None);
        self.show(Block { track, processes, sentences, unfinished: Some(turn), stays: Vec::new(), advice: None }, out);
    }

    /// Prints a block, a blank line before it.
    fn show(&mut self, block: Block<'_>, out: &mut Vec<u8>) {
        if self.last.is_some() {
            out.push(b'\n');
        }
        block.write(self.drawing, (self.width)().max(NARROWEST), out);
        self.last = Some(Kind::Block);
    }

    /// Prints a line by itself, a blank line between it and a block.
    fn line(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Self, &mut Vec<u8>)) {
        if self.last == Some(Kind::Block) {
            out.push(b'\n');
        }
        write(self, out);
        self.last = Some(Kind::Line);
    }
}

/// The look of what went wrong.
const FAILED: Style = AnsiColor::Red.on_default().bold();

/// The look of what went well, as far as it was seen.
fn judged(incomplete: bool) -> Style {
    if incomplete { PENDING } else { AnsiColor::Green.on_default() }
}

#[cfg(test)]
mod tests;
