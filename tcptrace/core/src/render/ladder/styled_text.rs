//! Styled text of known width on a terminal.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
};

use anstyle::Style;
use unicode_width::UnicodeWidthChar as _;

use crate::text::push_decimal;

/// Text in pieces of different styles.
#[derive(Clone, Debug, Default)]
pub(in crate::render) struct Styled {
    text: String,
    spans: Vec<Span>,
    width: usize,
}

/// A piece of one style.
#[derive(Clone, Copy, Debug)]
struct Span {
    style: Style,
    /// Offset at which it ends in the text.
    end: usize,
    /// Width in columns up to there: counting the columns of text again takes longer than copying it.
    reach: usize,
}

impl Styled {
    /// Creates an empty text with capacity for later content: most lines and their parts have similar lengths.
    pub(in crate::render) fn with_room(bytes: usize, pieces: usize) -> Self {
        Self { text: String::with_capacity(bytes), spans: Vec::with_capacity(pieces), width: 0 }
    }

    /// Removes the content but keeps the capacity.
    pub(in crate::render) fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
        self.width = 0;
    }

    /// Creates a text of one style.
    pub(in crate::render) fn new(style: Style, text: impl AsRef<str>) -> Self {
        let mut styled = Self::default();
        styled.push(style, text);
        styled
    }

    /// Appends text.
    pub(in crate::render) fn push(&mut self, style: Style, text: impl AsRef<str>) -> &mut Self {
        let text = text.as_ref();
        self.push_measured(style, text, columns(text))
    }

    /// Appends text whose width is known.
    pub(in crate::render) fn push_measured(&mut self, style: Style, text: &str, width: usize) -> &mut Self {
        self.width += width;
        self.text.push_str(text);
        self.end_span(style)
    }

    /// Appends a character of one column, like those that a ladder is drawn with.
    pub(in crate::render) fn symbol(&mut self, style: Style, symbol: &str) -> &mut Self {
        debug_assert_eq!(columns(symbol), 1);
        self.push_measured(style, symbol, 1)
    }

    /// Appends an unstyled space.
    pub(in crate::render) fn space(&mut self) -> &mut Self {
        self.symbol(Style::new(), " ")
    }

    /// Appends text as a piece of its own, even if the piece before has the same style.
    pub(in crate::render) fn push_separate(&mut self, style: Style, text: impl fmt::Display) {
        let start = self.text.len();
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{text}");
        self.width += columns(self.text.get(start..).unwrap_or_default());
        self.begin_span(style);
    }

    /// Appends a word and a number as a piece of its own.
    pub(in crate::render) fn numbered(&mut self, style: Style, word: &str, number: u64) {
        let start = self.text.len();
        self.text.push_str(word);
        self.text.push(' ');
        push_decimal(&mut self.text, number);
        // The words are ASCII.
        self.width += self.text.len() - start;
        self.begin_span(style);
    }

    /// Appends the same text several times.
    pub(in crate::render) fn repeat(&mut self, style: Style, text: &str, times: usize) -> &mut Self {
        self.width += columns(text) * times;
        let (start, whole) = (self.text.len(), text.len() * times);
        if whole > 0 {
            self.text.push_str(text);
        }
        // Doubled until it is long enough: one copy for each repetition would take most of the time.
        while self.text.len() - start < whole {
            let done = self.text.len() - start;
            self.text.extend_from_within(start..start + done.min(whole - done));
        }
        self.end_span(style)
    }

    /// Assigns a style to the text appended last.
    fn end_span(&mut self, style: Style) -> &mut Self {
        match self.spans.last_mut() {
            Some(last) if last.style == style => (last.end, last.reach) = (self.text.len(), self.width),
            _ => self.begin_span(style),
        }
        self
    }

    fn begin_span(&mut self, style: Style) {
        self.spans.push(Span { style, end: self.text.len(), reach: self.width });
    }

    /// Appends unstyled text.
    pub(in crate::render) fn plain(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.push(Style::new(), text)
    }

    /// Appends a space and another word.
    pub(in crate::render) fn word(&mut self, style: Style, word: &str) -> &mut Self {
        // Words of the same style form one piece.
        let alike = self.spans.last().is_some_and(|last| last.style == style);
        self.push(if alike { style } else { Style::new() }, " ").push(style, word)
    }

    /// Appends spaces up to a column; none if the text already reaches it.
    pub(in crate::render) fn pad_to(&mut self, column: usize) -> &mut Self {
        let spaces = column.saturating_sub(self.width);
        if spaces == 0 { self } else { self.repeat(Style::new(), " ", spaces) }
    }

    /// Appends another text.
    pub(in crate::render) fn append(&mut self, other: &Self) -> &mut Self {
        for (style, text, width) in other.measured_pieces() {
            self.push_measured(style, text, width);
        }
        self
    }

    /// Returns the width in columns.
    pub(in crate::render) fn width(&self) -> usize {
        self.width
    }

    /// Returns the pieces with their styles.
    pub(in crate::render) fn pieces(&self) -> impl Iterator<Item = (Style, &str)> + Clone {
        self.measured_pieces().map(|(style, piece, _)| (style, piece))
    }

    /// Returns the pieces with their styles and widths.
    pub(in crate::render) fn measured_pieces(&self) -> impl Iterator<Item = (Style, &str, usize)> + Clone {
        self.spans.iter().scan((0, 0), |before, &Span { style, end, reach }| {
            let (start, from) = std::mem::replace(before, (end, reach));
            Some((style, self.text.get(start..end).unwrap_or_default(), reach - from))
        })
    }

    /// Truncates to `width` columns, with `mark` in place of the rest.
    pub(in crate::render) fn clipped(self, width: usize, mark: &str) -> Self {
        if self.width <= width {
            return self;
        }
        let room = width.saturating_sub(columns(mark));
        let mut clipped = Self::default();
        for (style, piece) in self.pieces() {
            let kept = clip(piece, room.saturating_sub(clipped.width));
            clipped.push(style, kept);
            if kept.len() < piece.len() {
                break;
            }
        }
        if clipped.width + columns(mark) <= width {
            clipped.plain(mark);
        }
        clipped
    }

    /// Appends the text to `out` as a line, without trailing spaces.
    pub(in crate::render) fn write_line(&self, color: bool, out: &mut Vec<u8>) {
        let text = self.text.trim_end();
        if !color {
            out.extend_from_slice(text.as_bytes());
            out.push(b'\n');
            return;
        }
        let mut left = text.len();
        for (style, piece) in self.pieces() {
            let piece = piece.get(..left.min(piece.len())).unwrap_or(piece);
            left -= piece.len();
            if style != Style::new() && !piece.is_empty() {
                // Writing to a Vec cannot fail.
                let _ = write!(out, "{}{piece}{}", style.render(), style.render_reset());
            } else {
                out.extend_from_slice(piece.as_bytes());
            }
        }
        out.push(b'\n');
    }
}

