//! The heading of a block: the ends, and the verdict in a sentence; it may take several lines.

use std::{borrow::Cow, fmt::Write as _};

use anstyle::Style;

use super::{
    cells::process_text,
    glyphs::Drawing,
    open_block::End,
    styled_text::{Styled, columns},
};
use crate::{
    output_record::EndpointOutput,
    render::palette,
    text::{AddressText, Escaped},
    verdict::Each,
};

/// Indentation of the lines after the first, in columns.
const INDENT: usize = 3;

/// Number of pieces in most headings.
const USUAL_PIECES: usize = 6;

/// A sentence and its style.
#[derive(Clone, Debug)]
pub(super) struct Sentence<'a> {
    pub(super) style: Style,
    pub(super) text: Cow<'a, str>,
}

/// Returns the lines of a heading.
pub(super) fn lines(
    conn: u64,
    ends: &Each<End>,
    encapsulation: Option<&[String]>,
    sentences: &[Sentence<'_>],
    drawing: Drawing,
    width: usize,
) -> Vec<Styled> {
    let (mut first, mut second) = (Styled::default(), Styled::default());
    first.apart(palette::of_conn(conn), format_args!("#{conn}"));
    end(&ends.client, &mut first);
    second.apart(Style::new(), drawing.symbols().arrow);
    end(&ends.server, &mut second);
    if let Some(layers) = encapsulation {
        // The words come from outside where a recording was read.
        second.apart(Style::new(), format_args!("in {}", layers.join(", ").escape_debug()));
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
            line.pad_to(line.width() + INDENT).push(sentence.style, &text);
        } else {
            lines.extend(paragraph(sentence.style, &text, drawing, width));
        }
    }
    lines
}

/// Breaks text into indented lines between words, but not inside commands.
pub(super) fn paragraph(style: Style, text: &str, drawing: Drawing, width: usize) -> Vec<Styled> {
    let mut in_command = false;
    let words = text.split(|character| {
        in_command ^= character == '`';
        character == ' ' && !in_command
    });
    flow(words.map(|word| (style, word)), INDENT, width, drawing)
}

/// Writes an end: its address in full, its process, and where that runs: the container or else the network namespace.
fn end(end: &End, words: &mut Styled) {
    words.apart(Style::new(), endpoint(&end.at));
    if let Some(process) = end.process {
        words.apart(Style::new().bold(), process_text(&process, None));
    }
    if let Some(container) = end.cgroup.as_ref().and_then(|cgroup| cgroup.container.as_ref()) {
        words.apart(Style::new(), format_args!("({container})"));
    } else if let Some(netns) = &end.netns_name {
        // Anybody may name a namespace, with any characters.
        words.apart(Style::new(), format_args!("(netns {})", Escaped(netns.as_bytes())));
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
    let address = String::from_utf8_lossy(address.as_bytes());
    let (before, behind) = if addr.is_ipv6() { ("[", "]:") } else { ("", ":") };
    let mut text = [before, &address, behind].concat();
    // Writing to a String cannot fail.
    let _ = match port {
        Some(port) => write!(text, "{port}"),
        None => text.write_str("?"),
    };
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
