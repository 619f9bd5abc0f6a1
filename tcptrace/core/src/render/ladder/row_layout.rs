//! Layout of the rows of a block: times, the two lifelines, and events at and between them.

use anstyle::Style;

use super::{
    cells::{Arrow, Cells, Note},
    columns::Columns,
    glyphs::Symbols,
    styled_text::{Styled, clip, columns},
};
use crate::{event::Role, render::palette};

/// Columns of an arrow around its label: two dashes and a space before, a space and the arrow head after.
pub(super) const AROUND: usize = 5;

/// Style of lifelines.
const LIFELINE: Style = Style::new().dimmed();

/// Draws rows in their columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowLayout {
    pub(super) columns: Columns,
    pub(super) symbols: &'static Symbols,
}

impl RowLayout {
    /// Writes the line above the rows: the wall-clock time of the first row, and the names of the lifelines.
    pub(super) fn caption(&self, clock: &str, line: &mut Styled) {
        let Columns { client, states, .. } = self.columns;
        line.space().push(palette::TIME, clock).plain("  ");
        let (start, label) =
            if states { (client.saturating_sub(1 + "client".len()), "client") } else { (client, "client") };
        line.pad_to(start).push(LIFELINE, label);
        let start = if states { self.columns.right() } else { self.columns.server().saturating_sub("serve".len()) };
        line.pad_to(start).push(LIFELINE, "server");
        self.cut(line);
    }

    /// Writes a row.
    pub(super) fn row(&self, time: &str, cells: &Cells, line: &mut Styled) {
        line.pad_to(self.columns.time_end.saturating_sub(time.len())).push(palette::TIME, time);
        match cells {
            Cells::State { side, change, notes } => self.state(*side, change, notes, line),
            Cells::Arrow(arrow) => self.arrow(arrow, line),
            Cells::Dots { side, words } => self.dots(*side, words, line),
        }
        self.cut(line);
    }

    /// Cuts a line to the width: a row is always one line.
    fn cut(&self, line: &mut Styled) {
        if line.width() > self.columns.width {
            *line = std::mem::take(line).clipped(self.columns.width, self.symbols.more);
        }
    }

    fn state(&self, side: Role, change: &Styled, notes: &[Note], line: &mut Styled) {
        let Columns { client, between, .. } = self.columns;
        if side == Role::Client {
            line.pad_to(client.saturating_sub(1 + change.width())).append(change);
        }
        line.pad_to(client).symbol(LIFELINE, self.symbols.lifeline);
        let note = self.note(notes, between.saturating_sub(2));
        match side {
            Role::Client => line.space(),
            Role::Server => line.pad_to((client + between).saturating_sub(note.width())),
        };
        line.append(&note).pad_to(self.columns.server()).symbol(LIFELINE, self.symbols.lifeline);
        if side == Role::Server {
            line.space().append(change);
        }
    }

    /// Returns as many of the notes as fit, the first one truncated if necessary.
    fn note(&self, notes: &[Note], room: usize) -> Styled {
        let mut shown = Styled::default();
        for note in notes {
            let space = if shown.width() > 0 { 2 } else { 0 };
            let fits = |text: &&Styled| shown.width() + space + text.width() <= room;
            if let Some(text) = [Some(&note.whole), note.short.as_ref()].into_iter().flatten().find(fits) {
                shown.pad_to(shown.width() + space).append(text);
            }
        }
        match notes.first() {
            Some(first) if shown.width() == 0 => first.whole.clone().clipped(room, self.symbols.more),
            _ => shown,
        }
    }

    fn arrow(&self, arrow: &Arrow, line: &mut Styled) {
        let Symbols { lifeline, from_client, from_server, .. } = *self.symbols;
        let (left, right) = match arrow.from {
            _ if arrow.from_between => (lifeline, lifeline),
            Role::Client => (from_client, lifeline),
            Role::Server => (lifeline, from_server),
        };
        let texts = || arrow.more.iter().chain(&arrow.number);
        let mut length = arrow.label.len();
        let shown = texts().take(arrow.more.len() + usize::from(self.columns.numbered)).take_while(|text| {
            length += 1 + text.len();
            length + AROUND <= self.columns.between
        });
        let shown = shown.count();
        line.pad_to(self.columns.client).symbol(LIFELINE, left);
        self.shaft(arrow, texts().take(shown), line);
        line.symbol(LIFELINE, right);
        let beside = texts().skip(shown).map(|text| (Style::new(), text.as_str(), columns(text)));
        self.details(beside.chain(arrow.details.measured_pieces()), line);
    }

    /// Writes the arrow between the lifelines: `── SYN ───▶`.
    fn shaft<'a>(&self, arrow: &Arrow, more: impl Iterator<Item = &'a String>, line: &mut Styled) {
        let Symbols { dash, to_server, to_client, stopped, .. } = *self.symbols;
        let Columns { client, between, .. } = self.columns;
        let style = arrow.style;
        // Errors from a host on the path begin between the lifelines.
        let origin = if arrow.from_between { " " } else { dash };
        let tight = arrow.label.len() + AROUND > between;
        let (padding, inner_dash, behind) = if tight { (" ", "", "") } else { (dash, dash, " ") };
        let head = |arrives| if arrow.stopped { stopped } else { arrives };
        let (first, last) = match arrow.from {
            Role::Client => (origin, head(to_server)),
            Role::Server => (head(to_client), origin),
        };
        line.symbol(style, first).push(style, inner_dash).symbol(style, " ");
        line.push(style, clip(&arrow.label, between.saturating_sub(3)));
        for text in more {
            line.symbol(style, " ").push(style, text);
        }
        line.push(style, behind);
        let end = client + between;
        line.repeat(style, padding, end.saturating_sub(line.width())).symbol(style, last);
    }

    /// Writes as many of the details as fit, with a mark if some are omitted and there is room for it.
    fn details<'a>(&self, details: impl Iterator<Item = (Style, &'a str, usize)>, line: &mut Styled) {
        let fits = |line: &Styled, width: usize| line.width() + 1 + width <= self.columns.width;
        for (style, detail, width) in details {
            if !fits(line, width) {
                if fits(line, self.symbols.more.chars().count()) {
                    line.space().push(LIFELINE, self.symbols.more);
                }
                return;
            }
            line.space().push_measured(style, detail, width);
        }
    }

    fn dots(&self, side: Option<Role>, words: &Styled, line: &mut Styled) {
        let Columns { client, between, .. } = self.columns;
        let within = words.width() + 2 <= between;
        line.pad_to(client).symbol(LIFELINE, self.symbols.dotted);
        if within {
            match side {
                Some(Role::Server) => line.pad_to((client + between).saturating_sub(words.width())),
                _ => line.space(),
            };
            line.append(words);
        }
        line.pad_to(self.columns.server()).symbol(LIFELINE, self.symbols.dotted);
        if !within {
            line.space().append(words);
        }
    }
}
