//! A picture of the ladders, as a terminal with colours shows them.
//!
//! SVG begins with its size, so the picture is written at the end of the trace; the text is held until then.

mod picture;

use super::{Drawing, Ladder, Render};
use crate::output_record::OutputRecord;

/// Width of the text in columns.
const COLUMNS: usize = 100;

/// Maximum number of lines in a picture: beyond some 32,000 pixels, browsers show parts of it only.
const MOST_LINES: usize = 1_500;

/// Renders records as a picture: ladders and lost events, without lines about the run, its listeners and existing sockets.
#[derive(Debug)]
pub struct Svg {
    ladder: Ladder,
    text: Vec<u8>,
    /// Lines in `text`.
    lines: usize,
    /// Number of further lines, which were left out.
    left_out: usize,
    ended: bool,
}

impl Svg {
    /// Creates a renderer. Its colours are always those of a dark terminal.
    pub fn new(drawing: Drawing) -> Self {
        let drawing = Drawing { color: true, unicode: true, ..drawing };
        let ladder = Ladder::new(drawing, || COLUMNS);
        Self { ladder, text: Vec::new(), lines: 0, left_out: 0, ended: false }
    }

    fn take(&mut self, record: &OutputRecord) {
        if shown(record) {
            return self.add(|ladder, text| ladder.render(record, text));
        }
        if let OutputRecord::Start(_) | OutputRecord::End(_) = record {
            // They are shown before the line about the run.
            self.add(Ladder::settle_all);
        }
        let before = self.text.len();
        self.ladder.render(record, &mut self.text);
        self.text.truncate(before);
    }

    /// Adds what the ladder writes, unless that is too much.
    fn add(&mut self, write: impl FnOnce(&mut Ladder, &mut Vec<u8>)) {
        let before = self.text.len();
        write(&mut self.ladder, &mut self.text);
        let added = memchr::memchr_iter(b'\n', self.text.get(before..).unwrap_or_default()).count();
        if self.lines + added <= MOST_LINES && self.left_out == 0 {
            self.lines += added;
        } else {
            self.text.truncate(before);
            self.left_out += added;
        }
    }
}

/// Returns false for records about the run as a whole, and for sockets without a connection.
fn shown(record: &OutputRecord) -> bool {
    match record {
        OutputRecord::Start(_) | OutputRecord::Existing(_) | OutputRecord::Leak(_) | OutputRecord::End(_) => false,
        OutputRecord::State(state) => state.conn.is_some(),
        _ => true,
    }
}

impl Render for Svg {
    fn render(&mut self, record: &OutputRecord, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        self.take(record);
        if let OutputRecord::End(_) = record {
            // A file contains one picture: the other runs of a recording are not in it.
            self.ended = true;
            let mut text = String::from_utf8_lossy(&self.text).trim().to_owned();
            if self.left_out > 0 {
                text.push_str(&format!("\n\n-- {} more lines are not in this picture", self.left_out));
            }
            if text.is_empty() {
                text.push_str("-- no connection was opened or closed");
            }
            out.extend_from_slice(picture::draw(&text).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
