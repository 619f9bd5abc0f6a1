//! One line for each connection when it ends, and for each of its stalls: time, duration, both ends, bytes, and the
//! verdict in words.
//!
//! ```text
//! 12:06:49.679  #1   100.4 ms  10.0.0.1:54762 curl[6980] → 10.0.0.2:9999 server[801]     22 B →     17 B ←  closed by …
//! ```

use super::{
    Events, Render,
    ladder::{
        Drawing,
        block::clock,
        heading::{end_text, paragraph},
        open_block::End,
        styled_text::{Styled, columns},
    },
    mood::Mood,
    palette,
};
use crate::{
    output_record::{OutputRecord, Stamp},
    text::HumanDuration,
    verdict::{Bytes, Close, Each, Handshake, Stalled},
};

/// Maximum width to which a long value widens its column for the following lines.
const WIDEST: usize = 48;

/// Minimum width of a terminal; on a narrower one, lines are wrapped.
const NARROWEST: usize = 40;

/// Number of pieces in a line.
const PIECES: usize = 12;

/// Returns the number of columns of the reader's terminal, which may change.
type Width = Box<dyn Fn() -> usize + Send>;

/// Renders records as a list.
pub struct List {
    drawing: Drawing,
    /// Returns the number of columns of the reader's terminal, which may change; `None` to write lines in full.
    width: Option<Width>,
    events: Events,
    /// Widths of the columns so far: number, time, client, server.
    widths: [usize; 4],
}

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("List").field("widths", &self.widths).finish_non_exhaustive()
    }
}

impl List {
    /// Creates a renderer. If `width` is given and a line is longer than the number of columns that it returns, the verdict
    /// follows on lines of its own.
    pub fn new(drawing: Drawing, width: Option<Width>) -> Self {
        Self { drawing, width, events: drawing.into(), widths: [2, 8, 21, 21] }
    }
}

impl Render for List {
    fn render(&mut self, record: &OutputRecord, out: &mut Vec<u8>) {
        match record {
            OutputRecord::Handshake(handshake) => {
                if handshake.record.failure().is_some()
                    && let Some(mood) = Mood::of_handshake(&handshake.record)
                {
                    self.line(&handshake.stamp, &Entry::of_handshake(&handshake.record, mood), out);
                }
            }
            OutputRecord::Close(close) => self.line(&close.stamp, &Entry::of_close(&close.record), out),
            OutputRecord::Stalled(stalled) => self.line(&stalled.stamp, &Entry::of_stall(&stalled.record), out),
            OutputRecord::Start(_)
            | OutputRecord::Existing(_)
            | OutputRecord::Leak(_)
            | OutputRecord::Lost(_)
            | OutputRecord::End(_) => self.events.render(record, out),
            OutputRecord::Namespace(_)
            | OutputRecord::State(_)
            | OutputRecord::Segment(_)
            | OutputRecord::Icmp(_)
            | OutputRecord::Owner(_)
            | OutputRecord::Hint(_)
            | OutputRecord::Drop(_)
            | OutputRecord::Report(_)
            | OutputRecord::Evicted(_) => {}
        }
    }
}

/// Contents of a line.
#[derive(Debug)]
struct Entry<'a> {
    conn: u64,
    lasted_ns: Option<u64>,
    ends: Each<End>,
    bytes: Option<Bytes>,
    mood: Mood,
    /// Mark before the verdict.
    mark: &'static str,
    verdict: &'a str,
}

impl<'a> Entry<'a> {
    fn of_handshake(record: &'a Handshake, mood: Mood) -> Self {
        Self {
            conn: record.conn,
            lasted_ns: record.connect_ns,
            ends: Each { client: End::from(&record.client), server: End::from(&record.server) },
            bytes: None,
            mood,
            mark: "",
            verdict: &record.summary,
        }
    }

    fn of_close(record: &'a Close) -> Self {
        Self {
            conn: record.conn,
            lasted_ns: record.duration_ns,
            ends: Each { client: End::from(&record.client), server: End::from(&record.server) },
            bytes: Some(record.bytes),
            mood: Mood::of_close(record),
            mark: "",
            verdict: &record.summary,
        }
    }

