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
    rows::{Row, Rows},
    styled_text::Styled,
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
    pub(super) conn: u64,
    pub(super) ends: Each<End>,
    /// Layers of its encapsulation, if it has any.
    pub(super) encapsulation: Option<&'a [String]>,
    pub(super) rows: &'a Rows,
    pub(super) sentences: Vec<Sentence<'a>>,
    /// Set if the phase is not finished; the inner value is the end whose turn it is, if known.
    pub(super) unfinished: Option<Option<Turn>>,
    /// The other sides of its address translation, a line for each.
    pub(super) translations: Vec<String>,
    /// States that no row shows, a line for each end.
    pub(super) inferred: Vec<String>,
    pub(super) advice: Option<Cow<'static, str>>,
}

impl Block<'_> {
    /// Appends the block to `out`.
    pub(super) fn write(&self, drawing: Drawing, width: usize, out: &mut Vec<u8>) {
        for line in heading::lines(self.conn, &self.ends, self.encapsulation, &self.sentences, drawing, width) {
            line.write_line(drawing.color, out);
        }
        for translation in &self.translations {
            for line in heading::paragraph(Style::new(), translation, drawing, width) {
                line.write_line(drawing.color, out);
            }
        }
        self.ladder(drawing, width, out);
        for states in &self.inferred {
            for line in heading::paragraph(Style::new().dimmed(), states, drawing, width) {
                line.write_line(drawing.color, out);
            }
        }
        if let Some(advice) = &self.advice {
            for line in heading::paragraph(Style::new(), &format!("look at: {advice}"), drawing, width) {
                line.write_line(drawing.color, out);
            }
        }
    }

    fn ladder(&self, drawing: Drawing, width: usize, out: &mut Vec<u8>) {
        let rows = self.rows;
        let Some(first) = rows.iter().next() else { return };
        let unit = Unit::of(rows);
        let wording = Wording { drawing, ends: &self.ends };
        let (beginning, left_out, end) = rows.parts();
        let mut times = Styled::with_room(rows.len() * USUAL_TIME, rows.len() + 2);
        let mut cells = Vec::with_capacity(rows.len() + 2);
        let mut add = |row: Option<&Row>, cell| {
            match row {
                Some(row) => times.apart(palette::TIME, unit.of_row(row)),
                None => times.apart(palette::TIME, ""),
            }
            cells.push(cell);
        };
        for row in beginning {
            add(Some(row), wording.row(row));
        }
        if left_out.count > 0 {
            add(None, wording.left_out(left_out));
        }
        for row in end {
            add(Some(row), wording.row(row));
        }
        if let Some(turn) = self.unfinished {
            add(None, self.turn(turn, drawing));
        }

        let longest_time = times.measured_pieces().map(|(_, _, width)| width).max().unwrap_or(0);
        let columns = Columns::for_rows(&cells, longest_time, width, drawing);
        let layout = RowLayout { columns, symbols: drawing.symbols() };
        let mut line = Styled::with_room(2 * width, USUAL_PIECES);
        layout.caption(&clock(first.stamp(), drawing), &mut line);
        line.write_line(drawing.color, out);
        for ((_, time), cells) in times.pieces().zip(&cells) {
            line.clear();
            layout.row(time, cells, &mut line);
            line.write_line(drawing.color, out);
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
    pub(super) fn of(rows: &Rows) -> Self {
        let latest = rows.iter().filter_map(Row::since_start_ns).max().unwrap_or(0);
        if latest < 1_000_000_000 { Self::Milliseconds } else { Self::Seconds }
    }

    /// Returns the time of a row's event.
    pub(super) fn of_row(self, row: &Row) -> RelativeTime {
        RelativeTime { unit: self, micros: row.since_start_ns().map(|since| since / 1_000) }
    }
}

/// Time since the connection's first event.
#[derive(Clone, Copy, Debug)]
pub(super) struct RelativeTime {
    unit: Unit,
    /// `None` if nobody recorded it.
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
