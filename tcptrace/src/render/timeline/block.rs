//! A phase of a connection as a block: heading, ladder, and what to look at.

use anstyle::Style;

use super::{
    cells::{Cells, PENDING, Wording},
    columns::Columns,
    drawing::Drawing,
    heading::{self, Sentence},
    ladder::Ladder,
    progress::Process,
    rows::Row,
    styled::Styled,
    track::{Track, at},
    waiting::name,
};
use crate::{connections::Role, entry::Stamp, event::BootTime, text::LocalTime, timeline::Each};

/// A block to draw.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) track: &'a Track,
    pub(super) processes: Each<Option<Process>>,
    pub(super) sentences: Vec<Sentence>,
    /// It is not finished, and maybe it is somebody's turn.
    pub(super) unfinished: Option<Option<Role>>,
    pub(super) advice: Option<String>,
}

impl Block<'_> {
    /// Appends the block to `out`.
    pub(super) fn write(&self, drawing: Drawing, width: usize, out: &mut Vec<u8>) {
        for line in heading::lines(self.track, &self.processes, &self.sentences, drawing, width) {
            line.write_line(drawing.color, out);
        }
        for line in self.ladder(drawing, width) {
            line.write_line(drawing.color, out);
        }
        if let Some(advice) = &self.advice {
            for line in heading::paragraph(Style::new(), &format!("look at: {advice}"), drawing, width) {
                line.write_line(drawing.color, out);
            }
        }
    }

    fn ladder(&self, drawing: Drawing, width: usize) -> Vec<Styled> {
        let Some(first) = self.track.rows.iter().next() else { return Vec::new() };
        let unit = Unit::of(self.track);
        let wording = Wording { drawing, track: self.track, processes: &self.processes };
        let (beginning, left_out, end) = self.track.rows.parts();
        let time = |row: &Row| unit.text(at(row.stamp()).since(self.track.began));
        let row = |row: &Row| (time(row), wording.row(row));
        let (mut times, mut cells): (Vec<_>, Vec<_>) = beginning.iter().map(row).unzip();
        if left_out.count > 0 {
            times.push(String::new());
            cells.push(wording.left_out(left_out));
        }
        for (time, cell) in end.map(row) {
            times.push(time);
            cells.push(cell);
        }
        if let Some(turn) = self.unfinished {
            times.push(String::new());
            cells.push(self.turn(turn, drawing));
        }

        let longest_time = times.iter().map(String::len).max().unwrap_or(0);
        let columns = Columns::for_rows(&cells, longest_time, width, drawing);
        let ladder = Ladder { columns, symbols: drawing.symbols() };
        let mut lines = vec![ladder.caption(&clock(first.stamp()))];
        lines.extend(times.iter().zip(&cells).map(|(time, cells)| ladder.row(time, cells)));
        lines
    }

    fn turn(&self, turn: Option<Role>, drawing: Drawing) -> Cells {
        let words = match turn {
            Some(role) => format!("the {}'s turn", name(role)),
            None => drawing.symbols().more.to_owned(),
        };
        Cells::Dots { side: turn, words: Styled::new(PENDING, words) }
    }
}

/// The wall-clock time as people look for it, down to the millisecond: `12:06:49.679`.
pub(super) fn clock(stamp: &Stamp) -> String {
    let mut text = LocalTime(stamp.time).to_string();
    text.truncate("12:06:49.679".len());
    text
}

/// The unit of a block's times; all have digits down to the microsecond.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Milliseconds,
    Seconds,
}

impl Unit {
    /// The one that suits the last of the times.
    fn of(track: &Track) -> Self {
        let latest = track.rows.iter().map(|row| at(row.stamp())).max().unwrap_or(BootTime(0));
        if latest.since(track.began) < 1_000_000_000 { Self::Milliseconds } else { Self::Seconds }
    }

    fn text(self, nanoseconds: u64) -> String {
        let micros = nanoseconds / 1_000;
        match self {
            Self::Milliseconds => format!("+{}.{:03} ms", micros / 1_000, micros % 1_000),
            Self::Seconds => format!("+{}.{:06} s", micros / 1_000_000, micros % 1_000_000),
        }
    }
}
