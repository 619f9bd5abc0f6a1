//! Text with looks whose width on a terminal is known.

use std::io::Write as _;

use anstyle::Style;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// A piece of a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Styled {
    spans: Vec<(Style, String)>,
    width: usize,
}

impl Styled {
    /// Text of one look.
    pub(super) fn new(style: Style, text: impl Into<String>) -> Self {
        let mut styled = Self::default();
        styled.push(style, text);
        styled
    }

    /// Appends text.
    pub(super) fn push(&mut self, style: Style, text: impl Into<String>) -> &mut Self {
        let text = text.into();
        self.width += text.width();
        match self.spans.last_mut() {
            Some((last, before)) if *last == style => before.push_str(&text),
            _ => self.spans.push((style, text)),
        }
        self
    }

    /// Appends a space and another word.
    pub(super) fn word(&mut self, word: Self) -> &mut Self {
        let looks = (self.spans.last().map(|&(style, _)| style), word.spans.first().map(|&(style, _)| style));
        // Words of one look are one piece.
        let style = if looks.0 == looks.1 { looks.0.unwrap_or_default() } else { Style::new() };
        self.push(style, " ").append(word)
    }

    /// Appends text of no particular look.
    pub(super) fn plain(&mut self, text: impl Into<String>) -> &mut Self {
        self.push(Style::new(), text)
    }

    /// Appends spaces up to a column; none when that is behind.
    pub(super) fn pad_to(&mut self, column: usize) -> &mut Self {
        let spaces = column.saturating_sub(self.width);
        if spaces > 0 { self.plain(" ".repeat(spaces)) } else { self }
    }

    /// Appends another piece.
    pub(super) fn append(&mut self, other: Self) -> &mut Self {
        for (style, text) in other.spans {
            self.push(style, text);
        }
        self
    }

    /// Columns that it takes.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// What of it fits into `width` columns; `mark` stands for what does not.
    pub(super) fn clipped(self, width: usize, mark: &str) -> Self {
        if self.width <= width {
            return self;
        }
        let mut room = width.saturating_sub(mark.width());
        let mut clipped = Self::default();
        for (style, text) in self.spans {
            let whole = text.len();
            let kept = clip(text, room);
            room -= kept.width();
            let cut = kept.len() < whole;
            clipped.push(style, kept);
            if cut {
                break;
            }
        }
        if clipped.width + mark.width() <= width {
            clipped.plain(mark);
        }
        clipped
    }

    /// Appends it as a line, without spaces at its end.
    pub(super) fn write_line(mut self, color: bool, out: &mut Vec<u8>) {
        while let Some((_, text)) = self.spans.last_mut() {
            text.truncate(text.trim_end().len());
            if !text.is_empty() {
                break;
            }
            self.spans.pop();
        }
        for (style, text) in &self.spans {
            // Writing to memory does not fail.
            let _ = if color && *style != Style::new() {
                write!(out, "{}{text}{}", style.render(), style.render_reset())
            } else {
                write!(out, "{text}")
            };
        }
        out.push(b'\n');
    }
}

/// The beginning of `text` that fits into `width` columns.
pub(super) fn clip(mut text: String, width: usize) -> String {
    if text.width() > width {
        let mut used = 0;
        let end = text.char_indices().find_map(|(at, character)| {
            used += character.width().unwrap_or(0);
            (used > width).then_some(at)
        });
        text.truncate(end.unwrap_or(text.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use anstyle::AnsiColor;

    use super::*;

    fn text(styled: Styled, color: bool) -> String {
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
            assert_eq!(text(clipped, false), format!("{expected}\n"));
        }
        assert_eq!(text(line.clipped(0, "…"), false), "\n");
    }

    #[test]
    fn spaces_at_the_end_are_left_out_and_looks_are_set_back() {
        let mut line = Styled::new(AnsiColor::Red.on_default(), "R ");
        line.pad_to(6).plain("");
        assert_eq!(text(line.clone(), false), "R\n");
        assert_eq!(text(line, true), "\u{1b}[31mR\u{1b}[0m\n");
    }
}
