//! A phase of a connection as a block: heading, ladder, and advice.

use std::{borrow::Cow, fmt};

use anstyle::Style;

use super::{
    cells::{Cells, Wording},
    columns::Columns,
    glyphs::Drawing,
    heading::{self, Sentence},
    open_block::End,
    row_layout::RowLayout,
    rows::Rows,
    sides::Verdict,
    styled_text::Styled,
    timeline::{self, Entry},
    translations::Translation,
};
use crate::{
    event::Role,
    output_record::Stamp,
    render::{mood::Mood, palette},
    text::{LocalTime, decimal},
    verdict::{Each, Turn},
};

/// Length of most times in bytes: `+123.456 ms`.
const USUAL_TIME: usize = 12;

/// Number of pieces in most lines.
const USUAL_PIECES: usize = 12;

/// A block to draw.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// The connection or, if its addresses are translated, its sides; at least one.
    pub(super) sides: &'a [Side<'a>],
    /// The ends in the heading.
    pub(super) ends: Each<End>,
    /// True if all sides have the events of the same phase.
    pub(super) same_phase: bool,
    /// Layers of its encapsulation, if it has any.
    pub(super) encapsulation: Option<&'a [String]>,
    pub(super) sentences: Vec<Sentence<'a>>,
    /// The verdict that matters most, if any is final.
    pub(super) verdict: Option<&'a Verdict>,
    /// Set if the phase is not finished; the inner value is the end whose turn it is, if known.
    pub(super) unfinished: Option<Option<Turn>>,
    /// The other sides of its address translation.
    pub(super) translations: Vec<Translation>,
    /// Knowledge of other hosts about it, a line each.
    pub(super) elsewhere: Vec<&'a str>,
    /// States that no row shows, a line for each end.
    pub(super) inferred: Vec<String>,
    /// Advice, a line each.
    pub(super) advice: Vec<Cow<'a, str>>,
}

/// A connection, or a side of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side<'a> {
    pub(super) conn: u64,
    pub(super) ends: &'a Each<End>,
    pub(super) rows: &'a Rows,
}

impl Block<'_> {
    /// Appends the block to `out`.
    pub(super) fn write(&self, drawing: Drawing, width: usize, out: &mut Vec<u8>) {
        let numbers = self.sides.iter().map(|side| side.conn);
        for line in heading::lines(numbers, &self.ends, self.encapsulation, &self.sentences, drawing, width) {
            line.write_line(drawing.color, out);
        }
        let translations: Vec<String> = self.translations.iter().map(ToString::to_string).collect();
        for text in translations.iter().map(String::as_str).chain(self.elsewhere.iter().copied()) {
            for line in heading::paragraph(Style::new(), text, drawing, width) {
                line.write_line(drawing.color, out);
            }
        }
        self.ladder(drawing, width, out);
        for states in &self.inferred {
            for line in heading::paragraph(Style::new().dimmed(), states, drawing, width) {
                line.write_line(drawing.color, out);
            }
        }
        for advice in &self.advice {
            for line in heading::paragraph(Style::new(), &format!("look at: {advice}"), drawing, width) {
                line.write_line(drawing.color, out);
            }
        }
    }

    fn ladder(&self, drawing: Drawing, width: usize, out: &mut Vec<u8>) {
        let entries = self.entries();
        let Some(first) = entries.iter().find_map(Entry::stamp) else { return };
        let unit = Unit::of_entries(&entries);
        let mut times = Styled::with_room(entries.len() * USUAL_TIME, entries.len() + 1);
        let mut cells = Vec::with_capacity(entries.len() + 1);
        for entry in &entries {
            match entry {
                Entry::Event { since_start_ns, .. } => times.push_separate(palette::TIME, unit.time(*since_start_ns)),
                Entry::LeftOut(_) => times.push_separate(palette::TIME, ""),
            }
            cells.extend(self.cells(entry, drawing));
        }
        if let Some(turn) = self.unfinished {
            times.push_separate(palette::TIME, "");
            cells.push(self.turn(turn, drawing));
        }

        let longest_time = times.measured_pieces().map(|(_, _, width)| width).max().unwrap_or(0);
        let columns = Columns::for_rows(&cells, longest_time, width, drawing);
        let layout = RowLayout { columns, symbols: drawing.symbols() };
        let mut line = Styled::with_room(2 * width, USUAL_PIECES);
        layout.caption(&clock(first, drawing), &mut line);
        line.write_line(drawing.color, out);
        for ((_, time), cells) in times.pieces().zip(&cells) {
            line.clear();
            layout.row(time, cells, &mut line);
            line.write_line(drawing.color, out);
        }
    }

    /// Returns its events in order.
    pub(super) fn entries(&self) -> Vec<Entry<'_>> {
        timeline::entries(self.sides, self.same_phase)
    }

    pub(super) fn cells(&self, entry: &Entry<'_>, drawing: Drawing) -> Option<Cells> {
        match *entry {
            Entry::Event { side, row, alone, .. } => {
                let Side { conn, ends, .. } = *self.sides.get(side)?;
                let mut cells = Wording { drawing, ends }.row(row);
                if let Cells::Arrow(arrow) = &mut cells
                    && alone
                {
                    arrow.more.push(format!("only in #{conn}"));
                }
                Some(cells)
            }
            Entry::LeftOut(left_out) => Some(Wording { drawing, ends: &self.ends }.left_out(left_out)),
        }
    }

    fn turn(&self, turn: Option<Turn>, drawing: Drawing) -> Cells {
        let side = match turn {
            Some(Turn::Client) => Some(Role::Client),
            Some(Turn::Server) => Some(Role::Server),
            Some(Turn::Network) | None => None,
        };
        let words = match side {
            Some(role) => format!("the {}'s turn", role.word()),
            None => drawing.symbols().more.to_owned(),
        };
        Cells::Dots { side, words: Styled::new(Mood::Pending.style(), words) }
    }
}

/// Formats the time of day in the reader's time zone, to the millisecond: `12:06:49.679`.
pub(in crate::render) fn clock(stamp: &Stamp, drawing: Drawing) -> String {
    let mut text = LocalTime { time: stamp.time, zone: drawing.zone }.to_string();
    text.truncate("12:06:49.679".len());
    text
}

/// Unit of a block's times; all have digits to the microsecond.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Milliseconds,
    Seconds,
}

impl Unit {
    /// Returns the unit that suits the last time.
    pub(super) fn of_entries(entries: &[Entry<'_>]) -> Self {
        let latest = entries.iter().filter_map(Entry::since_start_ns).max();
        if latest.unwrap_or(0) < 1_000_000_000 { Self::Milliseconds } else { Self::Seconds }
    }

    /// Returns the time of an event, which is in nanoseconds.
    pub(super) fn time(self, since_start_ns: Option<u64>) -> RelativeTime {
        RelativeTime { unit: self, micros: since_start_ns.map(|since| since / 1_000) }
    }
}

/// Time since the connection's first event.
#[derive(Clone, Copy, Debug)]
pub(super) struct RelativeTime {
    unit: Unit,
    /// `None` if it was not recorded.
    micros: Option<u64>,
}

impl fmt::Display for RelativeTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(micros) = self.micros else { return f.write_str("-") };
        match self.unit {
            Unit::Milliseconds => decimal(f, "+", micros, 3, " ms"),
            Unit::Seconds => decimal(f, "+", micros, 6, " s"),
        }
    }
}
