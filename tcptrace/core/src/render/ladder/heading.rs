//! The heading of a block: the ends, and the verdict in a sentence; it may take several lines.

use std::borrow::Cow;

use anstyle::Style;

use super::{
    cells::process_text,
    glyphs::Drawing,
    open_block::End,
    styled_text::{Styled, columns},
};
use crate::{
    output_record::EndpointOutput,
    render::{mood::Mood, palette},
    text::{AddressText, push_decimal},
    verdict::Each,
};

/// Indentation of the lines after the first, in columns.
const INDENT: usize = 3;

/// Length of most ends in bytes: `#63269 192.168.100.200:54762 process[4194304]`.
const USUAL_END: usize = 64;

/// Number of pieces in most headings.
const USUAL_PIECES: usize = 6;

/// A sentence about a connection, and its colour.
#[derive(Clone, Debug)]
pub(super) struct Sentence<'a> {
    pub(super) mood: Mood,
    pub(super) text: Cow<'a, str>,
    /// True if it is about a handshake that was over before tracing began, and is shown with the close.
    pub(super) of_unseen_handshake: bool,
}

impl<'a> Sentence<'a> {
    /// Creates a sentence about the phase of its block.
    pub(super) fn new(mood: Mood, text: Cow<'a, str>) -> Self {
        Self { mood, text, of_unseen_handshake: false }
    }

    /// Creates a sentence about a handshake that was over before tracing began.
    pub(super) fn of_unseen_handshake(text: Cow<'a, str>) -> Self {
        Self { mood: Mood::Pending, text, of_unseen_handshake: true }
    }
}

