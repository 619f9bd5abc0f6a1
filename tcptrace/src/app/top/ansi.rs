//! Conversion of text with escape sequences of styles, as ladders are drawn, to styled lines.

use ratatui_core::{
    style::{Color, Modifier, Style},
    text::{Line, Span},
};

/// Returns the lines of a text.
pub(super) fn lines(text: &[u8]) -> Vec<Line<'static>> {
    String::from_utf8_lossy(text).lines().map(line).collect()
}

fn line(text: &str) -> Line<'static> {
    let mut pieces = text.split("\u{1b}[");
    let mut spans = vec![Span::raw(pieces.next().unwrap_or_default().to_owned())];
    let mut style = Style::new();
    for piece in pieces {
        let (codes, words) = piece.split_once('m').unwrap_or((piece, ""));
        style = codes.split(';').fold(style, |style, code| with(style, code.parse().unwrap_or(0)));
        spans.push(Span::styled(words.to_owned(), style));
    }
    spans.retain(|span| !span.content.is_empty());
    Line::from(spans)
}

/// Returns the style after an SGR code (ECMA-48 §8.3.117); the codes of the palette are supported.
fn with(style: Style, code: u8) -> Style {
    match code {
        0 => Style::new(),
        1 => style.add_modifier(Modifier::BOLD),
        2 => style.add_modifier(Modifier::DIM),
        30..=37 => style.fg(Color::Indexed(code - 30)),
        90..=97 => style.fg(Color::Indexed(code - 90 + 8)),
        _ => style,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_last_until_they_are_set_back() {
        let lines = lines(b"a \x1b[1m\x1b[31mred\x1b[0m b\n\x1b[96mc\x1b[0m\n");
        assert_eq!(lines.len(), 2);
        let red = Style::new().fg(Color::Indexed(1)).add_modifier(Modifier::BOLD);
        assert_eq!(lines[0].spans, [Span::raw("a "), Span::styled("red", red), Span::raw(" b")]);
        assert_eq!(lines[1].spans, [Span::styled("c", Style::new().fg(Color::Indexed(14)))]);
    }
}