    fn of_stall(record: &'a Stalled) -> Self {
        Self {
            conn: record.conn,
            lasted_ns: None,
            ends: Each { client: End::from(&record.client), server: End::from(&record.server) },
            bytes: None,
            mood: Mood::Pending,
            mark: "stalled: ",
            verdict: &record.summary,
        }
    }
}

impl List {
    fn line(&mut self, stamp: &Stamp, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let symbols = self.drawing.symbols();
        let number = format!("#{}", entry.conn);
        let lasted = entry.lasted_ns.map_or_else(|| "-".to_owned(), |ns| HumanDuration(ns).to_string());
        let (client, server) = (end_text(&entry.ends.client), end_text(&entry.ends.server));
        let texts = [&number, &lasted, &client, &server];
        for (width, text) in self.widths.iter_mut().zip(texts) {
            *width = (*width).max(columns(text).min(WIDEST));
        }
        let [number_width, lasted_width, client_width, server_width] = self.widths;

        let mut line = Styled::with_room(160, PIECES);
        line.push(palette::TIME, clock(stamp, self.drawing)).plain("  ");
        let at = line.width() + number_width;
        line.push(palette::of_conn(entry.conn), &number).pad_to(at).plain("  ");
        let at = line.width() + lasted_width;
        line.pad_to(at.saturating_sub(columns(&lasted))).plain(&lasted).plain("  ");
        let at = line.width() + client_width;
        line.plain(&client).pad_to(at).plain(" ").plain(symbols.arrow).plain(" ");
        let at = line.width() + server_width;
        line.plain(&server).pad_to(at).plain("  ");
        let mut facts = Styled::default();
        let (to_server, to_client) = if self.drawing.unicode { ("→", "←") } else { ("->", "<-") };
        let sent = entry.bytes.map_or([None; 2], |bytes| [bytes.client_to_server, bytes.server_to_client]);
        for (bytes, arrow) in sent.into_iter().zip([to_server, to_client]) {
            let text = bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{bytes} B {arrow}"));
            let at = facts.width() + BYTES;
            facts.pad_to(at.saturating_sub(columns(&text))).plain(&text).plain("  ");
        }
        let sentence = palette::sentence(entry.verdict, self.drawing.unicode);
        let verdict = format!("{}{}", entry.mark, without_columns(&sentence));
        let width = self.width.as_ref().map_or(usize::MAX, |width| width().max(NARROWEST));
        let shown = line.width() + facts.width();
        if shown + columns(&verdict) <= width {
            line.append(&facts).push(entry.mood.style(), verdict).write_line(self.drawing.color, out);
            return;
        }
        // The verdict is what the line is for: it is not cut. It includes the bytes if they have no room above it.
        let below = if shown <= width { verdict } else { format!("{}{sentence}", entry.mark) };
        if shown <= width {
            line.append(&facts);
        }
        line.clipped(width, symbols.more).write_line(self.drawing.color, out);
        for line in paragraph(entry.mood.style(), &below, self.drawing, width) {
            line.write_line(self.drawing.color, out);
        }
    }
}

/// Width of most byte counts with their unit and arrow, in columns.
const BYTES: usize = 11;

/// Returns a sentence without the parts that have columns of their own: bytes and duration.
pub(super) fn without_columns(sentence: &str) -> String {
    let parts = sentence.split("; ").filter(|part| !part.starts_with("lasted ") && !is_bytes(part));
    parts.collect::<Vec<_>>().join("; ")
}

/// Returns true if the part is `22 B →, 17 B ←` or one half of that.
fn is_bytes(part: &str) -> bool {
    let mut words = part.split(' ');
    let number = words.next().is_some_and(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()));
    let arrow = |word: &str| matches!(word.trim_end_matches(','), "→" | "←" | "->" | "<-");
    number && words.next() == Some("B") && words.next().is_some_and(arrow)
}

#[cfg(test)]
mod tests;