/// Returns the longest prefix of `text` that fits into `width` columns.
pub(in crate::render) fn clip(text: &str, width: usize) -> &str {
    if columns(text) <= width {
        return text;
    }
    let mut used = 0;
    let end = text.char_indices().find_map(|(at, character)| {
        used += character.width().unwrap_or(0);
        (used > width).then_some(at)
    });
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Returns the width of a text in columns, counted character by character as terminals do.
pub(in crate::render) fn columns(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(column_count).sum() }
}

/// Returns the width of a character. The characters of ladders need no table.
fn column_count(character: char) -> usize {
    match character {
        ' '..='~' | '←'..='↓' | '─'..='╿' | '▶' | '◀' => 1,
        _ => character.width().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use anstyle::AnsiColor;

    use super::*;

    fn text(styled: &Styled, color: bool) -> String {
        let mut out = Vec::new();
        styled.write_line(color, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_does_not_fit_is_cut_and_marked() {
        let mut line = Styled::new(AnsiColor::Red.on_default(), "日本");
        line.plain("語 and more");
        assert_eq!(line.width(), 15);
        for (width, expected) in [(15, "日本語 and more"), (14, "日本語 and mo…"), (6, "日本…"), (5, "日本…")]
        {
            let clipped = line.clone().clipped(width, "…");
            assert!(clipped.width() <= width);
            assert_eq!(text(&clipped, false), format!("{expected}\n"));
        }
        assert_eq!(text(&line.clipped(0, "…"), false), "\n");
    }

    #[test]
    fn every_character_has_its_width() {
        for character in char::MIN..=char::MAX {
            assert_eq!(column_count(character), character.width().unwrap_or(0), "{character:?}");
        }
    }

    #[test]
    fn spaces_at_the_end_are_left_out_and_looks_are_set_back() {
        let mut line = Styled::new(AnsiColor::Red.on_default(), "R ");
        line.pad_to(6).plain("");
        assert_eq!(text(&line, false), "R\n");
        assert_eq!(text(&line, true), "\u{1b}[31mR\u{1b}[0m\n");
    }
}