/// Returns the lines of a heading. `numbers` are those of the connection's sides.
pub(super) fn lines(
    numbers: impl Iterator<Item = u64>,
    ends: &Each<End>,
    encapsulation: Option<&[String]>,
    sentences: &[Sentence<'_>],
    drawing: Drawing,
    width: usize,
) -> Vec<Styled> {
    let [mut first, mut second] = [(); 2].map(|()| Styled::with_room(USUAL_END, USUAL_PIECES));
    for (index, conn) in numbers.enumerate() {
        if index > 0 {
            first.push_separate(Style::new(), "=");
        }
        first.push_separate(palette::of_conn(conn), format_args!("#{conn}"));
    }
    end(&ends.client, &mut first);
    second.push_separate(Style::new(), drawing.symbols().arrow);
    end(&ends.server, &mut second);
    if let Some(layers) = encapsulation {
        // The words are from outside if a recording was read.
        second.push_separate(Style::new(), format_args!("in {}", layers.join(", ").escape_debug()));
    }

    let words = first.pieces().chain(second.pieces());
    let whole = first.width() + second.width() + words.clone().skip(1).count();
    let mut lines = if whole <= width {
        flow(words, 0, width, drawing)
    } else {
        let mut lines = flow(first.pieces(), 0, width, drawing);
        lines.extend(flow(second.pieces(), INDENT, width, drawing));
        lines
    };
    for (index, sentence) in sentences.iter().enumerate() {
        let text = palette::sentence(&sentence.text, drawing.unicode);
        if let ([line], 0) = (lines.as_mut_slice(), index)
            && line.width() + INDENT + text.chars().count() <= width
        {
            line.pad_to(line.width() + INDENT).push(sentence.mood.style(), &text);
        } else {
            lines.extend(paragraph(sentence.mood.style(), &text, drawing, width));
        }
    }
    lines
}

/// Breaks text into indented lines between words, but not inside commands.
pub(in crate::render) fn paragraph(style: Style, text: &str, drawing: Drawing, width: usize) -> Vec<Styled> {
    if !text.contains('`')
        && let Some(lines) = whole_words(text, width.saturating_sub(INDENT))
    {
        let line = |text: &str| {
            let mut line = Styled::with_room(INDENT + text.len(), 2);
            line.pad_to(INDENT).push(style, text);
            line
        };
        return lines.into_iter().map(line).collect();
    }
    word_by_word(style, text, drawing, width)
}

/// Does the same for any text: long words are cut, and commands stay whole.
fn word_by_word(style: Style, text: &str, drawing: Drawing, width: usize) -> Vec<Styled> {
    let mut in_command = false;
    let words = text.split(|character| {
        in_command ^= character == '`';
        character == ' ' && !in_command
    });
    flow(words.map(|word| (style, word)), INDENT, width, drawing)
}

/// Breaks text without commands into lines of at most `room` columns, each a slice of the text, which takes one copy per
/// line instead of one per word; `None` if a word is longer than that.
fn whole_words(text: &str, room: usize) -> Option<Vec<&str>> {
    let mut lines = Vec::with_capacity(3);
    // Beginning and end of the line in bytes, and its width in columns.
    let (mut start, mut end, mut used) = (0, 0, 0);
    let mut at = 0;
    for word in text.split(' ') {
        let width = columns(word);
        if width > room {
            return None;
        }
        if at > 0 && used + 1 + width > room {
            lines.push(text.get(start..end).unwrap_or_default());
            (start, used) = (at, width);
        } else {
            used += usize::from(at > 0) + width;
        }
        end = at + word.len();
        at = end + 1;
    }
    lines.push(text.get(start..end).unwrap_or_default());
    Some(lines)
}

/// Writes an end: its address in full, its process, and where that runs: the container or else the network namespace.
fn end(end: &End, words: &mut Styled) {
    words.push_separate(Style::new(), endpoint(&end.at));
    if let Some(process) = end.process {
        words.push_separate(Style::new().bold(), process_text(&process, None));
    }
    if let Some(place) = end.place() {
        words.push_separate(Style::new(), format_args!("({place})"));
    }
}

/// Formats an end as the heading has it.
pub(in crate::render) fn end_text(end: &End) -> String {
    let mut words = Styled::default();
    self::end(end, &mut words);
    words.pieces().map(|(_, piece)| piece).collect::<Vec<_>>().join(" ")
}

/// Formats an endpoint, with IPv6 in brackets.
pub(in crate::render) fn endpoint(EndpointOutput { addr, port }: &EndpointOutput) -> String {
    let address = AddressText::new(*addr);
    let address = str::from_utf8(address.as_bytes()).unwrap_or_default();
    let (before, behind) = if addr.is_ipv6() { ("[", "]:") } else { ("", ":") };
    let mut text = String::with_capacity(address.len() + "[]:65535".len());
    [before, address, behind].into_iter().for_each(|part| text.push_str(part));
    match port {
        Some(port) => push_decimal(&mut text, (*port).into()),
        None => text.push('?'),
    }
    text
}

/// Breaks words into lines. The first line is indented by `indent`, the following ones by at least [`INDENT`].
fn flow<'a>(
    words: impl Iterator<Item = (Style, &'a str)>,
    indent: usize,
    width: usize,
    drawing: Drawing,
) -> Vec<Styled> {
    let mut lines: Vec<Styled> = Vec::new();
    for (style, word) in words {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + columns(word) <= width => {
                line.word(style, word);
            }
            last => {
                let mut line = Styled::with_room(width, USUAL_PIECES);
                line.pad_to(if last.is_none() { indent } else { indent.max(INDENT) });
                let room = width.saturating_sub(line.width());
                line.append(&Styled::new(style, word).clipped(room, drawing.symbols().more));
                lines.push(line);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    const DRAWING: Drawing = Drawing { color: true, absolute_seq: false, unicode: true, zone: &TimeZone::UTC };

    proptest! {
        #[test]
        fn whole_lines_are_those_that_single_words_make(text in "[a `日→]{0,40}", width in 10_usize..30) {
            let written = |lines: Vec<Styled>| {
                let mut out = Vec::new();
                lines.iter().for_each(|line| line.write_line(true, &mut out));
                String::from_utf8(out).unwrap()
            };
            for style in [Style::new(), Style::new().bold()] {
                let slow = word_by_word(style, &text, DRAWING, width);
                prop_assert_eq!(written(paragraph(style, &text, DRAWING, width)), written(slow));
            }
        }
    }
}
